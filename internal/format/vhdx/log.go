package vhdx

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

const (
	logSector = 4 * kib
	// maxLog bounds a log that is replayed, as what its descriptors say is kept in memory. Hyper-V's
	// and qemu-img's are of 1 MiB.
	maxLog = 16 * mib

	entryHeaderSize = 64
	descriptorSize  = 32
)

// entry is one entry of the log (2.3.1).
type entry struct {
	sector   int64 // where it begins: in the log, in sectors
	sectors  int64
	tail     int64 // the sector of the oldest entry that counted when this was written
	sequence uint64
	flushed  int64 // the least size of the file
	last     int64 // the size that the file is to have
	patches  []patch
}

// patch is what a descriptor has written: zeros, or a sector.
type patch struct {
	offset, length int64
	// data is the offset of the sector in the file, 0 for zeros. The first eight and last four
	// bytes of it are the log's; what belongs there is in the descriptor.
	data     int64
	leading  [8]byte
	trailing [4]byte
}

func (p *patch) end() int64 { return p.offset + p.length }

// log is the ring of sectors that holds the entries.
type log struct {
	r       io.ReaderAt
	region  region
	id      guid.GUID
	sectors int64
}

// replay returns the file as it is with the entries of the log written to it, and their number.
func replay(r io.ReaderAt, f *sparse.File, head *header) (*sparse.File, int, error) {
	if err := head.log.check("log", f.Size()); err != nil {
		return nil, 0, err
	}
	if head.log.length > maxLog {
		return nil, 0, fault.Unsupportedf(head.log.offset, "it is to be replayed and has %d MiB, more than %d; mount it once in Windows, with: Mount-VHD", head.log.length/mib, maxLog/mib)
	}
	l := &log{r: r, region: head.log, id: head.logID, sectors: head.log.length / logSector}
	active, err := l.active()
	if err != nil {
		return nil, 0, err
	}
	if len(active) == 0 {
		return nil, 0, fault.Corruptf(head.log.offset, "it is to be replayed, but no sequence of its entries is whole")
	}
	if flushed := active[len(active)-1].flushed; flushed > f.Size() {
		return nil, 0, fault.Corruptf(f.Size(), "the file had %d bytes when the log was written, and now has %d; it is cut off", flushed, f.Size())
	}
	end := f.Size()
	var patches []patch
	for _, e := range active {
		patches = append(patches, e.patches...)
		end = max(end, e.last)
	}
	return sparse.NewFile(newOverlay(r, f.Size(), end, patches), end), len(active), nil
}

// active returns the entries to replay, oldest first: those of the whole sequence that was written
// last (2.3.2). A sequence is whole if the tail that its last entry names is part of it.
//
// The specification has the search go on at the next sector after a sequence that is not whole. It
// may as well go on behind it: what begins inside it has the same last entry and fewer others.
func (l *log) active() ([]*entry, error) {
	var newest []*entry
	for at := int64(0); at < l.sectors; {
		sequence, err := l.sequence(at)
		if err != nil {
			return nil, err
		}
		if len(sequence) == 0 {
			at++
			continue
		}
		last := sequence[len(sequence)-1]
		for i, e := range sequence {
			if e.sector == last.tail && (len(newest) == 0 || last.sequence > newest[len(newest)-1].sequence) {
				newest = sequence[i:]
				break
			}
		}
		for _, e := range sequence {
			at += e.sectors
		}
	}
	return newest, nil
}

// sequence returns the entries that follow one another from a sector on.
func (l *log) sequence(at int64) ([]*entry, error) {
	var all []*entry
	for used := int64(0); used < l.sectors; {
		e, err := l.entry((at + used) % l.sectors)
		if err != nil {
			return nil, err
		}
		if e == nil || len(all) > 0 && e.sequence != all[len(all)-1].sequence+1 {
			break
		}
		all = append(all, e)
		used += e.sectors
	}
	return all, nil
}

