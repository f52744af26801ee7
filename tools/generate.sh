#!/usr/bin/env bash
# Rewrites the generated files, .web-docs among them. packer-sdc's struct-markdown looks for a parent folder called
# packer-plugin-*, so it is run through a symbolic link of that name.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
link=$(mktemp -d)/packer-plugin-winbake
trap 'rm -rf "$(dirname "$link")"' EXIT
ln -s "$root" "$link"
cd "$link"
timeout 300 go generate ./builder/... ./datasource/... ./post-processor/... ./provisioner/...
cd "$root"
tools/webdocs.sh
