// Package udf reads the Universal Disk Format, the file system of Windows' install discs: UDF 1.02
// bridge discs as oscdimg makes them, and what else uses only their parts of the format.
//
// It reads volumes of 2,048-byte blocks, plain (type 1) partitions, file entries and extended file
// entries with short, long or embedded allocation descriptors and any number of extents, and names of
// 8 and 16 bits. A volume is an fs.FS, and a file is read in place, by any number of goroutines.
//
// Checked are the checksum and CRC of every descriptor, its place if it has a block of its own, and
// all lengths. Nothing is repaired; only the reserve volume descriptors are tried when the main ones
// are damaged.
//
// Not read: virtual, sparable and metadata partitions (rewritable discs and UDF 2.50), other block
// sizes (disks), ICB strategies other than 4; each is named and refused with fault.ErrUnsupported.
// Left aside: named streams, extended attributes, permissions, deleted entries.
//
// The format is ECMA-167 with the restrictions of OSTA's "Universal Disk Format Specification" 1.02.
package udf

import (
	"errors"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Volume is an open UDF volume: a tree of *disc.File. All methods may be called by several goroutines
// at once.
type Volume struct {
	*disc.FS
	r          io.ReaderAt
	size       int64
	partitions []partition // in the order of the partition maps
	root       *node
	label      string
}

// Label is the volume's name, "" for one without.
func (v *Volume) Label() string { return v.label }

// Recognize says whether r claims to be UDF: that there is an NSR descriptor in its volume
// recognition sequence, ECMA-167 2/8 and 3/9.1.
func Recognize(r io.ReaderAt) (bool, error) {
	const firstSector, maxSectors = 16, 64 // that many descriptors of ISO 9660 come first, at most
	b := make([]byte, 6)
	for i := int64(firstSector); i < firstSector+maxSectors; i++ {
		if n, err := r.ReadAt(b, i*blockSize); n < len(b) {
			return false, past(err)
		}
		switch string(b[1:]) {
		case "NSR02", "NSR03":
			return true, nil
		case "CD001", "BEA01", "BOOT2", "CDW02":
		default:
			return false, nil
		}
	}
	return false, nil
}

// past is err unless it says that a file ends.
func past(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Open opens the UDF volume of size bytes in r, which must stay usable as long as the volume and its
// files are.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	v := &Volume{r: r, size: size}
	d, err := v.findDescriptors()
	if err != nil {
		return nil, err
	}
	v.label = volumeLabel(d.volume)
	fileSet, err := v.mount(d)
	if err != nil {
		return nil, err
	}
	b, err := v.block(fileSet, tagFileSet)
	if err != nil {
		return nil, fault.In("UDF file set", err)
	}
	const rootAt = 400 // ECMA-167 4/14.1
	v.root = &node{v, parseLong(b[rootAt:]).At}
	v.FS = disc.New(v.root)
	info, err := v.root.Info()
	if err != nil {
		return nil, fault.In("UDF root folder", err)
	}
	if !info.Mode.IsDir() {
		return nil, fault.In("UDF root folder", fault.Corruptf(fault.NoOffset, "it is a file"))
	}
	return v, nil
}

// sector reads a block by its number on the disc.
func (v *Volume) sector(n int64) ([]byte, error) {
	b := make([]byte, blockSize)
	if n < 0 || n >= v.size/blockSize {
		return nil, fault.Corruptf(fault.NoOffset, "sector %d is beyond the end of the image, which has %d", n, v.size/blockSize)
	}
	if got, err := v.r.ReadAt(b, n*blockSize); got < len(b) {
		if past(err) == nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

// block reads a descriptor that has a block of its own in a partition. It must be one of the wanted.
func (v *Volume) block(a address, want ...uint16) ([]byte, error) {
	at, err := v.locate(a, blockSize)
	if err != nil {
		return nil, err
	}
	b, err := v.sector(at / blockSize)
	if err != nil {
		return nil, err
	}
	return b, check(b, at, a.Block, want...)
}

// check checks a descriptor that begins its block: its tag, its place, and that it is one of the
// wanted.
func check(b []byte, at int64, location uint32, want ...uint16) error {
	t, err := parseTag(b, at)
	if err != nil {
		return err
	}
	if t.Location != location {
		return fault.Corruptf(at, "a descriptor says that it is in block %d; it is in block %d", t.Location, location)
	}
	for _, id := range want {
		if t.ID == id {
			return nil
		}
	}
	if t.ID == tagIndirect {
		return fault.Unsupportedf(at, "an indirect entry, as only write-once discs have them")
	}
	return fault.Corruptf(at, "a descriptor has type %d, where a %s was expected", t.ID, tagNames[want[0]])
}
