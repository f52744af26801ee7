package lzx

import (
	"bytes"
	"crypto/sha1"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// TestMeasureWIM / BenchmarkWIM decode the WIM named by WINBAKE_BENCH_WIM.
func BenchmarkWIM(b *testing.B) {
	path := os.Getenv("WINBAKE_BENCH_WIM")
	if path == "" {
		b.Skip("WINBAKE_BENCH_WIM names no WIM to measure with")
	}
	blobs, size := codectest.WIMBlobs(b, path)
	d, err := NewDecoder(size)
	if err != nil {
		b.Fatal(err)
	}
	checkBlobs(b, d, blobs, size)
	dst := make([]byte, size)
	var total int64
	for _, blob := range blobs {
		for _, c := range blob.Chunks {
			if len(c.Data) != c.Size {
				total += int64(c.Size)
			}
		}
	}
	b.SetBytes(total)
	for b.Loop() {
		for _, blob := range blobs {
			for _, c := range blob.Chunks {
				if len(c.Data) != c.Size {
					d.Decode(dst[:c.Size], c.Data)
				}
			}
		}
	}
}

// checkBlobs decodes blobs and compares their hashes.
func checkBlobs(t testing.TB, d *Decoder, blobs []codectest.WIMBlob, chunkSize int) {
	t.Helper()
	dst := make([]byte, chunkSize)
	for i, blob := range blobs {
		h := sha1.New()
		for j, c := range blob.Chunks {
			out := dst[:c.Size]
			if len(c.Data) == c.Size {
				copy(out, c.Data)
			} else if err := d.Decode(out, c.Data); err != nil {
				t.Fatalf("blob %d chunk %d: %v", i, j, err)
			}
			h.Write(out)
		}
		if sum := h.Sum(nil); !bytes.Equal(sum, blob.SHA1[:]) {
			t.Errorf("blob %d of %d bytes: SHA-1 is %x, want %x", i, blob.Size, sum, blob.SHA1)
		}
	}
}
