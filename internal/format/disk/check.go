package disk

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The steps of Check, as Problem names them.
const (
	CheckMBR        = "mbr"        // the boot record, and what it says of a GPT
	CheckGPT        = "gpt"        // the first copy of the GPT
	CheckGPTBackup  = "gpt-backup" // the second copy, and that both agree
	CheckPartitions = "partitions" // where partitions lie
)

// Checked is a disk's partition table after Check.
type Checked struct {
	Identity   Identity
	Partitions []Partition // of the first copy that can be read
	Problems   []error     // each a *fault.Problem
}

// Check reads all copies of the partition table of a disk of size bytes, and returns what contradicts
// itself in Problems. Where a GPT's first copy is damaged the partitions are those of the second; there
// are none where no copy can be read.
func Check(r io.ReaderAt, size int64) Checked {
	c := checker{tableReader: tableReader{r: r, size: size}}
	sector, err := c.bootRecord(0)
	switch {
	case err != nil:
		c.problem(CheckMBR, err)
		// A GPT may be whole all the same.
		if !c.gptThere() {
			return c.Checked
		}
		c.checkGPT(nil)
	case protective(sector):
		c.checkGPT(sector)
	default:
		c.checkMBR(sector)
	}
	c.overlaps()
	return c.Checked
}

// checker is a check under way.
type checker struct {
	tableReader
	Checked
}

func (c *checker) problem(check string, err error) {
	if err != nil {
		c.Problems = append(c.Problems, &fault.Problem{Check: check, Err: fault.In("partition table", err)})
	}
}

func (c *checker) bad(check string, off int64, format string, args ...any) {
	c.problem(check, fault.Corruptf(off, format, args...))
}

// checkMBR looks at the table of a disk without a GPT.
func (c *checker) checkMBR(sector []byte) {
	c.Identity.Signature = le.Uint32(sector[mbrSignature:])
	active, primary := 0, 0
	for i, e := range entries(sector) {
		at := int64(mbrTable + i*mbrEntrySize)
		if e.status != 0 && e.status != mbrActive {
			c.bad(CheckMBR, at, "partition %d has status %#02x; 00 and 80 (active) are possible", i+1, e.status)
		}
		if e.status == mbrActive {
			active++
		}
		switch {
		case e.kind == 0 && (e.first != 0 || e.count != 0):
			c.bad(CheckMBR, at+4, "entry %d has no type, but lies from sector %d on", i+1, e.first)
		case e.kind != 0 && e.count == 0:
			c.bad(CheckMBR, at+12, "partition %d has no sectors", i+1)
		case !e.empty():
			primary++
		}
	}
	if active > 1 {
		c.bad(CheckMBR, mbrTable, "%d partitions are active; a BIOS starts none of them", active)
	}
	var err error
	c.Partitions, err = c.mbr(sector)
	c.problem(CheckPartitions, err)
	if err == nil && primary > 0 && c.Identity.Signature == 0 {
		c.bad(CheckMBR, mbrSignature, "the disk has no signature: Windows would write one, and the boot configuration would not find its disk again")
	}
}

// gptCopy is one of a GPT's two copies.
type gptCopy struct {
	unit, at   int64 // bytes: of a sector, and where the header is
	header     []byte
	entries    []byte
	partitions []Partition
}

// gptThere says whether there is a first header at all.
func (c *checker) gptThere() bool {
	for _, unit := range sectorSizes {
		if header, err := c.read(unit, unit); err == nil && bytes.HasPrefix(header, gptMagic) {
			return true
		}
	}
	return false
}

// checkGPT looks at both copies. sector is nil where the protective MBR is lost.
func (c *checker) checkGPT(sector []byte) {
	c.Identity.GPT = true
	first, err := c.firstCopy()
	c.problem(CheckGPT, err)
	var second *gptCopy
	if first != nil {
		second, err = c.secondCopy(first)
		c.compare(first, second)
	} else {
		second, err = c.lastCopy()
	}
	c.problem(CheckGPTBackup, err)
	best := cmp.Or(first, second)
	if best == nil {
		return
	}
	c.Identity.ID, c.Partitions = guid.Read(best.header[gptDiskIDAt:]), best.partitions
	c.protective(sector, best.unit)
	c.usable(best)
}

