package ntfs

import (
	"bytes"
	"errors"
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Exists says whether there is a file or directory at a '/' path, whatever the case of its names. It
// reads the directories on the way only, where Tree reads all of the MFT.
func (v *Volume) Exists(path string) (bool, error) {
	_, err := v.at(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// child returns the file called name in a directory, or nil.
func (v *Volume) child(dir *inode, name string) (*inode, error) {
	var ref uint64
	err := v.walkIndex(dir, dirIndex, func(e *treeEntry) error {
		n, err := parseFileName(e.key)
		if err != nil {
			return dir.corrupt("index %s: %v", dirIndex, err)
		}
		if sameFolded(n.name, name) {
			ref = e.head
		}
		return nil
	})
	if err != nil || ref == 0 {
		return nil, err
	}
	return v.referenced(ref)
}

// File is what Lookup finds: a file or a directory.
type File struct {
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
	f, err := v.at(path)
	if err != nil {
		return nil, err
	}
	out := &File{Dir: f.isDir()}
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
		if algorithm, place := wofFile(r); place == wof.InStream {
			out.Plain = false
			out.Content, err = v.openWOF(f, algorithm)
			return out, fault.In("NTFS volume", err)
		}
	}
	a.value = bytes.Clone(a.value)
	out.Content, err = v.content(f, a)
	return out, fault.In("NTFS volume", err)
}

// at finds the file at a path.
func (v *Volume) at(path string) (*inode, error) {
	f, err := v.file(recordRoot)
	for _, name := range tree.Split(path) {
		if f == nil || err != nil {
			break
		}
		f, err = v.child(f, name)
	}
	if err == nil && f == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return f, fault.In("NTFS volume", err)
}

// Names lists the names in the directory at a '/' path, short ones left out, in the directory's order.
// The error wraps fs.ErrNotExist where there is no directory.
func (v *Volume) Names(path string) (names []string, err error) {
	dir, err := v.at(path)
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
