// Package guid is the 16-byte identifier that Windows and GPT call a GUID: its text form, and its
// mixed-endian form on disk, where the first three fields are little endian and the last two are
// plain bytes ([MS-DTYP] 2.3.4.2, UEFI 2.10 appendix A).
package guid

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Size is the number of bytes on disk.
const Size = 16

// GUID holds the bytes as they lie on disk. The zero value is the nil GUID.
type GUID [Size]byte

// onDisk is the place on disk of each byte of the text form, left to right.
var onDisk = [Size]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// layout is the text form, one x for each hexadecimal digit.
const layout = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

// Parse reads "9dea862c-5cdd-4e70-acc1-f32b344d4795", in either case, with or without braces.
// Anything else is an invalid value.
func Parse(s string) (GUID, error) {
	text := s
	if len(s) == len(layout)+2 && s[0] == '{' && s[len(s)-1] == '}' {
		text = s[1 : len(s)-1]
	}
	if len(text) != len(layout) {
		return GUID{}, fault.Invalidf("%.60q is not a GUID", s)
	}
	for i := range layout {
		if (layout[i] == '-') != (text[i] == '-') {
			return GUID{}, fault.Invalidf("%q is not a GUID", s)
		}
	}
	digits, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		return GUID{}, fault.Invalidf("%q is not a GUID", s)
	}
	var g GUID
	for i, b := range digits {
		g[onDisk[i]] = b
	}
	return g, nil
}

// MustParse is Parse for constants of the program; it panics on a mistake.
func MustParse(s string) GUID {
	g, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return g
}

// Read returns the GUID at the start of b, which holds at least Size bytes.
func Read(b []byte) GUID { return GUID(b[:Size]) }

// Derive returns the GUID that seed and label always give: the same inputs give the same
// identifiers, and different labels give different ones. It is an RFC 9562 UUID of version 8
// (vendor-specific) whose other 122 bits come from SHA-256.
func Derive(seed []byte, label string) GUID {
	h := sha256.New()
	h.Write(seed)
	h.Write([]byte{0}) // so that the end of the seed cannot pass for the start of the label
	h.Write([]byte(label))
	sum := h.Sum(nil)
	sum[6] = 0x80 | sum[6]&0x0F // version 8
	sum[8] = 0x80 | sum[8]&0x3F // variant RFC 9562
	var g GUID
	for i, at := range onDisk {
		g[at] = sum[i]
	}
	return g
}

// IsZero says whether g is the nil GUID.
func (g GUID) IsZero() bool { return g == GUID{} }

// String returns the text form in lower case without braces.
func (g GUID) String() string {
	var text [Size]byte
	for i, at := range onDisk {
		text[i] = g[at]
	}
	s := hex.EncodeToString(text[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Braced returns the text form in braces, as the registry and bcdedit write it.
func (g GUID) Braced() string { return "{" + g.String() + "}" }

// Compare orders two GUIDs by their text forms. It returns -1, 0 or 1.
func (g GUID) Compare(other GUID) int { return strings.Compare(g.String(), other.String()) }
