package lzx

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

var update = flag.Bool("update", false, "have wimlib-imagex write the vectors in testdata anew")

// vectors are chunks of WIMs made by wimlib-imagex capture --compress=LZX --chunk-size=..., see
// codectest.Capture.
var vectors = []codectest.Vector{
	{Name: "wimlib-calls.lzx", ChunkSize: MinWindow, Want: codectest.Machine(12_000, 7)},
	{Name: "wimlib-text.lzx", ChunkSize: MinWindow, Want: codectest.Text(MinWindow)},
	{Name: "wimlib-periods.lzx", ChunkSize: MinWindow, Want: codectest.Periods(8000)},
	{Name: "wimlib-far.lzx", ChunkSize: MaxWindow, Want: far()},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			src := v.Load(t, "LZX", *update)
			d := newDecoder(t, v.ChunkSize)
			got := make([]byte, len(v.Want))
			for range 2 { // the second time with what the first one left behind
				if err := d.Decode(got, src); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, v.Want) {
					t.Fatal("decoded to something else")
				}
			}
			if n := testing.AllocsPerRun(5, func() { d.Decode(got, src) }); n != 0 {
				t.Errorf("Decode allocates %v times", n)
			}
		})
	}
}

// TestVectorsFlipped shows that the comparison above can fail, and that a damaged chunk is an error
// or other contents, nothing worse.
func TestVectorsFlipped(t *testing.T) {
	for _, v := range vectors {
		src := v.Load(t, "LZX", false)
		d := newDecoder(t, v.ChunkSize)
		got := make([]byte, len(v.Want))
		for i := 0; i < len(src)-8; i += 1 + len(src)/100 {
			bad := bytes.Clone(src)
			bad[i] ^= 0x10
			if err := d.Decode(got, bad); err == nil && bytes.Equal(got, v.Want) {
				t.Errorf("%s: flipping bit 4 of byte %d of %d changes nothing", v.Name, i, len(src))
			}
		}
	}
}

// TestVectorsTruncated cuts the vectors short: an error of the right class, or other contents.
func TestVectorsTruncated(t *testing.T) {
	for _, v := range vectors {
		src := v.Load(t, "LZX", false)
		d := newDecoder(t, v.ChunkSize)
		got := make([]byte, len(v.Want))
		for n := 0; n < len(src)-8; n += 1 + n/20 {
			if err := d.Decode(got, src[:n:n]); err != nil {
				wantCorrupt(t, err, "")
			} else if bytes.Equal(got, v.Want) {
				t.Errorf("%s: %d bytes of %d are enough", v.Name, n, len(src))
			}
		}
	}
}

func TestWIM(t *testing.T) {
	for _, size := range []int{MinWindow, 1 << 17, MaxWindow} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			blobs := codectest.Capture(t, "LZX", size, codectest.Materials()...)
			if n := codectest.CheckBlobs(t, newDecoder(t, size), blobs); n == 0 {
				t.Error("no chunk was compressed")
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, v := range vectors {
		b.Run(v.Name, func(b *testing.B) {
			chunk := codectest.WIMChunk{Data: v.Load(b, "LZX", false), Size: len(v.Want)}
			codectest.BenchmarkChunks(b, newDecoder(b, v.ChunkSize), []codectest.WIMChunk{chunk})
		})
	}
}

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
