package xpress

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// chunkSizes are those of WIMs and of WOF.
var chunkSizes = []int{4096, 8192, 16384, 32768, MaxChunk}

// roundtrip encodes src and decodes it again, if it becomes shorter.
func roundtrip(t testing.TB, e *Encoder, src []byte) (chunk []byte) {
	t.Helper()
	room := bytes.Repeat([]byte{0xa5}, len(src)+64)
	n, ok := e.Encode(room[:len(src)], src)
	if !ok {
		return nil
	}
	if n >= len(src) || bytes.Trim(room[n:], "\xa5") != nil {
		t.Fatalf("%d bytes became %d, and what is behind them changed", len(src), n)
	}
	got := make([]byte, len(src))
	if err := new(Decoder).Decode(got, room[:n]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, src) {
		t.Fatal("decoded to something else")
	}
	return room[:n]
}

func TestEncode(t *testing.T) {
	e := new(Encoder)
	for _, size := range chunkSizes {
		for _, m := range codectest.Materials() {
			for _, src := range codectest.Cut(m, size) {
				roundtrip(t, e, src)
			}
		}
	}
}

// TestEncodeJudged has other decoders read the chunks, and compares their size with that of libwim's.
func TestEncodeJudged(t *testing.T) {
	for _, size := range chunkSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ours, wimlib := codectest.JudgeEncoder(t, new(Encoder), "XPRESS", size)
			ratio := float64(ours) / float64(wimlib)
			t.Logf("%d bytes, libwim %d: ratio %.3f", ours, wimlib, ratio)
			if ratio > 1.02 {
				t.Error("too large")
			}
		})
	}
}

func TestEncodeAgain(t *testing.T) {
	src := codectest.Machine(30_000, 3)
	codectest.CheckAgain(t, new(Encoder), src, roundtrip(t, new(Encoder), src), MaxChunk)
}

func TestEncodeRefused(t *testing.T) {
	codectest.CheckRefused(t, new(Encoder), MaxChunk, make([]byte, headerSize))
}

// FuzzEncode encodes variations on anything, and decodes them again.
func FuzzEncode(f *testing.F) {
	for _, src := range codectest.Themes() {
		f.Add(src, uint16(1))
		f.Add(src, uint16(40))
	}
	e := new(Encoder)
	f.Fuzz(func(t *testing.T, src []byte, repeat uint16) {
		roundtrip(t, e, codectest.Variations(src, int(repeat), MaxChunk))
	})
}

func BenchmarkEncode(b *testing.B) {
	contents := codectest.BenchmarkMaterial(b)
	for _, size := range chunkSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) { codectest.BenchmarkEncode(b, new(Encoder), contents, size) })
	}
}
