package volumes

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// Stores are the paths of the BCD stores that a disk may have.
var Stores = []string{boot.BIOS.StorePath(), boot.UEFI.StorePath(), boot.RecoveryStorePath}

// Slashes is a path of Windows as volumes take it.
func Slashes(path string) string { return strings.Trim(strings.ReplaceAll(path, `\`, "/"), "/") }

// Holder returns the volume of this disk that a device of a BCD store on home names as the place of the file
// at a path, or nil.
func (d *Disk) Holder(home *Volume, on bcd.Device, path string) *Volume {
	switch on := on.(type) {
	case bcd.Boot:
		return home
	case bcd.Partition:
		if v, err := d.Find(on); err == nil && on.Inside == nil {
			return v
		}
	case bcd.Locate:
		for _, v := range d.Volumes {
			if found, err := v.Exists(Slashes(path)); err == nil && found {
				return v
			}
		}
	}
	return nil
}

// File is a file of a volume.
type File struct {
	On   *Volume
	Path string // as the volume spells it
}

// VirtualDisks are the files of the virtual disks that the disk's BCD stores name, as far as they are there:
// Windows starts from them.
func (d *Disk) VirtualDisks() (out []File) {
	for _, home := range d.Volumes {
		for _, path := range Stores {
			s, err := home.Store(path)
			if err != nil {
				continue
			}
			for _, named := range inVirtualDisks(s) {
				on := d.Holder(home, named.On, named.Path)
				if on == nil {
					continue
				}
				f, err := on.Lookup(Slashes(named.Path))
				if err != nil || f.Dir || slices.Contains(out, File{on, f.Path}) {
					continue
				}
				out = append(out, File{on, f.Path})
			}
		}
	}
	return out
}

// inVirtualDisks are the files of virtual disks that devices of a store are in.
func inVirtualDisks(s *bcd.Store) (out []bcd.File) {
	for _, o := range s.Objects() {
		for _, e := range o.Elements() {
			if e.ID.Format() != bcd.FormatDevice {
				continue
			}
			device, err := e.Device()
			if err != nil {
				continue
			}
			if f, ok := bcd.InVirtualDisk(device); ok {
				out = append(out, f)
			}
		}
	}
	return out
}
