package ntfs

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// space is the free clusters of a volume while it is laid out: extents, each of which shrinks from
// its start. Without bad ranges there is one.
type space struct {
	extents []span
	// longest is a binary tree over the extents: element i is the length of the longest extent
	// below nodes 2i and 2i+1, the second half of it are the extents themselves.
	longest []int64
}

// newSpace makes a space of extents, which are in order; spare more may be put into it later.
func newSpace(extents []span, spare int) *space {
	leaves := 1
	for leaves < len(extents)+spare {
		leaves *= 2
	}
	s := &space{extents: make([]span, 0, leaves), longest: make([]int64, 2*leaves)}
	for _, e := range extents {
		s.put(e)
	}
	return s
}

// put adds an extent.
func (s *space) put(e span) {
	s.extents = append(s.extents, e)
	s.update(len(s.extents) - 1)
}

// update corrects the tree after extent i changed.
func (s *space) update(i int) {
	n := len(s.longest)/2 + i
	s.longest[n] = s.extents[i].length()
	for n /= 2; n > 0; n /= 2 {
		s.longest[n] = max(s.longest[2*n], s.longest[2*n+1])
	}
}

// find returns the first extent of at least n clusters, or -1.
func (s *space) find(n int64) int {
	if s.longest[1] < n {
		return -1
	}
	i := 1
	for i < len(s.longest)/2 {
		i *= 2
		if s.longest[i] < n {
			i++
		}
	}
	return i - len(s.longest)/2
}

// take removes n clusters from the start of extent i and returns the first of them.
func (s *space) take(i int, n int64) int64 {
	lcn := s.extents[i].start
	s.extents[i].start += n
	s.update(i)
	return lcn
}

// pieces removes n clusters in as few runs as it can: whole extents, the longest first, until the
// rest fits into one. Every run but the last is a multiple of unit clusters. It returns nil when
// there is not enough room.
func (s *space) pieces(n, unit int64) []extent {
	var list []extent
	for vcn := int64(0); vcn < n; {
		i := s.find(n - vcn)
		if i < 0 {
			i = s.find(s.longest[1])
		}
		count := min(n-vcn, s.extents[i].length()/unit*unit)
		if count == 0 {
			return nil
		}
		list = append(list, extent{vcn: vcn, lcn: s.take(i, count), count: count})
		vcn += count
	}
	return list
}

// reserve removes n clusters in one run that starts at a multiple of align clusters: from the end
// of the shortest extent that holds it.
func (s *space) reserve(n, align int64) (lcn int64, ok bool) {
	best := -1
	for i, e := range s.extents {
		if (e.end-n)/align*align >= e.start && e.end-n >= e.start && (best < 0 || e.length() <= s.extents[best].length()) {
			best = i
		}
	}
	if best < 0 {
		return 0, false
	}
	e := s.extents[best]
	lcn = (e.end - n) / align * align
	s.extents[best].end = lcn
	s.update(best)
	if lcn+n < e.end {
		s.put(span{lcn + n, e.end})
	}
	return lcn, true
}

// left returns what is still free, in order.
func (s *space) left() []span {
	free := slices.DeleteFunc(slices.Clone(s.extents), func(e span) bool { return e.length() == 0 })
	slices.SortFunc(free, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return free
}

// total is the number of free clusters.
func total(list []span) int64 {
	n := int64(0)
	for _, s := range list {
		n += s.length()
	}
	return n
}

// badClusters returns the clusters that hold bad bytes, in order.
func (g *geometry) badClusters(bad []volume.Run) ([]span, error) {
	var list []span
	for _, r := range bad {
		switch {
		case r.Length <= 0 || r.Offset < 0 || r.Offset > g.size-r.Length:
			return nil, fault.Invalidf("bad range of %d bytes from byte %d on: not inside a volume of %d bytes", r.Length, r.Offset, g.size)
		case r.Offset < g.bootSize():
			return nil, fault.Invalidf("bad range of %d bytes from byte %d on: NTFS must have its boot record in bytes 0 to %d", r.Length, r.Offset, g.bootSize()-1)
		case r.End() > g.size-g.sector:
			return nil, fault.Invalidf("bad range of %d bytes from byte %d on: the last sector, from byte %d on, must hold the copy of the boot record", r.Length, r.Offset, g.size-g.sector)
		}
		s := span{r.Offset / g.cluster, min(g.clustersFor(r.End()), g.clusters())}
		if s.length() > 0 {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return merge(list), nil
}

// merge joins spans that overlap or touch, in place. They are in order.
func merge(list []span) []span {
	out := list[:0]
	for _, s := range list {
		if k := len(out) - 1; k >= 0 && s.start <= out[k].end {
			out[k].end = max(out[k].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// between returns the gaps from start to end that the spans of list, which are in order, leave.
func between(start, end int64, list []span) []span {
	var out []span
	for _, s := range list {
		if s.start > start {
			out = append(out, span{start, s.start})
		}
		start = max(start, s.end)
	}
	if start < end {
		out = append(out, span{start, end})
	}
	return out
}

// badRuns is the run list of $BadClus:$Bad: all the volume's clusters, where only the bad ones are
// allocated, each at its own address.
func badRuns(bad []span, clusters int64) []extent {
	var list []extent
	at := int64(0)
	for _, s := range bad {
		if s.start > at {
			list = append(list, extent{at, holeLCN, s.start - at})
		}
		list = append(list, extent{s.start, s.start, s.length()})
		at = s.end
	}
	if at < clusters {
		list = append(list, extent{at, holeLCN, clusters - at})
	}
	return list
}
