package codectest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Mutate returns count damaged versions of chunks: bits flipped, bytes overwritten, cut short, cut out or
// put in. The same arguments give the same chunks.
func Mutate(chunks []WIMChunk, count int, seed uint64) []WIMChunk {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([]WIMChunk, count)
	for i := range out {
		c := chunks[r.IntN(len(chunks))]
		b := bytes.Clone(c.Data)
		at := r.IntN(len(b))
		if r.IntN(2) == 0 {
			at = len(b) - 1 - r.IntN(min(40, len(b))) // the end, where the rest still decodes
		}
		switch r.IntN(6) {
		case 0, 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b[at] = byte(r.Uint32())
		case 3:
			b = b[:at]
		case 4:
			b = append(b[:at], b[at+1:]...)
		default:
			b = append(b[:at:at], append([]byte{byte(r.Uint32())}, b[at:]...)...)
		}
		out[i] = WIMChunk{Data: b, Size: c.Size}
	}
	return out
}

// CompareWithWimlib decodes chunks with d and with libwim: both take the same ones, and make the same of
// them. It returns how many they take.
func CompareWithWimlib(t *testing.T, d Decoder, format string, window int, chunks []WIMChunk) (taken int) {
	t.Helper()
	jobs := make([]oracle.Chunk, len(chunks))
	for i, c := range chunks {
		jobs[i] = oracle.Chunk(c)
	}
	for i, want := range oracle.WimlibDecode(t, format, window, jobs) {
		got := make([]byte, chunks[i].Size)
		err := d.Decode(got, chunks[i].Data)
		switch {
		case want == nil && err == nil:
			t.Errorf("chunk %d: libwim refuses what we decode: %x", i, chunks[i].Data)
		case want == nil && !errors.Is(err, fault.ErrCorrupt):
			t.Errorf("chunk %d: error of another class: %v", i, err)
		case want != nil && err != nil:
			t.Errorf("chunk %d: libwim decodes what we refuse: %v: %x", i, err, chunks[i].Data)
		case want != nil && !bytes.Equal(got, want):
			t.Errorf("chunk %d: libwim makes something else of %x", i, chunks[i].Data)
		}
		if want != nil {
			taken++
		}
		if t.Failed() {
			return taken
		}
	}
	return taken
}
