package regf

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
)

// Sizes and positions of the records, in bytes. Offsets stored in a hive ("cell indexes") count
// from the first bin, that is from the end of the base block, and point at a cell's size field.
const (
	baseSize   = 4096 // the base block, and the unit that bins are made of
	binAlign   = 4096 // HBLOCK_SIZE
	binHeader  = 32
	cellHeader = 4 // the cell's size: negative when allocated
	cellAlign  = 8

	sectorSize     = 512 // unit of transaction logs, whatever the disk's sectors are
	flagsOffset    = 144 // of the base block's flags, Vista and later
	checksumOffset = 508 // of the base block: XOR of the 127 words before it
	nameFieldSize  = 64  // of the base block's file name

	nodeSize  = 76 // nk, before the name
	valueSize = 20 // vk, before the name
	secSize   = 20 // sk, before the descriptor
	listSize  = 4  // li, lf, lh, ri: before the entries
	bigSize   = 8  // db

	noCell = 0xFFFFFFFF // "points nowhere"
)

// Limits of the format and of Windows.
const (
	majorVersion = 1
	minMinor     = 2 // Windows NT 3.5; 0 and 1 have another cell and key layout
	maxMinor     = 6
	bigMinor     = 4 // from here large values are split into a db record's segments
	hashMinor    = 5 // from here subkey lists are lh, before lf

	maxFast    = 507   // entries of an lf or lh that still fits one 4,096-byte bin
	maxIndex   = 1012  // entries of an li that still fits one 4,096-byte bin
	maxSegment = 16344 // bytes of a db segment, and of the largest value stored in one cell
	maxInline  = 4     // bytes of the largest value stored in the vk itself

	maxDepth      = 512        // levels of keys that Windows accepts
	maxKeyName    = 255        // UTF-16 units that Windows accepts in a key's name
	maxBinsSize   = 0x7FFFE000 // bit 31 of a cell index means "volatile"
	inlineData    = 1 << 31    // of a vk's data size: the data is in the offset field
	maxNameBytes  = 0xFFFF     // nk and vk name lengths are 16 bits
	maxLongestKey = 0xFFFF     // nk's largest subkey name length shares its 32 bits with other fields
)

// File types of the base block.
const (
	typePrimary = 0
	typeLog     = 1 // a log with a bitmap of dirty pages ("old format")
	typeLogNT   = 2 // the same, up to Windows 2000
	typeLogHvLE = 6 // a log of entries ("new format"), Windows 8.1 and later
)

// Flags of a vk.
const (
	valueCompName = 1 << 0 // name stored one byte a character
)

// The byte orders: the format is little-endian, one value type is not.
var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// baseBlock is the header of a hive file; reserved parts are kept by Hive as they were.
type baseBlock struct {
	Sequence1   uint32        // 0x04: raised when a write begins
	Sequence2   uint32        // 0x08: raised when it has ended; differs from Sequence1: dirty
	LastWritten filetime.Time // 0x0C
	Major       uint32        // 0x14: 1
	Minor       uint32        // 0x18: 3 NT 4..2003 and BCD, 5 XP and later, 4 and 6 rare
	FileType    uint32        // 0x1C: typePrimary, or one of the log types
	Format      uint32        // 0x20: 1, direct memory load
	Root        uint32        // 0x24: cell of the root key
	BinsSize    uint32        // 0x28: bytes of all bins
	Clustering  uint32        // 0x2C: sector size / 512; 1
	FileName    [nameFieldSize]byte
	Checksum    uint32 // 0x1FC
}

func (b *baseBlock) unmarshal(p []byte) {
	b.Sequence1 = le.Uint32(p[0x04:])
	b.Sequence2 = le.Uint32(p[0x08:])
	b.LastWritten = filetime.Time(le.Uint64(p[0x0C:]))
	b.Major = le.Uint32(p[0x14:])
	b.Minor = le.Uint32(p[0x18:])
	b.FileType = le.Uint32(p[0x1C:])
	b.Format = le.Uint32(p[0x20:])
	b.Root = le.Uint32(p[0x24:])
	b.BinsSize = le.Uint32(p[0x28:])
	b.Clustering = le.Uint32(p[0x2C:])
	copy(b.FileName[:], p[0x30:])
	b.Checksum = le.Uint32(p[checksumOffset:])
}

