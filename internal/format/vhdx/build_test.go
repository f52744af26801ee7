package vhdx_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// A VHDX by hand, for what qemu-img does not make: logs to replay, sectors of 4,096 bytes, blocks in
// all states, parents. Its pieces are in the order of these constants.
const (
	pieceID = iota
	pieceHeader1
	pieceHeader2
	pieceRegions1
	pieceRegions2
	pieceLog
	pieceMetadata
	pieceItems
	pieceBAT
	pieceBlocks
)

const (
	mib         = 1 << 20
	logAt       = 1 * mib
	logSize     = 1 * mib
	metadataAt  = 2 * mib
	itemsAt     = metadataAt + 64<<10
	batAt       = 3 * mib
	blocksAt    = 4 * mib
	blockSize   = 1 * mib
	blockCount  = 3  // that the file holds
	diskBlocks  = 10 // of the disk, the last of them not whole
	diskSize    = diskBlocks*mib - 12288
	logSector   = 4096
	sequence    = 7 // of the current header
	entryHeader = 64
)

var (
	logID  = guid.MustParse("1b2c3d4e-0001-4002-8003-a0b0c0d0e0f0")
	diskID = guid.MustParse("9e8d7c6b-0001-4002-8003-a0b0c0d0e0f0")
	le     = binary.LittleEndian
)

