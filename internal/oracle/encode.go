package oracle

import (
	"encoding/binary"
	"unicode/utf16"
)

// encode16 returns a string in UTF-16LE.
func encode16(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
