package disc

import (
	"io"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Hole is the Offset of an Extent that is not on the disc and reads as zeros.
const Hole = -1

// Extent is a piece of a file: Length bytes of the disc from Offset on.
type Extent struct {
	Offset, Length int64
}

// Content is the bytes of a file, read from the disc when they are needed. It may be read by any
// number of goroutines. It is a tree.Content.
type Content struct {
	r       io.ReaderAt
	size    int64
	extents []Extent
	ends    []int64 // of each extent, in the file
}

// NewContent returns the content of size bytes that lies on r in extents, in this order. Extents that
// follow each other on the disc become one, and what they have after size is left out. Fewer bytes
// than size, and an extent that is not all below limit, the length of r, are corrupt input.
func NewContent(r io.ReaderAt, limit, size int64, extents []Extent) (*Content, error) {
	c := &Content{r: r, size: size}
	var end int64
	for _, e := range extents {
		if end == size {
			break
		}
		e.Length = min(e.Length, size-end)
		if e.Length <= 0 {
			continue
		}
		if e.Offset != Hole && (e.Offset < 0 || e.Length > limit || e.Offset > limit-e.Length) {
			return nil, fault.Corruptf(e.Offset, "%d bytes of a file should be here, but the image has only %d bytes; if it was downloaded, compare its length and checksum with the original's",
				e.Length, limit)
		}
		end += e.Length
		if n := len(c.extents); n > 0 && follows(c.extents[n-1], e) {
			c.extents[n-1].Length += e.Length
			c.ends[n-1] = end
			continue
		}
		c.extents, c.ends = append(c.extents, e), append(c.ends, end)
	}
	if size < 0 || end < size {
		return nil, fault.Corruptf(fault.NoOffset, "the file has %d bytes, but there is room for %d on the disc", size, end)
	}
	return c, nil
}

func follows(a, b Extent) bool {
	if a.Offset == Hole || b.Offset == Hole {
		return a.Offset == b.Offset
	}
	return a.Offset+a.Length == b.Offset
}

// Size returns the number of bytes.
func (c *Content) Size() int64 { return c.size }

// Extents returns where the content is: as few extents as there can be.
func (c *Content) Extents() []Extent { return append([]Extent(nil), c.extents...) }

// ReadAt follows io.ReaderAt.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fault.Bugf("negative offset %d", off)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	n := 0
	for i := sort.Search(len(c.ends), func(i int) bool { return c.ends[i] > off }); n < len(p) && i < len(c.ends); i++ {
		piece := p[n:min(int64(len(p)), int64(n)+c.ends[i]-off)]
		got, err := c.readExtent(i, piece, off)
		n, off = n+got, off+int64(got)
		if got < len(piece) {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readExtent fills p, which does not go beyond extent i.
func (c *Content) readExtent(i int, p []byte, off int64) (int, error) {
	e := c.extents[i]
	if e.Offset == Hole {
		clear(p)
		return len(p), nil
	}
	n, err := c.r.ReadAt(p, e.Offset+e.Length-(c.ends[i]-off))
	if n < len(p) && (err == nil || err == io.EOF) {
		err = io.ErrUnexpectedEOF // the image became shorter
	}
	return n, err
}
