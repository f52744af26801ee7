package inf

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

var (
	markUTF16LE = []byte{0xFF, 0xFE}
	markUTF16BE = []byte{0xFE, 0xFF}
	markUTF8    = []byte{0xEF, 0xBB, 0xBF}
)

// decode returns the text of a file. Windows guesses at UTF-16 without a mark too; an INF file begins
// with characters of ASCII, so that a NUL at the second byte tells.
func decode(data []byte) string {
	text := ""
	switch {
	case bytes.HasPrefix(data, markUTF16LE):
		text = utf16le.Decode(data[2:])
	case bytes.HasPrefix(data, markUTF16BE):
		swapped := slices.Clone(data[2 : len(data)&^1])
		for i := 0; i < len(swapped); i += 2 {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		}
		text = utf16le.Decode(swapped)
	case bytes.HasPrefix(data, markUTF8):
		text = strings.ToValidUTF8(string(data[3:]), "\uFFFD")
	case len(data) > 1 && data[0] != 0 && data[1] == 0:
		text = utf16le.Decode(data)
	case utf8.Valid(data):
		text = string(data)
	default:
		var b strings.Builder
		for _, c := range data {
			b.WriteRune(charmap.Windows1252.DecodeByte(c))
		}
		text = b.String()
	}
	// Editors of DOS ended a text with this character, and Windows stops at it.
	text, _, _ = strings.Cut(text, "\x1A")
	return text
}
