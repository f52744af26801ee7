package vhdx

import (
	"bytes"
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Check looks at what Open does without: both headers, both region tables, where a log is that is not to be
// replayed, and every entry of the block allocation table. It returns what contradicts itself, a few problems at most.
func (d *Disk) Check() []error {
	var problems []error
	add := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	for _, off := range headersAt {
		add(fault.In("VHDX header", d.checkCopy(off, headerSize, "head")))
	}
	var tables [2][]byte
	for i, off := range regionTablesAt {
		add(fault.In("VHDX region table", d.checkCopy(off, regionTableSize, "regi")))
		tables[i] = make([]byte, regionTableSize)
		if err := d.file.Data(tables[i], off); err != nil {
			add(err)
		}
	}
	if len(problems) == 0 && !bytes.Equal(tables[0], tables[1]) {
		add(fault.In("VHDX region table", fault.Corruptf(regionTablesAt[1], "the two copies differ")))
	}
	if d.log.length != 0 { // which QEMU takes for no log
		if err := d.log.check("log", d.file.Size()); err != nil {
			return append(problems, fault.In("VHDX header", err))
		}
	}
	add(fault.In("VHDX block allocation table", d.checkBlocks()))
	return problems
}

// checkCopy looks at one of two copies, of which Open takes the one that is sound.
func (d *Disk) checkCopy(off, length int64, signature string) error {
	b := make([]byte, length)
	if err := d.file.Data(b, off); err != nil {
		return err
	}
	if !sound(b, signature) {
		return fault.Corruptf(off, "this copy does not have its signature and checksum")
	}
	return nil
}

// maxChecked bounds the blocks whose places are compared: a VHDX of the greatest size has as many of 8 MiB.
// Memory is taken for those that the file has room for.
const maxChecked = 1 << 23

// checkBlocks looks at the places of blocks.
func (d *Disk) checkBlocks() error {
	if n := d.info.Size / d.info.BlockSize; n > maxChecked {
		return fault.Unsupportedf(d.bat.offset, "%d blocks; more than %d are not compared", n, maxChecked)
	}
	blocks := sparse.Claims{}
	for _, r := range []region{{0, mib}, d.log, d.metadata, d.bat} {
		blocks.Claim(r.offset, r.length)
	}
	room := d.file.Size() / d.info.BlockSize
	for block := range (d.info.Size-1)/d.info.BlockSize + 1 {
		var b [batEntrySize]byte
		at := d.entry(block)
		if err := d.file.Table(b[:], at); err != nil {
			return err
		}
		entry := binary.LittleEndian.Uint64(b[:])
		if reserved := entry >> 3 & (1<<17 - 1); reserved != 0 {
			return fault.Corruptf(at, "block %d has %#x in reserved bits", block, reserved)
		}
		switch state := entry & 7; state {
		case stateNotPresent, stateUndefined, stateZero, stateUnmapped:
		case stateFullyPresent:
			start := int64(entry>>20) * mib
			if start < mib || start > d.file.Size()-d.info.BlockSize {
				return fault.Corruptf(at, "block %d lies at %#x, and reaches past the end of the file; it is cut off or damaged", block, start)
			}
			if room--; room < 0 {
				return fault.Corruptf(at, "the blocks up to %d are more than the file has room for: some lie where others do", block)
			}
			blocks.ClaimFor(start, d.info.BlockSize, at)
		default:
			return fault.Corruptf(at, "block %d has state %d, which a disk without a parent cannot have", block, state)
		}
	}
	if at, ok := blocks.Overlap(); ok {
		return fault.Corruptf(at, "a block lies where another one does, or a table")
	}
	return nil
}
