package lz

import (
	"encoding/binary"
	"math/bits"
)

// Pad is how many bytes behind its data a Finder's buffer has.
const Pad = 16

// Finder finds earlier occurrences of what begins at a position: every position of a chunk is entered
// into a chain of those whose first four bytes have the same hash, the latest first, and the latest
// one of three bytes into a table of its own.
//
// The zero value is ready for Reset. A Finder allocates only when a chunk is longer than any before,
// and must not be used by two goroutines at once.
type Finder struct {
	// Depth is how many candidates of a chain are tried. Nice is the length that is good enough to try
	// no more, and Most the longest that is looked for.
	Depth, Nice, Most int

	b     []byte // the chunk and Pad zeros
	n     int
	base  uint32 // the chunk's position 0 in the tables, above all that an earlier chunk has left there
	head3 []uint32
	head4 []uint32
	prev  []uint32
	shift uint // of the hash for head4
}

const (
	hash3Bits    = 12
	minHash4Bits = 12
	maxHash4Bits = 18
)

// Reset begins a chunk and returns its copy, which may be changed before the first Find.
func (f *Finder) Reset(src []byte) []byte {
	f.base += uint32(f.n)
	f.n = len(src)
	width := min(max(bits.Len(uint(max(f.n, 1)-1)), minHash4Bits), maxHash4Bits)
	if len(f.head4) < 1<<width || f.base > 1<<31 {
		f.head3 = make([]uint32, 1<<hash3Bits)
		f.head4 = make([]uint32, max(1<<width, len(f.head4)))
		f.base = 1
	}
	if len(f.prev) < f.n {
		f.prev = make([]uint32, f.n)
		f.b = make([]byte, f.n+Pad)
	}
	copy(f.b, src)
	clear(f.b[f.n:][:Pad])
	f.shift = 32 - uint(width)
	return f.b[:f.n]
}

// Skip enters count positions from pos on without looking for anything.
func (f *Finder) Skip(pos, count int) {
	b, prev, head3, head4 := f.b, f.prev[:len(f.b)-Pad], f.head3, f.head4
	for end := pos + count; pos < end; pos++ {
		x := binary.LittleEndian.Uint32(b[pos : pos+4])
		head3[hash3(x)] = f.base + uint32(pos)
		h := x * hashFactor >> f.shift
		prev[pos] = head4[h]
		head4[h] = f.base + uint32(pos)
	}
}

const hashFactor = 0x9e3779b1 // 2^32 divided by the golden ratio

// hash3 hashes the first three bytes of x, which are its lowest.
func hash3(x uint32) uint32 { return x << 8 * hashFactor >> (32 - hash3Bits) }

// Find enters position pos and returns the longest match there that is longer than least, with its
// distance, and of several such the nearest; or length 0. Matches are of three bytes or more, and end
// with the chunk at the latest.
func (f *Finder) Find(pos, least int) (length, distance int) {
	b := f.b
	x := binary.LittleEndian.Uint32(b[pos : pos+4])
	h3, h4 := hash3(x), x*hashFactor>>f.shift
	c3, c := f.head3[h3], f.head4[h4]
	f.head3[h3] = f.base + uint32(pos)
	f.head4[h4] = f.base + uint32(pos)
	f.prev[pos] = c
	most := min(f.n-pos, f.Most)
	if most <= least {
		return 0, 0
	}
	if least < 3 {
		if most < 3 {
			return 0, 0
		}
		if p := int(c3 - f.base); c3 >= f.base && (binary.LittleEndian.Uint32(b[p:p+4])^x)<<8 == 0 {
			length, distance = 3, pos-p
		}
		least = 3
	}
	if most < 4 {
		return length, distance
	}
	tail := binary.LittleEndian.Uint32(b[pos+least-3 : pos+least+1])
	for depth := f.Depth; c >= f.base && depth > 0; depth-- {
		p := int(c - f.base)
		c = f.prev[p]
		if binary.LittleEndian.Uint32(b[p+least-3:p+least+1]) != tail || binary.LittleEndian.Uint32(b[p:p+4]) != x {
			continue
		}
		n := f.extend(p, pos, most)
		if n <= least {
			continue
		}
		length, distance, least = n, pos-p, n
		if n >= f.Nice || n == most {
			break
		}
		tail = binary.LittleEndian.Uint32(b[pos+least-3 : pos+least+1])
	}
	return length, distance
}

// Repeated returns the longest match of two bytes or more at pos from one of the given distances back,
// at most most, and which one it is; or length 0.
func (f *Finder) Repeated(pos int, distances []int, most int) (length, which int) {
	x := Load(f.b, pos)
	length = 1
	for i, d := range distances {
		if d > pos {
			continue
		}
		y := Load(f.b, pos-d) ^ x
		if y&0xffff != 0 {
			continue
		}
		n := bits.TrailingZeros64(y) / 8 // 8 for all
		if y == 0 {
			n = f.extend(pos-d, pos, most)
		}
		if n = min(n, most); n > length {
			length, which = n, i
		}
	}
	if length == 1 {
		return 0, 0
	}
	return length, which
}

// extend returns how many bytes at p and pos are the same, up to most; four are known to be.
func (f *Finder) extend(p, pos, most int) int {
	b := f.b
	for n := 4; n < most; n += 8 {
		if x := Load(b, p+n) ^ Load(b, pos+n); x != 0 {
			return min(n+bits.TrailingZeros64(x)/8, most)
		}
	}
	return most
}
