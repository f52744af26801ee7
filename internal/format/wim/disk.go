package wim

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Sizes of the on-disk records, in bytes; all numbers in them are little endian.
const (
	headerSize          = 208
	resourceHeaderSize  = 24
	blobEntrySize       = 50
	securityHeaderSize  = 8
	dentrySize          = 102
	streamEntrySize     = 38
	tagHeaderSize       = 8
	eaHeaderSize        = 4
	integrityHeaderSize = 12
)

const (
	magic         = "MSWIM\x00\x00\x00"
	magicPipable  = "WLPWM\x00\x00\x00" // wimlib's own variant, for pipes
	versionPlain  = 0x10d00
	versionSolid  = 0xe00 // ESD: some resources hold many blobs
	maxImages     = 65535 // wimlib's limit; real media hold fewer than 20
	integrityUnit = 10485760
)

// Header flags, at 0x10.
const (
	flagCompressed   = 0x2
	flagReadOnly     = 0x4
	flagSpanned      = 0x8
	flagResourceOnly = 0x10
	flagMetadataOnly = 0x20
	flagInProgress   = 0x40
	flagRPFix        = 0x80
	flagXPRESS       = 0x20000
	flagLZX          = 0x40000
	flagLZMS         = 0x80000
	flagXPRESS2      = 0x200000 // XPRESS too; said to go with small chunks
)

// Resource flags, in the top byte of the stored size.
const (
	resFree       = 0x01
	resMetadata   = 0x02
	resCompressed = 0x04
	resSpanned    = 0x08
	resSolid      = 0x10
)

// Tags of the items that may follow a dentry's names.
const (
	tagObjectID = 1
	tagEA       = 2
)

// noSecurity is the security id of a dentry without a descriptor.
const noSecurity = -1

// rpNotFixed in rp_flags says that an absolute target was stored as it was found. Without it the
// target was made relative to the root of the image.
const rpNotFixed = 1

// hash is the SHA-1 of a blob; all zero stands for no bytes.
type hash [sha1.Size]byte

// emptyHash is the SHA-1 of no bytes, which some writers store where others store zeroes.
var emptyHash = hash(sha1.Sum(nil))

func (h hash) empty() bool { return h == hash{} || h == emptyHash }

// resourceHeader says where a resource lies (RESHDR_DISK_SHORT).
type resourceHeader struct {
	Stored uint64 // 7 bytes at 0x00: bytes in the file
	Flags  byte   // 0x07
	Offset uint64 // 0x08: from the start of the file
	Size   uint64 // 0x10: bytes after decompression
}

func (r *resourceHeader) unmarshal(b []byte) {
	word := binary.LittleEndian.Uint64(b)
	r.Stored, r.Flags = word&(1<<56-1), byte(word>>56)
	r.Offset = binary.LittleEndian.Uint64(b[8:])
	r.Size = binary.LittleEndian.Uint64(b[16:])
}

func (r *resourceHeader) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, r.Stored|uint64(r.Flags)<<56)
	b = binary.LittleEndian.AppendUint64(b, r.Offset)
	return binary.LittleEndian.AppendUint64(b, r.Size)
}

// validate checks that the resource lies between the header and the end of the file.
func (r *resourceHeader) validate(fileSize int64) error {
	end, carry := bits.Add64(r.Offset, r.Stored, 0)
	switch {
	case r.Offset < headerSize:
		return fault.Corruptf(fault.NoOffset, "it starts at %#x, inside the file's header", r.Offset)
	case carry != 0 || end > uint64(fileSize):
		return fault.Corruptf(fault.NoOffset, "%d bytes at %#x end after the file's %d bytes; the file is truncated or damaged", r.Stored, r.Offset, fileSize)
	case r.Size > 1<<62:
		return fault.Corruptf(fault.NoOffset, "absurd size %d", r.Size)
	case r.Flags&resCompressed == 0 && r.Stored != r.Size:
		return fault.Corruptf(fault.NoOffset, "not compressed, but %d bytes are stored for %d", r.Stored, r.Size)
	}
	return nil
}

// header is the file header (WIMHEADER_V1_PACKED).
type header struct {
	Magic      [8]byte        // 0x00
	HeaderSize uint32         // 0x08: 208
	Version    uint32         // 0x0c
	Flags      uint32         // 0x10
	ChunkSize  uint32         // 0x14: bytes; 0 when nothing is compressed
	GUID       [16]byte       // 0x18
	Part       uint16         // 0x28: from 1
	Parts      uint16         // 0x2a
	Images     uint32         // 0x2c
	Table      resourceHeader // 0x30: blob table
	XML        resourceHeader // 0x48
	Boot       resourceHeader // 0x60: metadata of the image to boot
	BootIndex  uint32         // 0x78: 0 for none
	Integrity  resourceHeader // 0x7c: not 8-aligned
	// 60 unused bytes at 0x94
}

