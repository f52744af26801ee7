// Package utf16le converts Windows names between UTF-16LE and Go strings without loss.
//
// NTFS, WIM and registry names are sequences of 16-bit units that need not be valid UTF-16. In Go
// they are WTF-8: valid surrogate pairs become ordinary UTF-8, an unpaired surrogate becomes the
// three bytes that UTF-8 would use for its number if it were allowed (https://simonsapin.github.io/wtf-8/).
package utf16le

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	surrogateMin = 0xD800
	surrogateLow = 0xDC00
	surrogateMax = 0xDFFF
	astral       = 0x10000
)

// Decode returns the string held by b, two bytes a unit. A trailing odd byte is ignored.
func Decode(b []byte) string {
	out := make([]byte, 0, len(b)/2+8)
	for i := 0; i+1 < len(b); i += 2 {
		u := rune(binary.LittleEndian.Uint16(b[i:]))
		if u < utf8.RuneSelf {
			out = append(out, byte(u))
			continue
		}
		if isHigh(u) && i+3 < len(b) {
			if lo := rune(binary.LittleEndian.Uint16(b[i+2:])); isLow(lo) {
				u = (u-surrogateMin)<<10 + (lo - surrogateLow) + astral
				i += 2
			}
		}
		out = appendRune(out, u)
	}
	return string(out)
}

// DecodeUnits is Decode for units already split.
func DecodeUnits(units []uint16) string {
	out := make([]byte, 0, len(units)+8)
	for i := 0; i < len(units); i++ {
		u := rune(units[i])
		if isHigh(u) && i+1 < len(units) && isLow(rune(units[i+1])) {
			u = (u-surrogateMin)<<10 + (rune(units[i+1]) - surrogateLow) + astral
			i++
		}
		out = appendRune(out, u)
	}
	return string(out)
}

// Encode returns s as UTF-16LE bytes, without a terminator.
func Encode(s string) []byte { return Append(make([]byte, 0, 2*len(s)), s) }

// Append adds s as UTF-16LE bytes to dst.
func Append(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := next(s[i:])
		i += n
		if r >= astral {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(surrogateMin+(r-astral)>>10))
			r = surrogateLow + (r-astral)&0x3FF
		}
		dst = binary.LittleEndian.AppendUint16(dst, uint16(r))
	}
	return dst
}

// Units returns s as 16-bit units.
func Units(s string) []uint16 { return AppendUnits(make([]uint16, 0, len(s)), s) }

// AppendUnits adds s as 16-bit units to dst.
func AppendUnits(dst []uint16, s string) []uint16 {
	for i := 0; i < len(s); {
		r, n := next(s[i:])
		i += n
		if r >= astral {
			dst = append(dst, uint16(surrogateMin+(r-astral)>>10))
			r = surrogateLow + (r-astral)&0x3FF
		}
		dst = append(dst, uint16(r))
	}
	return dst
}

// Len returns the number of 16-bit units in s.
func Len(s string) int {
	n := 0
	for i := 0; i < len(s); {
		r, size := next(s[i:])
		i += size
		n++
		if r >= astral {
			n++
		}
	}
	return n
}

func isHigh(u rune) bool { return u >= surrogateMin && u < surrogateLow }
func isLow(u rune) bool  { return u >= surrogateLow && u <= surrogateMax }

// next decodes one WTF-8 code point. A byte that is neither UTF-8 nor WTF-8 becomes U+FFFD.
func next(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 && s[0] == 0xED && s[1] >= 0xA0 && s[1] <= 0xBF && s[2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, n
}

// appendRune is utf8.AppendRune that also writes surrogates.
func appendRune(dst []byte, r rune) []byte {
	if r >= surrogateMin && r <= surrogateMax {
		return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}
