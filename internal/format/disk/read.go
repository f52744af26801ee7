package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

var le = binary.LittleEndian

// Records of an MBR ("Master Boot Record (MBR) Partition Table", UEFI specification 2.10, 5.2.1).
const (
	mbrEntrySize = 16 // u8 status, CHS, u8 type at 4, CHS, u32 first sector at 8, u32 count at 12
	mbrEntries   = 4
	mbrEnd       = 510 // 55 AA
	mbrActive    = 0x80

	typeProtective = 0xEE
	// maxLogical bounds the chain of logical partitions; Windows gives out 26 drive letters.
	maxLogical = 128
)

// extended are the types of a partition that holds logical ones: CHS, LBA, Linux.
var extended = [256]bool{0x05: true, 0x0F: true, 0x85: true}

// sectorSizes are those that disks have, the more frequent first.
var sectorSizes = []int64{SectorSize, 4096}

// Read lists the partitions of a disk of size bytes: those of its GPT, or of its MBR, logical ones
// included, when it has no GPT. Empty entries are left out. Sectors may have 512 or 4,096 bytes.
//
// Nothing is repaired: a table that contradicts itself, and a partition that reaches over the end
// of the disk, are errors of class fault.ErrCorrupt. Only the first of a GPT's two copies is read.
func Read(r io.ReaderAt, size int64) ([]Partition, error) {
	t := tableReader{r: r, size: size}
	sector, err := t.bootRecord(0)
	if err != nil {
		return nil, fault.In("partition table", err)
	}
	var out []Partition
	if protective(sector) {
		out, err = t.gpt()
	} else {
		out, err = t.mbr(sector)
	}
	return out, fault.In("partition table", err)
}

// tableReader reads the partition table of one disk.
type tableReader struct {
	r    io.ReaderAt
	size int64
}