// protective looks at the MBR before a GPT (UEFI specification 2.10, 5.2.3).
func (c *checker) protective(sector []byte, unit int64) {
	if sector == nil {
		return
	}
	for i, e := range entries(sector) {
		at := int64(mbrTable + i*mbrEntrySize)
		switch {
		case e.kind == typeProtective && e.first != 1:
			c.bad(CheckMBR, at+8, "the protective partition begins at sector %d, not 1", e.first)
		// Some tools write the greatest number always, which is harmless.
		case e.kind == typeProtective && e.count != min(c.size/unit-1, 1<<32-1) && e.count != 1<<32-1:
			c.bad(CheckMBR, at+12, "the protective partition has %d sectors, expected %d: the disk was made larger or smaller", e.count, min(c.size/unit-1, 1<<32-1))
		case e.kind != typeProtective && e.kind != 0:
			c.bad(CheckMBR, at, "the protective MBR has a partition of type %#02x, too: Windows goes by it, and does not see the GPT", e.kind)
		}
	}
}

// firstCopy reads the copy at the start.
func (c *checker) firstCopy() (*gptCopy, error) {
	for _, unit := range sectorSizes {
		header, err := c.read(unit, unit)
		if err == nil && bytes.HasPrefix(header, gptMagic) {
			return c.copyAt(header, unit, unit)
		}
	}
	return nil, fault.Corruptf(SectorSize, "the MBR announces a GPT, and there is none here")
}

// secondCopy reads the copy that the first one names.
func (c *checker) secondCopy(first *gptCopy) (*gptCopy, error) {
	const alternateAt = 0x20
	at, ok := bytesOf(le.Uint64(first.header[alternateAt:]), first.unit)
	if !ok || at != c.size/first.unit*first.unit-first.unit {
		c.bad(CheckGPTBackup, first.at+alternateAt, "the second copy should be at sector %#x, which is not the disk's last, %#x: the disk was made larger or cut off",
			le.Uint64(first.header[alternateAt:]), c.size/first.unit-1)
	}
	if !ok {
		return nil, nil
	}
	header, err := c.read(at, first.unit)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(header, gptMagic) {
		return nil, fault.Corruptf(at, "the second copy of the GPT is not here")
	}
	return c.copyAt(header, at, first.unit)
}

// lastCopy looks for the second copy where the first one cannot say where it is.
func (c *checker) lastCopy() (*gptCopy, error) {
	for _, unit := range sectorSizes {
		at := c.size/unit*unit - unit
		if header, err := c.read(at, unit); err == nil && bytes.HasPrefix(header, gptMagic) {
			return c.copyAt(header, at, unit)
		}
	}
	return nil, fault.Corruptf(max(c.size-SectorSize, 0), "the second copy of the GPT is not here, either")
}

// copyAt reads the copy whose header is at a byte of the disk.
func (c *checker) copyAt(header []byte, at, unit int64) (*gptCopy, error) {
	if err := checkCopy(header, at, unit); err != nil {
		return nil, err
	}
	g := &gptCopy{unit: unit, at: at, header: header}
	var err error
	if g.entries, err = c.entryArray(header, at, unit); err != nil {
		return nil, err
	}
	g.partitions, err = c.partitions(g.entries, int64(le.Uint32(header[gptEntrySizeAt:])), unit)
	return g, err
}

// compare says where the two copies disagree.
func (c *checker) compare(first, second *gptCopy) {
	if second == nil {
		return
	}
	const revisionAt, reservedAt, usableAt, alternateAt = 8, 0x14, 0x28, 0x20
	for _, field := range []struct {
		at, end int
		name    string
	}{{revisionAt, 12, "the revision"}, {usableAt, 0x38, "the usable sectors"}, {gptDiskIDAt, gptEntriesAt, "the disk's GUID"}, {gptCountAt, gptEntriesCRC + 4, "the entries"}} {
		if !bytes.Equal(first.header[field.at:field.end], second.header[field.at:field.end]) {
			c.bad(CheckGPTBackup, second.at+int64(field.at), "the two copies of the GPT disagree on %s", field.name)
		}
	}
	if at, _ := bytesOf(le.Uint64(second.header[alternateAt:]), first.unit); at != first.at {
		c.bad(CheckGPTBackup, second.at+alternateAt, "the second copy says that the first one is at byte %#x", at)
	}
	if le.Uint32(first.header[reservedAt:]) != 0 {
		c.bad(CheckGPT, first.at+reservedAt, "reserved bytes are not zero")
	}
}

