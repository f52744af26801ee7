package udf

import (
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// node is a file or folder: where its file entry is.
type node struct {
	v  *Volume
	at address
}

// ID is the place of the file entry.
func (n *node) ID() uint64 { return uint64(n.at.Partition)<<32 | uint64(n.at.Block) }

// Info reads the file entry, and where the content of a file is.
func (n *node) Info() (disc.Info, error) {
	e, err := n.v.readEntry(n.at)
	if err != nil {
		return disc.Info{}, err
	}
	info := disc.Info{Modified: parseTime(e.b[e.layout.modifiedAt:])}
	switch e.b[fileTypeAt] {
	case typeFolder:
		info.Mode = fs.ModeDir
		return info, nil
	case typeFile, typeUnspecified, typeRealTime:
		info.Content, err = n.v.content(e)
		return info, err
	}
	info.Mode = fs.ModeIrregular
	return info, nil
}

// What file entries and extended file entries have in common: ECMA-167 4/14.6, 4/14.9.
const (
	strategyAt = 20
	fileTypeAt = 27
	flagsAt    = 34
	sizeAt     = 56

	strategy = 4 // UDF 1.02 2.3.5.1: all that is not on write-once discs

	typeUnspecified = 0
	typeFolder      = 4
	typeFile        = 5
	typeRealTime    = 249 // UDF 2.00 2.2.13, a file like others for who reads it
)

// entryLayout says where one kind of file entry has the rest.
type entryLayout struct {
	modifiedAt, attributesLengthAt, allocationLengthAt, end int
}

var (
	fileEntry     = entryLayout{84, 168, 172, 176}
	extendedEntry = entryLayout{92, 208, 212, 216}
)

// entry is a file entry of either kind.
type entry struct {
	at     address
	offset int64 // on the disc
	b      []byte
	layout entryLayout
	// allocationsAt is where in b the allocation descriptors are, or the content itself.
	allocationsAt, allocationsEnd int
}

// readEntry reads and checks a file entry.
func (v *Volume) readEntry(a address) (*entry, error) {
	b, err := v.block(a, tagFileEntry, tagExtendedEntry)
	if err != nil {
		return nil, err
	}
	e := &entry{at: a, b: b, layout: fileEntry}
	e.offset, _ = v.locate(a, blockSize) // block has read it
	if le.Uint16(b) == tagExtendedEntry {
		e.layout = extendedEntry
	}
	if s := le.Uint16(b[strategyAt:]); s != strategy {
		return nil, fault.Unsupportedf(e.offset, "a file entry with ICB strategy %d; only %d is read", s, strategy)
	}
	room := uint32(blockSize - e.layout.end)
	attributes, allocations := le.Uint32(b[e.layout.attributesLengthAt:]), le.Uint32(b[e.layout.allocationLengthAt:])
	if attributes > room || allocations > room-attributes {
		return nil, fault.Corruptf(e.offset, "a file entry has %d bytes of attributes and %d of allocation descriptors, with room for %d", attributes, allocations, room)
	}
	e.allocationsAt = e.layout.end + int(attributes)
	e.allocationsEnd = e.allocationsAt + int(allocations)
	return e, nil
}

// How allocation descriptors look, in the lowest bits of the flags: ECMA-167 4/14.6.8.
const (
	shortForm    = 0
	longForm     = 1
	embeddedForm = 3
	formMask     = 7
)

// content finds the content of a file or folder.
func (v *Volume) content(e *entry) (*disc.Content, error) {
	size := le.Uint64(e.b[sizeAt:])
	if size > 1<<63-1 {
		return nil, fault.Corruptf(e.offset, "a file of %d bytes", size)
	}
	var extents []disc.Extent
	switch form := le.Uint16(e.b[flagsAt:]) & formMask; form {
	case embeddedForm:
		extents = []disc.Extent{{Offset: e.offset + int64(e.allocationsAt), Length: int64(e.allocationsEnd - e.allocationsAt)}}
	case shortForm, longForm:
		var err error
		if extents, err = v.extents(e, form == longForm, int64(size)); err != nil {
			return nil, err
		}
	default:
		return nil, fault.Corruptf(e.offset, "a file entry has allocation descriptors of form %d", form)
	}
	c, err := disc.NewContent(v.r, v.size, int64(size), extents)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// extents follows allocation descriptors until there is enough of them for size bytes.
func (v *Volume) extents(e *entry, long bool, size int64) ([]disc.Extent, error) {
	// A file of 256 GiB whose every block is on its own; a chain of so many blocks of descriptors is
	// one that goes around.
	const maxExtents, maxChain = 1 << 17, 1 << 12
	var extents []disc.Extent
	width, partition := shortSize, e.at.Partition
	if long {
		width = longSize
	}
	list := e.b[e.allocationsAt:e.allocationsEnd]
	for chain, have := 0, int64(0); len(list) >= width && have < size; {
		a := parseShort(list, partition)
		if long {
			a = parseLong(list)
		}
		list = list[width:]
		if a.Length == 0 {
			break // ECMA-167 4/12: the end of the descriptors
		}
		if a.Type == nextExtent {
			if chain++; chain > maxChain {
				return nil, fault.Corruptf(e.offset, "the allocation descriptors of a file do not end")
			}
			var err error
			if list, err = v.continued(a.At); err != nil {
				return nil, err
			}
			partition = a.At.Partition
			continue
		}
		extent, err := v.extent(a)
		if err != nil {
			return nil, err
		}
		if have += a.Length; have < size && a.Length%blockSize != 0 {
			return nil, fault.Corruptf(e.offset, "a file of %d bytes has an extent of %d bytes in its middle", size, a.Length)
		}
		if len(extents) >= maxExtents {
			return nil, fault.Corruptf(e.offset, "a file has more than %d extents", maxExtents)
		}
		extents = append(extents, extent)
	}
	return extents, nil
}

func (v *Volume) extent(a allocation) (disc.Extent, error) {
	if a.Type != recorded {
		return disc.Extent{Offset: disc.Hole, Length: a.Length}, nil
	}
	at, err := v.locate(a.At, a.Length)
	return disc.Extent{Offset: at, Length: a.Length}, err
}

// continued reads a block of further allocation descriptors: ECMA-167 4/14.5.
func (v *Volume) continued(a address) ([]byte, error) {
	const lengthAt, start = 20, 24
	b, err := v.block(a, tagExtent)
	if err != nil {
		return nil, err
	}
	n := le.Uint32(b[lengthAt:])
	if n > blockSize-start {
		at, _ := v.locate(a, blockSize)
		return nil, fault.Corruptf(at, "%d bytes of allocation descriptors in a block", n)
	}
	return b[start : start+n], nil
}
