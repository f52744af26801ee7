package boot

import "github.com/winbake/packer-plugin-winbake/internal/tree"

// Bootable says which boot file the image in a tree lacks for a kind of firmware, or nil: what Install would
// begin with. With ex, the boot manager signed with the "Windows UEFI CA 2023" is asked for, too.
func Bootable(windows *tree.Tree, f Firmware, ex bool) error {
	return Options{Firmware: f, EX: ex}.checkImage(windows)
}
