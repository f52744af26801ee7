package audit

import (
	"fmt"
	"path"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// maxVirtualDisks bounds the virtual disks of a disk that are audited.
const maxVirtualDisks = 16

// virtualDisks are the virtual disks that the boot configuration starts a Windows from. Where there is none, and
// no Windows otherwise, they are those in the root folders of volumes, where sticks for native boot have them.
func (d *auditedDisk) virtualDisks(windows bool) []volumes.File {
	out := d.disk.VirtualDisks()
	if len(out) == 0 && !windows {
		for _, v := range d.volumes {
			out = append(out, v.rootDisks()...)
		}
	}
	return out[:min(len(out), maxVirtualDisks)]
}

// rootDisks are the virtual disks in the root folder of an NTFS volume.
func (v *volume) rootDisks() (out []volumes.File) {
	if v.ntfs == nil {
		return nil
	}
	names, err := v.ntfs.Names("")
	v.problem(err)
	for _, name := range names {
		if ext := strings.ToLower(path.Ext(name)); ext != ".vhd" && ext != ".vhdx" {
			continue
		}
		if f, err := v.ntfs.Lookup(name); err == nil && !f.Dir {
			out = append(out, volumes.File{On: v.files, Path: f.Path})
		}
	}
	return out
}

// inside audits a virtual disk on the disk.
func (d *auditedDisk) inside(name string, f volumes.File, advisories []winre.Advisory) []*Image {
	where := &VirtualDisk{Partition: f.On.Number, Path: windowsPath(f.Path)}
	images, format, err := d.open(name, f, advisories)
	if err != nil {
		images = []*Image{newImage(name, KindDisk).fail(fault.In(name, fault.In(where.String(), err)))}
	}
	where.Format = format
	for _, i := range images {
		i.Inside = where
	}
	return images
}

func (d *auditedDisk) open(name string, f volumes.File, advisories []winre.Advisory) (out []*Image, format string, err error) {
	c, err := f.On.Content(f.Path)
	if err != nil {
		return nil, "", err
	}
	r, size, format, err := diskfile.Open(c, c.Size(), path.Base(f.Path))
	if err != nil {
		return nil, format, err
	}
	inner, err := readDisk(r, size)
	if err != nil {
		return nil, format, err
	}
	inner.around, inner.file = d, f
	if out = inner.audit(name, advisories); len(out) == 0 {
		out = append(out, inner.without(name))
	}
	return out, format, nil
}

// String calls a virtual disk for people.
func (v *VirtualDisk) String() string {
	if v.Partition == 0 {
		return v.Path
	}
	return fmt.Sprintf("%s on partition %d", v.Path, v.Partition)
}

// named says whether a device of a BCD store is in this virtual disk.
func (d *auditedDisk) named(f bcd.File) bool {
	return d.around != nil && equalPath(f.Path, d.file.Path)
}

// storeVolumes are the volumes that a store may be on which starts this disk: its own and, of a virtual disk,
// those around it.
func (d *auditedDisk) storeVolumes() []*volume {
	if d.around == nil {
		return d.volumes
	}
	return append(d.volumes[:len(d.volumes):len(d.volumes)], d.around.volumes...)
}
