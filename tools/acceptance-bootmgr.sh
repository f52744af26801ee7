#!/usr/bin/env bash
# Bakes stand-in media with boot managers of a real Windows, boots the disks in QEMU, and says what the
# boot managers think of them. The files are read, and copied to no place but the disks of this run.
#   tools/acceptance-bootmgr.sh OUT BOOTMGR BOOTMGFW     either of the two may be ""
set -euo pipefail
out=${1:?usage: tools/acceptance-bootmgr.sh OUT BOOTMGR BOOTMGFW}
bootmgr=${2:-} bootmgfw=${3:-}

if [ -z "$bootmgr$bootmgfw" ]; then
  cat >&2 <<'TEXT'
Name one or both of the boot managers of your Windows:
  make acceptance-bootmgr BOOTMGR=/path/bootmgr BOOTMGFW=/path/bootmgfw.efi
They are in install.wim (wimlib-imagex, 7z and Windows can extract them):
  Windows/Boot/PCAT/bootmgr        for BIOS
  Windows/Boot/EFI/bootmgfw.efi    for UEFI
TEXT
  exit 2
fi
for file in "$bootmgr" "$bootmgfw"; do
  [ -z "$file" ] || [ -r "$file" ] || { echo "$file cannot be read" >&2; exit 2; }
done

mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -f "$out"/*.png "$out"/*.txt
absolute() { [ -z "$1" ] || realpath "$1"; }
echo "Baking and booting; a disk that shows nothing to be understood takes three minutes, and is tried twice."
rc=0
WINBAKE_ACCEPTANCE=$out WINBAKE_BOOTMGR=$(absolute "$bootmgr") WINBAKE_BOOTMGFW=$(absolute "$bootmgfw") REQUIRE_ORACLES=1 \
  go test -count=1 -timeout 60m -run '^TestGenuineBootManager$' ./internal/bake >"$out/log.txt" 2>&1 || rc=1
if [ -e "$out/report.txt" ]; then
  cat "$out/report.txt"
else
  cat "$out/log.txt"
fi
exit $rc
