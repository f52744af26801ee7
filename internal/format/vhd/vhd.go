// Package vhd reads and writes dynamic VHDs and fixed ones, which are a raw disk and a footer.
// It knows differencing VHDs by name: part of their disk is in another file.
//
// Format: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0 (2006). All fields
// are big endian. The footer carries the CHS geometry that the specification's appendix computes:
// QEMU and Hyper-V 2008 take the disk's size from it, and a footer with a geometry of zero reads as
// an empty disk there. Here, as in Windows, the size is the footer's current size.
package vhd

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Disk is the disk in a VHD. It is safe for concurrent use.
type Disk struct {
	footer Footer
	file   *sparse.File
	header header // of a dynamic VHD
}

// Open reads the footer, and the header of a dynamic VHD, of a file of size bytes. What it takes is
// a file with the footer at its end, or with a copy of the footer at its start, as dynamic VHDs have
// it for when the end is damaged. Differencing VHDs are unsupported input; the error names the
// parent.
func Open(r io.ReaderAt, size int64) (*Disk, error) {
	d := &Disk{file: sparse.NewFile(r, size)}
	if err := d.readFooter(); err != nil {
		return nil, err
	}
	if d.footer.Kind == Fixed {
		if end := size - FooterSize; d.footer.Size > end {
			return nil, fault.Corruptf(end+48, "the VHD's disk has %d bytes, the file %d before its footer; it is cut off or damaged", d.footer.Size, end)
		}
		return d, nil
	}
	if err := d.readHeader(); err != nil {
		return nil, err
	}
	return d, nil
}

// Footer returns what the footer tells.
func (d *Disk) Footer() Footer { return d.footer }

// Size is the disk's size in bytes.
func (d *Disk) Size() int64 { return d.footer.Size }

// ReadAt reads from the disk. Blocks and sectors that the file does not hold are zeros.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if d.footer.Kind == Fixed {
		return sparse.ReadAt(p, off, d.footer.Size, func(p []byte, off int64) (int, error) {
			return len(p), d.file.Data(p, off)
		})
	}
	return sparse.ReadAt(p, off, d.footer.Size, d.piece)
}

// readFooter reads the footer, or its copy where the footer is not there or damaged.
func (d *Disk) readFooter() error {
	footer, err := d.footerAt(d.file.Size() - FooterSize)
	if err == nil && footer.Kind == Fixed {
		d.footer = footer
		return nil
	}
	first, firstErr := d.footerAt(0)
	for _, f := range []Footer{footer, first} {
		// Said even when the checksum is wrong, as nothing else would help.
		if f.Kind == Differencing {
			return d.parentError(f.Header)
		}
	}
	switch {
	case err != nil && firstErr == nil && first.Kind == Dynamic:
		footer = first
	case err != nil:
		return err
	case firstErr == nil && (first.Size != footer.Size || first.Kind != footer.Kind || first.Header != footer.Header):
		return fault.Corruptf(0, "the copy of the VHD's footer tells of another disk than the footer: %d bytes, not %d", first.Size, footer.Size)
	}
	d.footer = footer
	return nil
}

func (d *Disk) footerAt(off int64) (Footer, error) {
	b := make([]byte, FooterSize)
	if err := d.file.Data(b, off); err != nil {
		return Footer{}, err
	}
	return parse(b, off)
}

// Is says whether a file of size bytes has a VHD's footer, or a copy of one.
func Is(r io.ReaderAt, size int64) (bool, error) {
	if size < FooterSize {
		return false, nil
	}
	f := sparse.NewFile(r, size)
	for _, off := range []int64{0, size - FooterSize} {
		b := make([]byte, len(Cookie))
		if err := f.Data(b, off); err != nil {
			return false, err
		}
		if string(b) == Cookie {
			return true, nil
		}
	}
	return false, nil
}
