package qcow2

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxChecked bounds the clusters of a file whose references are counted: 4 bytes are taken for each,
// and a file with clusters of the usual length has as many at 16 TiB.
const maxChecked = 1 << 28

// Check counts the references to every cluster of the file and compares them with what the image says.
// It returns what contradicts itself, a few problems at most; of an image with snapshots only what is
// out of the file, since their tables are not read. A file that is too large for that is unsupported.
func (d *Disk) Check() []error {
	c := checker{d: d, unit: d.info.ClusterSize}
	total := (d.file.Size() + c.unit - 1) / c.unit
	if total > maxChecked {
		return []error{fault.Unsupportedf(fault.NoOffset, "the file has %d clusters; more than %d are not counted", total, maxChecked)}
	}
	c.counts = make([]uint32, total)
	for _, step := range []func() error{c.header, c.tables, c.compare} {
		if err := step(); err != nil {
			c.problems = append(c.problems, fault.In("qcow2", err))
			break
		}
	}
	return c.problems
}

// checker is a check under way.
type checker struct {
	d        *Disk
	unit     int64
	counts   []uint32 // references, by cluster of the file
	table    int64    // of the reference counts
	blocks   int64    // that the table has entries for
	order    uint     // a count has 2^order bits
	partial  bool     // something else has references, too
	problems []error
}

// use counts a reference to the clusters of a range.
func (c *checker) use(at, start, length int64) error {
	if start < 0 || length < 0 || start > c.d.file.Size()-length {
		return fault.Corruptf(at, "%d bytes at %#x reach past the end of the file; it is cut off or damaged", length, start)
	}
	for i := start / c.unit; i*c.unit < start+length; i++ {
		c.counts[i]++
	}
	return nil
}

// header counts what the header names.
func (c *checker) header() error {
	d := c.d
	b := make([]byte, headerSize3)
	if err := d.file.Data(b[:min(headerSize3, d.file.Size())], 0); err != nil {
		return err
	}
	tableClusters, snapshots := int64(binary.BigEndian.Uint32(b[56:])), binary.BigEndian.Uint32(b[60:])
	c.table, c.order = int64(binary.BigEndian.Uint64(b[48:])), 4
	if d.info.Version == 3 {
		c.order = uint(binary.BigEndian.Uint32(b[96:]))
		c.partial = binary.BigEndian.Uint64(b[88:]) != 0 // bitmaps
	}
	c.partial = c.partial || snapshots > 0
	if c.order > 6 {
		return fault.Corruptf(96, "reference counts of 2^%d bits", c.order)
	}
	if c.table&(c.unit-1) != 0 {
		return fault.Corruptf(48, "the reference counts' table is at %#x, not at the start of a cluster", uint64(c.table))
	}
	if err := c.use(0, 0, min(c.unit, d.file.Size())); err != nil {
		return err
	}
	if err := c.use(56, c.table, tableClusters*c.unit); err != nil {
		return err
	}
	c.blocks = tableClusters * c.unit / 8
	l1 := int64(binary.BigEndian.Uint32(b[36:]))
	return c.use(36, d.l1, 8*l1)
}

// tables goes through all L2 tables.
func (c *checker) tables() error {
	d := c.d
	last := (d.info.Size - 1) / d.info.ClusterSize
	for i := range last>>d.l2Bits + 1 {
		at := d.l1 + 8*i
		l2, err := d.tableEntry(at)
		if err != nil {
			return err
		}
		table := int64(l2 & entryOffset)
		if table == 0 {
			continue
		}
		if table&(c.unit-1) != 0 {
			return fault.Corruptf(at, "an L2 table at %#x, not at the start of a cluster", table)
		}
		if err := c.use(at, table, c.unit); err != nil {
			return err
		}
		if c.counts[table/c.unit] > 1 {
			return fault.Corruptf(at, "the L2 table at %#x is something else already", table)
		}
		if err := c.l2(table); err != nil {
			return err
		}
	}
	return nil
}

// l2 goes through one L2 table.
func (c *checker) l2(table int64) error {
	d := c.d
	stride := int64(8)
	if d.info.ExtendedL2 {
		stride = 16
	}
	for k := range int64(1) << d.l2Bits {
		at := table + stride*k
		entry, err := d.tableEntry(at)
		if err != nil {
			return err
		}
		switch start := int64(entry & entryOffset); {
		case entry&entryCompressed != 0:
			offset, length := d.compressedAt(entry)
			if err := c.use(at, offset, min(length, max(d.file.Size()-offset, 0))); err != nil {
				return err
			}
		case start == 0:
		case start&(c.unit-1) != 0:
			return fault.Corruptf(at, "a cluster at %#x, which is no multiple of the clusters' size, %d", start, c.unit)
		// The last cluster may end with the file.
		case start >= d.file.Size():
			return fault.Corruptf(at, "a cluster at %#x, past the end of the file; it is cut off or damaged", start)
		default:
			c.counts[start/c.unit]++
		}
	}
	return nil
}

// compare reads the reference counts.
func (c *checker) compare() error {
	perBlock := c.unit * 8 >> c.order
	block := make([]byte, c.unit)
	for i := range c.blocks {
		entry, err := c.d.tableEntry(c.table + 8*i)
		if err != nil {
			return err
		}
		start := int64(entry &^ 511)
		if start != 0 {
			if start&(c.unit-1) != 0 {
				return fault.Corruptf(c.table+8*i, "a block of reference counts at %#x, not at the start of a cluster", uint64(start))
			}
			if err := c.use(c.table+8*i, start, c.unit); err != nil {
				return err
			}
		}
	}
	if c.partial {
		return nil
	}
	for first := int64(0); first < int64(len(c.counts)); first += perBlock {
		start := int64(0)
		if i := first / perBlock; i < c.blocks {
			entry, err := c.d.tableEntry(c.table + 8*i)
			if err != nil {
				return err
			}
			start = int64(entry &^ 511)
		}
		clear(block)
		if start != 0 {
			if err := c.d.file.Data(block, start); err != nil {
				return err
			}
		}
		for k := range min(perBlock, int64(len(c.counts))-first) {
			if got, want := count(block, k, c.order), uint64(c.counts[first+k]); got != want {
				return fault.Corruptf(start+k<<c.order/8, "cluster %d has %d references, its count is %d; qemu-img check -r all can repair it", first+k, want, got)
			}
		}
	}
	return nil
}

// count is reference count k of a block.
func count(b []byte, k int64, order uint) uint64 {
	switch order {
	case 3:
		return uint64(b[k])
	case 4:
		return uint64(binary.BigEndian.Uint16(b[2*k:]))
	case 5:
		return uint64(binary.BigEndian.Uint32(b[4*k:]))
	case 6:
		return binary.BigEndian.Uint64(b[8*k:])
	}
	width := uint(1) << order
	return uint64(b[k<<order/8]>>(uint(k<<order)%8)) & (1<<width - 1)
}

// compressedAt is where the bytes of a compressed cluster are, in whole sectors.
func (d *Disk) compressedAt(entry uint64) (offset, length int64) {
	shift := 62 - (bits.Len64(uint64(d.info.ClusterSize)) - 1 - 8)
	offset = int64(entry & (1<<shift - 1))
	return offset, (int64(entry&(entryCompressed-1)>>shift)+1)*hostSector - offset%hostSector
}
