package vhd

import (
	"bytes"
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// How a dynamic VHD is written: the copy of the footer, the header, the BAT, the blocks, the footer.
const (
	writtenBlock  = 2 << 20 // the specification's default, and what Hyper-V and QEMU take
	writtenBitmap = writtenBlock / sectorSize / 8
	writtenHeader = FooterSize
	writtenTable  = writtenHeader + headerSize
	// page is what the data of blocks begin at multiples of, so that hosts with sectors of 4 KiB
	// write whole ones. The bitmap before the data is a sector, and what is before that is empty.
	page = 4 << 10
)

// Writer is the disk in a dynamic VHD that is being made. Only one goroutine may use it. The same
// writes in the same order give the same file.
type Writer struct {
	*sparse.Writer
	footer []byte
}

// Create begins a dynamic VHD in an empty file. Of the footer, size, time and identifier count. A
// disk that is too large or no whole number of sectors is a wrong value.
func Create(file sparse.Target, f Footer) (*Writer, error) {
	f.Kind, f.Header = Dynamic, writtenHeader
	footer, err := f.Marshal()
	if err != nil {
		return nil, err
	}
	shape := sparse.Shape{Size: f.Size, Unit: writtenBlock, Stride: page + writtenBlock}
	shape.First = roundUp(writtenTable+tableSize(f.Size)+writtenBitmap, page)
	return &Writer{sparse.NewWriter(file, shape), footer}, nil
}

// tableSize is the length of the BAT, in whole sectors.
func tableSize(size int64) int64 {
	return roundUp(4*((size+writtenBlock-1)/writtenBlock), sectorSize)
}

// Finish writes everything but the disk, and returns the file's size.
func (w *Writer) Finish() (int64, error) {
	// The distance between blocks leaves room behind the last one.
	end := max(w.End()-page, writtenTable+tableSize(w.Size()))
	if err := w.Writer.Finish(end + FooterSize); err != nil {
		return 0, err
	}
	table := bytes.Repeat([]byte{0xFF}, int(tableSize(w.Size()))) // absent
	all := bytes.Repeat([]byte{0xFF}, writtenBitmap)
	for block, data := range w.Placed() {
		start := data - writtenBitmap
		binary.BigEndian.PutUint32(table[4*block:], uint32(start/sectorSize))
		if err := w.Table(all, start); err != nil {
			return 0, err
		}
	}
	for _, piece := range []struct {
		data []byte
		off  int64
	}{{w.footer, 0}, {w.header(), writtenHeader}, {table, writtenTable}, {w.footer, end}} {
		if err := w.Table(piece.data, piece.off); err != nil {
			return 0, err
		}
	}
	return end + FooterSize, nil
}

// header returns the header of a dynamic VHD.
func (w *Writer) header() []byte {
	b := make([]byte, headerSize)
	copy(b, headerCookie)
	binary.BigEndian.PutUint64(b[8:], ^uint64(0)) // data offset: unused
	binary.BigEndian.PutUint64(b[16:], writtenTable)
	binary.BigEndian.PutUint32(b[24:], formatVersion)
	binary.BigEndian.PutUint32(b[28:], uint32(w.Units()))
	binary.BigEndian.PutUint32(b[32:], writtenBlock)
	const checksumAt = 36
	binary.BigEndian.PutUint32(b[checksumAt:], checksum(b, checksumAt))
	return b
}
