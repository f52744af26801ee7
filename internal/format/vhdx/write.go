package vhdx

import (
	"encoding/binary"
	"hash/crc32"
	"iter"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// MaxSize is the largest disk of a VHDX.
const MaxSize = maxSize

// How a VHDX is written: the header section, the log, the metadata, the BAT, the blocks.
const (
	creator      = "winbake"
	writtenBlock = 32 * mib // what Hyper-V takes for dynamic disks
	sectorSize   = 512      // logical; 512e is what every Windows starts from
	pageSize     = 4 * kib  // physical sectors of disks that have whole ones
	logSize      = 1 * mib
	metadataSize = 1 * mib
	// itemsAt is where the items of the metadata region begin, and itemSize how far they are apart.
	itemsAt     = metadataTableSize
	itemSpacing = 16
)

var (
	writtenLog      = region{1 * mib, logSize}
	writtenMetadata = region{writtenLog.end(), metadataSize}
)

// Options are what a new VHDX is made of.
type Options struct {
	Size int64     // of the disk, a multiple of 512
	ID   guid.GUID // of the disk, in SCSI page 83
	// FileWrite and DataWrite identify this state of the file and of the disk.
	FileWrite, DataWrite guid.GUID
}

// Writer is the disk in a dynamic VHDX that is being made. Only one goroutine may use it. The same
// writes in the same order give the same file.
type Writer struct {
	*sparse.Writer
	file
}

// file is what a VHDX has beside the disk.
type file struct {
	Options
	bat   region
	flags uint32 // of the file parameters
}

// newFile lays out a VHDX. A disk that is too large or no whole number of sectors is a wrong value.
func newFile(o Options, flags uint32) (file, error) {
	if o.Size <= 0 || o.Size%sectorSize != 0 || o.Size > MaxSize {
		return file{}, fault.Invalidf("a VHDX holds a whole number of 512-byte sectors up to 64 TiB, not %d bytes", o.Size)
	}
	blocks := (o.Size + writtenBlock - 1) / writtenBlock
	entries := blocks + (blocks-1)/chunkBlocks
	return file{o, region{writtenMetadata.end(), (batEntrySize*entries + mib - 1) / mib * mib}, flags}, nil
}

// chunkBlocks is the number of blocks after which the BAT has an entry of a sector bitmap block.
const chunkBlocks = 1 << 23 * sectorSize / writtenBlock

// Create begins a VHDX in an empty file. A disk that is too large or no whole number of sectors is a
// wrong value.
func Create(target sparse.Target, o Options) (*Writer, error) {
	f, err := newFile(o, 0)
	if err != nil {
		return nil, err
	}
	shape := sparse.Shape{Size: o.Size, Unit: writtenBlock, First: f.bat.end(), Stride: writtenBlock}
	return &Writer{sparse.NewWriter(target, shape), f}, nil
}

// Finish writes everything but the disk, and returns the file's size. The log is empty.
func (w *Writer) Finish() (int64, error) {
	if err := w.Writer.Finish(w.End()); err != nil {
		return 0, err
	}
	for _, p := range w.pieces(w.Placed()) {
		if err := w.Table(p.data, p.off); err != nil {
			return 0, err
		}
	}
	return w.End(), nil
}

// piece is some bytes of the file.
type piece struct {
	data []byte
	off  int64
}

// pieces are everything but the disk, whose blocks are where placed says.
func (f *file) pieces(placed iter.Seq2[int64, int64]) []piece {
	regions := f.regionTable()
	return []piece{
		{append([]byte(Signature), utf16le.Encode(creator)...), 0},
		{f.header(1), headersAt[0]},
		{f.header(2), headersAt[1]},
		{regions, regionTablesAt[0]},
		{regions, regionTablesAt[1]},
		{f.metadata(), writtenMetadata.offset},
		{f.table(placed), f.bat.offset},
	}
}

// header returns one of the two headers (2.2.2).
func (f *file) header(sequence uint64) []byte {
	b := make([]byte, headerSize)
	copy(b, "head")
	binary.LittleEndian.PutUint64(b[8:], sequence)
	copy(b[16:], f.FileWrite[:])
	copy(b[32:], f.DataWrite[:])
	// No log identifier: there is nothing to replay.
	binary.LittleEndian.PutUint16(b[66:], 1) // version
	binary.LittleEndian.PutUint32(b[68:], uint32(writtenLog.length))
	binary.LittleEndian.PutUint64(b[72:], uint64(writtenLog.offset))
	return seal(b)
}

// seal adds the CRC-32C.
func seal(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, castagnoli))
	return b
}

// regionTable returns the table of regions (2.2.3).
func (f *file) regionTable() []byte {
	const first, entrySize, required = 16, 32, 1
	b := make([]byte, regionTableSize)
	copy(b, "regi")
	entries := []struct {
		id    guid.GUID
		where region
	}{{regionBAT, f.bat}, {regionMetadata, writtenMetadata}}
	binary.LittleEndian.PutUint32(b[8:], uint32(len(entries)))
	for i, entry := range entries {
		e := b[first+i*entrySize:]
		copy(e, entry.id[:])
		binary.LittleEndian.PutUint64(e[16:], uint64(entry.where.offset))
		binary.LittleEndian.PutUint32(e[24:], uint32(entry.where.length))
		binary.LittleEndian.PutUint32(e[28:], required)
	}
	return seal(b)
}

// Flags of an item (2.6.1.2).
const (
	itemVirtualDisk = 2
	itemRequired    = 4
)

// metadata returns the table of items, and the items after it (2.6).
func (f *file) metadata() []byte {
	const first, entrySize = 32, 32
	le := binary.LittleEndian
	items := []struct {
		id    guid.GUID
		flags uint32
		data  []byte
	}{
		{itemFileParameters, itemRequired, le.AppendUint32(le.AppendUint32(nil, writtenBlock), f.flags)},
		{itemSize, itemRequired | itemVirtualDisk, le.AppendUint64(nil, uint64(f.Size))},
		{itemPage83, itemRequired | itemVirtualDisk, f.ID[:]},
		{itemLogicalSector, itemRequired | itemVirtualDisk, le.AppendUint32(nil, sectorSize)},
		{itemPhysicalSector, itemRequired | itemVirtualDisk, le.AppendUint32(nil, physicalSector(f.Size))},
	}
	b := make([]byte, itemsAt+len(items)*itemSpacing)
	copy(b, metadataSignature)
	le.PutUint16(b[10:], uint16(len(items)))
	for i, item := range items {
		e, at := b[first+i*entrySize:], itemsAt+i*itemSpacing
		copy(e, item.id[:])
		le.PutUint32(e[16:], uint32(at))
		le.PutUint32(e[20:], uint32(len(item.data)))
		le.PutUint32(e[24:], item.flags)
		copy(b[at:], item.data)
	}
	return b
}

// physicalSector is 4,096 bytes, unless the disk would end within such a sector.
func physicalSector(size int64) uint32 {
	if size%pageSize != 0 {
		return sectorSize
	}
	return pageSize
}

// table returns the BAT as far as it is not empty (2.5).
func (f *file) table(placed iter.Seq2[int64, int64]) []byte {
	b := make([]byte, f.bat.length)
	used := 0
	for block, place := range placed {
		at := batEntrySize * (block + block/chunkBlocks)
		binary.LittleEndian.PutUint64(b[at:], uint64(place)|stateFullyPresent)
		used = int(at) + batEntrySize
	}
	return b[:used]
}
