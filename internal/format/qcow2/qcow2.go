// Package qcow2 reads qcow2 images of versions 2 and 3, with clusters of any size, compressed ones
// (deflate and Zstandard) and subclusters ("extended L2 entries"). Snapshots and bitmaps are passed
// over: what is read is the disk as it is now. Images that need another file, or a key, are refused.
// What it writes are images of version 3.
//
// Format: QEMU, docs/interop/qcow2.txt. All fields are big endian.
package qcow2

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Signature is what a file begins with.
const Signature = "QFI\xFB"

// Info is what the header tells.
type Info struct {
	Version     int
	Size        int64 // of the disk in bytes
	ClusterSize int64
	Compression Compression // of the clusters that are compressed, if any
	ExtendedL2  bool
	// Dirty says that the reference counts may be wrong, as after a crash with lazy_refcounts. The
	// disk is whole all the same.
	Dirty bool
}

// Disk is the disk in a qcow2 image. It is safe for concurrent use.
type Disk struct {
	info    Info
	file    *sparse.File
	l1      int64 // where the L1 table is
	l2Bits  int   // binary logarithm of the number of entries in an L2 table
	expands *expander
}

// Open reads the header of a file of size bytes. Images with a backing file, an external data file,
// encryption or a feature that is not known are unsupported input; the error names which.
func Open(r io.ReaderAt, size int64) (*Disk, error) {
	d := &Disk{file: sparse.NewFile(r, size)}
	if err := d.readHeader(); err != nil {
		return nil, fault.In("qcow2 header", err)
	}
	return d, nil
}

// Info returns what the header tells.
func (d *Disk) Info() Info { return d.info }

// Size is the disk's size in bytes.
func (d *Disk) Size() int64 { return d.info.Size }

// ReadAt reads from the disk. Clusters that the file does not hold are zeros.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	return sparse.ReadAt(p, off, d.info.Size, d.piece)
}
