// Package iso9660 reads ISO 9660 discs: with Joliet's names where the disc has them, else with the
// primary ones. Files of several extents, as those of 4 GiB and more are, are read.
//
// A volume is an fs.FS, and a file is read in place, by any number of goroutines. File versions (";1")
// are no part of the names. Rock Ridge and zisofs are left aside: what Windows reads does without.
// Interleaved files, sets of several discs and blocks other than 2,048 bytes are refused with
// fault.ErrUnsupported.
//
// The format is ECMA-119; Joliet is Microsoft's "Joliet Specification" (1995). Why not go-diskfs, which
// is in this project already: it takes as much memory as a length on the disc says (path table, folders),
// reads volume descriptors until one is a terminator, and looks folders up in the path table, which need
// not agree with the folders.
package iso9660

import (
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// blockSize is the length of sectors, and of logical blocks on all discs of files.
const blockSize = 2048

// Volume is an open disc: a tree of *disc.File. All methods may be called by several goroutines at
// once.
type Volume struct {
	*disc.FS
	// Joliet says that the names are Joliet's.
	Joliet bool

	r    io.ReaderAt
	size int64
}

// Open opens the disc of size bytes in r, which must stay usable as long as the volume and its files
// are.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	v := &Volume{r: r, size: size}
	b, at, err := v.findDescriptor()
	if err != nil {
		return nil, fault.In("ISO 9660 volume descriptors", err)
	}
	if n := le.Uint16(b[blockSizeAt:]); n != blockSize {
		return nil, fault.In("ISO 9660 volume descriptors", fault.Unsupportedf(at, "blocks of %d bytes; only %d are read", n, blockSize))
	}
	root, err := parseRecord(b[rootAt:rootAt+rootSize], at+rootAt)
	if err != nil {
		return nil, fault.In("ISO 9660 root folder", err)
	}
	if !root.is(flagFolder) {
		return nil, fault.In("ISO 9660 root folder", fault.Corruptf(at+rootAt, "it is a file"))
	}
	n, err := v.newNode([]record{root})
	if err != nil {
		return nil, fault.In("ISO 9660 root folder", err)
	}
	v.FS = disc.New(n)
	return v, nil
}

// findDescriptor returns the descriptor of Joliet, or the primary one, and where it is.
func (v *Volume) findDescriptor() (b []byte, at int64, err error) {
	const firstSector, maxSectors = 16, 64
	for i := int64(firstSector); i < firstSector+maxSectors; i++ {
		d := make([]byte, blockSize)
		if n, err := v.r.ReadAt(d, i*blockSize); n < len(d) {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, 0, err
			}
			break
		}
		if string(d[1:6]) != "CD001" || d[0] == typeTerminator {
			break
		}
		switch {
		case d[0] == typePrimary && b == nil:
			b, at = d, i*blockSize
		case d[0] == typeSupplementary && isJoliet(d):
			v.Joliet = true
			return d, i * blockSize, nil
		}
	}
	if b == nil {
		return nil, 0, fault.Corruptf(firstSector*blockSize, "there is no primary one")
	}
	return b, at, nil
}
