// Package guid is the GUID as Windows and GPT store it: the first three fields little endian, the
// last two as they are printed ([MS-DTYP] 2.3.4.2; UEFI specification, appendix A).
package guid

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// GUID holds the 16 bytes in their on-disk order.
type GUID [16]byte

// Parse reads "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", in any case, with or without braces.
func Parse(s string) (GUID, error) {
	var g GUID
	text := strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' || len(s)-len(text) == 1 {
		return g, fault.Invalidf("%q is not a GUID", s)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(g) {
		return g, fault.Invalidf("%q is not a GUID", s)
	}
	copy(g[:], b)
	return g.swapped(), nil
}

// MustParse is Parse for constants.
func MustParse(s string) GUID {
	g, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return g
}

// FromHash makes a random-looking GUID (version 4, RFC 4122 4.4) from 16 bytes of a hash, so that
// equal inputs give equal identifiers.
func FromHash(h [16]byte) GUID {
	h[6] = h[6]&0x0F | 0x40
	h[8] = h[8]&0x3F | 0x80
	return GUID(h).swapped()
}

// swapped exchanges printed order and on-disk order.
func (g GUID) swapped() GUID {
	g[0], g[1], g[2], g[3] = g[3], g[2], g[1], g[0]
	g[4], g[5] = g[5], g[4]
	g[6], g[7] = g[7], g[6]
	return g
}

// String is the lower-case form without braces.
func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[0:]), binary.LittleEndian.Uint16(g[4:]),
		binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:16])
}

// Braced is the lower-case form with braces, as the registry and BCD write it.
func (g GUID) Braced() string { return "{" + g.String() + "}" }

// IsZero says whether all bytes are zero.
func (g GUID) IsZero() bool { return g == GUID{} }
