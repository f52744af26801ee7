// Package disk writes partition tables, GPT and MBR, as Windows lays them out, and reads those of
// any disk.
//
// The tables that are written are go-diskfs' work; its types do not leave this package. What winbake
// adds is what Windows needs and the library does not know: the disk signature, boot code in sector
// 0, CHS fields, and that nothing depends on the clock or on chance. Reading is the package's own:
// the library knows no logical partitions, has to be told the size of sectors, and would be asked
// about its own work.
package disk

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// SectorSize is the logical sector size of the disks written here, in bytes.
const SectorSize = 512

// GPT partition types (UEFI specification 2.10, 5.3.3; Microsoft's are on the page
// "PARTITION_INFORMATION_GPT structure").
var (
	TypeEFI       = guid.MustParse("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
	TypeMSR       = guid.MustParse("e3c9e316-0b5c-4db8-817d-f92df00215ae")
	TypeBasicData = guid.MustParse("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
	TypeRecovery  = guid.MustParse("de94bba4-06d1-4d40-a16a-bfd50179d6ac")
)

// GPT attribute bits.
const (
	AttrRequired      = 1 << 0  // the platform needs it: tools must not delete it
	AttrNoDriveLetter = 1 << 63 // Windows does not mount it
)

// MBR partition types.
const (
	TypeNTFS     = 0x07
	TypeFAT32LBA = 0x0C
	TypeRE       = 0x27
)

// Partition is one entry of a table. Offsets and sizes are in bytes and multiples of SectorSize.
type Partition struct {
	// Number is the partition's in its table, from 1; logical ones are from 5 on. Only Read sets it.
	Number       int
	Offset, Size int64
	// Name, Type, ID and Attributes are GPT's.
	Name       string
	Type       guid.GUID
	ID         guid.GUID
	Attributes uint64
	// MBRType and Active are the MBR's.
	MBRType byte
	Active  bool
}

// Layout of a GPT disk: the header and 128 entries of 128 bytes at both ends.
const (
	gptEntries     = 128
	gptEntrySize   = 128
	gptArraySize   = gptEntries * gptEntrySize / SectorSize
	gptHeadSectors = 2 + gptArraySize // protective MBR, header, entries
	gptTailSectors = 1 + gptArraySize // entries, header
)

// GPTUsable returns the first usable byte and the end of the usable bytes of a GPT disk.
func GPTUsable(size int64) (start, end int64) {
	return gptHeadSectors * SectorSize, size - gptTailSectors*SectorSize
}

// WriteGPT writes a GUID partition table with its backup and protective MBR to a disk of size
// bytes. Boot code already in sector 0 stays.
func WriteGPT(w io.WriterAt, size int64, id guid.GUID, partitions []Partition) error {
	start, end := GPTUsable(size)
	table := &gpt.Table{
		LogicalSectorSize: SectorSize, PhysicalSectorSize: SectorSize,
		GUID: strings.ToUpper(id.String()), ProtectiveMBR: true,
	}
	for i, p := range partitions {
		if p.Offset < start || p.Offset+p.Size > end || p.Offset%SectorSize != 0 || p.Size%SectorSize != 0 || p.Size <= 0 {
			return fault.Bugf("partition %d at %d, %d bytes, on a GPT disk of %d", i+1, p.Offset, p.Size, size)
		}
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: i + 1, Start: uint64(p.Offset / SectorSize), Size: uint64(p.Size),
			Type: gpt.Type(strings.ToUpper(p.Type.String())), Name: p.Name,
			GUID: strings.ToUpper(p.ID.String()), Attributes: p.Attributes,
		})
	}
	if err := table.Write(writeOnly{w}, size); err != nil {
		return fault.In("partition table", err)
	}
	return protectiveMBR(w, size)
}

// protectiveMBR rewrites the library's protective entry: the UEFI specification (5.2.3) wants the
// size to stop at 0xFFFFFFFF and CHS fields that say 0/0/2 and "beyond".
func protectiveMBR(w io.WriterAt, size int64) error {
	b := make([]byte, 66)
	copy(b, []byte{0, 0x00, 0x02, 0x00, 0xEE, 0xFF, 0xFF, 0xFF})
	binary.LittleEndian.PutUint32(b[8:], 1)
	binary.LittleEndian.PutUint32(b[12:], uint32(min(size/SectorSize-1, 0xFFFFFFFF)))
	b[64], b[65] = 0x55, 0xAA
	_, err := w.WriteAt(b, mbrTable)
	return err
}

const (
	mbrSignature = 0x1B8
	mbrTable     = 0x1BE
	mbrCodeSize  = 0x1B8
)

// WriteMBR writes a master boot record: code (at most 440 bytes), the disk signature, which must
// not be zero since BCD and Windows' mount manager know the disk by it, and up to four partitions.
func WriteMBR(w io.WriterAt, size int64, signature uint32, code []byte, partitions []Partition) error {
	if len(code) > mbrCodeSize || signature == 0 || len(partitions) > 4 {
		return fault.Bugf("MBR with %d bytes of code, signature %08x, %d partitions", len(code), signature, len(partitions))
	}
	head := make([]byte, mbrTable)
	copy(head, code)
	binary.LittleEndian.PutUint32(head[mbrSignature:], signature)
	if _, err := w.WriteAt(head, 0); err != nil {
		return err
	}
	table := &mbr.Table{LogicalSectorSize: SectorSize, PhysicalSectorSize: SectorSize}
	for i, p := range partitions {
		first, count := p.Offset/SectorSize, p.Size/SectorSize
		if first <= 0 || p.Offset+p.Size > size || first+count > 1<<32 || p.Offset%SectorSize != 0 || p.Size%SectorSize != 0 {
			return fault.Bugf("partition %d at %d, %d bytes, on an MBR disk of %d", i+1, p.Offset, p.Size, size)
		}
		table.Partitions = append(table.Partitions, mbrPartition(i+1, p, first, count))
	}
	return fault.In("partition table", table.Write(writeOnly{w}, size))
}

func mbrPartition(index int, p Partition, first, count int64) *mbr.Partition {
	start, end := chs(first), chs(first+count-1)
	return &mbr.Partition{
		Index: index, Bootable: p.Active, Type: mbr.Type(p.MBRType), Start: uint32(first), Size: uint32(count),
		StartHead: start[0], StartSector: start[1], StartCylinder: start[2],
		EndHead: end[0], EndSector: end[1], EndCylinder: end[2],
	}
}

// chs encodes a sector number as head, sector and cylinder of the 255 x 63 geometry; what is beyond
// cylinder 1023 becomes FE FF FF, as Windows writes it.
func chs(lba int64) [3]byte {
	const heads, sectors = 255, 63
	cylinder := lba / (heads * sectors)
	if cylinder > 1023 {
		return [3]byte{0xFE, 0xFF, 0xFF}
	}
	head, sector := lba/sectors%heads, lba%sectors+1
	return [3]byte{byte(head), byte(sector) | byte(cylinder>>8)<<6, byte(cylinder)}
}

// writeOnly gives go-diskfs a disk that can only be written at offsets. It has no Sync, so that
// the library does not flush after every piece; the image stage flushes once.
type writeOnly struct{ io.WriterAt }

var _ backend.WritableFile = writeOnly{}

func (writeOnly) Stat() (fs.FileInfo, error)        { return nil, errors.ErrUnsupported }
func (writeOnly) Read([]byte) (int, error)          { return 0, errors.ErrUnsupported }
func (writeOnly) ReadAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (writeOnly) Seek(int64, int) (int64, error)    { return 0, errors.ErrUnsupported }
func (writeOnly) Close() error                      { return nil }