// read returns n bytes at off. A disk that ends before is corrupt, other errors are the machine's.
func (t *tableReader) read(off, n int64) ([]byte, error) {
	if off < 0 || off > t.size-n {
		return nil, fault.Corruptf(max(off, 0), "the disk ends at %#x; it is cut off, or this is no disk", t.size)
	}
	b := make([]byte, n)
	if _, err := t.r.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// bootRecord reads a sector that must end in 55 AA.
func (t *tableReader) bootRecord(off int64) ([]byte, error) {
	b, err := t.read(off, SectorSize)
	if err == nil && (b[mbrEnd] != 0x55 || b[mbrEnd+1] != 0xAA) {
		err = fault.Corruptf(off+mbrEnd, "the sector does not end in 55 AA")
	}
	return b, err
}

// entry is one of the four in a boot record; its numbers are in sectors.
type entry struct {
	status, kind byte
	first, count int64
}

func entries(sector []byte) (out [mbrEntries]entry) {
	for i := range out {
		e := sector[mbrTable+i*mbrEntrySize:]
		out[i] = entry{e[0], e[4], int64(le.Uint32(e[8:])), int64(le.Uint32(e[12:]))}
	}
	return out
}

func (e *entry) empty() bool { return e.kind == 0 || e.count == 0 }

// protective says whether an MBR only stands before a GPT, if a hybrid one with entries of its own.
func protective(sector []byte) bool {
	for _, e := range entries(sector) {
		if e.kind == typeProtective {
			return true
		}
	}
	return false
}

func (t *tableReader) mbr(sector []byte) (out []Partition, err error) {
	unit := t.mbrUnit(sector)
	for i, e := range entries(sector) {
		switch {
		case e.empty():
			continue
		case extended[e.kind]:
			continue // after the primary ones, whose numbers are up to 4
		}
		if out, err = t.add(out, i+1, e, 0, unit); err != nil {
			return nil, err
		}
	}
	for _, e := range entries(sector) {
		if !e.empty() && extended[e.kind] {
			return t.logical(out, e.first, unit) // there is at most one
		}
	}
	return out, nil
}

// add appends the partition of an entry that counts from a sector on.
func (t *tableReader) add(out []Partition, number int, e entry, base, unit int64) ([]Partition, error) {
	p := Partition{
		Number: number, Offset: (base + e.first) * unit, Size: e.count * unit,
		MBRType: e.kind, Active: e.status == mbrActive,
	}
	return append(out, p), t.check(&p)
}

// check says whether a partition lies on the disk.
func (t *tableReader) check(p *Partition) error {
	if p.Offset <= 0 || p.Size <= 0 || p.Offset > t.size-p.Size {
		return fault.Corruptf(fault.NoOffset, "partition %d lies from byte %d to %d, and the disk ends at %d: it is cut off, or the table is damaged",
			p.Number, p.Offset, p.Offset+p.Size, t.size)
	}
	return nil
}

// logical follows the chain of logical partitions: each extended boot record has one, counted from
// itself, and the place of the next record, counted from the first.
func (t *tableReader) logical(out []Partition, first, unit int64) ([]Partition, error) {
	seen := map[int64]bool{}
	for at, number := first, mbrEntries+1; ; number++ {
		if seen[at] || len(seen) == maxLogical {
			return nil, fault.Corruptf(at*unit, "the chain of logical partitions does not end")
		}
		seen[at] = true
		sector, err := t.bootRecord(at * unit)
		if err != nil {
			return nil, fault.In(fmt.Sprintf("logical partition %d", number), err)
		}
		e := entries(sector)
		if !e[0].empty() {
			if out, err = t.add(out, number, e[0], at, unit); err != nil {
				return nil, err
			}
		}
		if e[1].empty() || !extended[e[1].kind] {
			return out, nil
		}
		at = first + e[1].first
	}
}

// mbrUnit is the length of a sector, which an MBR does not say: 4,096 bytes where only then a
// partition begins with a boot record.
func (t *tableReader) mbrUnit(sector []byte) int64 {
	for _, unit := range sectorSizes {
		for _, e := range entries(sector) {
			if e.empty() {
				continue
			}
			if _, err := t.bootRecord(e.first * unit); err == nil {
				return unit
			}
		}
	}
	return SectorSize
}

// Records of a GPT (UEFI specification 2.10, 5.3.2 and 5.3.3).
const (
	gptHeaderMin = 92
	// maxGPTArray bounds the entries, of which Windows makes 128 with 128 bytes each.
	maxGPTArray = 1 << 20

	gptCRCAt       = 0x10 // of the header, with this field as zero
	gptSelfAt      = 0x18 // the sector that the header is in
	gptEntriesAt   = 0x48 // first sector of the entries
	gptCountAt     = 0x50
	gptEntrySizeAt = 0x54
	gptEntriesCRC  = 0x58

	gptIDAt    = 16 // of an entry, after its type
	gptFirstAt = 32 // first sector
	gptLastAt  = 40 // last sector
	gptAttrAt  = 48
	gptNameAt  = 56
)

var gptMagic = []byte("EFI PART")

func (t *tableReader) gpt() ([]Partition, error) {
	for _, unit := range sectorSizes {
		header, err := t.read(unit, unit)
		if err != nil || !bytes.HasPrefix(header, gptMagic) {
			continue
		}
		return t.gptEntries(header, unit)
	}
	return nil, fault.Corruptf(SectorSize, "the MBR announces a GPT, and there is none; if only its first copy is damaged, gdisk can restore it from the second")
}

func (t *tableReader) gptEntries(header []byte, unit int64) ([]Partition, error) {
	if err := checkCopy(header, unit, unit); err != nil {
		return nil, err
	}
	b, err := t.entryArray(header, unit, unit)
	if err != nil {
		return nil, err
	}
	return t.partitions(b, int64(le.Uint32(header[gptEntrySizeAt:])), unit)
}

// gptPartition reads an entry; used is false for an empty one.
func gptPartition(b []byte, unit int64) (p Partition, used bool, err error) {
	p.Type, p.ID = guid.GUID(b[:guid.Size]), guid.GUID(b[gptIDAt:gptIDAt+guid.Size])
	if p.Type.IsZero() {
		return p, false, nil
	}
	first, last := le.Uint64(b[gptFirstAt:]), le.Uint64(b[gptLastAt:])
	start, ok := bytesOf(first, unit)
	end, okEnd := bytesOf(last, unit)
	if !ok || !okEnd || end < start {
		return p, true, fault.Corruptf(fault.NoOffset, "the partition lies from sector %#x to %#x", first, last)
	}
	p.Offset, p.Size = start, end-start+unit
	p.Attributes = le.Uint64(b[gptAttrAt:])
	p.Name, _, _ = strings.Cut(utf16le.Decode(b[gptNameAt:gptEntrySize]), "\x00")
	return p, true, nil
}

// bytesOf is a sector number in bytes; ok is false for one beyond what any disk has.
func bytesOf(sector uint64, unit int64) (off int64, ok bool) {
	const most = 1 << 50 // sectors: more than any disk has, and no overflow
	return int64(min(sector, most)) * unit, sector < most
}
