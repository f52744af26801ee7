package vhdx

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// The header section (2.2): everything is there twice.
const (
	headerSize      = 4 * kib
	regionTableSize = 64 * kib
)

var (
	headersAt      = [2]int64{64 * kib, 128 * kib}
	regionTablesAt = [2]int64{192 * kib, 256 * kib}
)

// header says which of the two headers is current, and where the log is (2.2.2).
type header struct {
	sequence uint64
	logID    guid.GUID // of the log's entries that count; the nil GUID: none, the file is clean
	log      region
}

// region is a range of the file.
type region struct{ offset, length int64 }

func (r region) end() int64 { return r.offset + r.length }

// check refuses a region that is not where the format lets it be: after the header section, within
// the file, in whole MiB.
func (r region) check(name string, size int64) error {
	switch {
	case r.length <= 0 || r.offset < mib || r.offset%mib != 0 || r.length%mib != 0:
		return fault.Corruptf(fault.NoOffset, "the %s, %d bytes at %#x, is not in whole MiB after the first", name, r.length, uint64(r.offset))
	case r.length > size || r.offset > size-r.length:
		return fault.Corruptf(fault.NoOffset, "the %s, %d bytes at %#x, reaches past the end of the file (%d bytes); it is cut off or damaged",
			name, r.length, uint64(r.offset), size)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sound says whether b has its signature, and its CRC-32C, calculated with zeros in its place, after it.
func sound(b []byte, signature string) bool {
	const at, to = 4, 8
	if string(b[:at]) != signature {
		return false
	}
	sum := crc32.Update(0, castagnoli, b[:at])
	sum = crc32.Update(sum, castagnoli, make([]byte, to-at))
	return crc32.Update(sum, castagnoli, b[to:]) == binary.LittleEndian.Uint32(b[at:])
}

// currentHeader returns the header that is sound; the one with the higher sequence number if both are.
func currentHeader(f *sparse.File) (*header, error) {
	h, _, err := findHeader(f)
	return h, err
}

// findHeader is currentHeader, with the place of the header. Two that differ and have the same number leave
// open which log is to be replayed; none is current then (2.2.2). QEMU has it the same.
func findHeader(f *sparse.File) (current *header, at int64, err error) {
	var first []byte
	for _, off := range headersAt {
		b := make([]byte, headerSize)
		if err := f.Data(b, off); err != nil {
			return nil, 0, fault.In("VHDX header", err)
		}
		if !sound(b, "head") {
			continue
		}
		h, err := parseHeader(b, off)
		if err != nil {
			return nil, 0, fault.In("VHDX header", err)
		}
		switch {
		case current == nil || h.sequence > current.sequence:
			current, at, first = h, off, b
		case h.sequence == current.sequence && !bytes.Equal(b, first):
			return nil, 0, fault.In("VHDX header", fault.Corruptf(off+8, "both headers have the sequence number %d, and they differ: neither is current", h.sequence))
		}
	}
	if current == nil {
		return nil, 0, fault.Corruptf(headersAt[0], "neither of the VHDX's two headers has its signature and checksum")
	}
	return current, at, nil
}

func parseHeader(b []byte, off int64) (*header, error) {
	if v := binary.LittleEndian.Uint16(b[66:]); v != 1 {
		return nil, fault.Unsupportedf(off+66, "a VHDX of version %d, not 1", v)
	}
	h := &header{
		sequence: binary.LittleEndian.Uint64(b[8:]),
		logID:    guid.GUID(b[48:64]),
		log: region{
			offset: int64(binary.LittleEndian.Uint64(b[72:])),
			length: int64(binary.LittleEndian.Uint32(b[68:])),
		},
	}
	if v := binary.LittleEndian.Uint16(b[64:]); v != 0 && h.logID != (guid.GUID{}) {
		return nil, fault.Unsupportedf(off+64, "the VHDX has a log of version %d, not 0, that is to be replayed", v)
	}
	return h, nil
}

// regions are those that a VHDX has to have (2.2.3).
type regions struct{ bat, metadata region }

var (
	regionBAT      = guid.MustParse("2dc27766-f623-4200-9d64-115e9bfd4a08")
	regionMetadata = guid.MustParse("8b7ca206-4790-4b9a-b8fe-575f050f886e")
)

// readRegions reads the first region table that is sound.
func readRegions(f *sparse.File) (*regions, error) {
	for _, off := range regionTablesAt {
		b := make([]byte, regionTableSize)
		if err := f.Data(b, off); err != nil {
			return nil, err
		}
		if sound(b, "regi") {
			return parseRegions(b, off, f.Size())
		}
	}
	return nil, fault.Corruptf(regionTablesAt[0], "neither of the two tables has its signature and checksum")
}

func parseRegions(b []byte, off, size int64) (*regions, error) {
	const first, entrySize = 16, 32
	count := binary.LittleEndian.Uint32(b[8:])
	if count > (regionTableSize-first)/entrySize {
		return nil, fault.Corruptf(off+8, "%d entries are more than fit", count)
	}
	var found regions
	for i := range int(count) {
		e := b[first+i*entrySize:][:entrySize]
		where := region{int64(binary.LittleEndian.Uint64(e[16:])), int64(binary.LittleEndian.Uint32(e[24:]))}
		id, required := guid.GUID(e[:16]), e[28]&1 != 0
		switch {
		case id == regionBAT:
			found.bat = where
		case id == regionMetadata:
			found.metadata = where
		case required:
			return nil, fault.Unsupportedf(off+int64(first+i*entrySize), "the VHDX has a region %s that a reader must know", id)
		}
	}
	if err := found.bat.check("block allocation table", size); err != nil {
		return nil, err
	}
	return &found, found.metadata.check("metadata region", size)
}
