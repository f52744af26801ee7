package lzx

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// newEncoder is NewEncoder for a window that must be valid.
func newEncoder(t testing.TB, window int) *Encoder {
	t.Helper()
	e, err := NewEncoder(window)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// roundtrip encodes src and decodes it again, if it becomes shorter.
func roundtrip(t testing.TB, e *Encoder, d *Decoder, src []byte) (chunk []byte) {
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
	if err := d.Decode(got, room[:n]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, src) {
		t.Fatal("decoded to something else")
	}
	return room[:n]
}

var windows = []int{MinWindow, 1 << 17, MaxWindow}

func TestEncode(t *testing.T) {
	for _, size := range windows {
		e, d := newEncoder(t, size), newDecoder(t, size)
		for _, m := range append(codectest.Materials(), far()) {
			for _, src := range codectest.Cut(m, size) {
				roundtrip(t, e, d, src)
			}
		}
	}
}

// TestEncodeJudged has other decoders read the chunks, and compares their size with that of libwim's.
func TestEncodeJudged(t *testing.T) {
	for _, size := range windows {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ours, wimlib := codectest.JudgeEncoder(t, newEncoder(t, size), "LZX", size)
			ratio := float64(ours) / float64(wimlib)
			t.Logf("%d bytes, libwim %d: ratio %.3f", ours, wimlib, ratio)
			if ratio > 1.06 {
				t.Error("too large")
			}
		})
	}
}

func TestEncodeAgain(t *testing.T) {
	src := codectest.Machine(30_000, 3)
	want := roundtrip(t, newEncoder(t, MinWindow), newDecoder(t, MinWindow), src)
	codectest.CheckAgain(t, newEncoder(t, MinWindow), src, want, MinWindow)
}

func TestEncodeRefused(t *testing.T) {
	codectest.CheckRefused(t, newEncoder(t, MinWindow), MinWindow)
	if _, err := NewEncoder(40000); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("window of 40000 bytes: %v", err)
	}
}

// TestSlotOf compares with the table of slots.
func TestSlotOf(t *testing.T) {
	for coded := uint32(numRepeats); coded < MaxWindow; coded += 1 + coded>>9 {
		s := slots[slotOf(coded)]
		if at := s.base + offsetAdjust; coded < at || coded > at+s.mask || coded&s.mask != coded-at {
			t.Fatalf("adjusted offset %d is in slot %d: %+v", coded, slotOf(coded), s)
		}
	}
}

// FuzzEncode encodes variations on anything, and decodes them again.
func FuzzEncode(f *testing.F) {
	for _, src := range codectest.Themes() {
		f.Add(src, uint16(1), false)
		f.Add(src, uint16(40), true)
	}
	f.Add([]byte("\xe8\x00\x01\x00\x00call"), uint16(100), false)
	e := [2]*Encoder{newEncoder(f, MinWindow), newEncoder(f, 1<<17)}
	d := [2]*Decoder{newDecoder(f, MinWindow), newDecoder(f, 1<<17)}
	f.Fuzz(func(t *testing.T, src []byte, repeat uint16, large bool) {
		i := 0
		if large {
			i = 1
		}
		roundtrip(t, e[i], d[i], codectest.Variations(src, int(repeat), e[i].window))
	})
}

func BenchmarkEncode(b *testing.B) {
	contents := codectest.BenchmarkMaterial(b)
	for _, size := range windows {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			codectest.BenchmarkEncode(b, newEncoder(b, size), contents, size)
		})
	}
}
