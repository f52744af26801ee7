package vhd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Info is what a VHD's footer and header tell of it.
type Info struct {
	Footer
	// Creator and Host are four letters each, "win " and "Wi2k" of Windows.
	Creator, Host string
	CreatorMajor  uint16
	CreatorMinor  uint16
	// OriginalSize is the disk's size when it was made.
	OriginalSize int64
	Cylinders    uint16
	Heads        byte
	Sectors      byte // of a track
	// SavedState says that a machine that uses the disk is suspended.
	SavedState bool
	// BlockSize is zero for a fixed VHD, as is what follows.
	BlockSize int64
	// ParentID and ParentName are of a differencing VHD.
	ParentID   guid.GUID
	ParentName string
}

// Describe returns what a file of size bytes tells of itself as a VHD, a differencing one, too. What is
// wrong with it is the error, besides what it tells all the same. The disk is not looked at: see Open.
func Describe(r io.ReaderAt, size int64) (Info, error) {
	file := sparse.NewFile(r, size)
	var told Info
	var problem error
	for _, at := range []int64{size - FooterSize, 0} {
		info, err := describeAt(file, at)
		if err == nil {
			return info, nil
		}
		if told.Kind == 0 {
			told, problem = info, err
		}
	}
	return told, problem
}

// describeAt reads the footer at an offset.
func describeAt(file *sparse.File, at int64) (info Info, err error) {
	b := make([]byte, FooterSize)
	if err := file.Data(b, at); err != nil {
		return info, err
	}
	info.Footer, err = parse(b, at)
	if info.Kind == 0 {
		return info, err
	}
	info.footer(b)
	if headerErr := info.header(file); err == nil {
		err = headerErr
	}
	return info, err
}

func (i *Info) footer(b []byte) {
	be := binary.BigEndian
	i.CreatorMajor, i.CreatorMinor = be.Uint16(b[32:]), be.Uint16(b[34:])
	i.Creator, i.Host = string(b[28:32]), string(b[36:40])
	i.OriginalSize = int64(be.Uint64(b[40:]))
	i.Cylinders, i.Heads, i.Sectors = be.Uint16(b[56:]), b[58], b[59]
	i.SavedState = b[84] != 0
}

func (i *Info) header(file *sparse.File) error {
	if i.Kind == Fixed {
		return nil
	}
	b := make([]byte, headerSize)
	if err := file.Data(b, i.Header); err != nil {
		return fault.In("VHD header", err)
	}
	if !bytes.HasPrefix(b, []byte(headerCookie)) {
		return fault.Corruptf(i.Header, "no header of a dynamic VHD here")
	}
	i.BlockSize = int64(binary.BigEndian.Uint32(b[32:]))
	if i.Kind == Differencing {
		i.ParentID, i.ParentName = guid.GUID(b[40:56]), parentName(b)
	}
	return nil
}

// parentName is the name in the header of a differencing VHD.
func parentName(header []byte) string {
	units := make([]uint16, 0, (parentNameTo-parentNameAt)/2)
	for i := parentNameAt; i < parentNameTo; i += 2 {
		units = append(units, binary.BigEndian.Uint16(header[i:]))
	}
	name, _, _ := strings.Cut(utf16le.DecodeUnits(units), "\x00")
	return name
}

// String names the kind as the specification does.
func (k Kind) String() string {
	switch k {
	case Fixed:
		return "fixed"
	case Dynamic:
		return "dynamic"
	case Differencing:
		return "differencing"
	}
	return fmt.Sprintf("kind %d", uint32(k))
}