// marshal writes the fields into p, leaves the reserved parts as they are, and sets the checksum.
func (b *baseBlock) marshal(p []byte) {
	copy(p, "regf")
	le.PutUint32(p[0x04:], b.Sequence1)
	le.PutUint32(p[0x08:], b.Sequence2)
	le.PutUint64(p[0x0C:], uint64(b.LastWritten))
	le.PutUint32(p[0x14:], b.Major)
	le.PutUint32(p[0x18:], b.Minor)
	le.PutUint32(p[0x1C:], b.FileType)
	le.PutUint32(p[0x20:], b.Format)
	le.PutUint32(p[0x24:], b.Root)
	le.PutUint32(p[0x28:], b.BinsSize)
	le.PutUint32(p[0x2C:], b.Clustering)
	copy(p[0x30:], b.FileName[:])
	le.PutUint32(p[checksumOffset:], checksum(p))
}

// checksum is the XOR of the base block's first 127 words; 0 and -1 are avoided.
func checksum(p []byte) uint32 {
	var c uint32
	for i := 0; i < checksumOffset; i += 4 {
		c ^= le.Uint32(p[i:])
	}
	switch c {
	case 0:
		return 1
	case 0xFFFFFFFF:
		return 0xFFFFFFFE
	}
	return c
}

// bin is the header of a hive bin, "hbin".
type bin struct {
	Offset    uint32        // 0x04: from the first bin
	Size      uint32        // 0x08: bytes, a multiple of 4096
	Timestamp filetime.Time // 0x14: first bin only, a copy of the base block's
}

func (b *bin) unmarshal(p []byte) {
	b.Offset = le.Uint32(p[0x04:])
	b.Size = le.Uint32(p[0x08:])
	b.Timestamp = filetime.Time(le.Uint64(p[0x14:]))
}

// valid says whether b, read from p, can be the bin at off of that many bytes of bins.
func (b *bin) valid(p []byte, off, bins int) bool {
	return string(p[:4]) == "hbin" && int64(b.Offset) == int64(off) && b.Size >= binAlign && b.Size%binAlign == 0 &&
		int64(b.Size) <= int64(bins-off)
}

func (b *bin) marshal(p []byte) {
	copy(p, "hbin")
	le.PutUint32(p[0x04:], b.Offset)
	le.PutUint32(p[0x08:], b.Size)
	le.PutUint64(p[0x14:], uint64(b.Timestamp))
}

// node is an nk record, a key, without its name.
type node struct {
	Flags        KeyFlags      // 0x02
	LastWritten  filetime.Time // 0x04
	Access       uint32        // 0x0C: access bits, layered-key bits
	Parent       uint32        // 0x10
	Subkeys      uint32        // 0x14: count; the count of volatile ones at 0x18 has no meaning on disk
	SubkeyList   uint32        // 0x1C; the volatile list at 0x20 likewise
	Values       uint32        // 0x24: count, or the handle of a predefined key
	ValueList    uint32        // 0x28
	Security     uint32        // 0x2C
	Class        uint32        // 0x30
	MaxSubkey    uint16        // 0x34: bytes of the longest subkey name as UTF-16
	Control      uint16        // 0x36: virtualization, Wow64 and debug flags
	MaxClass     uint32        // 0x38: bytes of the longest class name of a subkey
	MaxValueName uint32        // 0x3C: bytes of the longest value name as UTF-16
	MaxValueData uint32        // 0x40: bytes of the longest value
	NameLen      uint16        // 0x48: bytes as stored
	ClassLen     uint16        // 0x4A: bytes
}

func (n *node) unmarshal(p []byte) {
	n.Flags = KeyFlags(le.Uint16(p[0x02:]))
	n.LastWritten = filetime.Time(le.Uint64(p[0x04:]))
	n.Access = le.Uint32(p[0x0C:])
	n.Parent = le.Uint32(p[0x10:])
	n.Subkeys = le.Uint32(p[0x14:])
	n.SubkeyList = le.Uint32(p[0x1C:])
	n.Values = le.Uint32(p[0x24:])
	n.ValueList = le.Uint32(p[0x28:])
	n.Security = le.Uint32(p[0x2C:])
	n.Class = le.Uint32(p[0x30:])
	n.MaxSubkey = le.Uint16(p[0x34:])
	n.Control = le.Uint16(p[0x36:])
	n.MaxClass = le.Uint32(p[0x38:])
	n.MaxValueName = le.Uint32(p[0x3C:])
	n.MaxValueData = le.Uint32(p[0x40:])
	n.NameLen = le.Uint16(p[0x48:])
	n.ClassLen = le.Uint16(p[0x4A:])
}

