#!/usr/bin/env bash
# The outside programs that judge what winbake writes.
#   tools/judges.sh            says in one line which of them are missing, and how to install them
#   tools/judges.sh install    installs the Debian or Ubuntu packages (needs root)
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

packages=(wimtools ntfs-3g libhivex-bin libwin-hivex-perl python3-hivex chntpw libregf-utils libvhdi-utils
  qemu-utils qemu-system-x86 ovmf gdisk fdisk dosfstools mtools p7zip-full grub-common nasm attr fuse3 xz-utils python3)
programs=(wimlib-imagex ntfs-3g mkntfs hivexsh hivexregedit reged regfexport vhdiinfo qemu-img
  qemu-system-x86_64 sgdisk sfdisk fsck.fat mcopy 7z grub-fstest nasm getfattr fusermount3 xz python3)

missing=()
for p in "${programs[@]}"; do command -v "$p" >/dev/null || missing+=("$p"); done
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || [ -e /usr/share/OVMF/OVMF_CODE.fd ] || missing+=(OVMF)

if [ "${1:-}" = install ]; then
  [ ${#missing[@]} -eq 0 ] && exit 0
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  exec "$0"
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "Missing judges, whose tests are skipped: ${missing[*]}. Install them with: make judges (Debian or Ubuntu)"
  [ "${REQUIRE_ORACLES:-}" != 1 ]
fi
