package image

import (
	"errors"
	"os"
	"sync/atomic"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// File is a disk that is being made.
type File struct {
	*os.File
	// direct is the same file, opened for writing past the host's cache; nil where that cannot be.
	direct *os.File
	// broken says that the host takes no such writes after all.
	broken atomic.Bool
}

// Create makes a file of zeros at path, which must not exist. holes says that it is marked as sparse where
// files have to be: on NTFS. Windows attaches no virtual disk in a file with that mark
// (ERROR_VIRTUAL_DISK_LIMITATION), whatever is in it.
func Create(path string, size int64, holes bool) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	if holes {
		// A host file system without holes still works; it only takes the room.
		_ = makeSparse(f)
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(fault.In(path, err), f.Close(), os.Remove(path))
	}
	return &File{File: f, direct: openDirect(path)}, nil
}

// directUnit is what direct writes start and end at multiples of: a page, and the largest sector.
const directUnit = 4 << 10

// WriteContentAt is WriteAt past the host's cache where that is possible: a bake writes more than
// many a machine has memory, and what is written through the cache is copied once more and keeps the
// kernel busy when it is flushed. On the machine that docs/performance.md was measured on it is
// three to four times faster.
func (f *File) WriteContentAt(p []byte, off int64) (int, error) {
	if f.direct == nil || f.broken.Load() || (off|int64(len(p)))%directUnit != 0 {
		return f.WriteAt(p, off)
	}
	n, err := f.direct.WriteAt(p, off)
	if isRefusal(err) { // such as a memory address or a file system that does not suit
		f.broken.Store(true)
		return f.WriteAt(p, off)
	}
	return n, err
}

// Close closes the file.
func (f *File) Close() error {
	err := f.File.Close()
	if f.direct != nil {
		err = errors.Join(err, f.direct.Close())
	}
	return err
}