func (n *node) marshal(p []byte) {
	copy(p, "nk")
	le.PutUint16(p[0x02:], uint16(n.Flags))
	le.PutUint64(p[0x04:], uint64(n.LastWritten))
	le.PutUint32(p[0x0C:], n.Access)
	le.PutUint32(p[0x10:], n.Parent)
	le.PutUint32(p[0x14:], n.Subkeys)
	le.PutUint32(p[0x1C:], n.SubkeyList)
	le.PutUint32(p[0x20:], noCell)
	le.PutUint32(p[0x24:], n.Values)
	le.PutUint32(p[0x28:], n.ValueList)
	le.PutUint32(p[0x2C:], n.Security)
	le.PutUint32(p[0x30:], n.Class)
	le.PutUint16(p[0x34:], n.MaxSubkey)
	le.PutUint16(p[0x36:], n.Control)
	le.PutUint32(p[0x38:], n.MaxClass)
	le.PutUint32(p[0x3C:], n.MaxValueName)
	le.PutUint32(p[0x40:], n.MaxValueData)
	le.PutUint16(p[0x48:], n.NameLen)
	le.PutUint16(p[0x4A:], n.ClassLen)
}

// valueRecord is a vk record without its name.
type valueRecord struct {
	NameLen uint16 // 0x02: bytes as stored
	Size    uint32 // 0x04: bytes of data; bit 31: they are in Data itself
	Data    uint32 // 0x08: cell of the data, or the data
	Type    Type   // 0x0C
	Flags   uint16 // 0x10: valueCompName, TombstoneValue
}

func (v *valueRecord) unmarshal(p []byte) {
	v.NameLen = le.Uint16(p[0x02:])
	v.Size = le.Uint32(p[0x04:])
	v.Data = le.Uint32(p[0x08:])
	v.Type = Type(le.Uint32(p[0x0C:]))
	v.Flags = le.Uint16(p[0x10:])
}

func (v *valueRecord) marshal(p []byte) {
	copy(p, "vk")
	le.PutUint16(p[0x02:], v.NameLen)
	le.PutUint32(p[0x04:], v.Size)
	le.PutUint32(p[0x08:], v.Data)
	le.PutUint32(p[0x0C:], uint32(v.Type))
	le.PutUint16(p[0x10:], v.Flags)
}

// security is an sk record without the descriptor.
type security struct {
	Next   uint32 // 0x04: Flink, the next record of the ring
	Prev   uint32 // 0x08: Blink
	Refs   uint32 // 0x0C: keys that point here
	Length uint32 // 0x10: bytes of the descriptor
}

func (s *security) unmarshal(p []byte) {
	s.Next = le.Uint32(p[0x04:])
	s.Prev = le.Uint32(p[0x08:])
	s.Refs = le.Uint32(p[0x0C:])
	s.Length = le.Uint32(p[0x10:])
}

func (s *security) marshal(p []byte) {
	copy(p, "sk")
	le.PutUint32(p[0x04:], s.Next)
	le.PutUint32(p[0x08:], s.Prev)
	le.PutUint32(p[0x0C:], s.Refs)
	le.PutUint32(p[0x10:], s.Length)
}

// logEntry is the head of one entry of a transaction log in the new format, "HvLE".
type logEntry struct {
	Size      uint32 // 0x04: bytes with everything, a multiple of 512
	Flags     uint32 // 0x08: bit 0 goes to bit 0 of the base block's flags
	Sequence  uint32 // 0x0C: of the hive once the entry is applied
	BinsSize  uint32 // 0x10: of the hive once the entry is applied
	Pages     uint32 // 0x14: count
	DataHash  uint64 // 0x18: of everything behind the head
	EntryHash uint64 // 0x20: of the head up to here
}

// Sizes in a transaction log.
const (
	entryHead   = 40
	pageRefSize = 8 // offset from the first bin, size; bytes
	dirtHead    = 4 // "DIRT", before the bitmap
)

func (e *logEntry) unmarshal(p []byte) {
	e.Size = le.Uint32(p[0x04:])
	e.Flags = le.Uint32(p[0x08:])
	e.Sequence = le.Uint32(p[0x0C:])
	e.BinsSize = le.Uint32(p[0x10:])
	e.Pages = le.Uint32(p[0x14:])
	e.DataHash = le.Uint64(p[0x18:])
	e.EntryHash = le.Uint64(p[0x20:])
}
