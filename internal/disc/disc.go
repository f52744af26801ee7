// Package disc is what the file systems of optical discs, UDF and ISO 9660, have in common: folders
// that are lists of names, and files that are extents of the disc. The formats say how a folder is
// listed and where a file lies; this package makes an fs.FS of that, which never leads around in a
// circle.
package disc

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Node is a file or folder of a disc, as a format finds it. Its methods may be called by several
// goroutines at once.
type Node interface {
	// ID tells the folders of a disc apart.
	ID() uint64
	// Info reads what the disc says of the node.
	Info() (Info, error)
	// List reads a folder, in the disc's order, without entries for itself and its parent.
	List() ([]Entry, error)
}

// Info is what a disc says of a file or folder.
type Info struct {
	Mode     fs.FileMode // fs.ModeDir, 0, or fs.ModeIrregular for what is neither
	Modified time.Time
	Content  *Content // of a file
}

// Entry is a name in a folder.
type Entry struct {
	Name string
	Dir  bool
	Node Node
}

// The most of everything that is taken before a disc counts as damaged. Windows' media have at most
// 20 levels, and some hundred names in a folder.
const (
	MaxFolderSize = 16 << 20 // bytes that a folder has on the disc
	maxDepth      = 256
	maxFolders    = 1 << 20
	maxCached     = 1 << 17 // entries
)

// FS is the tree of a disc, as fs.FS, fs.ReadDirFS and fs.StatFS. Its files are of type *File. All of
// it may be used by several goroutines at once. Names must be written as they are on the disc.
//
// A folder that is found in two places is corrupt input, as both formats have it: so that whoever
// walks the tree comes to an end.
type FS struct {
	root Node

	mu sync.Mutex
	// parents are the folders seen so far, and the folder that each is in.
	parents map[uint64]uint64
	// folders are those listed last, by path. When they hold too many entries all are forgotten.
	folders map[string]map[string]Entry
	cached  int
}

var (
	_ fs.ReadDirFS = (*FS)(nil)
	_ fs.StatFS    = (*FS)(nil)
)

// New returns the tree below root.
func New(root Node) *FS {
	return &FS{root: root, parents: map[uint64]uint64{root.ID(): root.ID()}, folders: map[string]map[string]Entry{}}
}

// Open opens a file or folder; its type is *File.
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return file, nil
}

// Stat describes a file or folder without reading it.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return file.Stat()
}

// ReadDir lists a folder in the order of the names.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := f.folder(name)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	list := make([]fs.DirEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, dirEntry{e})
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

func (f *FS) open(name string) (*File, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	e, err := f.find(name)
	if err != nil {
		return nil, err
	}
	info, err := e.Node.Info()
	if err != nil {
		return nil, err
	}
	if e.Dir != info.Mode.IsDir() {
		return nil, fault.Corruptf(fault.NoOffset, "the folder that it is in and its own record disagree about whether it is a folder")
	}
	file := &File{fs: f, path: name, info: fileInfo{e.Name, info}}
	if c := info.Content; c != nil {
		file.SectionReader = *io.NewSectionReader(c, 0, c.Size())
	}
	return file, nil
}

// find looks a path up.
func (f *FS) find(name string) (Entry, error) {
	if name == "." {
		return Entry{Name: ".", Dir: true, Node: f.root}, nil
	}
	parent, base := ".", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		parent, base = name[:i], name[i+1:]
	}
	entries, err := f.folder(parent)
	if err != nil {
		return Entry{}, err
	}
	e, ok := entries[base]
	if !ok {
		return Entry{}, fs.ErrNotExist
	}
	return e, nil
}

// folder returns the entries of a folder.
func (f *FS) folder(path string) (map[string]Entry, error) {
	f.mu.Lock()
	entries, ok := f.folders[path]
	f.mu.Unlock()
	if ok {
		return entries, nil
	}
	if strings.Count(path, "/") >= maxDepth {
		return nil, fault.Corruptf(fault.NoOffset, "folders are more than %d deep in one another", maxDepth)
	}
	e, err := f.find(path)
	if err != nil {
		return nil, err
	}
	if !e.Dir {
		return nil, fs.ErrNotExist
	}
	list, err := e.Node.List()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if entries, err = f.admit(e.Node.ID(), list); err != nil {
		return nil, err
	}
	if f.cached+len(entries) > maxCached {
		clear(f.folders)
		f.cached = 0
	}
	f.folders[path] = entries
	f.cached += len(entries)
	return entries, nil
}

// admit checks a folder's entries. Of two with one name the first is taken.
func (f *FS) admit(id uint64, list []Entry) (map[string]Entry, error) {
	entries := make(map[string]Entry, len(list))
	inside := map[uint64]bool{}
	for _, e := range list {
		if !fs.ValidPath(e.Name) || e.Name == "." || strings.ContainsAny(e.Name, "/\x00") {
			return nil, fault.Corruptf(fault.NoOffset, "a folder has an entry with the name %q", e.Name)
		}
		if _, twice := entries[e.Name]; twice {
			continue
		}
		entries[e.Name] = e
		if !e.Dir {
			continue
		}
		child := e.Node.ID()
		if parent, seen := f.parents[child]; inside[child] || seen && parent != id || child == id {
			return nil, fault.Corruptf(fault.NoOffset, "the folder %q is also somewhere else", e.Name)
		}
		if len(f.parents) >= maxFolders {
			return nil, fault.Corruptf(fault.NoOffset, "the disc has more than %d folders", maxFolders)
		}
		inside[child], f.parents[child] = true, id
	}
	return entries, nil
}
