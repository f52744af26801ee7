// Package diskfile opens the disk in a file, whatever the file's format: raw, VHD, VHDX or qcow2.
// What a file is, is told by its content.
package diskfile

import (
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
)

// The formats, as Open names them.
const (
	Raw        = "raw"
	FixedVHD   = "fixed VHD"
	DynamicVHD = "dynamic VHD"
	VHDX       = "VHDX"
	QCOW2      = "qcow2"
)

// Open returns the disk in a file of size bytes, the disk's size and the file's format. The disk is
// safe for concurrent use as far as r is. A file of no format that is known is a raw disk. One of a
// format that is known but damaged, or that cannot be read without another file, is an error that
// begins with name.
func Open(r io.ReaderAt, size int64, name string) (disk io.ReaderAt, diskSize int64, format string, err error) {
	d, format, err := open(r, size)
	if err != nil {
		return nil, 0, "", fault.In(name, err)
	}
	return d, d.Size(), format, nil
}

// sized is a disk.
type sized interface {
	io.ReaderAt
	Size() int64
}

func open(r io.ReaderAt, size int64) (sized, string, error) {
	start := make([]byte, min(size, int64(len(vhdx.Signature))))
	if n, err := r.ReadAt(start, 0); n < len(start) {
		return nil, "", err
	}
	switch {
	case string(start) == vhdx.Signature:
		d, err := vhdx.Open(r, size)
		return d, VHDX, err
	case strings.HasPrefix(string(start), qcow2.Signature):
		d, err := qcow2.Open(r, size)
		return d, QCOW2, err
	}
	is, err := vhd.Is(r, size)
	if err != nil || !is {
		return io.NewSectionReader(r, 0, size), Raw, err
	}
	d, err := vhd.Open(r, size)
	if err != nil || d.Footer().Kind == vhd.Fixed {
		return d, FixedVHD, err
	}
	return d, DynamicVHD, nil
}
