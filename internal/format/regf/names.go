package regf

import (
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/winbake/packer-plugin-winbake/internal/codec/upcase"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// decodeName returns a stored name: one byte a character (Latin-1) if comp, else UTF-16LE. A name in
// ASCII is not copied: like the data of values it refers to b, which must not change. Every walk over
// a hive goes through all its names.
func decodeName(b []byte, comp bool) string {
	if !comp {
		return utf16le.Decode(b)
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return decodeLatin1(b)
		}
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func decodeLatin1(b []byte) string {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return string(out)
}

// storedLen is the size of s as Windows stores it: one byte a character if every one is below
// 256, else UTF-16.
func storedLen(s string) int {
	if isASCII(s) {
		return len(s)
	}
	if isLatin1(s) {
		return utf8.RuneCountInString(s)
	}
	return 2 * utf16le.Len(s)
}

// putName stores s in the first storedLen(s) bytes of p and says whether it is one byte a character.
func putName(p []byte, s string) (comp bool) {
	switch {
	case isASCII(s):
		copy(p, s)
	case isLatin1(s):
		i := 0
		for _, r := range s {
			p[i] = byte(r)
			i++
		}
	default:
		copy(p, utf16le.Encode(s))
		return false
	}
	return true
}

func isLatin1(s string) bool {
	for _, r := range s {
		if r > 0xFF {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// utf16Bytes is the size of s in UTF-16, the unit of nk's "largest" fields.
func utf16Bytes(s string) int {
	if isASCII(s) {
		return 2 * len(s)
	}
	return 2 * utf16le.Len(s)
}

// compareNames orders names as the registry does: unit by unit in upper case, the shorter first.
func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x|y >= utf8.RuneSelf {
			return upcase.Default().Compare(utf16le.Units(a), utf16le.Units(b))
		}
		if x, y = upperASCII(x), upperASCII(y); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func upperASCII(c byte) byte {
	if c-'a' < 26 {
		return c - 'a' + 'A'
	}
	return c
}

// nameHash is the hash in an lh entry: h = 37*h + c over the upper-cased units.
func nameHash(s string) uint32 {
	var h uint32
	if isASCII(s) {
		for i := range len(s) {
			h = 37*h + uint32(upperASCII(s[i]))
		}
		return h
	}
	for _, u := range utf16le.Units(s) {
		h = 37*h + uint32(upcase.Default()[u])
	}
	return h
}

// nameHint is the hint in an lf entry: the first four characters, or zero if one of them is
// above 255.
func nameHint(s string) uint32 {
	var h uint32
	i := 0
	for _, r := range s {
		if i == 4 {
			break
		}
		if r > 0xFF {
			return 0
		}
		h |= uint32(r) << (8 * i)
		i++
	}
	return h
}

// cutPath splits the first name from a path.
func cutPath(path string) (name, rest string) {
	name, rest, _ = strings.Cut(path, `\`)
	return name, rest
}
