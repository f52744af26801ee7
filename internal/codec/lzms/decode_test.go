package lzms

import (
	"errors"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestSlots checks the ends of the tables against the numbers that they are known for.
func TestSlots(t *testing.T) {
	if s := offsetSlots[numOffsets-1]; s.base != 0x065be4a5 || s.mask != 1<<30-1 {
		t.Errorf("the last offset slot is %+v", s)
	}
	if s := lengthSlots[numLengths-1]; s.base != 0x000108ab || s.mask != 1<<30-1 {
		t.Errorf("the last length slot is %+v", s)
	}
	for size, want := range map[int]int{0: 2, 1: 2, 2: 2, 3: 2, 4: 3, 9: 8, 10: 9, 13: 9, 14: 10} {
		if got := numSlots(size); got != want {
			t.Errorf("a chunk of %d bytes has %d slots, want %d", size, got, want)
		}
	}
}

// TestRecall follows the queue of recent sources: directly after a match its own source is not there.
func TestRecall(t *testing.T) {
	q := [numRepeats + 1]uint32{1, 2, 3, 4}
	for i, c := range []struct {
		index int
		again bool
		want  uint32
	}{{2, false, 3}, {0, true, 1}, {2, true, 4}, {0, false, 4}, {1, true, 3}} {
		if got := recall(&q, c.index, c.again); got != c.want {
			t.Errorf("step %d: %d, want %d; now %v", i, got, c.want, q)
		}
	}
	remember(&q, 9)
	if q[0] != 9 || q[1] != 3 {
		t.Errorf("%v", q)
	}
}

func TestBadInput(t *testing.T) {
	d := newDecoder(t, MinChunk)
	dst := make([]byte, 1000)
	for _, n := range []int{0, 1, 2, 3, 5, 7} {
		wantCorrupt(t, d.Decode(dst, make([]byte, n)), "want an even number")
	}
	if err := d.Decode(make([]byte, MinChunk+1), make([]byte, 8)); !errors.Is(err, fault.ErrBug) {
		t.Errorf("a chunk that is too long: %v", err)
	}
	for _, n := range []int{0, 1, 1000, MinChunk - 1, MinChunk + 1, 2 * MaxChunk} {
		if _, err := NewDecoder(n); !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("chunks of %d bytes: %v", n, err)
		}
	}
	if err := d.Decode(nil, make([]byte, 4)); err != nil {
		t.Error(err)
	}
}

// TestFilterRebase has the filter forget what was before its numbers overflow.
func TestFilterRebase(t *testing.T) {
	v := vectors[0]
	src := v.Load(t, "LZMS", false)
	d, got := newDecoder(t, v.ChunkSize), make([]byte, len(v.Want))
	for _, base := range []uint32{0, 1<<32 - 1, 1<<32 - 3*memory, 1<<32 - 2*memory - uint32(len(got)) - 1} {
		d.filter.base = base
		for range 3 {
			if err := d.Decode(got, src); err != nil || string(got) != string(codectest.Machine(len(got), 7)) {
				t.Fatalf("from %#x it differs (%v)", base, err)
			}
		}
	}
}
