package regf

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestUntouched rewrites hives of which some keys have been read and others not: the bytes are those
// that they were made of.
func TestUntouched(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := &random{rand.New(rand.NewPCG(seed, 2)), letters}
		h := New("untouched")
		h.Minor = 2 + uint32(seed%5)
		r.grow(t, h.Root, 200)
		var paths []string
		walk(h.Root, func(k *Key) { paths = append(paths, k.Path()) })
		want := marshal(t, h)
		got := parse(t, want)
		for range 4 {
			for range r.IntN(10) {
				if path := paths[r.IntN(len(paths))]; got.Root.Subkey(path) == nil {
					t.Fatalf("seed %d: no key %q", seed, path)
				}
			}
			if !bytes.Equal(marshal(t, got), want) {
				t.Fatalf("seed %d: the hive has become another", seed)
			}
		}
		sameHive(t, got, h)
	}
}

// TestOtherVersionUntouched stores an unread hive as another version: how it is read stays as it was.
func TestOtherVersionUntouched(t *testing.T) {
	for _, from := range minors {
		for _, to := range minors {
			h := New("versions")
			h.Minor = from
			create(t, h.Root, `a\b`).Set(Binary("large", pattern(3*maxSegment)))
			got := parse(t, marshal(t, h))
			h.Minor, got.Minor = to, to
			same(t, "another version", string(marshal(t, got)), string(marshal(t, h)))
		}
	}
}

// TestReaderOfBrokenHive gets the error of Marshal.
func TestReaderOfBrokenHive(t *testing.T) {
	h := New("broken")
	h.Root.Security = []byte("none")
	_, want := h.Marshal()
	if _, err := h.Reader(); err == nil || err.Error() != want.Error() {
		t.Errorf("%v, want %v", err, want)
	}
}
