package regf

import "slices"

// arena places cells into bins. What it holds is a well-formed hive image at any time: unused space
// is one free cell. It may keep a part of the image only: the cells get the same places.
type arena struct {
	out     []byte // whole bins of the image, and before the first its base block
	from    int    // where out begins in the image
	most    int    // bytes from which on out gets no more bins
	size    int    // of the image so far
	holes   []hole // unused space at the end of bins; the last is that of the newest bin
	nowhere []byte // takes what is written to other parts of the image
}

// hole is unused space, in bytes from the start of the image.
type hole struct{ off, size int }

// maxHoles bounds the search for a place. The largest holes are kept, so little is lost.
const maxHoles = 32

// newArena returns an arena that keeps the part of the image which begins at from, into out: as many
// bins as it takes to fill out's capacity, or nearly.
func newArena(out []byte, from int) *arena {
	a := &arena{out: out[:0], from: from, most: cap(out) - binAlign, size: baseSize, nowhere: make([]byte, 2*binAlign)}
	if from == 0 {
		a.out = out[:baseSize]
		clear(a.out)
	}
	return a
}

// imageSize is about how large an image with that many bytes of cells gets, rarely less.
func imageSize(cells int64) int {
	room := cells + cells/64 + cells/binAlign*binHeader
	return baseSize + int(room+2*binAlign)&^(binAlign-1)
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
	if len(a.image(off)) < size { // what is kept has whole bins
		a.nowhere = make([]byte, size)
	}
	le.PutUint32(a.image(off), uint32(-size))
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
		le.PutUint32(a.image(h.off), uint32(h.size))
	}
}

// grow adds a bin for a cell of that size and returns its hole's index.
func (a *arena) grow(size int) int {
	off := a.size
	n := (binHeader + size + binAlign - 1) &^ (binAlign - 1)
	a.size += n
	if off == a.from+len(a.out) && len(a.out) < a.most {
		a.out = append(a.out, make([]byte, n)...)
	}
	b := bin{Offset: uint32(off - baseSize), Size: uint32(n)}
	b.marshal(a.image(off))
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

// at returns the content of the cell at off, and more. It is valid until the next alloc.
func (a *arena) at(off uint32) []byte { return a.image(baseSize + int(off) + cellHeader) }

// image returns what begins at off in the image.
func (a *arena) image(off int) []byte {
	if p := off - a.from; p >= 0 && p < len(a.out) {
		return a.out[p:]
	}
	return a.nowhere
}
