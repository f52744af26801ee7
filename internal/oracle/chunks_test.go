package oracle

import (
	"bytes"
	"fmt"
	"testing"
)

// chunkMaterial returns n bytes that compress, with what looks like calls among them.
func chunkMaterial(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "Windows component %d.%d is installed\r\n\xe8%c\x01\x00\x00", i%97, i*i%1009, byte(i))
	}
	return b.Bytes()[:n]
}

// wofStream has libwim compress contents as WOF stores them.
func wofStream(t *testing.T, format string, chunk int, contents []byte) []byte {
	t.Helper()
	var plain [][]byte
	for rest := contents; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
		plain = append(plain, rest[:min(chunk, len(rest))])
	}
	stored := WimlibEncode(t, format, chunk, 0, plain)
	for i := range stored {
		if stored[i] == nil {
			stored[i] = plain[i]
		}
	}
	return ChunkStream(stored)
}

// TestChunkJudgesAgree has the decoder in Python read what libwim wrote.
func TestChunkJudgesAgree(t *testing.T) {
	Need(t, "python3", "wimlib-imagex")
	for _, c := range []struct {
		format    string
		chunk     int
		algorithm int
	}{{"XPRESS", 4096, WOFXpress4K}, {"XPRESS", 8192, WOFXpress8K}, {"XPRESS", 16384, WOFXpress16K}, {"LZX", 32768, WOFLZX}} {
		for _, size := range []int{0, 1, c.chunk, 3*c.chunk + 100} {
			contents := chunkMaterial(size)
			got, err := DecodeWOF(wofStream(t, c.format, c.chunk, contents), int64(size), c.algorithm)
			if err != nil || !bytes.Equal(got, contents) {
				t.Errorf("%s, chunks of %d, %d bytes: decoded %d bytes, %v", c.format, c.chunk, size, len(got), err)
			}
		}
	}
}

// TestChunkJudgesSeeDamage flips bits of a stream: the decoder in Python objects, or makes something
// else of it, and so does libwim.
func TestChunkJudgesSeeDamage(t *testing.T) {
	Need(t, "python3", "wimlib-imagex")
	contents := chunkMaterial(3000)
	for _, c := range []struct {
		format    string
		chunk     int
		algorithm int
	}{{"XPRESS", 4096, WOFXpress4K}, {"LZX", 32768, WOFLZX}} {
		stream := wofStream(t, c.format, c.chunk, contents)
		var bad []Chunk
		for _, i := range []int{0, 20, len(stream) / 2, len(stream) - 12} {
			b := bytes.Clone(stream)
			b[i] ^= 0x20
			bad = append(bad, Chunk{b, len(contents)})
			if got, err := DecodeWOF(b, int64(len(contents)), c.algorithm); err == nil && bytes.Equal(got, contents) {
				t.Errorf("%s: the decoder in Python does not see that byte %d of %d is wrong", c.format, i, len(stream))
			}
		}
		for i, got := range WimlibDecode(t, c.format, c.chunk, bad) {
			if bytes.Equal(got, contents) {
				t.Errorf("%s: libwim does not see damage %d", c.format, i)
			}
		}
		for _, b := range [][]byte{append(bytes.Clone(stream), 0, 0), stream[:len(stream)-2], nil} {
			if _, err := DecodeWOF(b, int64(len(contents)), c.algorithm); err == nil {
				t.Errorf("%s: the decoder in Python takes %d bytes instead of %d", c.format, len(b), len(stream))
			}
		}
	}
}
