package disk

import (
	"io"
	"io/fs"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Read lists the partitions of a disk of size bytes: those of its GPT, or of its MBR when it has
// no GPT. Empty entries are left out.
func Read(r io.ReaderAt, size int64) ([]Partition, error) {
	sector := make([]byte, SectorSize)
	if _, err := r.ReadAt(sector, 0); err != nil {
		return nil, fault.In("partition table", err)
	}
	if sector[510] != 0x55 || sector[511] != 0xAA {
		return nil, fault.Corruptf(510, "partition table: sector 0 does not end in 55 AA")
	}
	f := readOnly{io.NewSectionReader(r, 0, size)}
	if sector[mbrTable+4] == 0xEE {
		return readGPT(f)
	}
	return readMBR(f)
}

func readGPT(f backend.File) ([]Partition, error) {
	table, err := gpt.Read(f, SectorSize, SectorSize)
	if err != nil {
		return nil, fault.In("partition table", err)
	}
	var out []Partition
	for _, p := range table.Partitions {
		if p.Type == gpt.Unused {
			continue
		}
		kind, err1 := guid.Parse(string(p.Type))
		id, err2 := guid.Parse(p.GUID)
		if err1 != nil || err2 != nil {
			return nil, fault.Corruptf(fault.NoOffset, "partition table: partition %d has no usable GUIDs", p.Index)
		}
		out = append(out, Partition{
			Offset: int64(p.Start) * SectorSize, Size: int64(p.End-p.Start+1) * SectorSize,
			Name: p.Name, Type: kind, ID: id, Attributes: p.Attributes,
		})
	}
	return out, nil
}

func readMBR(f backend.File) ([]Partition, error) {
	table, err := mbr.Read(f, SectorSize, SectorSize)
	if err != nil {
		return nil, fault.In("partition table", err)
	}
	var out []Partition
	for _, p := range table.Partitions {
		if p.Type != mbr.Empty {
			out = append(out, Partition{
				Offset: int64(p.Start) * SectorSize, Size: int64(p.Size) * SectorSize, MBRType: byte(p.Type), Active: p.Bootable,
			})
		}
	}
	return out, nil
}

// readOnly gives go-diskfs a disk that can only be read.
type readOnly struct{ *io.SectionReader }

// Stat is not available; the library asks for it only to learn a size that it is told.
func (readOnly) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// Close does nothing: the disk belongs to the caller.
func (readOnly) Close() error { return nil }