func (h *header) unmarshal(b *[headerSize]byte) {
	le := binary.LittleEndian
	h.Magic = [8]byte(b[0:])
	h.HeaderSize = le.Uint32(b[0x08:])
	h.Version = le.Uint32(b[0x0c:])
	h.Flags = le.Uint32(b[0x10:])
	h.ChunkSize = le.Uint32(b[0x14:])
	h.GUID = [16]byte(b[0x18:])
	h.Part = le.Uint16(b[0x28:])
	h.Parts = le.Uint16(b[0x2a:])
	h.Images = le.Uint32(b[0x2c:])
	h.Table.unmarshal(b[0x30:])
	h.XML.unmarshal(b[0x48:])
	h.Boot.unmarshal(b[0x60:])
	h.BootIndex = le.Uint32(b[0x78:])
	h.Integrity.unmarshal(b[0x7c:])
}

func (h *header) marshal() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, headerSize)
	b = append(b, h.Magic[:]...)
	for _, v := range []uint32{h.HeaderSize, h.Version, h.Flags, h.ChunkSize} {
		b = le.AppendUint32(b, v)
	}
	b = append(b, h.GUID[:]...)
	b = le.AppendUint16(b, h.Part)
	b = le.AppendUint16(b, h.Parts)
	b = le.AppendUint32(b, h.Images)
	b = h.Table.append(b)
	b = h.XML.append(b)
	b = h.Boot.append(b)
	b = le.AppendUint32(b, h.BootIndex)
	b = h.Integrity.append(b)
	return b[:headerSize]
}

// validate checks everything that the header alone can tell. Features that this package does not
// read are refused here.
func (h *header) validate(fileSize int64) error {
	switch {
	case bytes.Equal(h.Magic[:], []byte(magicPipable)):
		return fault.Unsupportedf(0, "this is a pipable WIM; convert it with: wimlib-imagex export --not-pipable")
	case !bytes.Equal(h.Magic[:], []byte(magic)):
		return fault.Corruptf(0, "not a WIM: it starts with %q", h.Magic[:])
	case h.HeaderSize != headerSize:
		return fault.Corruptf(0x08, "header of %d bytes, expected %d", h.HeaderSize, headerSize)
	case h.Version != versionPlain && h.Version != versionSolid:
		return fault.Unsupportedf(0x0c, "WIM version %#x", h.Version)
	case h.Part == 0 || h.Parts == 0 || h.Part > h.Parts:
		return fault.Corruptf(0x28, "part %d of %d", h.Part, h.Parts)
	case h.Flags&flagResourceOnly != 0 && h.Part == 1:
		return fault.Unsupportedf(0x10, "the WIM holds file contents only, no image")
	case h.Flags&flagMetadataOnly != 0 && h.Parts == 1:
		return fault.Unsupportedf(0x10, "the WIM holds metadata only, no file contents")
	case h.Images > maxImages:
		return fault.Corruptf(0x2c, "%d images", h.Images)
	case h.BootIndex > h.Images:
		return fault.Corruptf(0x78, "boot index %d, but there are %d images", h.BootIndex, h.Images)
	}
	return h.validateTables(fileSize)
}

// validateTables checks the places that the header points to.
func (h *header) validateTables(fileSize int64) error {
	if h.Table.Stored == 0 && h.Flags&flagInProgress != 0 {
		return fault.Corruptf(0x30, "the WIM was not finished: whatever wrote it was interrupted")
	}
	for _, r := range []struct {
		name string
		at   int64
		res  resourceHeader
	}{{"blob table", 0x30, h.Table}, {"XML data", 0x48, h.XML}, {"integrity table", 0x7c, h.Integrity}} {
		if r.res.Stored == 0 && r.res.Size == 0 {
			continue
		}
		err := r.res.validate(fileSize)
		if err == nil && r.res.Flags&resCompressed != 0 {
			err = fault.Corruptf(fault.NoOffset, "it is marked compressed, which these tables never are")
		}
		if err != nil {
			return at(r.at, "place of the "+r.name, err)
		}
	}
	return nil
}

// format returns how the file's compressed resources are compressed.
func (h *header) format() (Format, error) {
	if h.Flags&flagCompressed == 0 {
		return None, nil
	}
	var f Format
	switch h.Flags & (flagXPRESS | flagXPRESS2 | flagLZX | flagLZMS) {
	case flagXPRESS, flagXPRESS2, flagXPRESS | flagXPRESS2:
		f = XPRESS
	case flagLZX:
		f = LZX
	case flagLZMS:
		f = LZMS
	default:
		return None, fault.Unsupportedf(0x10, "compression flags %#x", h.Flags)
	}
	if !f.legal(int64(h.ChunkSize)) {
		return None, fault.Corruptf(0x14, "%v with chunks of %d bytes", f, h.ChunkSize)
	}
	return f, nil
}

