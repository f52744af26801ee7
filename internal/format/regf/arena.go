package regf

import "slices"

// arena places cells into bins. What it holds is a well-formed hive image at any time: unused space
// is one free cell.
type arena struct {
	out   []byte // base block and bins
	holes []hole // unused space at the end of bins; the last is that of the newest bin
}

// hole is unused space, in bytes from the start of out.
type hole struct{ off, size int }

// maxHoles bounds the search for a place. The largest holes are kept, so little is lost.
const maxHoles = 32

// newArena returns an arena that holds a base block and has room for about that many bytes of cells.
func newArena(cells int64) *arena {
	room := cells + cells/64 + cells/binAlign*binHeader
	return &arena{out: make([]byte, baseSize, baseSize+int(room+2*binAlign)&^(binAlign-1))}
}

// alloc places an allocated cell for that much content and returns its offset from the first bin.
func (a *arena) alloc(content int) uint32 {
	size := cellSize(content)
	i := slices.IndexFunc(a.holes, func(h hole) bool { return h.size >= size })
	if i < 0 {
		i = a.grow(size)
	}
	h := &a.holes[i]
	off := h.off
	le.PutUint32(a.out[off:], uint32(-size))
	h.off, h.size = h.off+size, h.size-size
	a.free(*h)
	if h.size == 0 {
		a.holes = slices.Delete(a.holes, i, i+1)
	}
	return uint32(off - baseSize)
}

// free marks a hole as a free cell.
func (a *arena) free(h hole) {
	if h.size > 0 {
		le.PutUint32(a.out[h.off:], uint32(h.size))
	}
}

// grow adds a bin for a cell of that size and returns its hole's index.
func (a *arena) grow(size int) int {
	off := len(a.out)
	n := (binHeader + size + binAlign - 1) &^ (binAlign - 1)
	a.out = append(a.out, make([]byte, n)...)
	b := bin{Offset: uint32(off - baseSize), Size: uint32(n)}
	b.marshal(a.out[off:])
	if len(a.holes) == maxHoles {
		a.dropSmallest()
	}
	a.holes = append(a.holes, hole{off + binHeader, n - binHeader})
	return len(a.holes) - 1
}

func (a *arena) dropSmallest() {
	least := 0
	for i, h := range a.holes {
		if h.size < a.holes[least].size {
			least = i
		}
	}
	a.holes = slices.Delete(a.holes, least, least+1)
}

// at returns the content of the cell at off, up to the end of the image. It is valid until the next alloc.
func (a *arena) at(off uint32) []byte { return a.out[baseSize+int(off)+cellHeader:] }
