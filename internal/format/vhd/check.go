package vhd

import (
	"bytes"
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Check looks at what Open does without: both copies of a dynamic VHD's footer, and every entry of its
// table. It returns what contradicts itself, a few problems at most.
func (d *Disk) Check() []error {
	var problems []error
	add := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	last := d.file.Size() - FooterSize
	footer := make([]byte, FooterSize)
	err := d.file.Data(footer, last)
	if err == nil {
		_, err = parse(footer, last)
	}
	add(fault.In("VHD footer", err))
	if d.footer.Kind == Fixed {
		if err == nil && d.footer.Size != last {
			add(fault.In("VHD footer", fault.Corruptf(last+48, "the disk has %d bytes, the file %d before its footer", d.footer.Size, last)))
		}
		return problems
	}
	first := make([]byte, FooterSize)
	copied := d.file.Data(first, 0)
	if copied == nil {
		_, copied = parse(first, 0)
	}
	add(fault.In("copy of the VHD footer", copied))
	if err == nil && copied == nil && !bytes.Equal(first, footer) {
		add(fault.In("copy of the VHD footer", fault.Corruptf(0, "it differs from the footer at %#x", last)))
	}
	add(fault.In("VHD block allocation table", d.checkTable(last)))
	return problems
}

// maxChecked bounds the blocks whose places are compared: a VHD of the greatest size has as many of 256 KiB.
// Memory is taken for those that the file has room for.
const maxChecked = 1 << 23

// checkTable looks at the places of blocks, which lie before end.
func (d *Disk) checkTable(end int64) error {
	h := &d.header
	if h.entries > maxChecked {
		return fault.Unsupportedf(d.footer.Header+28, "%d blocks; more than %d are not compared", h.entries, maxChecked)
	}
	blocks := sparse.Claims{}
	for _, r := range [][2]int64{{0, FooterSize}, {d.footer.Header, headerSize}, {h.table, 4 * int64(h.entries)}} {
		blocks.Claim(r[0], r[1])
	}
	room := end / (h.bitmap + h.blockSize)
	for block := range (d.footer.Size-1)/h.blockSize + 1 {
		var entry [4]byte
		at := h.table + 4*block
		if err := d.file.Table(entry[:], at); err != nil {
			return err
		}
		sector := binary.BigEndian.Uint32(entry[:])
		if sector == absent {
			continue
		}
		start, length := int64(sector)*sectorSize, h.bitmap+h.blockSize
		if start > end-length {
			return fault.Corruptf(at, "block %d lies from %#x on, and reaches past the end of the file; it is cut off or damaged", block, start)
		}
		if room--; room < 0 {
			return fault.Corruptf(at, "the blocks up to %d are more than the file has room for: some lie where others do", block)
		}
		blocks.ClaimFor(start, length, at)
	}
	if at, ok := blocks.Overlap(); ok {
		return fault.Corruptf(at, "a block lies where another one does, or the header")
	}
	return nil
}
