package regfile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

var (
	bomUTF16LE = []byte{0xFF, 0xFE}
	bomUTF16BE = []byte{0xFE, 0xFF}
	bomUTF8    = []byte{0xEF, 0xBB, 0xBF}
)

// ansi is the code page of REGEDIT4, which is that of the Windows that wrote it and is named nowhere.
// This one is the most common, that of Western European languages.
var ansi = charmap.Windows1252

// decode returns the text of a file, in WTF-8 (package utf16le). A byte order mark names the encoding.
// Without one it is UTF-8 and, if it is no such thing and the file is REGEDIT4, ansi.
func decode(data []byte) (string, error) {
	switch {
	case len(data) > maxText:
		return "", tooLong(len(data))
	case bytes.HasPrefix(data, bomUTF16LE):
		return decode16(data[len(bomUTF16LE):])
	case bytes.HasPrefix(data, bomUTF16BE):
		return decode16(swapped(data[len(bomUTF16BE):]))
	case len(data) >= 2 && (data[0] == 0 || data[1] == 0):
		return "", fault.Invalidf("the text looks like UTF-16 without a byte order mark: save it as UTF-16 with one (\"Unicode\" in Notepad) or as UTF-8")
	}
	text := string(bytes.TrimPrefix(data, bomUTF8))
	if utf8.ValidString(text) {
		return text, nil
	}
	if strings.HasPrefix(strings.TrimLeft(text, " \t"), header4) && !bytes.HasPrefix(data, bomUTF8) {
		return decodeANSI(data), nil
	}
	return "", fault.In(lineName(text, invalidAt(text)),
		fault.Invalidf("the text is not valid UTF-8: save the file as UTF-8, or as UTF-16 with a byte order mark (\"Unicode\" in Notepad)"))
}

func decode16(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fault.Invalidf("the text is UTF-16 and ends within a character: the file is cut off")
	}
	return utf16le.Decode(b), nil
}

// swapped returns UTF-16 of the other byte order.
func swapped(b []byte) []byte {
	out := bytes.Clone(b)
	for i := 0; i+1 < len(out); i += 2 {
		out[i], out[i+1] = out[i+1], out[i]
	}
	return out
}

func decodeANSI(b []byte) string {
	out := make([]byte, 0, len(b)+len(b)/8)
	for _, c := range b {
		r := ansi.DecodeByte(c)
		if r == utf8.RuneError { // five bytes that Windows takes as the control characters of that number
			r = rune(c)
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// invalidAt returns where the first byte is that is not UTF-8.
func invalidAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return len(text)
}

// isText says whether the data of a type are text, which is ANSI in the hexadecimal data of REGEDIT4.
// Regedit itself exports only hex(2) and hex(7); Wine takes hex(1) alike (programs/regedit/regproc.c).
func isText(typ uint32) bool { return typ == typeSZ || typ == typeExpandSZ || typ == typeMultiSZ }
