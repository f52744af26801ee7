package vhdx

import (
	"cmp"
	"container/heap"
	"io"
	"slices"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// overlay is a file with patches in front of it. Their data stay in the log.
type overlay struct {
	r       io.ReaderAt
	size    int64 // of the file
	end     int64 // the size it is to have; zeros from size on
	patches []patch
	spans   []span // in order, without overlaps
}

// span is a range of the file that a patch covers and no later one does.
type span struct {
	from, to int64
	patch    int
}

func newOverlay(r io.ReaderAt, size, end int64, patches []patch) *overlay {
	return &overlay{r, size, end, patches, spans(patches)}
}

// newest is a heap of the numbers of patches, the highest first.
type newest []int

func (h newest) Len() int           { return len(h) }
func (h newest) Less(i, j int) bool { return h[i] > h[j] }
func (h newest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *newest) Push(x any)        { *h = append(*h, x.(int)) }
func (h *newest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// spans goes over the places where patches begin and end, and finds the newest patch between each
// two of them.
func spans(patches []patch) []span {
	order := make([]int, len(patches))
	points := make([]int64, 0, 2*len(patches))
	for i := range patches {
		order[i] = i
		points = append(points, patches[i].offset, patches[i].end())
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(patches[a].offset, patches[b].offset) })
	slices.Sort(points)
	points = slices.Compact(points)
	var all []span
	var open newest
	for i, from := range points {
		for len(order) > 0 && patches[order[0]].offset == from {
			heap.Push(&open, order[0])
			order = order[1:]
		}
		for len(open) > 0 && patches[open[0]].end() <= from {
			heap.Pop(&open)
		}
		if len(open) > 0 {
			all = append(all, span{from, points[i+1], open[0]})
		}
	}
	return all
}

// ReadAt reads the file as it will be.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	return sparse.ReadAt(p, off, o.end, o.piece)
}

// piece reads the beginning of p: as much as lies in one span, or before the next.
func (o *overlay) piece(p []byte, off int64) (int, error) {
	i := sort.Search(len(o.spans), func(i int) bool { return o.spans[i].to > off })
	if i == len(o.spans) {
		return o.plain(p, off)
	}
	s := &o.spans[i]
	if off < s.from {
		return o.plain(p[:min(int64(len(p)), s.from-off)], off)
	}
	p = p[:min(int64(len(p)), s.to-off)]
	patch := &o.patches[s.patch]
	if patch.data == 0 {
		clear(p)
		return len(p), nil
	}
	b := make([]byte, logSector)
	if n, err := o.r.ReadAt(b, patch.data); n < len(b) {
		return 0, err
	}
	copy(b, patch.leading[:])
	copy(b[logSector-len(patch.trailing):], patch.trailing[:])
	return copy(p, b[off-patch.offset:]), nil
}

// plain reads what no patch covers.
func (o *overlay) plain(p []byte, off int64) (int, error) {
	if off >= o.size {
		clear(p)
		return len(p), nil
	}
	p = p[:min(int64(len(p)), o.size-off)]
	n, err := o.r.ReadAt(p, off)
	if n == len(p) {
		err = nil
	}
	return n, err
}
