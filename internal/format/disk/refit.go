package disk

import (
	"bytes"
	"hash/crc32"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Patch is bytes that take the place of what a disk has at an offset.
type Patch struct {
	Offset int64
	Data   []byte
}

const (
	mbrFirstAt = 8 // of an entry
	mbrCountAt = 12
)

// Refit returns what has to be written over a disk of size bytes, in this order, to make its partition
// table right on a larger one: a GPT's second copy belongs to the disk's end, and the first says where
// that is. An MBR does not know how large its disk is, so that nothing has to be done. The partitions
// stay where they are.
//
// sector is the length of the larger disk's sectors. A table that counts in others is an error of class
// fault.ErrInvalid; one that Read refuses is refused here as well.
func Refit(r io.ReaderAt, size, newSize, sector int64) ([]Patch, error) {
	if newSize < size {
		return nil, fault.Bugf("a disk of %d bytes is to be fit into %d", size, newSize)
	}
	if _, err := Read(r, size); err != nil {
		return nil, err
	}
	t := tableReader{r: r, size: size}
	mbr, unit, err := t.unit()
	if err != nil {
		return nil, fault.In("partition table", err)
	}
	if unit != sector {
		return nil, fault.Invalidf("the image's partition table counts in sectors of %d bytes, and the disk has sectors of %d: nothing would find its partitions there", unit, sector)
	}
	if !protective(mbr) || newSize == size {
		return nil, nil
	}
	patches, err := t.refitGPT(mbr, unit, newSize)
	return patches, fault.In("partition table", err)
}

// unit returns the boot record and the length of the sectors that the table counts in.
func (t *tableReader) unit() (mbr []byte, unit int64, err error) {
	if mbr, err = t.bootRecord(0); err != nil {
		return nil, 0, err
	}
	if !protective(mbr) {
		return mbr, t.mbrUnit(mbr), nil
	}
	for _, unit := range sectorSizes {
		header, err := t.read(unit, unit)
		if err == nil && bytes.HasPrefix(header, gptMagic) {
			return mbr, unit, nil
		}
	}
	return nil, 0, fault.Corruptf(SectorSize, "the MBR announces a GPT, and there is none")
}

// refitGPT is Refit of a GPT that Read has accepted.
func (t *tableReader) refitGPT(mbr []byte, unit, newSize int64) ([]Patch, error) {
	header, err := t.read(unit, unit)
	if err != nil {
		return nil, err
	}
	at := int64(le.Uint64(header[gptEntriesAt:])) * unit
	entries, err := t.read(at, int64(le.Uint32(header[gptCountAt:]))*int64(le.Uint32(header[gptEntrySizeAt:])))
	if err != nil {
		return nil, err
	}
	length := (int64(len(entries)) + unit - 1) / unit * unit // of the entries on the disk
	last := newSize/unit - 1
	copyAt := last*unit - length
	if old := int64(le.Uint64(header[gptLastUs:])) + 1; copyAt < old*unit {
		return nil, fault.Corruptf(unit+gptLastUs, "the GPT gives partitions the sectors up to %d, of a disk of %d", old-1, t.size/unit)
	}

	le.PutUint64(header[gptOtherAt:], uint64(last))
	le.PutUint64(header[gptLastUs:], uint64(copyAt/unit-1))
	seal(header)
	backup := bytes.Clone(header)
	le.PutUint64(backup[gptSelfAt:], uint64(last))
	le.PutUint64(backup[gptOtherAt:], 1)
	le.PutUint64(backup[gptEntriesAt:], uint64(copyAt/unit))
	seal(backup)

	patches := []Patch{{0, refitProtective(mbr, t.size/unit, newSize/unit)}, {unit, header}}
	patches = append(patches, t.oldCopy(unit, length)...)
	tail := make([]byte, length+unit)
	copy(tail, entries)
	copy(tail[length:], backup)
	return append(patches, Patch{copyAt, tail}), nil
}

// seal gives a header its CRC.
func seal(header []byte) {
	clear(header[gptCRCAt : gptCRCAt+4])
	le.PutUint32(header[gptCRCAt:], crc32.ChecksumIEEE(header[:le.Uint32(header[12:])]))
}

// refitProtective makes the protective entry as long as the disk. One that ended elsewhere before, as
// in a hybrid MBR, stays as it is.
func refitProtective(mbr []byte, sectors, newSectors int64) []byte {
	mbr = bytes.Clone(mbr)
	for i := range mbrEntries {
		e := mbr[mbrTable+i*mbrEntrySize:]
		first, count := int64(le.Uint32(e[mbrFirstAt:])), int64(le.Uint32(e[mbrCountAt:]))
		if e[4] == typeProtective && first+count == sectors {
			le.PutUint32(e[mbrCountAt:], uint32(min(newSectors-first, 0xFFFFFFFF)))
		}
	}
	return mbr
}

// oldCopy removes the table's second copy from where the disk ended before, where a partition may come
// to lie. Entries and header stand right before the end, if they are there at all.
func (t *tableReader) oldCopy(unit, length int64) []Patch {
	last := t.size/unit*unit - unit
	header, err := t.read(last, unit)
	if err != nil || !bytes.HasPrefix(header, gptMagic) || last < length {
		return nil
	}
	return []Patch{{last - length, make([]byte, length+unit)}}
}