// blobEntry is one entry of the blob table ("lookup table").
type blobEntry struct {
	Resource resourceHeader // 0x00
	Part     uint16         // 0x18
	Refs     uint32         // 0x1a: how many names lead here
	Hash     hash           // 0x1e: of the uncompressed bytes
}

func (e *blobEntry) unmarshal(b []byte) {
	e.Resource.unmarshal(b)
	e.Part = binary.LittleEndian.Uint16(b[0x18:])
	e.Refs = binary.LittleEndian.Uint32(b[0x1a:])
	e.Hash = hash(b[0x1e:])
}

func (e *blobEntry) append(b []byte) []byte {
	b = e.Resource.append(b)
	b = binary.LittleEndian.AppendUint16(b, e.Part)
	b = binary.LittleEndian.AppendUint32(b, e.Refs)
	return append(b, e.Hash[:]...)
}

// dentry is one directory entry (DIRENTRY). Its names and tagged items point into the metadata.
type dentry struct {
	Length     uint64        // 0x00: with names and items, without stream entries; <= 8 ends a list
	Attributes uint32        // 0x08
	Security   int32         // 0x0c: index of a descriptor, or noSecurity
	Subdir     uint64        // 0x10: offset of the children in the metadata; 0 for none
	Created    filetime.Time // 0x28, after 16 unused bytes
	Accessed   filetime.Time // 0x30
	Modified   filetime.Time // 0x38
	Hash       hash          // 0x40: of the unnamed stream; see resolveStreams
	Unknown54  uint32        // 0x54: unused by every known reader
	Union      uint64        // 0x58: hard link group; or reparse tag, u16 reserved, u16 rp_flags
	Streams    uint16        // 0x60: how many stream entries follow
	ShortLen   uint16        // 0x62: bytes
	NameLen    uint16        // 0x64: bytes
	// 0x66: the name and a NUL if NameLen is not 0; the short name likewise; padding to 8; items
}

func (d *dentry) unmarshal(b []byte) {
	le := binary.LittleEndian
	d.Length = le.Uint64(b)
	d.Attributes = le.Uint32(b[0x08:])
	d.Security = int32(le.Uint32(b[0x0c:]))
	d.Subdir = le.Uint64(b[0x10:])
	d.Created = filetime.Time(le.Uint64(b[0x28:]))
	d.Accessed = filetime.Time(le.Uint64(b[0x30:]))
	d.Modified = filetime.Time(le.Uint64(b[0x38:]))
	d.Hash = hash(b[0x40:])
	d.Unknown54 = le.Uint32(b[0x54:])
	d.Union = le.Uint64(b[0x58:])
	d.Streams = le.Uint16(b[0x60:])
	d.ShortLen = le.Uint16(b[0x62:])
	d.NameLen = le.Uint16(b[0x64:])
}

func (d *dentry) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, d.Length)
	b = le.AppendUint32(b, d.Attributes)
	b = le.AppendUint32(b, uint32(d.Security))
	b = le.AppendUint64(b, d.Subdir)
	b = append(b, make([]byte, 16)...)
	b = le.AppendUint64(b, uint64(d.Created))
	b = le.AppendUint64(b, uint64(d.Accessed))
	b = le.AppendUint64(b, uint64(d.Modified))
	b = append(b, d.Hash[:]...)
	b = le.AppendUint32(b, d.Unknown54)
	b = le.AppendUint64(b, d.Union)
	b = le.AppendUint16(b, d.Streams)
	b = le.AppendUint16(b, d.ShortLen)
	return le.AppendUint16(b, d.NameLen)
}

// namesSize is the bytes that the two names take after the fixed part, with their NULs.
func (d *dentry) namesSize() int64 {
	return nameSize(int(d.NameLen)) + nameSize(int(d.ShortLen))
}

func nameSize(n int) int64 {
	if n == 0 {
		return 0
	}
	return int64(n) + 2
}

// streamEntry is one stream entry after a dentry (STREAMENTRY).
type streamEntry struct {
	Length  uint64 // 0x00: with the name
	Hash    hash   // 0x10, after 8 reserved bytes
	NameLen uint16 // 0x24: bytes; 0 for an unnamed stream
	// 0x26: the name and a NUL if NameLen is not 0; padding to 8
}

func (s *streamEntry) unmarshal(b []byte) {
	s.Length = binary.LittleEndian.Uint64(b)
	s.Hash = hash(b[0x10:])
	s.NameLen = binary.LittleEndian.Uint16(b[0x24:])
}

func (s *streamEntry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.Length)
	b = append(b, make([]byte, 8)...)
	b = append(b, s.Hash[:]...)
	return binary.LittleEndian.AppendUint16(b, s.NameLen)
}

// align8 rounds up to a multiple of 8, which is how everything in the metadata is placed. The
// argument must be less than 1<<63.
func align8[T int64 | uint64](n T) T { return (n + 7) &^ 7 }
