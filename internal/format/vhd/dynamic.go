package vhd

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The header of a VHD that is not fixed.
const (
	headerCookie = "cxsparse"
	headerSize   = 1024
	parentNameAt = 64 // UTF-16, big endian
	parentNameTo = 576
)

// absent is the BAT's entry of a block that the file does not hold.
const absent = 1<<32 - 1

// header tells where the blocks of a dynamic VHD are listed.
type header struct {
	table     int64  // the block allocation table (BAT): a sector number of 4 bytes for each block
	entries   uint32 // in the table
	blockSize int64  // of a block's data, a power of two
	// bitmap is the length of what precedes a block's data: a bit for each of its sectors, the
	// first in the highest bit, in whole sectors. A sector whose bit is clear was never written.
	bitmap int64
}

// readHeader reads the header of a dynamic VHD.
func (d *Disk) readHeader() error {
	at := d.footer.Header
	b := make([]byte, headerSize)
	if err := d.file.Data(b, at); err != nil {
		return fault.In("VHD header", err)
	}
	h := header{
		table:     int64(binary.BigEndian.Uint64(b[16:])),
		entries:   binary.BigEndian.Uint32(b[28:]),
		blockSize: int64(binary.BigEndian.Uint32(b[32:])),
	}
	const checksumAt = 36
	switch {
	case string(b[:len(headerCookie)]) != headerCookie:
		return fault.Corruptf(at, "no header of a dynamic VHD here")
	case binary.BigEndian.Uint32(b[checksumAt:]) != checksum(b, checksumAt):
		return fault.Corruptf(at+checksumAt, "the VHD's header does not have its checksum")
	case bits.OnesCount64(uint64(h.blockSize)) != 1 || h.blockSize < sectorSize:
		return fault.Corruptf(at+32, "the VHD has blocks of %d bytes; it has to be a power of two, at least 512", h.blockSize)
	case (d.footer.Size-1)/h.blockSize >= int64(h.entries):
		return fault.Corruptf(at+28, "the VHD's disk has %d bytes, but its table only %d blocks of %d", d.footer.Size, h.entries, h.blockSize)
	case h.table < 0 || h.table > d.file.Size()-4*int64(h.entries):
		return fault.Corruptf(at+16, "the VHD's block allocation table, %d entries at %#x, reaches past the end of the file; it is cut off or damaged",
			h.entries, uint64(h.table))
	}
	h.bitmap = roundUp(roundUp(h.blockSize/sectorSize, 8)/8, sectorSize)
	d.header = h
	return nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// parentError is for a differencing VHD, whose header at offset at should name the parent.
func (d *Disk) parentError(at int64) error {
	b := make([]byte, headerSize)
	name := "another file"
	if d.file.Data(b, at) == nil && string(b[:len(headerCookie)]) == headerCookie {
		if parent := parentName(b); parent != "" {
			name = strconv.Quote(parent)
		}
	}
	return fault.Unsupportedf(fault.NoOffset, "a differencing VHD: part of its disk is in its parent, %s; merge the two in Windows first, with: Merge-VHD", name)
}

// piece reads the beginning of p: as much as lies in one block, all of it written or none.
func (d *Disk) piece(p []byte, off int64) (int, error) {
	h := &d.header
	block, in := off/h.blockSize, off%h.blockSize
	p = p[:min(int64(len(p)), h.blockSize-in)]
	var entry [4]byte
	if err := d.file.Table(entry[:], h.table+4*block); err != nil {
		return 0, fault.In("VHD block allocation table", err)
	}
	sector := binary.BigEndian.Uint32(entry[:])
	if sector == absent {
		clear(p)
		return len(p), nil
	}
	start := int64(sector) * sectorSize
	n, written, err := d.written(start, in, int64(len(p)))
	if err != nil {
		return 0, fault.In("VHD sector bitmap", err)
	}
	p = p[:n]
	if !written {
		clear(p)
		return len(p), nil
	}
	return len(p), fault.In("VHD block", d.file.Data(p, start+h.bitmap+in))
}

// written says how many of the n bytes from in on, in the block that starts at start, come from
// sectors that were all written, or all not.
func (d *Disk) written(start, in, n int64) (int64, bool, error) {
	var bitmap [512]byte // of as many sectors as the usual block has
	first := in / sectorSize / 8
	part := bitmap[:min(int64(len(bitmap)), d.header.bitmap-first)]
	if err := d.file.Table(part, start+first); err != nil {
		return 0, false, err
	}
	set := func(sector int64) bool { return part[sector/8-first]<<(sector%8)&0x80 != 0 }
	sector := in / sectorSize
	last := min((in+n-1)/sectorSize, (first+int64(len(part)))*8-1)
	written := set(sector)
	for sector <= last && set(sector) == written {
		sector++
	}
	return min(n, sector*sectorSize-in), written, nil
}
