package lzms

import "sort"

const (
	numOffsets = 799
	numLengths = 54
)

// slot is what a symbol of an offset or length stands for: the first of some numbers.
type slot struct {
	base uint32
	mask uint32 // of the bits that follow
}

// run is a number of slots with the same number of extra bits.
type run struct {
	count int
	extra uint8
}

// The slots begin at 1 and leave no gaps.
var (
	offsetSlots = slots([]run{
		{8, 0}, {9, 2}, {7, 3}, {10, 4}, {15, 5}, {15, 6}, {20, 7}, {20, 8}, {30, 9}, {33, 10}, {40, 11},
		{42, 12}, {45, 13}, {60, 14}, {73, 15}, {80, 16}, {85, 17}, {95, 18}, {105, 19}, {6, 20}, {1, 30},
	})
	lengthSlots = slots([]run{
		{26, 0}, {4, 1}, {6, 2}, {4, 3}, {5, 4}, {2, 5}, {1, 6}, {1, 7}, {1, 8}, {1, 9}, {1, 10}, {1, 16}, {1, 30},
	})
)

func slots(runs []run) *[maxSymbols]slot {
	all, n, base := new([maxSymbols]slot), 0, uint32(1)
	for _, r := range runs {
		for range r.count {
			all[n] = slot{base, 1<<r.extra - 1}
			base += 1 << r.extra
			n++
		}
	}
	return all
}

// numSlots is the size of the alphabet of offsets in a chunk of size bytes: those that lead to a byte
// of it. It is at least 2, as a code of less is none; chunks so short have no use for offsets.
func numSlots(size int) int {
	all := offsetSlots[:numOffsets]
	return max(2, sort.Search(len(all), func(i int) bool { return int64(all[i].base) > int64(size)-1 }))
}
