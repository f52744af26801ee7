package tree

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Reserved is the content of a file that somebody else fills once the volume is written: a disk
// image inside the volume, say. An NTFS plan gives the file one contiguous run that is aligned as
// asked, and writes nothing there; its Find says where that is. To everybody else the content is
// zeros.
type Reserved struct {
	size, align int64
}

// Reserve puts a file of the given size at path, as WriteFile does, whose content is reserved. align
// is what its place on the volume must be a multiple of, in bytes: a power of two, or 0 when any
// cluster will do.
func (t *Tree) Reserve(path string, size, align int64) (*Node, error) {
	if size <= 0 || align < 0 || align&(align-1) != 0 {
		return nil, fault.In(path, fault.Invalidf("cannot reserve %d bytes aligned to %d: there must be some, and the alignment a power of two", size, align))
	}
	return t.WriteFile(path, &Reserved{size, align})
}

// Size is the length of the file.
func (r *Reserved) Size() int64 { return r.size }

// Align is what the content's place on the volume is a multiple of, or 0.
func (r *Reserved) Align() int64 { return r.align }

// ReadAt reads zeros.
func (r *Reserved) ReadAt(p []byte, off int64) (int, error) {
	n := max(0, min(int64(len(p)), r.size-off))
	clear(p[:n])
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}
