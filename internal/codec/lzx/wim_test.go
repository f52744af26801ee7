package lzx

import (
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// BenchmarkWIM decodes the WIM that the environment names, for measuring on real material.
func BenchmarkWIM(b *testing.B) {
	path := os.Getenv("WINBAKE_BENCH_WIM")
	if path == "" {
		b.Skip("WINBAKE_BENCH_WIM names no WIM to measure with")
	}
	blobs, size := codectest.WIMBlobs(b, path)
	d := newDecoder(b, size)
	codectest.CheckBlobs(b, d, blobs)
	codectest.BenchmarkChunks(b, d, codectest.CompressedChunks(blobs))
}

// newDecoder is NewDecoder for a window that must be valid.
func newDecoder(t testing.TB, window int) *Decoder {
	t.Helper()
	d, err := NewDecoder(window)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
