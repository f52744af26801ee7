#!/usr/bin/env bash
# Bakes example/golden from stand-in media with Packer: a disk each for BIOS, for UEFI and for both.
#   tools/demo.sh BUILD_DIR      BUILD_DIR holds packer-plugin-winbake
set -euo pipefail
build=$(cd "${1:?usage: tools/demo.sh BUILD_DIR}" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
packer=$("$root/tools/packer.sh" "$build/bin")

export CHECKPOINT_DISABLE=1
export PACKER_CONFIG_DIR=$build/packer PACKER_PLUGIN_PATH=$build/packer/plugins
mkdir -p "$PACKER_CONFIG_DIR"

(cd "$root" && go run ./internal/standin/makemedia -out "$build/media")
(cd "$build" && "$packer" plugins install --force --path ./packer-plugin-winbake github.com/winbake/winbake)
cd "$root/example/golden"
"$packer" validate -var "media=$build/media" -var "output=$build/golden" .
"$packer" build -force -var "media=$build/media" -var "output=$build/golden" .

cat <<TEXT

Disks in $build/golden:
$(cd "$build/golden" && find . -name '*.raw' -o -name '*.vhd' | sort | xargs du -h --apparent-size | sed 's/^/  /')

What next:
  boot one     qemu-system-x86_64 -m 256 -display none -serial stdio -snapshot -drive format=raw,file=$build/golden/bios/standin-bios.raw
  look inside  cat $build/golden/bios/manifest.json
  the tests    make test
  your media   PACKER_PLUGIN_PATH=$build/packer/plugins $packer build -var media=/path/to/windows/media $root/example/golden
TEXT
