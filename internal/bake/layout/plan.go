package layout

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// Plan is a disk with every cluster of its volumes assigned.
type Plan struct {
	Disk    *Disk
	Volumes []Volume
	// MBRCode is what goes into sector 0 of an MBR disk.
	MBRCode []byte
}

// Volume is a planned file system in its partition.
type Volume struct {
	Partition *Partition
	volume.Plan
}

// Contents are what the partitions are filled with.
type Contents struct {
	// Main is the volume of the largest partition; System and Recovery are those of the system and the
	// recovery partition, nil where the disk has none.
	Main, System, Recovery *tree.Tree
	// MBR, NTFS and FAT32 are the boot records for a BIOS, where it is one of the firmwares.
	MBR, NTFS, FAT32 []byte
}

// Plan places the trees on the disk.
func (d *Disk) Plan(c Contents) (*Plan, error) {
	p := &Plan{Disk: d}
	if d.MBR() {
		p.MBRCode = c.MBR
	}
	for i := range d.Partitions {
		part := &d.Partitions[i]
		v, err := d.planVolume(part, c)
		if err != nil {
			return nil, fault.In(fmt.Sprintf("%s partition", part.Role), err)
		}
		if v != nil {
			p.Volumes = append(p.Volumes, Volume{part, v})
		}
	}
	return p, nil
}

func (d *Disk) planVolume(part *Partition, c Contents) (volume.Plan, error) {
	if part.FileSystem == None {
		return nil, nil
	}
	content := c.of(part.Role)
	if content == nil {
		return nil, fault.Bugf("there is nothing to fill it with")
	}
	start := uint64(part.Offset / 512)
	switch part.FileSystem {
	case FAT32:
		o := fat32.Options{Size: part.Size, StartLBA: start, Label: part.Label, Serial: uint32(part.Serial), Time: d.Spec.Time}
		if part.Active {
			o.InstallBoot = func(reserved []byte) error { return bootcode.InstallFAT32(reserved, c.FAT32) }
		}
		return fat32.NewPlan(content, o)
	default:
		var code []byte
		if part.Active {
			code = c.NTFS
		}
		return ntfs.NewPlan(content, ntfs.Options{
			Size: part.Size, StartLBA: start, Label: part.Label, Serial: part.Serial, Time: d.Spec.Time, BootCode: code,
		})
	}
}

// of returns the tree for a partition.
func (c *Contents) of(r Role) *tree.Tree {
	switch r {
	case System:
		return c.System
	case Recovery:
		return c.Recovery
	default:
		return c.Main
	}
}
