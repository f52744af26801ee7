package ntfs

import "math/bits"

// setPage is how many clusters a page of a clusterSet has: 128 MiB of most volumes.
const setPage = 64 * 512

// clusterSet is a set of clusters. It takes memory for those pages only that are in it in part, so that a volume
// of 16 TiB, or a file that claims to be one, costs no more than what is on it.
type clusterSet map[int64]*[setPage / 64]uint64

// fullPage stands for every page of which all is in a set. It is never written.
var fullPage = func() *[setPage / 64]uint64 {
	p := new([setPage / 64]uint64)
	for i := range p {
		p[i] = 1<<64 - 1
	}
	return p
}()

// add puts clusters into the set, up to the first that is in it already, which it returns; -1 for none.
func (s clusterSet) add(lcn, count int64) int64 {
	for end := lcn + count; lcn < end; {
		n := min(end-lcn, setPage-lcn%setPage)
		page := s[lcn/setPage]
		switch {
		case page == nil && n == setPage:
			s[lcn/setPage] = fullPage
		case page == nil:
			page = new([setPage / 64]uint64)
			s[lcn/setPage] = page
			fallthrough
		default:
			if at := addBits(page, lcn%setPage, n); at >= 0 {
				return lcn - lcn%setPage + at
			}
		}
		lcn += n
	}
	return -1
}

// addBits sets n bits from bit at on, up to the first that is set already, which it returns; -1 for none.
func addBits(page *[setPage / 64]uint64, at, n int64) int64 {
	for end := at + n; at < end; {
		k := min(end-at, 64-at%64)
		mask := (uint64(1)<<(k-1)<<1 - 1) << (at % 64)
		word := page[at/64]
		if twice := word & mask; twice != 0 {
			first := bits.TrailingZeros64(twice)
			if before := mask & (1<<first - 1); before != 0 {
				page[at/64] = word | before
			}
			return at/64*64 + int64(first)
		}
		page[at/64] = word | mask
		at += k
	}
	return -1
}

// word returns the 64 clusters from 64*i on, a bit each.
func (s clusterSet) word(i int64) uint64 {
	if page := s[i*64/setPage]; page != nil {
		return page[i%(setPage/64)]
	}
	return 0
}
