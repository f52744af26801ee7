package utf16le

import (
	"slices"
	"testing"
	"unicode/utf16"
)

func TestKnown(t *testing.T) {
	for _, c := range []struct {
		units []uint16
		text  string
	}{
		{nil, ""},
		{[]uint16{'A', 0xE9, 0x540D}, "Aé名"},
		{[]uint16{0xD83D, 0xDE00}, "😀"},
		{[]uint16{0xD83D}, "\xED\xA0\xBD"},                     // unpaired high surrogate
		{[]uint16{0xDE00, 0xD83D}, "\xED\xB8\x80\xED\xA0\xBD"}, // the wrong way round
		{[]uint16{0}, "\x00"},
	} {
		if got := DecodeUnits(c.units); got != c.text {
			t.Errorf("decode %x: %q, want %q", c.units, got, c.text)
		}
		if got := Units(c.text); !slices.Equal(got, c.units) {
			t.Errorf("encode %q: %x, want %x", c.text, got, c.units)
		}
		if Len(c.text) != len(c.units) {
			t.Errorf("length of %q: %d", c.text, Len(c.text))
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{'A', 0, 0x3D, 0xD8, 0, 0xDE})
	f.Add([]byte{0, 0xDC, 0, 0xD8, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Decode(b)
		if got := Encode(s); string(got) != string(b[:len(b)/2*2]) {
			t.Errorf("% x became %q became % x", b, s, got)
		}
		if Len(s) != len(b)/2 {
			t.Errorf("% x has length %d", b, Len(s))
		}
	})
}

func FuzzAgreesWithStandardLibrary(f *testing.F) {
	f.Add("Aé名😀")
	f.Fuzz(func(t *testing.T, s string) {
		runes := []rune(s)
		if !slices.Equal(Units(string(runes)), utf16.Encode(runes)) {
			t.Errorf("%q", s)
		}
	})
}
