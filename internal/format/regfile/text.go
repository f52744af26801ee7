package regfile

import (
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// decode returns the text of a file, in WTF-8 (package utf16le). A byte order mark names the encoding.
// Without one it is UTF-8 and, if it is no such thing and the file is REGEDIT4, ANSI: the code page of the
// Windows that wrote it, which is named nowhere.
func decode(data []byte) (string, error) {
	if len(data) > maxText {
		return "", tooLong(len(data))
	}
	data, encoding := textfile.Unmark(data)
	switch {
	case encoding == textfile.UTF16:
		return decode16(data)
	case encoding == textfile.Unmarked && len(data) >= 2 && (data[0] == 0 || data[1] == 0):
		return "", fault.Invalidf("the text looks like UTF-16 without a byte order mark: save it as UTF-16 with one (\"Unicode\" in Notepad) or as UTF-8")
	}
	text := string(data)
	if utf8.ValidString(text) {
		return text, nil
	}
	if strings.HasPrefix(strings.TrimLeft(text, " \t"), header4) && encoding == textfile.Unmarked {
		return textfile.DecodeANSI(data), nil
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
