#!/usr/bin/env bash
# The outside programs that judge what winbake writes.
#   tools/judges.sh            says in one line which of them are missing, and how to install them
#   tools/judges.sh install    installs the Debian or Ubuntu packages (needs root)
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

packages=(wimtools ntfs-3g libhivex-bin libwin-hivex-perl python3-hivex chntpw libregf-utils libvhdi-utils
  qemu-utils qemu-system-x86 ovmf gdisk fdisk dosfstools mtools p7zip-full grub-common nasm attr fuse3 xz-utils
  tesseract-ocr python3 python3-jsonschema libxml2-utils genisoimage udftools bmap-tools)
programs=(wimlib-imagex ntfs-3g mkntfs hivexsh hivexregedit reged regfexport vhdiinfo qemu-img
  qemu-system-x86_64 sgdisk sfdisk fsck.fat mcopy 7z grub-fstest nasm getfattr fusermount3 xz tesseract python3 xmllint genisoimage mkudffs bmaptool)

# A Linux kernel with the driver ntfs3, for QEMU to boot. It is unpacked into the cache of the tests,
# not installed: a boot loader must not find it. The small kernel for clouds has the driver from 6.12.
linux=${WINBAKE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/winbake-test}/linux
linux_packages=(linux-image-6.12-cloud-amd64 linux-image-cloud-amd64 linux-image-virtual)

missing=()
for p in "${programs[@]}"; do command -v "$p" >/dev/null || missing+=("$p"); done
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || [ -e /usr/share/OVMF/OVMF_CODE.fd ] || missing+=(OVMF)
python3 -c 'import jsonschema' 2>/dev/null || missing+=(python3-jsonschema)
has_ntfs3() { compgen -G "$1/ntfs3.ko*" >/dev/null; }
has_ntfs3 "$linux" || missing+=(ntfs3)

# unpack_linux puts kernel and modules into the cache, from the first of the packages that there is.
unpack_linux() {
  local scratch package found=()
  for package in "${linux_packages[@]}"; do
    mapfile -t found < <(apt-cache depends "$package" 2>/dev/null | sed -n 's/^ *Depends: \(linux-\(image\|modules\)[-a-z]*-[0-9].*\)/\1/p')
    [ ${#found[@]} -eq 0 ] || break
  done
  [ ${#found[@]} -gt 0 ] || { echo "apt knows no kernel among: ${linux_packages[*]}" >&2; return 1; }
  mkdir -p "$(dirname "$linux")"
  scratch=$(mktemp -d "$linux-XXXXXX")
  (cd "$scratch" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${found[@]}")
  for package in "$scratch"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$scratch" --transform='s,.*/,,' --wildcards \
      './boot/vmlinuz-*' '*/ntfs3.ko*' '*/virtio*.ko*' 2>/dev/null || true # tar minds what a package lacks
  done
  rm -f "$scratch"/*.deb
  has_ntfs3 "$scratch" || { rm -rf "$scratch"; echo "no ntfs3 in ${found[*]}" >&2; return 1; }
  chmod 755 "$scratch"
  rm -rf "$linux"
  mv "$scratch" "$linux"
}

if [ "${1:-}" = install ]; then
  [ ${#missing[@]} -eq 0 ] && exit 0
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  has_ntfs3 "$linux" || unpack_linux
  exec "$0"
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "Missing judges, whose tests are skipped: ${missing[*]}. Install them with: make judges (Debian or Ubuntu)"
  [ "${REQUIRE_ORACLES:-}" != 1 ]
fi
