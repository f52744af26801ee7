package sparsetest

import (
	"io"
	"runtime/metrics"
	"testing"
	"time"
)

// Open opens a disk of any format.
type Open func(r io.ReaderAt, size int64) (Disk, error)

// Range is a part of a file, such as a header, that is damaged bit by bit.
type Range struct{ From, To int64 }

// What a damaged file may take to look at.
const (
	maxTime  = 5 * time.Second
	maxBytes = 64 << 20
)

// Damage cuts a file off at every length that is a multiple of step, and flips every bit of the
// ranges, and looks at what that gives: without a panic, in bounded time and memory, and with errors
// that say what is wrong. It returns how many damaged files were refused.
func Damage(t *testing.T, r io.ReaderAt, size, step int64, ranges []Range, open Open) (refused int) {
	t.Helper()
	try := func(what string, at int64, r io.ReaderAt, size int64) {
		before, start := allocated(), time.Now()
		d, err := open(r, size)
		if err != nil {
			Class(t, err)
		} else {
			err = Look(t, d)
		}
		if err != nil {
			refused++
		}
		if took, bytes := time.Since(start), allocated()-before; took > maxTime || bytes > maxBytes {
			t.Errorf("%s at %#x took %v and %d bytes", what, at, took, bytes)
		}
		if t.Failed() {
			t.Fatalf("%s at %#x", what, at)
		}
	}
	for length := int64(0); length < size; length += step {
		try("cut off", length, io.NewSectionReader(r, 0, length), length)
	}
	for _, part := range ranges {
		for at := part.From; at < min(part.To, size); at++ {
			for bit := range 8 {
				try("flipped", at, &flipped{r, at, 1 << bit}, size)
			}
		}
	}
	return refused
}

// allocated is how many bytes have been allocated so far, freed ones included.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// flipped is a file with some bits of one byte flipped.
type flipped struct {
	r    io.ReaderAt
	at   int64
	bits byte
}

// ReadAt reads from the damaged file.
func (f *flipped) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(p, off)
	if f.at >= off && f.at < off+int64(n) {
		p[f.at-off] ^= f.bits
	}
	return n, err
}
