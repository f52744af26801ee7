package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

type id = guid.GUID

const (
	wimFile    = winre.Folder + "/Winre.wim"
	stagedFile = winre.Staging + "/Winre.wim"
)

// volume is a partition and the file system on it.
type volume struct {
	Partition
	table disk.Partition // zero for a volume without a disk
	ntfs  *ntfs.Volume   // nil for another file system, or one that cannot be read
	fat   *fat32.Volume
	// tree is all of an NTFS volume, or what matters of a folder. It is read once, when it is needed.
	tree func() (*tree.Tree, error)
	// exists says whether there is a file at a path, without reading the tree.
	exists func(path string) bool
}

// newVolume is the audit's view of an opened volume. FAT volumes are not searched for Windows.
func newVolume(o *volumes.Volume) *volume {
	v := &volume{table: o.Partition, Partition: describe(&o.Partition), ntfs: o.NTFS, fat: o.FAT}
	v.FileSystem = o.FileSystem
	v.tree = func() (*tree.Tree, error) { return nil, fs.ErrNotExist }
	v.exists = func(string) bool { return false }
	v.problem(o.Err)
	if o.NTFS == nil {
		return v
	}
	v.Label, v.tree = o.NTFS.Label(), o.Tree
	v.exists = func(path string) bool {
		found, err := o.Exists(path)
		v.problem(err)
		return found
	}
	free, err := o.NTFS.Free()
	v.problem(err)
	if err == nil {
		v.Free = &free
	}
	return v
}

func (v *volume) problem(err error) {
	if err != nil && v.Problem == "" {
		v.Problem = err.Error()
	}
}

// read returns a file of the volume; the error wraps fs.ErrNotExist where there is none.
func (v *volume) read(path string, limit int64) ([]byte, error) {
	if v.fat != nil {
		return v.fat.ReadFile(path, limit)
	}
	if !v.exists(path) {
		return nil, fs.ErrNotExist
	}
	t, err := v.tree()
	if err != nil {
		return nil, err
	}
	return volumes.ReadFrom(t, path, limit)
}

// name calls the volume for people.
func (v *volume) name() string {
	switch {
	case v.Number == 0 && v.Role == roleWindows:
		return "the Windows volume"
	case v.Role == "":
		return fmt.Sprintf("partition %d", v.Number)
	}
	return fmt.Sprintf("partition %d (%s)", v.Number, v.Role)
}

// recoveryType says whether the table calls the partition a recovery partition.
func (v *volume) recoveryType() bool {
	return v.table.Type == disk.TypeRecovery || v.table.Type.IsZero() && v.table.MBRType == disk.TypeRE
}

// describe is what the table says of a partition.
func describe(p *disk.Partition) Partition {
	out := Partition{Number: p.Number, Name: p.Name, Offset: p.Offset, Size: p.Size, Active: p.Active}
	if p.Type.IsZero() {
		out.Type = fmt.Sprintf("%02x", p.MBRType)
		if p.Active {
			out.Role = roleSystem
		}
	} else {
		out.Type, out.ID, out.Attributes = p.Type.String(), p.ID.String(), fmt.Sprintf("%016x", p.Attributes)
		out.Role = map[guid.GUID]string{disk.TypeEFI: roleSystem, disk.TypeMSR: roleReserved}[p.Type]
	}
	return out
}

// giveRoles finds out what the volumes are for that their tables do not tell.
func giveRoles(list []*volume) {
	for _, v := range list {
		switch {
		case v.exists(registry.SystemHive):
			v.Role = roleWindows
		case v.recoveryType(), v.exists(wimFile):
			v.Role = roleRecovery
		}
	}
}

// missing says whether an error only means that there is no such file.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// readDisk opens the volumes of a disk, or the volume that fills it.
func readDisk(r io.ReaderAt, size int64) (list []*volume, id *disk.Identity, err error) {
	d, err := volumes.Open(r, size)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range d.Volumes {
		v := newVolume(o)
		if d.Identity == nil {
			v.Type, v.Size = "", size
		}
		list = append(list, v)
	}
	return list, d.Identity, nil
}
