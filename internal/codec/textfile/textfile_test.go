package textfile

import (
	"bytes"
	"testing"
)

func TestUnmark(t *testing.T) {
	for _, test := range []struct {
		in, want string
		encoding Encoding
	}{
		{"\xFF\xFEa\x00b\x00", "a\x00b\x00", UTF16},
		{"\xFE\xFF\x00a\x00b", "a\x00b\x00", UTF16},
		{"\xFE\xFF\x00a\x00", "a\x00\x00", UTF16},
		{"\xEF\xBB\xBFa", "a", UTF8},
		{"a", "a", Unmarked},
		{"", "", Unmarked},
		{"\xFF", "\xFF", Unmarked},
	} {
		if text, e := Unmark([]byte(test.in)); string(text) != test.want || e != test.encoding {
			t.Errorf("%q: %q, %d", test.in, text, e)
		}
	}
}

func TestSwapLeavesItsInput(t *testing.T) {
	in := []byte{1, 2, 3}
	if out := Swap(in); !bytes.Equal(out, []byte{2, 1, 3}) || in[0] != 1 {
		t.Error(out, in)
	}
}

func TestDecodeANSI(t *testing.T) {
	if got := DecodeANSI([]byte("a\x80\xE4\x81")); got != "a€ä\u0081" {
		t.Errorf("%q", got)
	}
}
