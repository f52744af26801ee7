// Package volumes opens a disk for those who look at what is on it: its partitions with their file
// systems, the files on these, the BCD stores among them, and what the devices in a store mean on this
// disk. It only reads.
package volumes

import (
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// File systems that are read, as media.FileSystem names them. FAT stands for FAT12 and FAT16.
const (
	NTFS  = "NTFS"
	FAT   = "FAT"
	FAT32 = "FAT32"
)

// Disk is a disk that is looked at, or a volume without a disk around it.
type Disk struct {
	// Identity is what BCD stores know the disk by; nil for a volume without a disk.
	Identity *disk.Identity
	Volumes  []*Volume
}

// Volume is a partition and the file system on it.
type Volume struct {
	// Partition is what the table says; zero for a volume without a disk.
	disk.Partition
	FileSystem string // as media.FileSystem has it
	NTFS       *ntfs.Volume
	FAT        *fat32.Volume
	// Err is why the file system cannot be read, or nil.
	Err error
	R   *io.SectionReader

	tree func() (*tree.Tree, error)
}

// Open opens the volumes of a disk of size bytes, or the NTFS volume that fills it.
func Open(r io.ReaderAt, size int64) (*Disk, error) {
	whole := io.NewSectionReader(r, 0, size)
	if media.FileSystem(whole) == NTFS {
		v := New(disk.Partition{}, whole)
		return &Disk{Volumes: []*Volume{v}}, v.Err
	}
	partitions, err := disk.Read(r, size)
	if err != nil {
		return nil, err
	}
	identity, err := disk.Identify(r, size)
	if err != nil {
		return nil, err
	}
	d := &Disk{Identity: &identity}
	for _, p := range partitions {
		d.Volumes = append(d.Volumes, New(p, io.NewSectionReader(r, p.Offset, p.Size)))
	}
	return d, nil
}

// New opens the file system in r, which the table calls p. What goes wrong is in Err.
func New(p disk.Partition, r *io.SectionReader) *Volume {
	v := &Volume{Partition: p, R: r, FileSystem: media.FileSystem(r)}
	v.tree = func() (*tree.Tree, error) { return nil, fs.ErrNotExist }
	switch v.FileSystem {
	case NTFS:
		if v.NTFS, v.Err = ntfs.Open(r, r.Size()); v.Err == nil {
			v.tree = sync.OnceValues(v.NTFS.Tree)
		}
	case FAT32, FAT:
		if v.FAT, v.Err = fat32.Open(r, r.Size()); v.Err == nil {
			v.tree = sync.OnceValues(v.FAT.Tree)
		} else {
			v.FAT = nil
		}
	}
	return v
}

// Tree is all of the volume. It is read once, when it is needed. The error wraps fs.ErrNotExist for a
// volume whose file system is not read.
func (v *Volume) Tree() (*tree.Tree, error) { return v.tree() }

// Exists says whether there is a file or folder at a '/' path. Of an NTFS volume it reads the
// directories on the way only.
func (v *Volume) Exists(path string) (bool, error) {
	if v.NTFS != nil {
		return v.NTFS.Exists(path)
	}
	t, err := v.tree()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && t.Find(path) != nil, err
}

// ReadFile returns a file of the volume, if it is not longer than limit; the error wraps
// fs.ErrNotExist where there is none.
func (v *Volume) ReadFile(path string, limit int64) ([]byte, error) {
	if v.FAT != nil {
		return v.FAT.ReadFile(path, limit)
	}
	f, err := v.Lookup(path)
	if err != nil {
		return nil, err
	}
	if f.Dir || f.Content == nil {
		return nil, fs.ErrNotExist
	}
	return tree.ReadAll(f.Content, limit)
}

// Lookup finds the file or folder at a '/' path; the error wraps fs.ErrNotExist where there is none. Of an
// NTFS volume it reads the directories on the way only.
func (v *Volume) Lookup(path string) (*ntfs.File, error) {
	if v.NTFS != nil {
		return v.NTFS.Lookup(path)
	}
	t, err := v.tree()
	if err != nil {
		return nil, err
	}
	n, err := t.Lookup(path)
	if err != nil {
		return nil, err
	}
	return &ntfs.File{Path: n.Path(), Dir: n.IsDir(), Content: n.Data}, nil
}

// Content is Content of a tree, found as Lookup does.
func (v *Volume) Content(path string) (tree.Content, error) {
	f, err := v.Lookup(path)
	switch {
	case err != nil:
		return nil, err
	case f.Dir:
		return nil, fault.Invalidf("%s is a folder", path)
	case f.Content == nil:
		return tree.Bytes(nil), nil
	}
	return f.Content, nil
}

// Part is a tree with only those files of paths that are on the volume, for readers of trees that need
// no others: a large volume has hundreds of thousands. The tree is there besides an error, without what
// could not be read.
func (v *Volume) Part(paths ...string) (*tree.Tree, error) {
	t := tree.New(0)
	var problems error
	for _, path := range paths {
		f, err := v.Lookup(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && f.Dir {
			continue
		}
		if err == nil {
			_, err = t.WriteFile(f.Path, f.Content)
		}
		problems = errors.Join(problems, fault.In(path, err))
	}
	return t, problems
}

// Store reads the BCD store at a path as its transaction logs leave it.
func (v *Volume) Store(path string) (*bcd.Store, error) { return bootstore.Read(v.ReadFile, path) }

// ErrNoTable says that there is no disk around the volume, on which a device could be found.
var ErrNoTable = errors.New("there is no disk around the volume")

// Find returns the volume that a device of a BCD store names, or says why it is none of this disk:
// ErrNoTable, bootstore.ErrOtherDisk or bootstore.ErrNoPartition.
func (d *Disk) Find(p bcd.Partition) (*Volume, error) {
	if d.Identity == nil {
		return nil, ErrNoTable
	}
	list := make([]disk.Partition, len(d.Volumes))
	for i, v := range d.Volumes {
		list[i] = v.Partition
	}
	i, err := bootstore.Find(*d.Identity, list, p)
	if err != nil {
		return nil, err
	}
	return d.Volumes[i], nil
}

// Number returns the volume of a partition number, or nil.
func (d *Disk) Number(n int) *Volume {
	for _, v := range d.Volumes {
		if v.Number == n {
			return v
		}
	}
	return nil
}

// Content returns the content of the file at a '/' path; the error wraps fs.ErrNotExist where there is
// none, and is of class fault.ErrInvalid for a folder.
func Content(t *tree.Tree, path string) (tree.Content, error) {
	n, err := t.Lookup(path)
	if err != nil {
		return nil, err
	}
	if n.IsDir() {
		return nil, fault.Invalidf("%s is a folder", path)
	}
	if n.Data == nil {
		return tree.Bytes(nil), nil
	}
	return n.Data, nil
}
