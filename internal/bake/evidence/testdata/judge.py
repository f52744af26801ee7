"""Asks Python's jsonschema about a document: judge.py DOCUMENT SCHEMA [SCHEMA THAT IT REFERS TO]..."""
import json
import sys

try:
    import jsonschema
    import referencing
except ImportError as e:
    print(e)
    sys.exit(3)


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


schemas = [load(p) for p in sys.argv[2:]]
registry = referencing.Registry().with_contents((s["$id"], s) for s in schemas)
judge = jsonschema.validators.validator_for(schemas[0])
errors = sorted(judge(schemas[0], registry=registry).iter_errors(load(sys.argv[1])), key=lambda e: list(map(str, e.absolute_path)))
for e in errors:
    print("/".join(map(str, e.absolute_path)) + ": " + e.message[:300])
sys.exit(1 if errors else 0)
