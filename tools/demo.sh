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

(cd "$root" && go run ./internal/standin/makemedia -out "$build/media" -drivers "$build/drivers")
(cd "$build" && "$packer" plugins install --force --path ./packer-plugin-winbake github.com/winbake/winbake)
cd "$root/example/golden"
secret=$(mktemp -d) # a password for the demo, which no process list, environment or log shows
trap 'rm -rf "$secret"' EXIT
(umask 077 && printf 'password = "Demo-%s"\n' "$(od -An -N6 -tx1 /dev/urandom | tr -d ' ')" >"$secret/demo.pkrvars.hcl")
variables=(-var-file "$secret/demo.pkrvars.hcl" -var "media=$build/media" -var "drivers=$build/drivers" -var "output=$build/golden")
"$packer" validate "${variables[@]}" .
"$packer" build -force "${variables[@]}" .

cat <<TEXT

Disks in $build/golden:
$(cd "$build/golden" && find . -name '*.raw' -o -name '*.vhd' | sort | xargs ls -lh | awk '{ print "  " $5 "\t" $NF }')

What next:
  boot one     qemu-system-x86_64 -m 256 -display none -serial stdio -snapshot -drive format=raw,file=$build/golden/bios/standin-bios.raw
  look inside  cat $build/golden/bios/manifest.json
  the tests    make test
  a stick      PACKER_PLUGIN_PATH=$build/packer/plugins $packer build -var media=$build/media -var output=$build/stick $root/example/hypervusb
  your media   PACKER_PLUGIN_PATH=$build/packer/plugins $packer build -var media=/path/to/windows/media $root/example/golden
TEXT
