#!/usr/bin/env bash
# Prints the path of a Packer >= 1.10: the one on PATH, or one built from its Go module.
#   tools/packer.sh DIR      builds into DIR/packer when there is none on PATH
# Packer is a tool for the example and the tests here; nothing of it is shipped.
set -euo pipefail
mkdir -p "${1:?usage: tools/packer.sh DIR}"
dir=$(cd "$1" && pwd)
version=v1.15.1 # what the tests run with

usable() { # BINARY: is it Packer 1.10 or newer?
  local v
  v=$("$1" version 2>/dev/null | sed -n 's/^Packer v\([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
  [ -n "$v" ] && set -- $v && { [ "$1" -gt 1 ] || [ "$2" -ge 10 ]; }
}

if [ -n "${PACKER:-}" ] && usable "$PACKER"; then echo "$PACKER"; exit; fi
if command -v packer >/dev/null && usable "$(command -v packer)"; then command -v packer; exit; fi
out=$dir/packer
if [ -x "$out" ] && usable "$out"; then echo "$out"; exit; fi

echo "No packer >= 1.10 on PATH: building Packer $version from its Go module (once, about 5 minutes)..." >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# `go install` refuses modules with replace directives, so the module is built from a copy.
module=$(cd "$work" && go mod download -json "github.com/hashicorp/packer@$version" | awk -F'"' '$2 == "Dir" { print $4 }')
[ -n "$module" ] && [ -d "$module" ] || { echo "go mod download did not say where Packer's module is" >&2; exit 1; }
cp -r "$module/." "$work/"
chmod -R u+w "$work"
(cd "$work" && CGO_ENABLED=0 go build -mod=mod -trimpath \
  -ldflags "-s -w -X github.com/hashicorp/packer/version.VersionPrerelease=" -o "$dir/packer" .) >&2
echo "$dir/packer"
