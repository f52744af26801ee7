// Package textfile tells the encodings of Windows' text files: UTF-16 and UTF-8 by their byte order
// marks, and the ANSI code page.
package textfile

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Encoding is what the byte order mark of a text says.
type Encoding int

// The encodings.
const (
	Unmarked Encoding = iota // no mark: UTF-8 or an older code page
	UTF8
	UTF16
)

// Unmark cuts the byte order mark off a text and says what it means. UTF-16 of either byte order is
// returned in little-endian order; a last byte that is no whole unit stays.
func Unmark(data []byte) ([]byte, Encoding) {
	switch {
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		return data[2:], UTF16
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		return Swap(data[2:]), UTF16
	case bytes.HasPrefix(data, []byte{0xEF, 0xBB, 0xBF}):
		return data[3:], UTF8
	}
	return data, Unmarked
}

// Swap returns UTF-16 in the other byte order.
func Swap(b []byte) []byte {
	out := bytes.Clone(b)
	for i := 0; i+1 < len(out); i += 2 {
		out[i], out[i+1] = out[i+1], out[i]
	}
	return out
}

// ANSI is the code page that is meant where none is named: that of Western European languages.
var ANSI = charmap.Windows1252

// DecodeANSI returns the text of bytes in ANSI.
func DecodeANSI(b []byte) string {
	out := make([]byte, 0, len(b)+len(b)/8)
	for _, c := range b {
		r := ANSI.DecodeByte(c)
		if r == utf8.RuneError { // five bytes that Windows takes as the control characters of that number
			r = rune(c)
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}
