package lznt1

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestVectors decodes streams made by hand. The first is the example of [MS-XCA] 3.3.
func TestVectors(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		want string
	}{
		"[MS-XCA] 3.3": {
			"38 B0 88 46 23 20 00 20 47 20 41 00 10 A2 47 01 A0 45 20 44 00 08 45 01 50 79 00 C0 45 20 05 24 13 88 05 B4 02 4A 44 EF 03 58 02 8C 09 16 01 48 45 00 BE 00 9E 00 04 01 18 90 00",
			"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\x00",
		},
		"nothing":              {"", strings.Repeat("\x00", 10)},
		"end":                  {"00 00 FF FF", strings.Repeat("\x00", 10)},
		"raw":                  {"04 30 68 65 6C 6C 6F", "hello\x00\x00"},
		"run of one byte":      {"03 B0 02 61 FC 0F", "a" + strings.Repeat("a", 4095)},
		"short chunk, another": {"02 B0 00 61 62 00 30 63", "ab" + strings.Repeat("\x00", 4094) + "c"},
		"dst ends in a match":  {"03 B0 02 61 FC 0F", "aaaaa"},
		"dst ends in literals": {"04 B0 00 61 62 63 64", "ab"},
	} {
		dst := bytes.Repeat([]byte{0xAA}, len(c.want))
		if err := Decode(dst, unhex(c.src)); err != nil || string(dst) != c.want {
			t.Errorf("%s: %q, %v, want %q", name, dst, err, c.want)
		}
	}
}

func TestCorrupt(t *testing.T) {
	for name, c := range map[string]struct {
		src    string
		offset int64
	}{
		"signature":            {"04 A0 00", 0},
		"chunk too long":       {"04 B0 00 61", 0},
		"second chunk":         {"00 30 61 04 00", 3},
		"match at the start":   {"02 B0 01 00 00", 3},
		"match too far back":   {"03 B0 02 61 00 10", 4},
		"half a match":         {"02 B0 02 61 00", 4},
		"match across the end": {"03 B0 02 61 FD 0F", 4},
		"more than a chunk":    {"04 B0 02 61 FC 0F 61", 6},
	} {
		err := Decode(make([]byte, 2*ChunkSize), unhex(c.src))
		var f *fault.Error
		if !errors.As(err, &f) || f.Class != fault.ErrCorrupt || f.Offset != c.offset {
			t.Errorf("%s: %v, want offset %#x", name, err, c.offset)
		}
	}
}

// TestWindows decodes what Windows Server 2012 R2 wrote; the Sleuth Kit says what it is.
func TestWindows(t *testing.T) {
	const dir = "msdelta-lzms/SecurityRonin+ntfs-forensic/tests/data/"
	src, want := oracle.Sample(t, dir+"lznt1_real.bin"), oracle.Sample(t, dir+"lznt1_real.expected")
	dst := make([]byte, len(want))
	if err := Decode(dst, src); err != nil || !bytes.Equal(dst, want) {
		t.Errorf("differs (%v)", err)
	}
}

// FuzzDecode looks for panics, and compares with a decoder that does everything step by step.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"03 B0 02 61 FC 0F", "04 30 68 65 6C 6C 6F", "02 B0 00 61 62 00 30 63", "03 B0 02 61 FD 0F", "08 B0 20 61 62 63 64 65 00 40"} {
		f.Add(unhex(s), uint16(5000))
	}
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		got := make([]byte, size)
		if Decode(got, src) != nil {
			return
		}
		if want, ok := plainDecode(src, int(size)); !ok || !bytes.Equal(got, want) {
			t.Errorf("differs from the plain decoder (%v)", ok)
		}
	})
}

// plainDecode is the format as [MS-XCA] 2.5 tells it, a byte at a time. It stops at size bytes.
func plainDecode(src []byte, size int) ([]byte, bool) {
	var out []byte
	for len(src) >= 2 && len(out) < size {
		header := int(src[0]) | int(src[1])<<8
		if header == 0 {
			break
		}
		n := header&0xFFF + 3
		if header>>12&7 != 3 || n > len(src) {
			return nil, false
		}
		chunk := src[2:n]
		if header>>15 == 1 {
			var ok bool
			if chunk, ok = plainChunk(chunk, size-len(out)); !ok {
				return nil, false
			}
		}
		out = append(out, append(chunk[:len(chunk):len(chunk)], make([]byte, ChunkSize-min(len(chunk), ChunkSize))...)...)
		src = src[n:]
	}
	return append(out, make([]byte, size)...)[:size], true
}

func plainChunk(src []byte, limit int) ([]byte, bool) {
	var out []byte
	for i := 0; len(src) > 0; i++ {
		flags := src[0]
		src = src[1:]
		for bit := range 8 {
			if len(src) == 0 || len(out) >= limit {
				break
			}
			if flags>>bit&1 == 0 {
				out, src = append(out, src[0]), src[1:]
				continue
			}
			if len(src) < 2 {
				return nil, false
			}
			pair := int(src[0]) | int(src[1])<<8
			distanceBits := 4
			for 1<<distanceBits < len(out) {
				distanceBits++
			}
			distance, length := pair>>(16-distanceBits)+1, pair&(1<<(16-distanceBits)-1)+3
			src = src[2:]
			for range length {
				if distance > len(out) {
					return nil, false
				}
				out = append(out, out[len(out)-distance])
			}
		}
		if len(out) >= limit {
			break
		}
	}
	return out, len(out) <= ChunkSize || limit < ChunkSize
}
