package codectest

import "testing"

// Encoder is what the encoders have in common.
type Encoder interface {
	// Encode compresses the chunk src into dst, if it becomes shorter.
	Encode(dst, src []byte) (n int, ok bool)
}

// BenchmarkEncode measures e on src, cut into chunks of the given size, and reports how much remains.
func BenchmarkEncode(b *testing.B, e Encoder, src []byte, size int) {
	dst := make([]byte, size)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	total := 0
	for b.Loop() {
		total = 0
		for rest := src; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			chunk := rest[:min(size, len(rest))]
			n, ok := e.Encode(dst, chunk)
			if !ok {
				n = len(chunk)
			}
			total += n
		}
	}
	b.ReportMetric(100*float64(total)/float64(len(src)), "%")
}
