package fat32

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// unitsPerSlot is how many UTF-16 units one long-name entry holds.
const unitsPerSlot = 13

// shortNameSet gives every name of one directory its own 8.3 name.
type shortNameSet map[[11]byte]bool

// shortName returns the 8.3 name for a long name, and whether a long-name entry is needed because
// the two differ. The rule is the specification's: the basis name, then a numeric tail ~1, ~2...
func (s shortNameSet) shortName(long string) (name [11]byte, needLong bool, err error) {
	base, ext, lossy := basis(long)
	fits := !lossy && len(base) <= 8 && len(ext) <= 3
	if fits {
		name = join(base, ext)
		if !s[name] {
			s[name] = true
			return name, display(base, ext) != long, nil
		}
	}
	for n := 1; n < 1_000_000; n++ {
		tail := fmt.Sprintf("~%d", n)
		name = join(base[:min(len(base), 8-len(tail))]+tail, ext[:min(len(ext), 3)])
		if !s[name] {
			s[name] = true
			return name, true, nil
		}
	}
	return name, false, fault.Unsupportedf(fault.NoOffset, "no 8.3 name is left for %q", long)
}

// basis upper-cases a name, drops spaces and leading dots, replaces what 8.3 cannot hold by '_',
// and cuts at the last dot. lossy says that something was lost, so that a numeric tail is due.
func basis(long string) (base, ext string, lossy bool) {
	trimmed := strings.TrimLeft(long, ".")
	lossy = trimmed != long
	if dot := strings.LastIndexByte(trimmed, '.'); dot >= 0 {
		base, ext = trimmed[:dot], trimmed[dot+1:]
	} else {
		base = trimmed
	}
	base, l1 := oem(base)
	ext, l2 := oem(ext)
	return base, ext, lossy || l1 || l2 || base == ""
}

// oem maps a name part to the characters that an 8.3 name may hold in any code page.
func oem(s string) (string, bool) {
	out := make([]byte, 0, len(s))
	lossy := false
	for _, r := range s {
		switch {
		case r == ' ' || r == '.':
			lossy = true
		case 'a' <= r && r <= 'z':
			out = append(out, byte(r)-'a'+'A')
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r < 0x80 && strings.ContainsRune("$%'-_@~`!(){}^#&", r):
			out = append(out, byte(r))
		default:
			out = append(out, '_')
			lossy = true
		}
	}
	return string(out), lossy
}

func join(base, ext string) (name [11]byte) {
	copy(name[:], padded(base, 8))
	copy(name[8:], padded(ext, 3))
	return name
}

func display(base, ext string) string {
	if ext == "" {
		return base
	}
	return base + "." + ext
}

func padded(s string, n int) string { return fmt.Sprintf("%-*.*s", n, n, s) }

func labelOr(label, fallback string) string {
	if label == "" {
		return fallback
	}
	return strings.ToUpper(label)
}

// slots is how many long-name entries a name takes.
func slots(long string) int {
	return (utf16le.Len(long) + unitsPerSlot - 1) / unitsPerSlot
}

// appendLongName adds the long-name entries, last part first, each with the checksum that ties it
// to its short name.
func appendLongName(b []byte, long string, short [11]byte) []byte {
	units := utf16le.Units(long)
	n := (len(units) + unitsPerSlot - 1) / unitsPerSlot
	if len(units)%unitsPerSlot != 0 {
		units = append(units, 0)
	}
	for len(units) < n*unitsPerSlot {
		units = append(units, 0xFFFF)
	}
	sum := checksum(short)
	for i := n; i >= 1; i-- {
		b = append(b, longEntry(units[(i-1)*unitsPerSlot:i*unitsPerSlot], i, i == n, sum)...)
	}
	return b
}

func longEntry(units []uint16, ordinal int, last bool, sum byte) []byte {
	e := make([]byte, entrySize)
	e[0] = byte(ordinal)
	if last {
		e[0] |= 0x40 // LAST_LONG_ENTRY
	}
	e[11] = attrLongName
	e[13] = sum
	for i, u := range units {
		at := 1 + 2*i // five units at 1, six at 14, two at 28
		if i >= 5 {
			at = 14 + 2*(i-5)
		}
		if i >= 11 {
			at = 28 + 2*(i-11)
		}
		binary.LittleEndian.PutUint16(e[at:], u)
	}
	return e
}

// checksum is the specification's ChkSum() over the short name.
func checksum(short [11]byte) byte {
	var sum byte
	for _, c := range short {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}
