//go:build windows || linux

package lzx

import (
	"bytes"
	"io"
	"testing"

	winio "github.com/Microsoft/go-winio/wim/lzx"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// TestAgainstWinio decodes valid chunks with Microsoft's decoder too. It knows windows of 32 KiB only,
// and must not be given anything broken: it panics.
func TestAgainstWinio(t *testing.T) {
	for _, v := range vectors {
		if v.ChunkSize != MinWindow {
			continue
		}
		compareWithWinio(t, v.Name, v.Load(t, "LZX", false), len(v.Want))
	}
	for i, c := range codectest.CompressedChunks(codectest.Capture(t, "LZX", MinWindow, codectest.Materials()...)) {
		if i%7 == 0 {
			compareWithWinio(t, "wimlib", c.Data, c.Size)
		}
	}
}

// TestStreamsAgainstWinio decodes the hand-made streams with Microsoft's decoder too.
func TestStreamsAgainstWinio(t *testing.T) {
	for _, c := range streams {
		if c.window == MinWindow {
			s := newStream(c.window)
			c.write(s)
			compareWithWinio(t, c.name, s.done(), s.size)
		}
	}
}

// TestEncodeAgainstWinio has Microsoft's decoder read what we encode.
func TestEncodeAgainstWinio(t *testing.T) {
	e, dst := newEncoder(t, MinWindow), make([]byte, MinWindow)
	for _, m := range append(codectest.Materials(), codectest.Program(t, 1_000_000)) {
		for _, src := range codectest.Cut(m, MinWindow) {
			if n, ok := e.Encode(dst, src); ok {
				compareWithWinio(t, "encoded", dst[:n], len(src))
			}
		}
	}
}

func compareWithWinio(t *testing.T, name string, src []byte, size int) {
	t.Helper()
	r, err := winio.NewReader(bytes.NewReader(src), size)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: go-winio: %v", name, err)
	}
	got := make([]byte, size)
	if err := newDecoder(t, MinWindow).Decode(got, src); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: decoded %q, go-winio %q", name, got[:min(size, 64)], want[:min(size, 64)])
	}
}

// BenchmarkWinio measures Microsoft's decoder on the vectors, for comparison with BenchmarkDecode.
func BenchmarkWinio(b *testing.B) {
	for _, v := range vectors {
		if v.ChunkSize != MinWindow {
			continue
		}
		b.Run(v.Name, func(b *testing.B) {
			src := v.Load(b, "LZX", false)
			codectest.BenchmarkChunks(b, winioDecoder{}, []codectest.WIMChunk{{Data: src, Size: len(v.Want)}})
		})
	}
}

// winioDecoder lets go-winio's decoder be measured as ours.
type winioDecoder struct{}

func (winioDecoder) Decode(dst, src []byte) error {
	r, err := winio.NewReader(bytes.NewReader(src), len(dst))
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, dst)
	return err
}
