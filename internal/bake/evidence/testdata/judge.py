"""Asks Python's jsonschema about a document: judge.py DOCUMENT SCHEMA [SCHEMA THAT IT REFERS TO]..."""
import json
import sys

try:
    import jsonschema
except ImportError as e:
    print(e)
    sys.exit(3)


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


schemas = [load(p) for p in sys.argv[2:]]
kind = jsonschema.validators.validator_for(schemas[0])
try:
    import referencing
    registry = referencing.Registry().with_contents((s["$id"], s) for s in schemas)
    judge = kind(schemas[0], registry=registry)
except ImportError:  # before jsonschema 4.18
    store = {s["$id"]: s for s in schemas}
    judge = kind(schemas[0], resolver=jsonschema.RefResolver.from_schema(schemas[0], store=store))
errors = sorted(judge.iter_errors(load(sys.argv[1])), key=lambda e: list(map(str, e.absolute_path)))
for e in errors:
    print("/".join(map(str, e.absolute_path)) + ": " + e.message[:300])
sys.exit(1 if errors else 0)
