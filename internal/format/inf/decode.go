package inf

import (
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// decode returns the text of a file. Windows guesses at UTF-16 without a mark too; an INF file begins
// with characters of ASCII, so that a NUL at the second byte tells.
func decode(data []byte) string {
	data, encoding := textfile.Unmark(data)
	text := ""
	switch {
	case encoding == textfile.UTF16, encoding == textfile.Unmarked && len(data) > 1 && data[0] != 0 && data[1] == 0:
		text = utf16le.Decode(data)
	case encoding == textfile.UTF8 || utf8.Valid(data):
		text = strings.ToValidUTF8(string(data), "\uFFFD")
	default:
		text = textfile.DecodeANSI(data)
	}
	// Editors of DOS ended a text with this character, and Windows stops at it.
	text, _, _ = strings.Cut(text, "\x1A")
	return text
}
