package xpress

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
	blobs, _ := codectest.WIMBlobs(b, path)
	d := new(Decoder)
	codectest.CheckBlobs(b, d, blobs)
	codectest.BenchmarkChunks(b, d, codectest.CompressedChunks(blobs))
}
