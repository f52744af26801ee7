package ntfs

import (
	"encoding/binary"
	"math/bits"
)

// The layout of what stands on an NTFS volume. Field names follow Microsoft's for the structures
// that are public (FILE_RECORD_SEGMENT_HEADER, ATTRIBUTE_RECORD_HEADER, FILE_NAME) and the libfsntfs
// documentation for the rest. Every number is little endian.

// Attribute types; attributes of a record stand in this order.
const (
	typeStandardInformation = 0x10
	typeAttributeList       = 0x20
	typeFileName            = 0x30
	typeObjectID            = 0x40
	typeSecurityDescriptor  = 0x50
	typeVolumeName          = 0x60
	typeVolumeInformation   = 0x70
	typeData                = 0x80
	typeIndexRoot           = 0x90
	typeIndexAllocation     = 0xA0
	typeBitmap              = 0xB0
	typeReparsePoint        = 0xC0
	typeEAInformation       = 0xD0
	typeEA                  = 0xE0
	typeEnd                 = 0xFFFFFFFF
)

// Flags of a FILE record.
const (
	recordInUse     = 0x1
	recordDirectory = 0x2
	recordExtend    = 0x4 // a child of $Extend
	recordViewIndex = 0x8 // has an index other than $I30
)

// File attributes that exist on disk only.
const (
	attrDirectoryIndex = 0x10000000 // in $FILE_NAME: the file has an $I30 index
	attrViewIndex      = 0x20000000 // the file has another index
)

// Name spaces of $FILE_NAME.
const (
	spacePOSIX = 0 // any name; also every name of a volume that makes no short ones
	spaceWin32 = 1 // the long name of a pair
	spaceDOS   = 2 // the short name of a pair
	spaceBoth  = 3 // a long name that is a valid short name
)

// Collation rules of an index.
const (
	collateFileName     = 1
	collateULong        = 16
	collateSID          = 17
	collateSecurityHash = 18
	collateULongs       = 19
)

// Records that every volume has.
const (
	recordMFT     = 0
	recordMirror  = 1
	recordLog     = 2
	recordVolume  = 3
	recordAttrDef = 4
	recordRoot    = 5
	recordBitmap  = 6
	recordBoot    = 7
	recordBad     = 8
	recordSecure  = 9
	recordUpCase  = 10
	recordExtFile = 11 // $Extend
	reservedFirst = 12 // in use, without name or content
	reservedEnd   = 16
	recordQuota   = 24
	recordObjID   = 25
	recordReparse = 26
	systemEnd     = 27
	// firstUser is the first record that ntfs-3g gives to a file; the ones between are left for
	// what Windows adds to $Extend when it mounts the volume ($RmMetadata and its children).
	firstUser = 64
)

const (
	sectorStride = 512 // the unit that update sequence numbers protect, whatever the sector size
	usaRecord    = 0x30
	usaBlock     = 0x28
	usn          = 1 // any number but 0 and 0xFFFF

	indexNode      = 0x18 // offset of the index header in an INDX block
	indexHeader    = 0x10 // its length
	entryHeader    = 0x10
	entrySubnode   = 1 // flag: a VCN stands in the last 8 bytes
	entryLast      = 2 // flag: no key
	rootHeader     = 0x10
	fileNameFixed  = 0x42
	residentHead   = 0x18
	outsideHead    = 0x40
	runsReserve    = 16 // a run list of one run never needs more
	listEntryFixed = 0x1A
	infoSize       = 72 // $STANDARD_INFORMATION of NTFS 3
	infoSizeOld    = 48 // without security id
)

var le = binary.LittleEndian

func align8[T int | int64](n T) T { return (n + 7) &^ 7 }

// reference is a file reference: record number, and the sequence number in the upper 16 bits.
func reference(record uint32, sequence uint16) uint64 { return uint64(record) | uint64(sequence)<<48 }

// recordHeader is FILE_RECORD_SEGMENT_HEADER, NTFS 3.1.
type recordHeader struct {
	sequence uint16 // 0x10
	links    uint16 // 0x12: number of $FILE_NAME attributes
	flags    uint16 // 0x16
	used     int    // 0x18: bytes
	base     uint64 // 0x20: the base record, for an extension record
	next     uint16 // 0x28: the next free attribute instance
	number   uint32 // 0x2C
}

// attributesAt is the offset of the first attribute in a record of the given length.
func attributesAt(record int64) int {
	return align8(usaRecord + 2*int(1+record/sectorStride))
}

