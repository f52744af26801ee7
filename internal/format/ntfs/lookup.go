package ntfs

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Exists says whether there is a file or directory at a '/' path, whatever the case of its names. It
// reads the directories on the way only, where Tree reads all of the MFT.
func (v *Volume) Exists(path string) (bool, error) {
	_, _, err := v.at(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// child returns the file called name in a directory, or nil.
func (v *Volume) child(dir *inode, name string) (*inode, error) {
	f, _, err := v.spelled(dir, name)
	return f, err
}

// spelled is child, and how the directory spells the name.
func (v *Volume) spelled(dir *inode, name string) (f *inode, own string, err error) {
	var ref uint64
	err = v.walkIndex(dir, dirIndex, func(e *treeEntry) error {
		n, err := parseFileName(e.key)
		if err != nil {
			return dir.corrupt("index %s: %v", dirIndex, err)
		}
		if sameFolded(n.name, name) {
			ref, own = e.head, n.name
		}
		return nil
	})
	if err != nil || ref == 0 {
		return nil, "", err
	}
	f, err = v.referenced(ref)
	return f, own, err
}

// File is what Lookup finds: a file or a directory.
type File struct {
	Path    string // as the volume spells it, with '/'
	Dir     bool
	Content tree.Content // of a file that is not empty, as Windows shows it
	// Runs is the number of pieces that the content lies in, 0 for one that is in its record.
	Runs int
	// Plain says that the content's clusters are the content: neither compressed nor encrypted, without
	// holes and written up to its end, as a program without a file system driver needs it.
	Plain bool
}

// Lookup finds the file or directory at a '/' path, as Exists does; the error wraps fs.ErrNotExist where
// there is none.
func (v *Volume) Lookup(path string) (*File, error) {
	f, own, err := v.at(path)
	if err != nil {
		return nil, err
	}
	out := &File{Path: own, Dir: f.isDir()}
	a := f.find(typeData, "")
	if out.Dir || a == nil {
		return out, nil
	}
	out.Runs = len(a.extents)
	out.Plain = a.flags == 0 && a.initialized == a.size
	if b, err := v.value(f, typeReparsePoint, "", maxReparse); err != nil {
		return nil, fault.In("NTFS volume", err)
	} else if b != nil {
		r, err := parseReparse(b)
		if err != nil {
			return nil, fault.In("NTFS volume", fault.In(where(uint64(f.record)), err))
		}
		switch algorithm, place := wofFile(r); place {
		case wof.InStream:
			out.Plain = false
			out.Content, err = v.openWOF(f, algorithm)
			return out, fault.In("NTFS volume", err)
		case wof.InWIM:
			out.Plain, out.Content = false, elsewhere(f, a.size)
			return out, nil
		case wof.Unknown:
		}
	}
	a.value = bytes.Clone(a.value)
	out.Content, err = v.content(f, a)
	return out, fault.In("NTFS volume", err)
}

// at finds the file at a path, and how the volume spells that.
func (v *Volume) at(path string) (f *inode, own string, err error) {
	f, err = v.file(recordRoot)
	names := tree.Split(path)
	for i, name := range names {
		if f == nil || err != nil {
			break
		}
		f, names[i], err = v.spelled(f, name)
	}
	if err == nil && f == nil {
		return nil, "", &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return f, strings.Join(names, "/"), fault.In("NTFS volume", err)
}

// Names lists the names in the directory at a '/' path, short ones left out, in the directory's order.
// The error wraps fs.ErrNotExist where there is no directory.
func (v *Volume) Names(path string) (names []string, err error) {
	dir, _, err := v.at(path)
	if err != nil {
		return nil, err
	}
	if !dir.isDir() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	err = v.walkIndex(dir, dirIndex, func(e *treeEntry) error {
		n, err := parseFileName(e.key)
		if err == nil && n.space != spaceDOS {
			names = append(names, n.name)
		}
		return err
	})
	return names, fault.In("NTFS volume", err)
}