// entry reads the entry that begins at a sector; nil where none does, or none that is sound. As the
// sectors of an entry cannot be taken for the first of another, no sector is looked at much more
// than twice, whatever the lengths say.
func (l *log) entry(at int64) (*entry, error) {
	b, err := l.read(at)
	if err != nil || string(b[:4]) != "loge" || guid.GUID(b[32:48]) != l.id {
		return nil, err
	}
	length, tail := int64(binary.LittleEndian.Uint32(b[8:])), int64(binary.LittleEndian.Uint32(b[12:]))
	e := &entry{
		sector:   at,
		sectors:  length / logSector,
		tail:     tail / logSector,
		sequence: binary.LittleEndian.Uint64(b[16:]),
		flushed:  int64(binary.LittleEndian.Uint64(b[48:])),
		last:     int64(binary.LittleEndian.Uint64(b[56:])),
	}
	if length == 0 || length%logSector != 0 || length > l.region.length || tail%logSector != 0 || e.sequence == 0 || e.flushed < 0 || e.last < 0 {
		return nil, nil
	}
	want := [4]byte(b[4:8])
	clear(b[4:8])
	sum := crc32.Update(0, castagnoli, b)
	next := func(i int64) ([]byte, error) { // the entry's sector i, from 1 on and in order
		b, err := l.read((at + i) % l.sectors)
		sum = crc32.Update(sum, castagnoli, b)
		return b, err
	}
	if whole, err := e.readSectors(l, b, next); err != nil || !whole || sum != binary.LittleEndian.Uint32(want[:]) {
		return nil, err
	}
	return e, nil
}

// readSectors reads what follows an entry's header: descriptors up to a whole sector, then a
// sector for each descriptor of data. It stops, and says false, at the first thing that is wrong.
func (e *entry) readSectors(l *log, b []byte, next func(int64) ([]byte, error)) (bool, error) {
	count := int64(binary.LittleEndian.Uint32(b[24:]))
	dataAt := (entryHeaderSize + count*descriptorSize + logSector - 1) / logSector
	if dataAt > e.sectors {
		return false, nil
	}
	sector := dataAt // of the next descriptor with data
	for i := range count {
		at := (entryHeaderSize + i*descriptorSize)
		if i > 0 && at%logSector == 0 {
			var err error
			if b, err = next(at / logSector); err != nil {
				return false, err
			}
		}
		p, ok := parseDescriptor(b[at%logSector:][:descriptorSize], e.sequence)
		if !ok {
			return false, nil
		}
		if p.data != 0 {
			p.data = l.offset((e.sector + sector) % l.sectors)
			sector++
		}
		e.patches = append(e.patches, p)
	}
	if sector != e.sectors {
		return false, nil
	}
	for i := dataAt; i < e.sectors; i++ {
		b, err := next(i)
		if err != nil {
			return false, err
		}
		high, low := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[logSector-4:])
		if string(b[:4]) != "data" || uint64(high)<<32|uint64(low) != e.sequence {
			return false, nil
		}
	}
	return true, nil
}

// parseDescriptor reads a descriptor (2.3.1.2, 2.3.1.3). The patch's data is not 0 if a sector
// belongs to it.
func parseDescriptor(b []byte, sequence uint64) (patch, bool) {
	p := patch{offset: int64(binary.LittleEndian.Uint64(b[16:])), length: logSector}
	switch string(b[:4]) {
	case "zero":
		p.length = int64(binary.LittleEndian.Uint64(b[8:]))
	case "desc":
		p.data = 1
		p.trailing, p.leading = [4]byte(b[4:]), [8]byte(b[8:])
	default:
		return p, false
	}
	aligned := p.offset%logSector == 0 && p.length%logSector == 0
	inRange := p.offset >= 0 && p.length >= 0 && p.end() >= p.offset
	return p, aligned && inRange && binary.LittleEndian.Uint64(b[24:]) == sequence
}

// offset is where in the file a sector of the log is.
func (l *log) offset(sector int64) int64 { return l.region.offset + sector*logSector }

func (l *log) read(sector int64) ([]byte, error) {
	b := make([]byte, logSector)
	n, err := l.r.ReadAt(b, l.offset(sector))
	if n == len(b) {
		err = nil
	}
	return b, err
}
