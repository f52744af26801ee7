package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
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
	// files is where the files are, on a disk; folder what matters of a folder.
	files  *volumes.Volume
	folder *tree.Tree
}

// newVolume is the audit's view of an opened volume. FAT volumes are not searched for Windows.
func newVolume(o *volumes.Volume) *volume {
	v := &volume{table: o.Partition, Partition: describe(&o.Partition), ntfs: o.NTFS, files: o}
	v.FileSystem = o.FileSystem
	v.problem(o.Err)
	if o.NTFS == nil {
		return v
	}
	v.Label = o.NTFS.Label()
	free, err := o.NTFS.Free()
	v.problem(err)
	if err == nil {
		v.Free = &free
	}
	return v
}

// windowsFiles are what tells which Windows a volume has.
var windowsFiles = func() []string {
	out := boot.Programs()
	for _, hive := range []string{registry.SystemHive, registry.SoftwareHive} {
		out = append(out, hive)
		for _, extension := range registry.LogExtensions {
			out = append(out, hive+extension)
		}
	}
	return out
}()

// tree returns the windowsFiles of the volume.
func (v *volume) tree() (*tree.Tree, error) {
	if v.folder != nil {
		return v.folder, nil
	}
	return v.files.Part(windowsFiles...)
}

// exists says whether there is something at a path of a folder or an NTFS volume.
func (v *volume) exists(path string) bool {
	if v.folder != nil {
		return v.folder.Find(path) != nil
	}
	if v.ntfs == nil {
		return false
	}
	found, err := v.ntfs.Exists(path)
	v.problem(err)
	return found
}

// content returns the content of a file.
func (v *volume) content(path string) (tree.Content, error) {
	if v.folder != nil {
		return volumes.Content(v.folder, path)
	}
	return v.files.Content(path)
}

func (v *volume) problem(err error) {
	if err != nil && v.Problem == "" {
		v.Problem = err.Error()
	}
}

// read returns a file of the volume; the error wraps fs.ErrNotExist where there is none.
func (v *volume) read(path string, limit int64) ([]byte, error) {
	if v.folder != nil {
		c, err := volumes.Content(v.folder, path)
		if err != nil || c.Size() == 0 {
			return nil, cmp.Or(err, fs.ErrNotExist)
		}
		return tree.ReadAll(c, limit)
	}
	if v.ntfs != nil && !v.exists(path) {
		return nil, fs.ErrNotExist
	}
	return v.files.ReadFile(path, limit)
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
