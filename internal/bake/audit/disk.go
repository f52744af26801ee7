package audit

import (
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// auditedDisk is a disk with its volumes; a volume without a disk, and a folder, are one with only that.
type auditedDisk struct {
	volumes  []*volume
	identity *disk.Identity // nil for a volume or folder
	size     int64
	disk     *volumes.Disk

	// Of a virtual disk: the disk that its file is on.
	around *auditedDisk
	file   volumes.File
}

// readDisk opens the volumes of a disk, or the volume that fills it, and finds out what they are for.
func readDisk(r io.ReaderAt, size int64) (*auditedDisk, error) {
	opened, err := volumes.Open(r, size)
	if err != nil {
		return nil, err
	}
	d := &auditedDisk{identity: opened.Identity, size: size, disk: opened}
	for _, o := range opened.Volumes {
		v := newVolume(o)
		if d.identity == nil {
			v.Type, v.Size = "", size
		}
		d.volumes = append(d.volumes, v)
	}
	giveRoles(d.volumes)
	return d, nil
}

// inspectDisk audits every Windows of a disk, which the report calls name, and of the virtual disks on it
// that a Windows starts from.
func inspectDisk(name string, r io.ReaderAt, size int64, advisories []winre.Advisory) []*Image {
	d, err := readDisk(r, size)
	if err != nil {
		return []*Image{newImage(name, KindDisk).fail(fault.In(name, err))}
	}
	out := d.audit(name, advisories)
	for _, f := range d.virtualDisks(len(out) > 0) {
		out = append(out, d.inside(name, f, advisories)...)
	}
	if len(out) == 0 {
		out = append(out, d.without(name))
	}
	return out
}

// audit audits every Windows of the disk itself.
func (d *auditedDisk) audit(name string, advisories []winre.Advisory) (out []*Image) {
	for _, v := range d.volumes {
		if v.Role == roleWindows {
			a := newAuditor(name, d)
			a.windows, a.advisories = v, advisories
			out = append(out, a.run())
		}
	}
	return out
}

// without is the report on a disk that has no Windows.
func (d *auditedDisk) without(name string) *Image {
	a := newAuditor(name, d)
	a.list()
	return a.image.fail(fault.In(name, noWindows(d.volumes)))
}

// noWindows says what there is instead.
func noWindows(list []*volume) error {
	for _, v := range list {
		if v.FileSystem == "BitLocker" {
			return fault.Unsupportedf(fault.NoOffset, "%s is encrypted with BitLocker; decrypt it in Windows first, with: manage-bde -off C:", v.name())
		}
	}
	var problems []string
	for _, v := range list {
		if v.Problem != "" {
			problems = append(problems, v.name()+": "+v.Problem)
		}
	}
	if len(problems) > 0 {
		return fault.Corruptf(fault.NoOffset, "no Windows can be read; %s", strings.Join(problems, "; "))
	}
	return fault.Invalidf("none of its %d partitions holds Windows: there is no %s", len(list), windowsPath(registry.SystemHive))
}

// auditor audits one Windows.
type auditor struct {
	*auditedDisk
	image      *Image
	windows    *volume
	advisories []winre.Advisory
}

func newAuditor(name string, d *auditedDisk) *auditor {
	a := &auditor{auditedDisk: d, image: newImage(name, KindVolume)}
	if id := d.identity; id != nil {
		a.image.Kind = KindDisk
		a.image.Disk = &Disk{Size: d.size, Table: "gpt", ID: id.ID.String()}
		if !id.GPT {
			a.image.Disk.Table, a.image.Disk.ID = "mbr", signature(id.Signature)
		}
	}
	return a
}

func signature(n uint32) string { return fmt.Sprintf("%08x", n) }

// list puts the partitions into the report.
func (a *auditor) list() {
	a.image.Partitions = a.image.Partitions[:0]
	for _, v := range a.volumes {
		a.image.Partitions = append(a.image.Partitions, v.Partition)
	}
}

// run goes through the questions in the order in which their answers build on one another.
func (a *auditor) run() *Image {
	t, err := a.windows.tree()
	if err == nil {
		err = a.describe(t)
	}
	if err != nil {
		a.list()
		return a.image.fail(fault.In(a.image.Path, fault.In(a.windows.name(), err)))
	}
	for _, step := range []func(){a.unclean, a.locate, a.recovery, a.reagent, a.boot, a.state, a.room, a.versions, a.judge, a.unread} {
		step()
	}
	a.list()
	a.conclude()
	return a.image
}

// unclean notes volumes that were in use when they were copied.
func (a *auditor) unclean() {
	for _, v := range a.volumes {
		if v.ntfs != nil && v.ntfs.Dirty() {
			a.image.find("volume-dirty", Info, fmt.Sprintf("The image was made from a running system: of %s, %s.", v.name(), strings.Join(v.ntfs.Warnings(), "; ")),
				"Shut Windows down before the image is taken, to be sure of what is said here.")
		}
	}
}

// unread notes volumes that might hold what was looked for.
func (a *auditor) unread() {
	for _, v := range a.volumes {
		if v.Problem != "" {
			a.image.find("volume-unreadable", Warning, fmt.Sprintf("%s cannot be read: %s.", upper(v.name()), v.Problem),
				"Run chkdsk on it, or copy the image again.")
		}
		if v.FileSystem == "BitLocker" {
			a.image.find("volume-encrypted", Info, fmt.Sprintf("%s is encrypted with BitLocker; what is on it is not known.", upper(v.name())), "")
		}
	}
}

// at returns the volume with a number, or nil.
func (a *auditor) at(number int) *volume {
	for _, v := range a.volumes {
		if v.Number == number {
			return v
		}
	}
	return nil
}
