package chunk_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof/chunk"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestRoundTrip appends chunks of every length class, and decodes those that became shorter. That
// others can decode them is tested where the streams are made and in the codecs.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for a := wof.XPRESS4K; a.Known(); a++ {
		for _, n := range []int{0, 1, 300, int(a.ChunkSize()) - 1, int(a.ChunkSize())} {
			text, noise := make([]byte, n), make([]byte, n)
			for i := range n {
				text[i], noise[i] = "abcab"[r.IntN(5)], byte(r.Uint32())
			}
			for _, src := range [][]byte{text, noise} {
				out, err := chunk.Append(a, []byte("before"), src)
				if err != nil || !bytes.HasPrefix(out, []byte("before")) {
					t.Fatalf("%v, %d bytes: %q, %v", a, n, out, err)
				}
				if out = out[len("before"):]; len(out) == n {
					if !bytes.Equal(out, src) {
						t.Errorf("%v: a chunk of %d bytes that stays as long is not the same", a, n)
					}
					continue
				}
				got := make([]byte, n)
				if err := chunk.Decode(a, got, out); err != nil || !bytes.Equal(got, src) {
					t.Errorf("%v, %d bytes: decodes to something else (%v)", a, n, err)
				}
			}
		}
		if _, err := chunk.Append(a, nil, make([]byte, a.ChunkSize()+1)); !errors.Is(err, fault.ErrBug) {
			t.Errorf("%v: too long a chunk: %v", a, err)
		}
	}
	if err := chunk.Decode(4, nil, nil); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("unknown algorithm: %v", err)
	}
}
