package lz

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestFinder looks for matches at every position, with and without gaps, and checks that each is one,
// is as long as it can be, and that none is missed that the depth covers.
func TestFinder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := Finder{Depth: 1 << 20, Nice: 1 << 20, Most: 1 << 20}
	for round := range 300 {
		b := make([]byte, 1+r.IntN(600))
		for i := range b {
			b[i] = byte(r.IntN(1 + round%5))
		}
		f.Reset(b)
		for pos := 0; pos < len(b); pos++ {
			if round%2 == 1 && r.IntN(3) == 0 {
				n := 1 + r.IntN(min(5, len(b)-pos))
				f.Skip(pos, n)
				pos += n - 1
				continue
			}
			least := r.IntN(8)
			length, distance := f.Find(pos, least)
			want, at := longest(b, pos)
			if want <= max(least, 2) {
				want, at = 0, 0
			}
			if length != want || distance != at {
				t.Fatalf("match of %d from %d back, want %d from %d", length, distance, want, at)
			}
		}
	}
}

// longest returns the longest match at pos and the nearest of several.
func longest(b []byte, pos int) (length, distance int) {
	for p := pos - 1; p >= 0; p-- {
		n := 0
		for pos+n < len(b) && b[p+n] == b[pos+n] {
			n++
		}
		if n > length {
			length, distance = n, pos-p
		}
	}
	return length, distance
}

// TestRepeated compares with counting byte by byte.
func TestRepeated(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var f Finder
	for range 2000 {
		b := make([]byte, 1+r.IntN(100))
		for i := range b {
			b[i] = byte(r.IntN(2) * r.IntN(2) * r.IntN(2))
		}
		f.Reset(b)
		pos, limit := r.IntN(len(b)), 1+r.IntN(60)
		distances := []int{1 + r.IntN(100), 1 + r.IntN(10), 1 + r.IntN(10)}
		want, at := 0, 0
		for i, d := range distances {
			n := 0
			for d <= pos && n < limit && pos+n < len(b) && b[pos+n] == b[pos+n-d] {
				n++
			}
			if n >= 2 && n > want {
				want, at = n, i
			}
		}
		if n, i := f.Repeated(pos, distances, min(limit, len(b)-pos)); n != want || i != at {
			t.Fatalf("match of %d with %d, want %d with %d", n, i, want, at)
		}
	}
}

// TestFinderBase has the positions of ever new chunks come to the end of their range.
func TestFinderBase(t *testing.T) {
	b := bytes.Repeat([]byte("abcdefgh"), 100)
	f := Finder{Depth: 8, Nice: 100, Most: 1000}
	for _, base := range []uint32{0, 1<<31 - 100, 1 << 31, 1<<31 + 800} {
		f.Reset(b)
		f.base = max(f.base, base)
		f.Reset(b)
		if n, _ := f.Find(0, 0); n != 0 {
			t.Errorf("base %#x: a match of %d bytes at the start", f.base, n)
		}
		f.Skip(1, 7)
		if n, d := f.Find(8, 0); n != len(b)-8 || d != 8 {
			t.Errorf("base %#x: match of %d bytes from %d back", f.base, n, d)
		}
	}
}
