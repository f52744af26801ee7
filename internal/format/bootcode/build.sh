#!/bin/sh
# Assembles the boot records: each .asm beside this script into the .bin of the same name, or into
# the directory given. nasm 2.14 or later; its output depends on the source alone.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
for source in mbr ntfs fat32; do
	nasm -f bin -Wall -Werror -w-unknown-warning -o "$out/$source.bin" "$source.asm"
done