func (h *recordHeader) put(b []byte) {
	copy(b, "FILE")
	le.PutUint16(b[4:], usaRecord)
	le.PutUint16(b[6:], uint16(1+len(b)/sectorStride))
	le.PutUint16(b[0x10:], h.sequence)
	le.PutUint16(b[0x12:], h.links)
	le.PutUint16(b[0x14:], uint16(attributesAt(int64(len(b)))))
	le.PutUint16(b[0x16:], h.flags)
	le.PutUint32(b[0x18:], uint32(h.used))
	le.PutUint32(b[0x1C:], uint32(len(b)))
	le.PutUint64(b[0x20:], h.base)
	le.PutUint16(b[0x28:], h.next)
	le.PutUint32(b[0x2C:], h.number)
}

// protect puts the update sequence number at the end of every 512 bytes of a record or block, and
// what stood there into the array at usa.
func protect(b []byte, usa int) {
	le.PutUint16(b[usa:], usn)
	for i := range len(b) / sectorStride {
		end := (i+1)*sectorStride - 2
		copy(b[usa+2+2*i:], b[end:end+2])
		le.PutUint16(b[end:], usn)
	}
}

// bootSector is what the boot sector says about the volume: the BIOS parameter block, offsets 0x0B
// to 0x53.
type bootSector struct {
	sector, cluster, record, block int64  // bytes
	hidden                         uint32 // 0x1C: sectors before the partition
	sectors                        int64  // 0x28: without the last one, which holds the backup
	mft, mirror                    int64  // 0x30, 0x38: clusters
	serial                         uint64 // 0x48
}

const (
	bpbStart  = 0x0B
	bpbEnd    = 0x54
	oemID     = "NTFS    "
	bootBytes = 8192
)

func (s *bootSector) put(b []byte) {
	clear(b[bpbStart:bpbEnd])
	le.PutUint16(b[0x0B:], uint16(s.sector))
	b[0x0D] = byte(s.cluster / s.sector)
	b[0x15] = 0xF8              // media: fixed disk
	le.PutUint16(b[0x18:], 63)  // sectors per track, as every BIOS translates
	le.PutUint16(b[0x1A:], 255) // heads
	le.PutUint32(b[0x1C:], s.hidden)
	le.PutUint32(b[0x24:], 0x800080) // BIOS drive 0x80 and the signature 0x80
	le.PutUint64(b[0x28:], uint64(s.sectors))
	le.PutUint64(b[0x30:], uint64(s.mft))
	le.PutUint64(b[0x38:], uint64(s.mirror))
	b[0x40] = clusterCode(s.record, s.cluster)
	b[0x44] = clusterCode(s.block, s.cluster)
	le.PutUint64(b[0x48:], s.serial)
}

// clusterCode says a length in clusters, or as minus its binary logarithm when it is below one.
func clusterCode(n, cluster int64) byte {
	if n >= cluster {
		return byte(n / cluster)
	}
	return byte(-(bits.Len64(uint64(n)) - 1))
}

// appendRun adds one run to a run list: count clusters at lcn, counted from the run before
// (delta), or a hole.
func appendRun(dst []byte, count, delta int64, hole bool) []byte {
	at := len(dst)
	dst = append(dst, 0)
	dst = appendSigned(dst, count)
	dst[at] = byte(len(dst) - at - 1)
	if !hole {
		start := len(dst)
		dst = appendSigned(dst, delta)
		dst[at] |= byte(len(dst)-start) << 4
	}
	return dst
}

// appendSigned adds v in as few bytes as keep its sign.
func appendSigned(dst []byte, v int64) []byte {
	for {
		dst = append(dst, byte(v))
		if v >= -0x80 && v < 0x80 {
			return dst
		}
		v >>= 8
	}
}

// indexEntry is the fixed part of an index entry. head is the file reference in a directory; in
// other indexes it is the place of the data in the entry (dataAt).
func putIndexEntry(b []byte, head uint64, length, key int, flags uint16) {
	le.PutUint64(b, head)
	le.PutUint16(b[8:], uint16(length))
	le.PutUint16(b[10:], uint16(key))
	le.PutUint16(b[12:], flags)
}

// putIndexHeader fills the index header at b: entries start behind it at first, used and allocated
// count from the header.
func putIndexHeader(b []byte, first, used, allocated int, large bool) {
	le.PutUint32(b, uint32(first))
	le.PutUint32(b[4:], uint32(used))
	le.PutUint32(b[8:], uint32(allocated))
	if large {
		b[12] = 1
	}
}
