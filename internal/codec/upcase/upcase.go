// Package upcase is the upper-case table that NTFS uses to compare names: one 16-bit unit for each
// of the 65,536, stored on every volume as $UpCase. Windows compares names unit by unit through it,
// without regard to surrogate pairs or the language.
package upcase

import (
	"encoding/binary"
	"sync"
)

// Size is the number of entries of a table.
const Size = 65536

// Table maps a UTF-16 unit to its upper-case unit.
type Table [Size]uint16

// Default returns the table of Windows Vista and later, which winbake writes to its volumes and
// compares names with. The table is shared: do not change it.
var Default = sync.OnceValue(build)

func build() *Table {
	t := new(Table)
	for i := range t {
		t[i] = uint16(i)
	}
	for _, s := range spans {
		for u := int(s.first); u <= int(s.last); u += int(s.step) {
			t[u] = uint16(u + int(s.delta))
		}
	}
	return t
}

// Bytes returns the table as $UpCase holds it: 131,072 bytes, little endian.
func (t *Table) Bytes() []byte {
	b := make([]byte, 2*Size)
	for i, u := range t {
		binary.LittleEndian.PutUint16(b[2*i:], u)
	}
	return b
}

// Compare orders two names as the NTFS $FILE_NAME collation does when case is ignored:
// upper-cased unit by unit, the shorter first. It returns -1, 0 or 1.
func (t *Table) Compare(a, b []uint16) int {
	for i := range min(len(a), len(b)) {
		x, y := t[a[i]], t[b[i]]
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
	}
	switch {
	case len(a) < len(b):
		return -1
	case len(a) > len(b):
		return 1
	}
	return 0
}
