package stick

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Find returns the disk that a selector names, unless there is a reason not to write it.
func Find(selector string, allow Allow) (*Disk, error) {
	disks, err := Candidates()
	if err != nil {
		return nil, err
	}
	d, err := Select(disks, selector, allow)
	if err != nil {
		return nil, err
	}
	return d, d.Refusal(allow)
}

// Device is a disk that this process has for itself. Close gives it back.
type Device struct {
	Disk
	target target
}

// target is an open disk as writing needs it. Offsets, lengths and memory are aligned.
type target interface {
	io.ReaderAt
	io.WriterAt
	// Sync waits until the disk has what was written.
	Sync() error
	// Drop makes the host forget what it knows of the disk's content.
	Drop() error
	// Discard tells the disk that a range is not needed; errors.ErrUnsupported where it cannot be told.
	Discard(off, n int64) error
	// Present says whether the disk is still there.
	Present() bool
	// Reread has the kernel look at the partition table again.
	Reread() error
	Eject() error
	Close() error
}

// Close gives the disk back.
func (d *Device) Close() error { return d.target.Close() }

// Finish has the kernel see what was written: it ejects a stick that may then be pulled out, or reads the
// partition table. It returns what the user should know; what was written is good in any case.
func (d *Device) Finish(eject bool) (note string) {
	if eject && !d.Loop {
		if err := d.target.Eject(); err != nil {
			note = "The stick could not be ejected (" + err.Error() + "). All of it is written; pull it out when its light rests."
			if err := d.target.Reread(); err != nil {
				note += " Plug it in again to see its partitions."
			}
			return note
		}
		return "The stick is ejected and may be pulled out."
	}
	if err := d.target.Reread(); err != nil {
		return "The kernel does not see the new partitions yet (" + err.Error() + "); plug the stick in again to look at it."
	}
	return ""
}

// explain says what an error of the disk means for the stick.
func (d *Device) explain(err error) error {
	const unfinished = "the stick is not finished and does not start; write it again"
	var said *gone
	switch {
	case err == nil, errors.As(err, &said):
		return err
	case !d.target.Present(), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fault.In(d.Path, &gone{"the stick is gone: it was pulled out, or it failed; " + unfinished, err})
	case errors.Is(err, syscall.EIO), errors.Is(err, io.ErrShortWrite):
		return fault.In(d.Path, &gone{"the stick does not write and read as it should: it is worn out, or has a bad contact; " + unfinished, err})
	case errors.Is(err, syscall.ENOSPC):
		return fault.In(d.Path, &gone{"the stick has less room than it says; " + unfinished, err})
	}
	return fault.In(d.Path, &gone{unfinished, err})
}

// gone is an error of the disk with what it means.
type gone struct {
	says string
	err  error
}

func (e *gone) Error() string { return e.says + " (" + e.err.Error() + ")" }
func (e *gone) Unwrap() error { return e.err }

// refuseOwnFile says that an image would be written over itself, through a loop device.
func (d *Disk) refuseOwnFile(path string) error {
	if !d.Loop {
		return nil
	}
	a, err := os.Stat(path)
	if err != nil {
		return err
	}
	b, err := os.Stat(strings.TrimSuffix(d.file, " (deleted)"))
	if err == nil && os.SameFile(a, b) {
		return fault.Invalidf("%s is the image itself", d.Path)
	}
	return nil
}