// usable looks at where partitions may lie, and their identifiers.
func (c *checker) usable(g *gptCopy) {
	const firstAt, lastAt = 0x28, 0x30
	start, ok := bytesOf(le.Uint64(g.header[firstAt:]), g.unit)
	end, okEnd := bytesOf(le.Uint64(g.header[lastAt:]), g.unit)
	if !ok || !okEnd || start > end || end >= c.size {
		c.bad(CheckGPT, g.at+firstAt, "the usable sectors are %#x to %#x", le.Uint64(g.header[firstAt:]), le.Uint64(g.header[lastAt:]))
		return
	}
	ids := map[guid.GUID]int{}
	for _, p := range g.partitions {
		if p.Offset < start || p.Offset+p.Size > end+g.unit {
			c.bad(CheckPartitions, fault.NoOffset, "partition %d lies from byte %d to %d, outside of the usable %d to %d", p.Number, p.Offset, p.Offset+p.Size, start, end+g.unit)
		}
		if other, ok := ids[p.ID]; ok {
			c.bad(CheckPartitions, fault.NoOffset, "partitions %d and %d have the same GUID, %s", other, p.Number, p.ID)
		}
		ids[p.ID] = p.Number
	}
}

// overlaps looks for partitions that share sectors.
func (c *checker) overlaps() {
	sorted := slices.SortedFunc(slices.Values(c.Partitions), func(a, b Partition) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(sorted); i++ {
		if a, b := &sorted[i-1], &sorted[i]; a.Offset+a.Size > b.Offset {
			c.bad(CheckPartitions, b.Offset, "partition %d begins inside of partition %d", b.Number, a.Number)
		}
	}
}

// checkCopy checks the header of either copy by itself.
func checkCopy(header []byte, at, unit int64) error {
	n := le.Uint32(header[12:])
	if n < gptHeaderMin || int64(n) > unit {
		return fault.Corruptf(at+12, "a GPT header of %d bytes", n)
	}
	h := bytes.Clone(header[:n])
	clear(h[gptCRCAt : gptCRCAt+4])
	if crc32.ChecksumIEEE(h) != le.Uint32(header[gptCRCAt:]) {
		return fault.Corruptf(at, "the GPT's %s header does not have its CRC; gdisk can restore it from the %s copy", ordinal(at, unit), other(at, unit))
	}
	if self := le.Uint64(header[gptSelfAt:]); self != uint64(at/unit) {
		return fault.Corruptf(at+gptSelfAt, "the GPT's %s header says that it is at sector %d", ordinal(at, unit), self)
	}
	return nil
}

// ordinal names the copy whose header is at a byte of the disk.
func ordinal(at, first int64) string {
	if at <= first {
		return "first"
	}
	return "second"
}

// other names the other one.
func other(at, first int64) string {
	if at <= first {
		return "second"
	}
	return "first"
}

// entryArray reads the entries that a header names.
func (t *tableReader) entryArray(header []byte, headerAt, unit int64) ([]byte, error) {
	count, stride := int64(le.Uint32(header[gptCountAt:])), int64(le.Uint32(header[gptEntrySizeAt:]))
	if stride < gptEntrySize || stride%8 != 0 || count > maxGPTArray/stride {
		return nil, fault.Corruptf(headerAt+gptCountAt, "%d entries of %d bytes", count, stride)
	}
	at, ok := bytesOf(le.Uint64(header[gptEntriesAt:]), unit)
	if !ok {
		return nil, fault.Corruptf(headerAt+gptEntriesAt, "the entries are at sector %#x", le.Uint64(header[gptEntriesAt:]))
	}
	b, err := t.read(at, stride*count)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(b) != le.Uint32(header[gptEntriesCRC:]) {
		return nil, fault.Corruptf(at, "the GPT's entries do not have their CRC; gdisk can restore them from the %s copy", other(headerAt, unit))
	}
	return b, nil
}

// partitions reads the entries of a GPT.
func (t *tableReader) partitions(b []byte, stride, unit int64) ([]Partition, error) {
	var out []Partition
	for i := range int(int64(len(b)) / stride) {
		p, used, err := gptPartition(b[int64(i)*stride:], unit)
		if err == nil && used {
			p.Number = i + 1
			err = t.check(&p)
			out = append(out, p)
		}
		if err != nil {
			return nil, fault.In(fmt.Sprintf("entry %d", i+1), err)
		}
	}
	return out, nil
}
