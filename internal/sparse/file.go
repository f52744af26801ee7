package sparse

import (
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// A page covers the BAT of 8 GiB of a VHD or 64 GiB of a VHDX with their usual blocks, and the L2
// tables of 128 MiB of a qcow2 with its; all pages together take 4 MiB, enough for the tables of any
// disk that Windows is likely to be on.
const (
	pageSize = 16 << 10
	maxPages = 256
)

// File is the file that a disk lies in.
type File struct {
	r     io.ReaderAt
	size  int64
	pages *Cache[int64, []byte]
}

// NewFile is a file of size bytes.
func NewFile(r io.ReaderAt, size int64) *File {
	return &File{r, size, NewCache[int64, []byte](maxPages)}
}

// Size is the file's size in bytes.
func (f *File) Size() int64 { return f.size }

// Data fills p from off on. What lies past the end of the file is corrupt input.
func (f *File) Data(p []byte, off int64) error {
	if err := f.check(off, len(p)); err != nil {
		return err
	}
	n, err := f.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) { // the file is shorter than it was
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Table is Data through the cache, for what is read in small pieces and again.
func (f *File) Table(p []byte, off int64) error {
	if err := f.check(off, len(p)); err != nil {
		return err
	}
	for len(p) > 0 {
		in := off % pageSize
		page, err := f.pages.Get(off-in, f.load)
		if err != nil {
			return err
		}
		n := copy(p, page[in:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (f *File) check(off int64, n int) error {
	if off < 0 || off > f.size-int64(n) {
		return fault.Corruptf(off, "%d bytes should be here, but the file has %d; it is cut off or damaged", n, f.size)
	}
	return nil
}

// load returns the page at off, which the end of the file may cut.
func (f *File) load(off int64) ([]byte, error) {
	page := make([]byte, min(pageSize, f.size-off))
	return page, f.Data(page, off)
}
