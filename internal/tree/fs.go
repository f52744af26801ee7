package tree

import (
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// FS shows the tree as a file system for reading: names with their unnamed data. As in Windows, case
// does not matter when something is opened. A reparse point has mode bit fs.ModeIrregular: what it
// stands for is not shown. A FileInfo's Sys is the *Node.
//
// A name that is no valid UTF-8 (see package utf16le) is listed but cannot be opened: package fs
// does not allow it.
func (t *Tree) FS() fs.FS { return treeFS{t} }

type treeFS struct{ t *Tree }

// Open opens the file or directory called name.
func (f treeFS) Open(name string) (fs.File, error) {
	fail := func(err error) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	info := fileInfo{path.Base(name), f.t.Root}
	if name != "." {
		e := f.t.Find(name)
		if e == nil {
			return fail(fs.ErrNotExist)
		}
		info.node = e.Node
	}
	if info.node.IsDir() {
		return &openDir{fileInfo: info, entries: f.t.Entries(info.node)}, nil
	}
	return &openFile{info, io.NewSectionReader(contentOf(info.node), 0, info.Size())}, nil
}

func contentOf(n *Node) Content {
	if n.Data == nil {
		return Bytes(nil)
	}
	return n.Data
}

// fileInfo is a node under one of its names.
type fileInfo struct {
	name string
	node *Node
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return SizeOf(i.node.Data) }
func (i fileInfo) ModTime() time.Time { return i.node.Modified.Time() }
func (i fileInfo) IsDir() bool        { return i.node.IsDir() }
func (i fileInfo) Sys() any           { return i.node }

// Mode translates the attributes: whoever may read a file may also execute it, as far as is known.
func (i fileInfo) Mode() fs.FileMode {
	mode := fs.FileMode(0o777)
	if i.node.Attributes&AttrReadOnly != 0 {
		mode = 0o555
	}
	if i.node.IsDir() {
		mode |= fs.ModeDir
	}
	if i.node.Reparse() != nil {
		mode |= fs.ModeIrregular
	}
	return mode
}

// openFile is a file opened for reading.
type openFile struct {
	info fileInfo
	*io.SectionReader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openDir is a directory opened for listing.
type openDir struct {
	fileInfo
	entries []*Entry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.fileInfo, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fault.Invalidf("is a directory")}
}

// ReadDir returns the next n entries, or all that are left when n is not positive.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	list := make([]fs.DirEntry, n)
	for i, e := range d.entries[:n] {
		list[i] = fs.FileInfoToDirEntry(fileInfo{e.Name, e.Node})
	}
	d.entries = d.entries[n:]
	return list, nil
}
