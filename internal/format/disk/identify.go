package disk

import (
	"bytes"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Identity is how Windows knows a disk again: by the GUID of its GPT, or the signature of its MBR.
type Identity struct {
	GPT       bool
	ID        guid.GUID // of a GPT
	Signature uint32    // of an MBR; 0 for a disk that Windows has not signed
}

const gptDiskIDAt = 0x38 // of the header

// Identify reads the identity of a disk of size bytes. It checks of the table what Read checks
// before it comes to the partitions.
func Identify(r io.ReaderAt, size int64) (Identity, error) {
	t := tableReader{r: r, size: size}
	sector, err := t.bootRecord(0)
	if err != nil {
		return Identity{}, fault.In("partition table", err)
	}
	if !protective(sector) {
		return Identity{Signature: le.Uint32(sector[mbrSignature:])}, nil
	}
	for _, unit := range sectorSizes {
		header, err := t.read(unit, unit)
		if err != nil || !bytes.HasPrefix(header, gptMagic) {
			continue
		}
		if err := checkCopy(header, unit, unit); err != nil {
			return Identity{}, fault.In("partition table", err)
		}
		return Identity{GPT: true, ID: guid.Read(header[gptDiskIDAt:])}, nil
	}
	return Identity{}, fault.In("partition table", fault.Corruptf(SectorSize, "the MBR announces a GPT, and there is none"))
}
