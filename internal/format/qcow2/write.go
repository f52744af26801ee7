package qcow2

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// How an image is written: the header, the L1 table, the clusters of the disk, the L2 tables, the
// reference counts' blocks, their table.
const (
	writtenBits    = 16 // QEMU's default
	writtenCluster = 1 << writtenBits
	tableEntries   = writtenCluster / 8
	countOrder     = 4 // reference counts have 2^4 bits
	blockCounts    = writtenCluster / (1 << countOrder / 8)
	// entryCopied says that a cluster has one reference and may be written to.
	entryCopied = 1 << 63
	// MaxSize is the largest disk that QEMU opens: its L1 table ends at 32 MiB.
	MaxSize = 32 << 20 / 8 * tableEntries * writtenCluster
)

// Writer is the disk in a qcow2 image that is being made. Only one goroutine may use it. The same
// writes in the same order give the same file.
type Writer struct {
	*sparse.Writer
	packer *packer // nil for an image that is not compressed
}

// Create begins an image of version 3 for a disk of size bytes in an empty file. A disk that is too
// large or no whole number of sectors is a wrong value.
func Create(file sparse.Target, size int64) (*Writer, error) {
	if size <= 0 || size%hostSector != 0 || size > MaxSize {
		return nil, fault.Invalidf("a qcow2 image holds a whole number of 512-byte sectors up to %d TiB, not %d bytes", MaxSize>>40, size)
	}
	shape := sparse.Shape{Size: size, Unit: writtenCluster, Stride: writtenCluster}
	shape.First = writtenCluster + clusters(8*l1Entries(size))*writtenCluster
	return &Writer{Writer: sparse.NewWriter(file, shape)}, nil
}

func clusters(n int64) int64 { return (n + writtenCluster - 1) / writtenCluster }

func l1Entries(size int64) int64 { return (clusters(size) + tableEntries - 1) / tableEntries }

// CreateCompressed is Create for an image whose clusters are compressed, where that makes them
// shorter.
func CreateCompressed(file sparse.Target, size int64, method Compression) (*Writer, error) {
	w, err := Create(file, size)
	if err != nil {
		return nil, err
	}
	w.packer, err = newPacker(w.Writer, method)
	return w, err
}

// WriteAt writes to the disk.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) {
	if w.packer != nil {
		return w.packer.write(p, off)
	}
	return w.Writer.WriteAt(p, off)
}

// WriteContentAt is WriteAt by the file's own way for contents.
func (w *Writer) WriteContentAt(p []byte, off int64) (int, error) {
	if w.packer != nil {
		return w.packer.write(p, off)
	}
	return w.Writer.WriteContentAt(p, off)
}

// Finish writes everything but the disk, and returns the file's size.
func (w *Writer) Finish() (int64, error) {
	if w.packer != nil {
		if err := w.packer.finish(); err != nil {
			return 0, err
		}
	}
	l1, end, err := w.writeL2()
	if err != nil {
		return 0, err
	}
	if err := w.Table(l1, writtenCluster); err != nil {
		return 0, err
	}
	counts := w.countLayout(end)
	if err := w.writeCounts(counts); err != nil {
		return 0, err
	}
	if err := w.Table(w.header(counts), 0); err != nil {
		return 0, err
	}
	return counts.end, w.Writer.Finish(counts.end)
}

// writeL2 writes the L2 tables that have entries, and returns the L1 table and where they end.
func (w *Writer) writeL2() (l1 []byte, end int64, err error) {
	l1 = make([]byte, 8*l1Entries(w.Size()))
	end = w.End()
	var table []byte
	current := int64(-1)
	flush := func() error {
		if current < 0 {
			return nil
		}
		binary.BigEndian.PutUint64(l1[8*current:], uint64(end)|entryCopied)
		end += writtenCluster
		return w.Table(table, end-writtenCluster)
	}
	for cluster, place := range w.Placed() {
		if cluster/tableEntries != current {
			if err := flush(); err != nil {
				return nil, 0, err
			}
			current, table = cluster/tableEntries, make([]byte, writtenCluster)
		}
		entry := uint64(place)
		if entry&entryCompressed == 0 {
			entry |= entryCopied
		}
		binary.BigEndian.PutUint64(table[8*(cluster%tableEntries):], entry)
	}
	err = flush() // which moves end
	return l1, end, err
}

// countLayout is where the reference counts are.
type countLayout struct {
	blocks, blockCount int64
	table, tableCount  int64 // clusters
	end                int64 // of the file
}

// countLayout finds how many blocks count all clusters before end and their own.
func (w *Writer) countLayout(end int64) countLayout {
	c := countLayout{blocks: end}
	for {
		c.table = c.blocks + c.blockCount*writtenCluster
		c.end = c.table + c.tableCount*writtenCluster
		blocks := (clusters(c.end) + blockCounts - 1) / blockCounts
		tables := clusters(8 * blocks)
		if blocks == c.blockCount && tables == c.tableCount {
			return c
		}
		c.blockCount, c.tableCount = blocks, tables
	}
}

// writeCounts writes the reference counts: every cluster of the file has one reference, but those
// with compressed clusters have one from each.
func (w *Writer) writeCounts(c countLayout) error {
	block := make([]byte, writtenCluster)
	table := make([]byte, 8*c.blockCount)
	total := clusters(c.end)
	for i := range c.blockCount {
		clear(block)
		first := i * blockCounts
		for k := range min(total-first, blockCounts) {
			binary.BigEndian.PutUint16(block[2*k:], w.packer.count(first+k))
		}
		at := c.blocks + i*writtenCluster
		if err := w.Table(block, at); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(table[8*i:], uint64(at))
	}
	return w.Table(table, c.table)
}

// header returns the header of version 3.
func (w *Writer) header(c countLayout) []byte {
	const version = 3
	length := headerSize3
	if w.packer != nil {
		length += 8 // the method, and padding
	}
	b := make([]byte, length+8) // with the extension that ends the extensions
	copy(b, Signature)
	binary.BigEndian.PutUint32(b[4:], version)
	binary.BigEndian.PutUint32(b[20:], writtenBits)
	binary.BigEndian.PutUint64(b[24:], uint64(w.Size()))
	binary.BigEndian.PutUint32(b[36:], uint32(l1Entries(w.Size())))
	binary.BigEndian.PutUint64(b[40:], writtenCluster) // L1 table
	binary.BigEndian.PutUint64(b[48:], uint64(c.table))
	binary.BigEndian.PutUint32(b[56:], uint32(c.tableCount))
	binary.BigEndian.PutUint32(b[96:], countOrder)
	binary.BigEndian.PutUint32(b[100:], uint32(length))
	if w.packer != nil && w.packer.method != Deflate {
		binary.BigEndian.PutUint64(b[72:], featureCompression)
		b[104] = byte(w.packer.method)
	}
	return b
}
