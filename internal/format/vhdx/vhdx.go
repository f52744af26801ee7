// Package vhdx reads and writes VHDX files, fixed and dynamic ones. Reading changes nothing: where the
// log has to be replayed first, as after a crash, that takes place in memory. It knows differencing
// VHDXs by name: part of their disk is in another file.
//
// Format: Microsoft, [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format". All fields are little
// endian. Sections named in comments are that document's.
package vhdx

import (
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Signature is what a file begins with.
const Signature = "vhdxfile"

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Info is what the metadata tell of a disk.
type Info struct {
	Size           int64 // of the disk in bytes
	BlockSize      int64
	LogicalSector  int64 // 512 or 4,096 bytes
	PhysicalSector int64
	// Fixed says that blocks stay allocated when nothing is in them ("LeaveBlocksAllocated").
	Fixed bool
	// ID is the disk's identifier in SCSI page 83; the nil GUID where the file has none.
	ID guid.GUID
	// Replayed is the number of log entries that the file still lacked.
	Replayed int
}

// Disk is the disk in a VHDX. It is safe for concurrent use.
type Disk struct {
	info Info
	file *sparse.File
	// log may be anywhere if nothing of it is to be replayed, until Check.
	log, metadata, bat region
	// chunk is the number of payload blocks after which the BAT has an entry of a sector bitmap block.
	chunk int64
}

// Open reads what a file of size bytes tells of its disk. A differencing VHDX is unsupported input;
// the error names the parent.
func Open(r io.ReaderAt, size int64) (*Disk, error) {
	f := sparse.NewFile(r, size)
	var signature [len(Signature)]byte
	if err := f.Data(signature[:], 0); err != nil || string(signature[:]) != Signature {
		return nil, errors.Join(fault.Corruptf(0, "this is no VHDX; one begins with %q", Signature), err)
	}
	head, err := currentHeader(f)
	if err != nil {
		return nil, err
	}
	d := &Disk{file: f, log: head.log}
	if head.logID != (guid.GUID{}) {
		if d.file, d.info.Replayed, err = replay(r, f, head); err != nil {
			return nil, fault.In("VHDX log", err)
		}
	}
	regions, err := readRegions(d.file)
	if err != nil {
		return nil, fault.In("VHDX region table", err)
	}
	d.bat, d.metadata = regions.bat, regions.metadata
	if err := d.readMetadata(d.metadata); err != nil {
		return nil, fault.In("VHDX metadata", err)
	}
	if err := d.checkBAT(); err != nil {
		return nil, fault.In("VHDX block allocation table", err)
	}
	return d, nil
}

// Info returns what the metadata tell.
func (d *Disk) Info() Info { return d.info }

// Size is the disk's size in bytes.
func (d *Disk) Size() int64 { return d.info.Size }

// ReadAt reads from the disk. Blocks that the file does not hold are zeros.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	return sparse.ReadAt(p, off, d.info.Size, d.piece)
}
