package vhdx

import (
	"encoding/binary"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Details is what the header section of a VHDX tells of the file, whatever becomes of its disk.
type Details struct {
	Creator  string // the program that made it
	Sequence uint64 // of the current header
	// FileWrite and DataWrite change when the file and when the disk is written.
	FileWrite, DataWrite guid.GUID
	// Log is that of the log's entries that have to be replayed; the nil GUID where there are none.
	Log     guid.GUID
	LogSize int64
}

const maxCreator = 512 // bytes of UTF-16 (2.2.1)

// Describe returns what a file of size bytes tells of itself, a differencing VHDX, too.
func Describe(r io.ReaderAt, size int64) (Details, error) {
	f := sparse.NewFile(r, size)
	h, at, err := findHeader(f)
	if err != nil {
		return Details{}, err
	}
	d := Details{Sequence: h.sequence, Log: h.logID, LogSize: h.log.length}
	b := make([]byte, headerSize)
	if err := f.Data(b, at); err != nil {
		return d, fault.In("VHDX header", err)
	}
	d.FileWrite, d.DataWrite = guid.Read(b[16:]), guid.Read(b[32:])
	creator := make([]byte, maxCreator)
	if err := f.Data(creator, int64(len(Signature))); err != nil {
		return d, err
	}
	n := 0
	for n < maxCreator && binary.LittleEndian.Uint16(creator[n:]) != 0 {
		n += 2
	}
	d.Creator = strings.TrimSpace(utf16le.Decode(creator[:n]))
	return d, nil
}
