package iso9660

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

var le = binary.LittleEndian

// Volume descriptors: ECMA-119 8.
const (
	typePrimary       = 1
	typeSupplementary = 2
	typeTerminator    = 255

	escapesAt   = 88
	blockSizeAt = 128 // in both byte orders; the little-endian one comes first
	rootAt      = 156
	rootSize    = 34
)

// isJoliet says whether the names below a supplementary descriptor are UCS-2: its levels 1, 2 and 3.
func isJoliet(b []byte) bool {
	switch string(b[escapesAt : escapesAt+3]) {
	case "%/@", "%/C", "%/E":
		return true
	}
	return false
}

// Flags of a directory record: ECMA-119 9.1.6.
const (
	flagFolder     = 0x02
	flagAssociated = 0x04
	flagMore       = 0x80 // the next record goes on with the file
)

// recordSize is the length of a directory record before its name.
const recordSize = 33

// record is a directory record, one extent of a file or folder: ECMA-119 9.1.
type record struct {
	offset   int64 // of the record on the disc
	start    int64 // of the extent, in bytes
	length   int64 // of the extent
	modified time.Time
	flags    byte
	name     string // as it is on the disc
}

func (r *record) is(flag byte) bool { return r.flags&flag != 0 }

// parseRecord reads the record that fills b, which is at offset.
func parseRecord(b []byte, offset int64) (record, error) {
	if len(b) <= recordSize || int(b[32]) > len(b)-recordSize || b[32] == 0 {
		return record{}, fault.Corruptf(offset, "a directory record of %d bytes, which is too short", len(b))
	}
	if b[26] != 0 || b[27] != 0 {
		return record{}, fault.Unsupportedf(offset, "an interleaved file")
	}
	if n := le.Uint16(b[28:]); n > 1 {
		return record{}, fault.Unsupportedf(offset, "a file on disc %d of a set", n)
	}
	return record{
		offset:   offset,
		start:    (int64(le.Uint32(b[2:])) + int64(b[1])) * blockSize, // extended attributes come first
		length:   int64(le.Uint32(b[10:])),
		modified: parseTime(b[18:25]),
		flags:    b[25],
		name:     string(b[recordSize : recordSize+int(b[32])]),
	}, nil
}

// parseTime reads a date: years since 1900, month, day, hour, minute, second, quarters of an hour
// east of Greenwich. ECMA-119 9.1.5.
func parseTime(b []byte) time.Time {
	if b[1] == 0 {
		return time.Time{}
	}
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	return t.Add(-time.Duration(int8(b[6])) * 15 * time.Minute)
}

// decodeName is a record's name without its version.
func decodeName(raw string, joliet bool) string {
	name := raw
	if joliet {
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16([]byte(raw[2*i : 2*i+2]))
		}
		name = string(utf16.Decode(units))
	} else {
		name = strings.ToValidUTF8(name, "\uFFFD")
	}
	if i := strings.LastIndexByte(name, ';'); i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i]
	}
	if len(name) > 1 {
		name = strings.TrimSuffix(name, ".") // ECMA-119 7.5.1: a name without extension keeps its dot
	}
	return name
}
