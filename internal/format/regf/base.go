package regf

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Base is what the base block of a hive tells, whatever is in the bins.
type Base struct {
	// Sequence1 is raised when a write begins, Sequence2 when it has ended.
	Sequence1, Sequence2 uint32
	LastWritten          filetime.Time
	Major, Minor         uint32
	Log                  bool // the file is a transaction log
	FileName             string
	BinsSize             int64 // bytes
	ChecksumOK           bool
}

// Dirty says that the hive needs its transaction logs.
func (b *Base) Dirty() bool { return b.Sequence1 != b.Sequence2 || !b.ChecksumOK }

// ReadBase reads the base block that data begins with. Only what is no hive at all is an error.
func ReadBase(data []byte) (Base, error) {
	if len(data) < sectorSize || string(data[:4]) != "regf" {
		return Base{}, fault.Corruptf(0, "not a registry hive: no regf signature")
	}
	var b baseBlock
	b.unmarshal(data)
	return Base{
		Sequence1: b.Sequence1, Sequence2: b.Sequence2, LastWritten: b.LastWritten, Major: b.Major, Minor: b.Minor,
		Log: b.FileType != typePrimary, FileName: decodeFileName(b.FileName[:]), BinsSize: int64(b.BinsSize), ChecksumOK: b.Checksum == checksum(data),
	}, nil
}
