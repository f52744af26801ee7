package boot

import (
	"fmt"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// hypervisors are Hyper-V's hypervisor for Intel's, AMD's and ARM's processors.
var hypervisors = []string{system32 + "/hvix64.exe", system32 + "/hvax64.exe", system32 + "/hvaa64.exe"}

// HasHypervisor says whether an image has Hyper-V's hypervisor.
func HasHypervisor(windows *tree.Tree) bool {
	return slices.ContainsFunc(hypervisors, func(path string) bool { return isFile(windows, path) })
}

// virtualDiskLoader is what the boot manager of a BIOS reads virtual disks with, from Windows 10 on. UEFI's
// has that built in (jpz4085/BCD-SYS; the file's own exports).
const virtualDiskLoader = "Windows/Boot/PCAT/bootvhd.dll"

// manyPartitions is the first build that sees more than one partition of a removable disk, Windows 10 1703
// (https://rmprepusb.com/rmprep/multipartufd.html).
const manyPartitions = 15063

// CheckNativeBoot says whether an image can start from a virtual disk: a VHD from Windows 7 and Server 2008 R2
// on, a VHDX from Windows 8 and Server 2012 on (https://learn.microsoft.com/windows-hardware/manufacture/desktop/boot-to-vhd--native-boot--add-a-virtual-hard-disk-to-the-boot-menu).
// The notes are doubts that do not keep anybody from trying.
func CheckNativeBoot(windows *tree.Tree, w Windows, firmwares []Firmware, vhdx bool) (notes []string, err error) {
	if vhdx && w.Version.Build < build8 {
		return nil, fault.Unsupportedf(fault.NoOffset, "Windows %v does not start from a VHDX, only from a VHD", w.Version)
	}
	if slices.Contains(firmwares, BIOS) && w.Version.Build >= build10 && !isFile(windows, virtualDiskLoader) {
		notes = append(notes, fmt.Sprintf("The image has no %s, without which the boot manager of its version finds no virtual disk on a BIOS machine.", virtualDiskLoader))
	}
	// Only a stick for BIOS alone has one partition.
	if slices.Contains(firmwares, UEFI) && w.Version.Build < manyPartitions {
		notes = append(notes, fmt.Sprintf("Windows %v sees only the first partition of a removable disk, as most sticks are, and the virtual disk lies on another one. It needs a stick that is a fixed disk, or firmware \"bios\".", w.Version))
	}
	return notes, nil
}

func isFile(t *tree.Tree, path string) bool {
	n, err := t.Lookup(path)
	return err == nil && !n.IsDir()
}
