package disc

import (
	"io"
	"io/fs"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// File is an open file or folder of a disc. A file is also an io.ReaderAt and io.Seeker. ReadAt may be
// called by several goroutines at once, Read and ReadDir may not.
type File struct {
	io.SectionReader
	fs   *FS
	path string
	info fileInfo
	// rest are the entries that ReadDir has still to give, once it was called.
	rest   []fs.DirEntry
	listed bool
}

var _ fs.ReadDirFile = (*File)(nil)

// Content returns the bytes of a file, which do not need the File to stay open. A folder, and what is
// neither file nor folder, has none: that is an error.
func (f *File) Content() (*Content, error) {
	if err := f.readable(); err != nil {
		return nil, &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return f.info.Content, nil
}

func (f *File) readable() error {
	switch {
	case f.info.IsDir():
		return fault.Invalidf("is a folder")
	case f.info.Content == nil:
		return fault.Unsupportedf(fault.NoOffset, "is neither a file nor a folder")
	}
	return nil
}

// Read reads on in a file.
func (f *File) Read(p []byte) (int, error) {
	if err := f.readable(); err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return f.SectionReader.Read(p)
}

// ReadAt follows io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.readable(); err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return f.SectionReader.ReadAt(p, off)
}

// Stat describes the file.
func (f *File) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close does nothing: a File holds nothing open.
func (f *File) Close() error { return nil }

// ReadDir follows fs.ReadDirFile, in the order of the names.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.listed {
		list, err := f.fs.ReadDir(f.path)
		if err != nil {
			return nil, err
		}
		f.rest, f.listed = list, true
	}
	if n <= 0 || n > len(f.rest) {
		if n > 0 && len(f.rest) == 0 {
			return nil, io.EOF
		}
		n = len(f.rest)
	}
	list := f.rest[:n:n]
	f.rest = f.rest[n:]
	return list, nil
}

// fileInfo is a Node's Info with a name.
type fileInfo struct {
	name string
	Info
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) IsDir() bool        { return i.Info.Mode.IsDir() }
func (i fileInfo) ModTime() time.Time { return i.Modified }
func (i fileInfo) Sys() any           { return nil }

func (i fileInfo) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o555
	}
	return i.Info.Mode | 0o444
}

func (i fileInfo) Size() int64 {
	if i.Content == nil {
		return 0
	}
	return i.Content.Size()
}

// dirEntry is an Entry as fs.DirEntry. Its Info reads the node's own record.
type dirEntry struct{ Entry }

func (e dirEntry) Name() string { return e.Entry.Name }
func (e dirEntry) IsDir() bool  { return e.Dir }

func (e dirEntry) Type() fs.FileMode {
	if e.Dir {
		return fs.ModeDir
	}
	return 0
}

func (e dirEntry) Info() (fs.FileInfo, error) {
	info, err := e.Node.Info()
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: e.Name(), Err: err}
	}
	return fileInfo{e.Name(), info}, nil
}
