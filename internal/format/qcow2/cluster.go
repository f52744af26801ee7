package qcow2

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Bits of L1 and L2 entries.
const (
	entryOffset     = 1<<56 - 1<<9
	entryCompressed = 1 << 62
	entryZero       = 1 << 0 // of version 3, without subclusters
)

const (
	subclusters = 32  // in a cluster
	hostSector  = 512 // what the length of a compressed cluster counts
)

// mapping is where a cluster of the disk is.
type mapping struct {
	entry uint64
	// allocated and zero have a bit for each subcluster, the first in the lowest. An image without
	// subclusters has all of them alike.
	allocated, zero uint32
}

// piece reads the beginning of p: as much as lies in one cluster, and in the file or not.
func (d *Disk) piece(p []byte, off int64) (int, error) {
	in := off & (d.info.ClusterSize - 1)
	p = p[:min(int64(len(p)), d.info.ClusterSize-in)]
	m, err := d.find(off)
	if err != nil {
		return 0, fault.In("qcow2 tables", err)
	}
	if m.entry&entryCompressed != 0 {
		cluster, err := d.compressed(m.entry)
		if err != nil {
			return 0, fault.In("qcow2 compressed cluster", err)
		}
		return copy(p, cluster[in:]), nil
	}
	// Subclusters that lie alike are read together.
	size := d.info.ClusterSize / subclusters
	present := m.allocated &^ m.zero
	first := in / size
	alike := bits.TrailingZeros32(present >> first)
	data := alike == 0
	if data {
		alike = bits.TrailingZeros32(^(present >> first))
	}
	if first+int64(alike) < subclusters {
		p = p[:min(int64(len(p)), (first+int64(alike))*size-in)]
	}
	if !data {
		clear(p)
		return len(p), nil
	}
	host := int64(m.entry & entryOffset)
	if host == 0 {
		return 0, fault.In("qcow2 tables", fault.Corruptf(fault.NoOffset, "the cluster of the disk's byte %#x should be where the header is", off))
	}
	return len(p), fault.In("qcow2 cluster", d.file.Data(p, host+in))
}

// find looks a byte of the disk up in the L1 table and the L2 table it names.
func (d *Disk) find(off int64) (mapping, error) {
	cluster := off / d.info.ClusterSize
	at := d.l1 + 8*(cluster>>d.l2Bits)
	l2, err := d.tableEntry(at)
	if err != nil {
		return mapping{}, err
	}
	table := int64(l2 & entryOffset)
	if table == 0 {
		return mapping{}, nil
	}
	if table&(d.info.ClusterSize-1) != 0 {
		return mapping{}, fault.Corruptf(at, "an L2 table at %#x, not at the start of a cluster", table)
	}
	index := cluster & (1<<d.l2Bits - 1)
	if d.info.ExtendedL2 {
		return d.extended(table + 16*index)
	}
	at = table + 8*index
	m := mapping{}
	if m.entry, err = d.tableEntry(at); err != nil {
		return m, err
	}
	if m.entry&entryOffset != 0 || m.entry&entryCompressed != 0 {
		m.allocated = 1<<subclusters - 1
	}
	if m.entry&entryZero != 0 && m.entry&entryCompressed == 0 && d.info.Version >= 3 {
		m.zero = 1<<subclusters - 1
	}
	return m, d.aligned(m, at)
}

// extended reads an L2 entry with subclusters.
func (d *Disk) extended(at int64) (mapping, error) {
	entry, err := d.tableEntry(at)
	if err != nil || entry&entryCompressed != 0 {
		return mapping{entry: entry}, err
	}
	bitmap, err := d.tableEntry(at + 8)
	m := mapping{entry, uint32(bitmap), uint32(bitmap >> 32)}
	if err == nil && m.allocated&m.zero != 0 {
		err = fault.Corruptf(at+8, "subclusters that are data and zeros at once (%#x)", bitmap)
	}
	if err != nil {
		return m, err
	}
	return m, d.aligned(m, at)
}

func (d *Disk) aligned(m mapping, at int64) error {
	if m.entry&entryCompressed == 0 && m.entry&entryOffset&uint64(d.info.ClusterSize-1) != 0 {
		return fault.Corruptf(at, "a cluster at %#x, which is no multiple of the clusters' size, %d", m.entry&entryOffset, d.info.ClusterSize)
	}
	return nil
}

func (d *Disk) tableEntry(at int64) (uint64, error) {
	var b [8]byte
	err := d.file.Table(b[:], at)
	return binary.BigEndian.Uint64(b[:]), err
}

// compressed returns what a compressed cluster expands to; it is not to be changed. The entry holds
// the offset of its first byte, and above that how many more sectors it touches than the one that
// it begins in. The bits between the two depend on the size of clusters.
func (d *Disk) compressed(entry uint64) ([]byte, error) {
	return d.expands.cache.Get(entry&^(1<<63), func(entry uint64) ([]byte, error) {
		shift := 62 - (bits.Len64(uint64(d.info.ClusterSize)) - 1 - 8)
		offset := int64(entry & (1<<shift - 1))
		sectors := int64(entry&(entryCompressed-1)>>shift) + 1
		// The last one may end with the file rather than with its last sector.
		length := min(sectors*hostSector-offset%hostSector, d.file.Size()-offset)
		if length <= 0 {
			return nil, fault.Corruptf(offset, "it should be here, but the file has %d bytes; it is cut off or damaged", d.file.Size())
		}
		packed := make([]byte, length)
		if err := d.file.Data(packed, offset); err != nil {
			return nil, err
		}
		cluster, err := d.expands.expand(packed)
		if err != nil {
			return nil, &fault.Error{Class: fault.ErrCorrupt, Offset: offset, Detail: "it does not expand", Err: err}
		}
		return cluster, nil
	})
}
