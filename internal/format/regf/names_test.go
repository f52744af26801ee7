package regf

import (
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/upcase"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// someNames are in registry order: upper case, by UTF-16 unit.
var someNames = []string{
	"", "\x00", " ", "0", "A", "a1", "AB", "aba", "abc", "_", "{x}", "\u00B5", "\u00DC", "\u00FF", "\u0416",
	"\u65E5\u672C", "\xED\xA0\x80", "\U0001F600", "\uE000", "\uFFFD",
}

// TestCompareNames compares with the plain definition, units through the table.
func TestCompareNames(t *testing.T) {
	for i, a := range someNames {
		for j, b := range someNames {
			want := upcase.Default().Compare(utf16le.Units(a), utf16le.Units(b))
			if got := compareNames(a, b); sign(got) != want || sign(got) != sign(i-j) {
				t.Errorf("%q and %q: %d, want %d", a, b, got, want)
			}
		}
	}
	if compareNames("MiXeD ÿ", "mIxEd Ÿ") != 0 {
		t.Error("case matters")
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestStoredNames(t *testing.T) {
	for _, s := range someNames {
		p := make([]byte, storedLen(s))
		comp := putName(p, s)
		if got := decodeName(p, comp); got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
		latin := !slices.ContainsFunc(utf16le.Units(s), func(u uint16) bool { return u > 0xFF })
		if comp != latin || !comp && utf16Bytes(s) != len(p) || comp && utf16Bytes(s) != 2*len(p) {
			t.Errorf("%q: %d bytes, compressed %v", s, len(p), comp)
		}
	}
}

// TestHints has the rules of the specification by hand; the audit of real hives has those of
// Windows.
func TestHints(t *testing.T) {
	for _, c := range []struct {
		name       string
		hash, hint uint32
	}{
		{"", 0, 0},
		{"a", 'A', 'a'},
		{"Ab", 'A'*37 + 'B', 'A' | 'b'<<8},
		{"ÿ", 0x178, 0xFF},
		{"abЖd", (('A'*37+'B')*37+0x416)*37 + 'D', 0},
		{"abcdЖ", ((('A'*37+'B')*37+'C')*37+'D')*37 + 0x416, 0x64636261},
	} {
		if hash, hint := nameHash(c.name), nameHint(c.name); hash != c.hash || hint != c.hint {
			t.Errorf("%q: hash %#x, hint %#x; want %#x, %#x", c.name, hash, hint, c.hash, c.hint)
		}
	}
}
