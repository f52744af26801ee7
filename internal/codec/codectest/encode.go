package codectest

import (
	"bytes"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Encoder is what the encoders have in common.
type Encoder interface {
	// Encode compresses the chunk src into dst, if it becomes shorter.
	Encode(dst, src []byte) (n int, ok bool)
}

// Cut cuts contents into chunks of the given size.
func Cut(contents []byte, size int) (chunks [][]byte) {
	for len(contents) > 0 {
		n := min(size, len(contents))
		chunks = append(chunks, contents[:n:n])
		contents = contents[n:]
	}
	return chunks
}

// JudgeEncoder encodes a part of this test's own program and of each of Materials, in chunks of the given
// size. libwim and the decoder in Python must read all of them. It returns how much remains, and how much
// with libwim's encoder.
func JudgeEncoder(t *testing.T, e Encoder, format string, size int) (ours, wimlib int) {
	t.Helper()
	oracle.Need(t, "python3", "wimlib-imagex")
	contents := Program(t, 600_000)
	for _, m := range Materials() {
		contents = append(contents, m[:min(len(m), 40_000)]...)
	}
	plain := Cut(contents, size)
	for _, m := range Materials() { // for libwim also in chunks that are shorter
		plain = append(plain, Cut(m[:min(len(m), 40_000)], size)...)
	}
	stored := make([][]byte, len(plain))
	var packed []oracle.Chunk
	var want [][]byte
	for i, p := range plain {
		dst := make([]byte, len(p))
		n, ok := e.Encode(dst, p)
		if !ok {
			stored[i] = p
			continue
		}
		stored[i] = dst[:n]
		packed = append(packed, oracle.Chunk{Data: stored[i], Size: len(p)})
		want = append(want, p)
	}
	for i, got := range oracle.WimlibDecode(t, format, size, packed) {
		if !bytes.Equal(got, want[i]) {
			t.Errorf("libwim makes something else of chunk %d of %d", i, len(packed))
		}
	}
	count := (len(contents) + size - 1) / size
	got, err := oracle.DecodeChunks(oracle.ChunkStream(stored[:count]), int64(len(contents)), format, size)
	if err != nil {
		t.Error(err)
	} else if !bytes.Equal(got, contents) {
		t.Error("the decoder in Python makes something else of the contents")
	}
	for i, s := range oracle.WimlibEncode(t, format, size, 0, plain) {
		if s == nil {
			s = plain[i]
		}
		wimlib += len(s)
		ours += len(stored[i])
	}
	return ours, wimlib
}

// BenchmarkEncode measures e on contents, cut into chunks of the given size, and reports how much of
// them remains.
func BenchmarkEncode(b *testing.B, e Encoder, contents []byte, size int) {
	dst := make([]byte, size)
	b.SetBytes(int64(len(contents)))
	b.ReportAllocs()
	total := 0
	for b.Loop() {
		total = 0
		for _, chunk := range Cut(contents, size) {
			n, ok := e.Encode(dst[:len(chunk)], chunk)
			if !ok {
				n = len(chunk)
			}
			total += n
		}
	}
	b.ReportMetric(100*float64(total)/float64(len(contents)), "%")
}

// CheckAgain has e encode a chunk after others of at most size bytes: it must become want each time, and
// take no memory.
func CheckAgain(t *testing.T, e Encoder, src, want []byte, size int) {
	t.Helper()
	dst := make([]byte, size)
	for _, m := range Materials() {
		e.Encode(dst, m[:min(len(m), size)])
		n, ok := e.Encode(dst, src)
		if !ok || !bytes.Equal(dst[:n], want) {
			t.Fatal("the same chunk is encoded otherwise after others")
		}
	}
	if n := testing.AllocsPerRun(5, func() { e.Encode(dst, src) }); n != 0 {
		t.Errorf("Encode allocates %v times", n)
	}
}

// CheckRefused has e encode what does not become shorter, or has no room: chunks of at most size bytes,
// and those of odd.
func CheckRefused(t *testing.T, e Encoder, size int, odd ...[]byte) {
	t.Helper()
	dst := make([]byte, 2*size)
	for _, src := range append(odd, nil, []byte{}, make([]byte, 1), Noise(4096, 1), make([]byte, size+1)) {
		if n, ok := e.Encode(dst, src); ok {
			t.Errorf("%d bytes became %d", len(src), n)
		}
	}
	src := make([]byte, 4096)
	n, ok := e.Encode(dst, src)
	if !ok {
		t.Fatal("zeros were not encoded")
	}
	if _, ok := e.Encode(dst[:n-1], src); ok {
		t.Error("encoded into a byte less than it takes")
	}
	if m, ok := e.Encode(dst[:n], src); !ok || m != n {
		t.Errorf("encoded into just the room that it takes: %d, %v", m, ok)
	}
}
