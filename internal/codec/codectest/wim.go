// Package codectest holds what the tests of the codecs share: the chunks of a WIM that wimlib wrote, a
// writer of bit streams for streams that no encoder would make, and judges of what encoders make.
package codectest

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"os"
	"testing"
)

// WIMBlob is one compressed blob of a Windows Imaging file, cut into its chunks.
type WIMBlob struct {
	SHA1   [20]byte // of the uncompressed contents
	Size   int      // uncompressed bytes
	Chunks []WIMChunk
}

// WIMChunk is one chunk as stored: raw if Data has Size bytes, else compressed.
type WIMChunk struct {
	Data []byte
	Size int // uncompressed bytes
}

// WIMBlobs returns the compressed blobs of the Windows Imaging file at path, in the order of its
// blob table, and its chunk size in bytes. It reads just what wimlib-imagex capture writes: codecs
// test their decoders with it, without the reader that is built on them.
func WIMBlobs(t testing.TB, path string) (blobs []WIMBlob, chunkSize int) {
	t.Helper()
	wim, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(wim) < 208 || !bytes.HasPrefix(wim, []byte("MSWIM\x00\x00\x00")) {
		t.Fatalf("%s is not a Windows Imaging file", path)
	}
	chunkSize = int(binary.LittleEndian.Uint32(wim[0x14:]))
	table := wimResource(wim[0x30:])
	for e := wim[table.offset:][:table.stored]; len(e) >= 50; e = e[50:] {
		r := wimResource(e)
		if r.flags&0x04 == 0 {
			continue
		}
		b := WIMBlob{Size: r.size, SHA1: [20]byte(e[30:50])}
		b.Chunks = wimChunks(wim[r.offset:][:r.stored], r.size, chunkSize)
		blobs = append(blobs, b)
	}
	return blobs, chunkSize
}

// resource is a resource header: 7 bytes of stored size, flags, offset, uncompressed size.
type resource struct {
	stored, offset, size int
	flags                byte
}

func wimResource(b []byte) resource {
	n := binary.LittleEndian.Uint64(b)
	return resource{
		stored: int(n & (1<<56 - 1)),
		flags:  byte(n >> 56),
		offset: int(binary.LittleEndian.Uint64(b[8:])),
		size:   int(binary.LittleEndian.Uint64(b[16:])),
	}
}

// wimChunks cuts a resource below 4 GiB: 32-bit offsets of all chunks but the first, then the chunks.
func wimChunks(res []byte, size, chunkSize int) []WIMChunk {
	n := (size + chunkSize - 1) / chunkSize
	data := res[4*(n-1):]
	chunks := make([]WIMChunk, n)
	start := 0
	for i := range chunks {
		end := len(data)
		if i < n-1 {
			end = int(binary.LittleEndian.Uint32(res[4*i:]))
		}
		chunks[i] = WIMChunk{Data: data[start:end], Size: min(chunkSize, size-i*chunkSize)}
		start = end
	}
	return chunks
}

// Decoder is what the codecs have in common.
type Decoder interface {
	// Decode fills dst from the compressed chunk src.
	Decode(dst, src []byte) error
}

// CheckBlobs decodes blobs with d and compares their SHA-1 with what the WIM says. It returns how
// many compressed chunks there were.
func CheckBlobs(t testing.TB, d Decoder, blobs []WIMBlob) (compressed int) {
	t.Helper()
	for i, blob := range blobs {
		h := sha1.New()
		for j, c := range blob.Chunks {
			out := c.Data
			if len(c.Data) != c.Size {
				compressed++
				out = make([]byte, c.Size)
				if err := d.Decode(out, c.Data); err != nil {
					t.Fatalf("blob %d chunk %d: %v", i, j, err)
				}
			}
			h.Write(out)
		}
		if sum := h.Sum(nil); !bytes.Equal(sum, blob.SHA1[:]) {
			t.Errorf("blob %d of %d bytes: SHA-1 is %x, want %x", i, blob.Size, sum, blob.SHA1)
		}
	}
	return compressed
}

// CompressedChunks returns the chunks of blobs that are not stored raw.
func CompressedChunks(blobs []WIMBlob) (chunks []WIMChunk) {
	for _, blob := range blobs {
		for _, c := range blob.Chunks {
			if len(c.Data) != c.Size {
				chunks = append(chunks, c)
			}
		}
	}
	return chunks
}

// BenchmarkChunks measures d on all of chunks.
func BenchmarkChunks(b *testing.B, d Decoder, chunks []WIMChunk) {
	total, largest := 0, 0
	for _, c := range chunks {
		total += c.Size
		largest = max(largest, c.Size)
	}
	dst := make([]byte, largest)
	b.SetBytes(int64(total))
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range chunks {
			if err := d.Decode(dst[:c.Size], c.Data); err != nil {
				b.Fatal(err)
			}
		}
	}
}
