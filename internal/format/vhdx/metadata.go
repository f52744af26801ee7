package vhdx

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The metadata region (2.6): a table of 64 KiB, and the items after it.
const (
	metadataTableSize = 64 * kib
	metadataSignature = "metadata"
	// maxItem bounds an item. The longest that is read is a parent locator; the specification's
	// bound of an item is 1 MiB.
	maxItem = mib
)

// The items that the format knows (2.6.2).
var (
	itemFileParameters = guid.MustParse("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
	itemSize           = guid.MustParse("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
	itemPage83         = guid.MustParse("beca12ab-b2e6-4523-93ef-c309e000c746")
	itemLogicalSector  = guid.MustParse("8141bf1d-a96f-4709-ba47-f233a8faab5f")
	itemPhysicalSector = guid.MustParse("cda348c7-445d-4471-9cc9-e9885251c556")
	itemParentLocator  = guid.MustParse("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
)

var knownItems = []guid.GUID{itemFileParameters, itemSize, itemPage83, itemLogicalSector, itemPhysicalSector, itemParentLocator}

// Bounds of the format (2.6.2.1, 2.6.2.2).
const (
	minBlock = 1 * mib
	maxBlock = 256 * mib
	maxSize  = 64 << 40
)

// readMetadata reads the items and checks what they say.
func (d *Disk) readMetadata(r region) error {
	items, err := d.readItems(r)
	if err != nil {
		return err
	}
	parameters := items[itemFileParameters]
	if len(parameters) < 8 {
		return fault.Corruptf(r.offset, "there are no file parameters")
	}
	if binary.LittleEndian.Uint32(parameters[4:])&2 != 0 {
		return parentError(items[itemParentLocator])
	}
	number := func(id guid.GUID) int64 {
		switch b := items[id]; {
		case len(b) >= 8:
			return int64(binary.LittleEndian.Uint64(b))
		case len(b) >= 4:
			return int64(binary.LittleEndian.Uint32(b))
		}
		return 0
	}
	d.info.BlockSize = int64(binary.LittleEndian.Uint32(parameters))
	d.info.Fixed = parameters[4]&1 != 0
	d.info.Size = number(itemSize)
	d.info.LogicalSector, d.info.PhysicalSector = number(itemLogicalSector), number(itemPhysicalSector)
	if b := items[itemPage83]; len(b) >= guid.Size {
		d.info.ID = guid.GUID(b)
	}
	return d.info.check(r.offset)
}

func (i *Info) check(off int64) error {
	switch {
	case i.BlockSize < minBlock || i.BlockSize > maxBlock || bits.OnesCount64(uint64(i.BlockSize)) != 1:
		return fault.Corruptf(off, "blocks of %d bytes; there are powers of two from 1 MiB to 256 MiB", i.BlockSize)
	case i.LogicalSector != 512 && i.LogicalSector != 4096:
		return fault.Corruptf(off, "logical sectors of %d bytes; there are 512 and 4096", i.LogicalSector)
	case i.PhysicalSector != 512 && i.PhysicalSector != 4096:
		return fault.Corruptf(off, "physical sectors of %d bytes; there are 512 and 4096", i.PhysicalSector)
	case i.Size <= 0 || i.Size > maxSize || i.Size%i.LogicalSector != 0:
		return fault.Corruptf(off, "a disk of %d bytes; it has to be whole sectors of %d, up to 64 TiB", i.Size, i.LogicalSector)
	}
	return nil
}

// readItems returns the items that the format knows, as bytes.
func (d *Disk) readItems(r region) (map[guid.GUID][]byte, error) {
	const first, entrySize = 32, 32
	table := make([]byte, metadataTableSize)
	if err := d.file.Data(table, r.offset); err != nil {
		return nil, err
	}
	if string(table[:len(metadataSignature)]) != metadataSignature {
		return nil, fault.Corruptf(r.offset, "no metadata table here")
	}
	count := int(binary.LittleEndian.Uint16(table[10:]))
	if count > (metadataTableSize-first)/entrySize {
		return nil, fault.Corruptf(r.offset+10, "%d entries are more than fit", count)
	}
	items := map[guid.GUID][]byte{}
	for i := range count {
		e := table[first+i*entrySize:][:entrySize]
		at := r.offset + int64(first+i*entrySize)
		id := guid.GUID(e[:16])
		flags := e[24]
		if user := flags&1 != 0; user || !slices.Contains(knownItems, id) {
			if flags&4 != 0 {
				return nil, fault.Unsupportedf(at, "the VHDX has an item %s that a reader must know", id)
			}
			continue
		}
		item := region{int64(binary.LittleEndian.Uint32(e[16:])), int64(binary.LittleEndian.Uint32(e[20:]))}
		if item.length > maxItem || item.end() > r.length || item.length > 0 && item.offset < metadataTableSize {
			return nil, fault.Corruptf(at, "item %s, %d bytes at %#x of the region, is not between the table and the region's end", id, item.length, item.offset)
		}
		if items[id] != nil {
			return nil, fault.Corruptf(at, "item %s is there twice", id)
		}
		items[id] = make([]byte, item.length)
		if err := d.file.Data(items[id], r.offset+item.offset); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// parentError is for a differencing VHDX, with what its parent locator says (2.6.2.6).
func parentError(locator []byte) error {
	name := "another file"
	// The last that is there is the one to name.
	for _, key := range []string{"parent_linkage", "volume_path", "relative_path", "absolute_win32_path"} {
		if value, ok := locatorValue(locator, key); ok {
			name = strconv.Quote(value)
			if key == "parent_linkage" {
				name = "the file with the data identifier " + name
			}
		}
	}
	return fault.Unsupportedf(fault.NoOffset, "a differencing VHDX: part of its disk is in its parent, %s; merge the two in Windows first, with: Merge-VHD", name)
}

func locatorValue(locator []byte, key string) (string, bool) {
	const first, entrySize = 20, 12
	if len(locator) < first {
		return "", false
	}
	text := func(offset uint32, length uint16) string {
		if int64(offset)+int64(length) > int64(len(locator)) {
			return ""
		}
		return utf16le.Decode(locator[offset:][:length])
	}
	for i := range int(binary.LittleEndian.Uint16(locator[18:])) {
		at := first + i*entrySize
		if at+entrySize > len(locator) {
			break
		}
		e := locator[at:]
		if text(binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint16(e[8:])) == key {
			value := text(binary.LittleEndian.Uint32(e[4:]), binary.LittleEndian.Uint16(e[10:]))
			return value, value != ""
		}
	}
	return "", false
}
