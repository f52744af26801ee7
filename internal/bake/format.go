package bake

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
)

// diskWriter is a disk that goes to a file of some format.
type diskWriter interface {
	io.WriterAt // to the disk
	// WriteContentAt is WriteAt for what nobody reads soon.
	WriteContentAt(p []byte, off int64) (int, error)
	// Finish writes what the file has beyond the disk, and returns the file's size. It may be called
	// again.
	Finish() (size int64, err error)
}

// flat says whether the file begins with the disk as it is, holes and all.
func (f Format) flat() bool { return f == Raw || f == VHD }

// sparse says whether the file may be marked as sparse on NTFS; Windows would not attach a VHD or VHDX
// that is.
func (f Format) sparse() bool { return f == Raw || f == QCOW2 }

// newDiskWriter begins a file of a format. All its identifiers come from the disk's seed.
func newDiskWriter(c *Config, d *layout.Disk, f Format, file *image.File) (diskWriter, error) {
	footer := vhd.Footer{Size: c.Size, Time: c.BuildTime, ID: d.Identifier("vhd")}
	switch f {
	case Raw:
		return flatWriter{File: file, size: c.Size}, nil
	case VHD:
		b, err := footer.Marshal()
		return flatWriter{file, c.Size, b}, err
	case VHDDynamic:
		return vhd.Create(file, footer)
	case VHDX:
		return vhdx.Create(file, vhdx.Options{
			Size: c.Size, ID: d.Identifier("vhdx"), FileWrite: d.Identifier("vhdx file"), DataWrite: d.Identifier("vhdx data"),
		})
	case QCOW2:
		return newQCOW2(c, file)
	}
	return nil, fault.Bugf("no writer of format %q", f)
}

func newQCOW2(c *Config, file *image.File) (diskWriter, error) {
	switch c.Compress {
	case CompressZlib:
		return qcow2.CreateCompressed(file, c.Size, qcow2.Deflate)
	case CompressZstd:
		return qcow2.CreateCompressed(file, c.Size, qcow2.Zstandard)
	}
	return qcow2.Create(file, c.Size)
}

// flatWriter is a file that is the disk itself, with something behind it or not.
type flatWriter struct {
	*image.File
	size int64
	tail []byte
}

// Finish writes the tail.
func (w flatWriter) Finish() (int64, error) {
	_, err := w.WriteAt(w.tail, w.size)
	return w.size + int64(len(w.tail)), err
}
