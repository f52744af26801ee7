package disk

import (
	"bytes"
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Table describes a partition table, the partitions left aside.
type Table struct {
	Identity
	SectorSize int64 // of a GPT; 0 for an MBR, which does not say it
	// FirstUsable and LastUsable are the ends of a GPT's room for partitions, in sectors.
	FirstUsable, LastUsable uint64
	Entries                 uint32 // that a GPT has room for
	// Backup says what is wrong with a GPT's second copy, nil if it is that of the first.
	Backup error
	// Code is the first sector.
	Code []byte
}

const (
	gptOtherAt = 0x20 // the sector of the other header
	gptFirstUs = 0x28
	gptLastUs  = 0x30
)

// Describe reads the table of a disk of size bytes as far as it is no partition.
func Describe(r io.ReaderAt, size int64) (Table, error) {
	t := tableReader{r: r, size: size}
	sector, err := t.bootRecord(0)
	if err != nil {
		return Table{}, fault.In("partition table", err)
	}
	out := Table{Code: sector}
	if out.Identity, err = Identify(r, size); err != nil || !out.GPT {
		return out, err
	}
	for _, unit := range sectorSizes {
		header, err := t.read(unit, unit)
		if err != nil || !bytes.HasPrefix(header, gptMagic) {
			continue
		}
		out.SectorSize = unit
		out.FirstUsable, out.LastUsable = le.Uint64(header[gptFirstUs:]), le.Uint64(header[gptLastUs:])
		out.Entries = le.Uint32(header[gptCountAt:])
		out.Backup = t.backup(header, unit)
		return out, nil
	}
	return out, nil
}

// backup compares the second header with the first.
func (t *tableReader) backup(header []byte, unit int64) error {
	at, ok := bytesOf(le.Uint64(header[gptOtherAt:]), unit)
	if !ok {
		return fault.Corruptf(unit+gptOtherAt, "the backup is at sector %#x", le.Uint64(header[gptOtherAt:]))
	}
	b, err := t.read(at, unit)
	switch {
	case errors.Is(err, fault.ErrCorrupt):
		return fault.Corruptf(at, "the backup is beyond the end of the disk")
	case err != nil:
		return err
	case !bytes.HasPrefix(b, gptMagic):
		return fault.Corruptf(at, "there is no backup")
	case !bytes.Equal(b[gptDiskIDAt:gptDiskIDAt+16], header[gptDiskIDAt:gptDiskIDAt+16]) || le.Uint32(b[gptEntriesCRC:]) != le.Uint32(header[gptEntriesCRC:]):
		return fault.Corruptf(at, "the backup is that of another table")
	case at != t.size-unit:
		return fault.Corruptf(at, "the backup is not at the end of the disk, which has grown")
	}
	return nil
}
