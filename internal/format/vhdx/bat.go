package vhdx

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// States of a payload block: the lowest three bits of its entry in the BAT (2.5.1.1).
const (
	stateNotPresent   = 0
	stateUndefined    = 1 // what it holds is nobody's business; zeros are as good as anything
	stateZero         = 2
	stateUnmapped     = 3 // trimmed
	stateFullyPresent = 6
	// 7, partially present, is of differencing VHDXs only
)

const batEntrySize = 8

// checkBAT calculates where in the BAT blocks are (2.5), and checks that it holds all of them.
func (d *Disk) checkBAT() error {
	const bitmapSectors = 1 << 23 // bits in a sector bitmap block of 1 MiB
	d.chunk = bitmapSectors * d.info.LogicalSector / d.info.BlockSize
	last := (d.info.Size - 1) / d.info.BlockSize
	if need := d.entry(last) + batEntrySize - d.bat.offset; need > d.bat.length {
		return fault.Corruptf(d.bat.offset, "it has %d bytes; a disk of %d bytes needs %d", d.bat.length, d.info.Size, need)
	}
	return nil
}

// entry is where the file has a payload block's entry in the BAT: after those of as many sector
// bitmap blocks as there are whole chunks before it.
func (d *Disk) entry(block int64) int64 {
	return d.bat.offset + batEntrySize*(block+block/d.chunk)
}

// piece reads the beginning of p: as much as lies in one block.
func (d *Disk) piece(p []byte, off int64) (int, error) {
	block, in := off/d.info.BlockSize, off%d.info.BlockSize
	p = p[:min(int64(len(p)), d.info.BlockSize-in)]
	at := d.entry(block)
	var b [batEntrySize]byte
	if err := d.file.Table(b[:], at); err != nil {
		return 0, fault.In("VHDX block allocation table", err)
	}
	entry := binary.LittleEndian.Uint64(b[:])
	switch state := entry & 7; state {
	case stateNotPresent, stateUndefined, stateZero, stateUnmapped:
		clear(p)
		return len(p), nil
	case stateFullyPresent:
		offset := int64(entry >> 20) // in MiB, 44 bits
		if offset == 0 || offset > 1<<42 {
			return 0, fault.In("VHDX block allocation table", fault.Corruptf(at, "block %d cannot be at %d MiB of the file", block, offset))
		}
		return len(p), fault.In("VHDX block", d.file.Data(p, offset*mib+in))
	default:
		return 0, fault.In("VHDX block allocation table", fault.Corruptf(at, "block %d has state %d, which a disk without a parent cannot have", block, state))
	}
}
