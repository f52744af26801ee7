package udf

import (
	"encoding/binary"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// blockSize is the length of sectors and of logical blocks. UDF 1.02, 2.2.4.2: that of the medium.
const blockSize = 2048

// Identifiers of descriptors: ECMA-167 3/7.2.1 and 4/7.2.1.
const (
	tagAnchor        = 2
	tagVolumePointer = 3
	tagPartition     = 5
	tagLogicalVolume = 6
	tagTerminating   = 8
	tagFileSet       = 256
	tagFileID        = 257
	tagExtent        = 258
	tagIndirect      = 259
	tagFileEntry     = 261
	tagExtendedEntry = 266
)

var tagNames = map[uint16]string{
	tagAnchor: "anchor", tagVolumePointer: "volume descriptor pointer", tagPartition: "partition descriptor",
	tagLogicalVolume: "logical volume descriptor", tagFileSet: "file set descriptor", tagFileID: "file identifier descriptor",
	tagExtent: "allocation extent descriptor", tagFileEntry: "file entry",
}

// tagSize is the length of what every descriptor begins with.
const tagSize = 16

var le = binary.LittleEndian

// tag is a descriptor tag: ECMA-167 3/7.2.
type tag struct {
	ID       uint16 // offset 0
	Location uint32 // 12: the block that the descriptor is in
}

// parseTag reads the tag that b begins with, and checks it and all of the descriptor that it vouches
// for. at is where b comes from.
func parseTag(b []byte, at int64) (tag, error) {
	if len(b) < tagSize {
		return tag{}, fault.Corruptf(at, "%d bytes are too few for a descriptor", len(b))
	}
	t := tag{ID: le.Uint16(b), Location: le.Uint32(b[12:])}
	var sum byte
	for i, c := range b[:tagSize] {
		if i != 4 {
			sum += c
		}
	}
	if sum != b[4] {
		return t, fault.Corruptf(at, "the checksum of a descriptor's tag is %#02x, not %#02x", sum, b[4])
	}
	if v := le.Uint16(b[2:]); v != 2 && v != 3 { // ECMA-167, second and third edition
		return t, fault.Corruptf(at, "a descriptor has version %d, not 2 or 3", v)
	}
	length := int(le.Uint16(b[10:]))
	if length > len(b)-tagSize {
		return t, fault.Corruptf(at, "a descriptor's CRC is of %d bytes, of which there are %d", length, len(b)-tagSize)
	}
	if sum, want := crc(b[tagSize:tagSize+length]), le.Uint16(b[8:]); sum != want {
		return t, fault.Corruptf(at, "the CRC of a descriptor is %#04x, not %#04x", sum, want)
	}
	return t, nil
}

// crcTable is of CRC-16/CCITT, polynomial 0x1021, highest bit first, from 0: ECMA-167 3/7.2.6.
var crcTable = func() (table [256]uint16) {
	for i := range table {
		v := uint16(i) << 8
		for range 8 {
			carry := v&0x8000 != 0
			v <<= 1
			if carry {
				v ^= 0x1021
			}
		}
		table[i] = v
	}
	return table
}()

func crc(b []byte) (sum uint16) {
	for _, c := range b {
		sum = sum<<8 ^ crcTable[byte(sum>>8)^c]
	}
	return sum
}

// address is an lb_addr: a block of a partition. ECMA-167 4/7.1.
type address struct {
	Block     uint32
	Partition uint16 // index in the logical volume's partition maps
}

func parseAddress(b []byte) address { return address{le.Uint32(b), le.Uint16(b[4:])} }

// What a long_ad, short_ad or extent_ad says in the two highest bits of its length: ECMA-167 4/14.14.1.1.
const (
	recorded    = 0
	allocated   = 1 // reads as zeros, and so does what is not allocated
	unallocated = 2
	nextExtent  = 3 // of allocation descriptors
)

const (
	lengthBits = 30
	lengthMask = 1<<lengthBits - 1
)

// allocation is an allocation descriptor, short or long.
type allocation struct {
	Type   uint32
	Length int64
	At     address
}

// shortSize and longSize are the lengths of a short_ad and a long_ad.
const (
	shortSize = 8
	longSize  = 16
)

// parseLong reads a long_ad: ECMA-167 4/14.14.2.
func parseLong(b []byte) allocation {
	length := le.Uint32(b)
	return allocation{length >> lengthBits, int64(length & lengthMask), parseAddress(b[4:])}
}

// parseShort reads a short_ad, which is in the partition of what it is in: ECMA-167 4/14.14.1.
func parseShort(b []byte, partition uint16) allocation {
	length := le.Uint32(b)
	return allocation{length >> lengthBits, int64(length & lengthMask), address{le.Uint32(b[4:]), partition}}
}

// parseTime reads a timestamp; the zero time if there is none. ECMA-167 1/7.3.
func parseTime(b []byte) time.Time {
	const zoneBits, noZone = 0xFFF, -2047
	year, month, day := int(int16(le.Uint16(b[2:]))), b[4], b[5]
	if year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || b[6] > 23 || b[7] > 59 || b[8] > 60 {
		return time.Time{}
	}
	zone := int(int16(le.Uint16(b)&zoneBits<<4)) >> 4 // minutes east of Greenwich, 12 bits with a sign
	if zone == noZone || zone < -24*60 || zone > 24*60 {
		zone = 0
	}
	micros := int(b[9])*10_000 + int(b[10])*100 + int(b[11])
	return time.Date(year, time.Month(month), int(day), int(b[6]), int(b[7]), int(b[8]), micros*1000, time.UTC).
		Add(-time.Duration(zone) * time.Minute)
}
