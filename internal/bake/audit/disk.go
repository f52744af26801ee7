package audit

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// inspectDisk audits every Windows of a disk, which the report calls name.
func inspectDisk(name string, r io.ReaderAt, size int64, advisories []winre.Advisory) []*Image {
	list, identity, err := readDisk(r, size)
	if err != nil {
		return []*Image{newImage(name, KindDisk).fail(fault.In(name, err))}
	}
	giveRoles(list)
	var out []*Image
	for _, v := range list {
		if v.Role == roleWindows {
			a := newAuditor(name, list, identity, size)
			a.windows, a.advisories = v, advisories
			out = append(out, a.run())
		}
	}
	if len(out) == 0 {
		a := newAuditor(name, list, identity, size)
		a.list()
		out = append(out, a.image.fail(fault.In(name, noWindows(list))))
	}
	return out
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
	if v, name := virtualDisk(list); v != nil {
		return fault.Invalidf("%s holds a virtual disk, %s, and no partition holds Windows itself; take it out and audit it: winbake inspect DISK --partition %d --cat %s > %s",
			v.name(), name, v.Number, name, name)
	}
	return fault.Invalidf("none of its %d partitions holds Windows: there is no %s", len(list), windowsPath(registry.SystemHive))
}

// virtualDisk finds a virtual disk in the root directory of a volume, where sticks for native boot have it.
func virtualDisk(list []*volume) (*volume, string) {
	for _, v := range list {
		t, err := v.tree()
		if err != nil {
			continue
		}
		for _, e := range t.Entries(t.Root) {
			if ext := strings.ToLower(path.Ext(e.Name)); !e.Node.IsDir() && (ext == ".vhd" || ext == ".vhdx") {
				return v, e.Name
			}
		}
	}
	return nil, ""
}

// auditor audits one Windows.
type auditor struct {
	image      *Image
	volumes    []*volume // all of the disk, or the only one
	identity   *disk.Identity
	windows    *volume
	advisories []winre.Advisory
}

func newAuditor(name string, list []*volume, identity *disk.Identity, size int64) *auditor {
	a := &auditor{image: newImage(name, KindVolume), volumes: list, identity: identity}
	if identity != nil {
		a.image.Kind = KindDisk
		a.image.Disk = &Disk{Size: size, Table: "gpt", ID: identity.ID.String()}
		if !identity.GPT {
			a.image.Disk.Table, a.image.Disk.ID = "mbr", signature(identity.Signature)
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