// seal writes the CRC-32C of a structure.
func seal(b []byte) {
	le.PutUint32(b[4:], 0)
	le.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// newImage makes a clean VHDX of three blocks: 2, 0 and 5 of the disk, in this order, filled with
// their numbers as letters.
func newImage(logicalSector uint32) *sparsetest.Image {
	m := &sparsetest.Image{Size: blocksAt + blockCount*blockSize}
	add := func(at int64, size int) []byte {
		b := make([]byte, size)
		m.Pieces = append(m.Pieces, sparsetest.Piece{Offset: at, Data: b})
		return b
	}
	copy(add(0, 520), append([]byte("vhdxfile"), utf16le.Encode("winbake test")...))
	for i := range 2 {
		b := add(int64(64<<10*(i+1)), 4096)
		copy(b, "head")
		le.PutUint64(b[8:], uint64(sequence-i))
		copy(b[16:], diskID[:])
		copy(b[32:], diskID[:])
		le.PutUint16(b[66:], 1)
		le.PutUint32(b[68:], logSize)
		le.PutUint64(b[72:], logAt)
	}
	for i := range 2 {
		b := add(int64(192<<10+64<<10*i), 64<<10)
		copy(b, "regi")
		le.PutUint32(b[8:], 2)
		regionEntry(b[16:], "2dc27766-f623-4200-9d64-115e9bfd4a08", batAt, 1)
		regionEntry(b[48:], "8b7ca206-4790-4b9a-b8fe-575f050f886e", metadataAt, 1)
	}
	add(logAt, logSize)
	add(metadataAt, 4096)
	add(itemsAt, 4096)
	setItems(m, 0, []item{
		{"caa16737-fa36-4d43-b3b6-33f0aa44e76b", 4, binary.LittleEndian.AppendUint64(nil, blockSize)},
		{"2fa54224-cd1b-4876-b211-5dbed83bf4b8", 6, binary.LittleEndian.AppendUint64(nil, diskSize)},
		{"beca12ab-b2e6-4523-93ef-c309e000c746", 6, diskID[:]},
		{"8141bf1d-a96f-4709-ba47-f233a8faab5f", 6, binary.LittleEndian.AppendUint32(nil, logicalSector)},
		{"cda348c7-445d-4471-9cc9-e9885251c556", 6, binary.LittleEndian.AppendUint32(nil, 4096)},
	})
	bat := add(batAt, 4096)
	for block, entry := range map[int]uint64{0: blocksAt + mib | 6, 2: blocksAt | 6, 5: blocksAt + 2*mib | 6, 3: 1, 4: 2, 6: 3} {
		le.PutUint64(bat[8*block:], entry)
	}
	for i, block := range []int{2, 0, 5} {
		copy(add(blocksAt+int64(i)*mib, blockSize), bytes.Repeat([]byte{byte('A' + block)}, blockSize))
	}
	sealAll(m)
	return m
}

func regionEntry(b []byte, id string, offset uint64, length uint32) {
	g := guid.MustParse(id)
	copy(b, g[:])
	le.PutUint64(b[16:], offset)
	le.PutUint32(b[24:], length*mib)
	le.PutUint32(b[28:], 1)
}

type item struct {
	id    string
	flags uint32
	data  []byte
}

// setItems writes the metadata table from entry first on, and the items.
func setItems(m *sparsetest.Image, first int, items []item) {
	table := m.Pieces[pieceMetadata].Data
	copy(table, "metadata")
	le.PutUint16(table[10:], uint16(first+len(items)))
	at := 256 * first
	for i, item := range items {
		e := table[32+32*(first+i):]
		g := guid.MustParse(item.id)
		copy(e, g[:])
		le.PutUint32(e[16:], uint32(64<<10+at))
		le.PutUint32(e[20:], uint32(len(item.data)))
		le.PutUint32(e[24:], item.flags)
		at += copy(m.Pieces[pieceItems].Data[at:], item.data)
	}
}

func sealAll(m *sparsetest.Image) {
	for _, i := range []int{pieceHeader1, pieceHeader2, pieceRegions1, pieceRegions2} {
		seal(m.Pieces[i].Data)
	}
}

// setDirty has the current header say that there is a log.
func setDirty(m *sparsetest.Image) {
	copy(m.Pieces[pieceHeader1].Data[48:], logID[:])
	sealAll(m)
}

// entry is a log entry: patches that are zeros have a length, the others data.
type entry struct {
	sector, tail  int64 // where it goes, and what it says of the oldest
	sequence      uint64
	flushed, last int64
	patches       []patch
}

type patch struct {
	at, zeros int64
	data      []byte // a sector
}

func (e *entry) marshal() []byte {
	b := make([]byte, (entryHeader+32*len(e.patches)+logSector-1)/logSector*logSector)
	var sectors []byte
	for i, p := range e.patches {
		d := b[entryHeader+32*i:]
		copy(d, "zero")
		le.PutUint64(d[8:], uint64(p.zeros))
		le.PutUint64(d[16:], uint64(p.at))
		le.PutUint64(d[24:], e.sequence)
		if p.data != nil {
			copy(d, "desc")
			copy(d[4:8], p.data[logSector-4:])
			copy(d[8:16], p.data)
			s := bytes.Clone(p.data)
			copy(s, "data")
			le.PutUint32(s[4:], uint32(e.sequence>>32))
			le.PutUint32(s[logSector-4:], uint32(e.sequence))
			sectors = append(sectors, s...)
		}
	}
	b = append(b, sectors...)
	copy(b, "loge")
	le.PutUint32(b[8:], uint32(len(b)))
	le.PutUint32(b[12:], uint32(e.tail*logSector))
	le.PutUint64(b[16:], e.sequence)
	le.PutUint32(b[24:], uint32(len(e.patches)))
	copy(b[32:], logID[:])
	le.PutUint64(b[48:], uint64(e.flushed))
	le.PutUint64(b[56:], uint64(e.last))
	seal(b)
	return b
}

// setLog writes entries into the ring, and marks the file as dirty.
func setLog(m *sparsetest.Image, entries ...entry) {
	log := m.Pieces[pieceLog].Data
	for _, e := range entries {
		b := e.marshal()
		for i := range b {
			log[(int(e.sector)*logSector+i)%logSize] = b[i]
		}
	}
	setDirty(m)
}

// sealLog writes the checksums of entries, as far as their lengths make sense.
func sealLog(m *sparsetest.Image) {
	log := m.Pieces[pieceLog].Data
	for at := 0; at < len(log); at += logSector {
		length := int(le.Uint32(log[at+8:]))
		if string(log[at:at+4]) == "loge" && length >= logSector && length <= len(log)-at {
			seal(log[at:][:length])
		}
	}
}

// sector is a sector whose bytes can be told apart.
func sector(c byte) []byte {
	b := make([]byte, logSector)
	for i := range b {
		b[i] = c + byte(i%7)
	}
	return b
}

// batSector is the BAT's first sector with some entries changed.
func batSector(m *sparsetest.Image, entries map[int]uint64) []byte {
	b := bytes.Clone(m.Pieces[pieceBAT].Data)
	for block, entry := range entries {
		le.PutUint64(b[8*block:], entry)
	}
	return b
}
