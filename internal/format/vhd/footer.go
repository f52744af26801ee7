package vhd

import (
	"encoding/binary"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Cookie is what a footer begins with. Dynamic VHDs have a copy of it at their start.
const Cookie = "conectix"

// FooterSize is the length of the footer, which is at the file's end.
const FooterSize = 512

// MaxSize is the largest disk a VHD may hold: 2040 GiB, as Hyper-V enforces.
const MaxSize = 2040 << 30

const (
	sectorSize    = 512
	creatorWi2k   = 0x5769326B // "Wi2k": the host is Windows
	featureFlags  = 2          // "reserved", always set
	formatVersion = 0x00010000
)

// Kind is how the disk lies in the file, as the footer's disk type has it.
type Kind uint32

// The kinds.
const (
	Fixed        Kind = 2
	Dynamic      Kind = 3
	Differencing Kind = 4 // from a parent, which is another file
)

// epoch is what the time stamp counts seconds from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Footer describes a VHD.
type Footer struct {
	Size int64 // of the disk in bytes, a multiple of 512
	Time time.Time
	ID   guid.GUID
	// Kind may be left out for Marshal, which then takes it to be Fixed.
	Kind Kind
	// Header is where the header of a VHD that is not fixed lies in the file.
	Header int64
}

// Marshal returns the 512 bytes of a footer, checksum included.
func (f Footer) Marshal() ([]byte, error) {
	if f.Kind == 0 {
		f.Kind = Fixed
	}
	if f.Kind == Fixed {
		f.Header = -1 // none
	}
	if f.Size <= 0 || f.Size%sectorSize != 0 || f.Size > MaxSize {
		return nil, fault.Invalidf("a VHD holds a whole number of 512-byte sectors up to 2040 GiB, not %d bytes", f.Size)
	}
	b := make([]byte, FooterSize)
	copy(b[0:], Cookie)
	binary.BigEndian.PutUint32(b[8:], featureFlags)
	binary.BigEndian.PutUint32(b[12:], formatVersion)
	binary.BigEndian.PutUint64(b[16:], uint64(f.Header))
	binary.BigEndian.PutUint32(b[24:], stamp(f.Time))
	// QEMU trusts the size field, not the rounded geometry, of images whose creator is "win ".
	copy(b[28:], "win ")
	binary.BigEndian.PutUint32(b[32:], 0x000A0000)
	binary.BigEndian.PutUint32(b[36:], creatorWi2k)
	binary.BigEndian.PutUint64(b[40:], uint64(f.Size)) // original size
	binary.BigEndian.PutUint64(b[48:], uint64(f.Size)) // current size
	cylinders, heads, sectors := geometry(f.Size / sectorSize)
	binary.BigEndian.PutUint16(b[56:], cylinders)
	b[58], b[59] = heads, sectors
	binary.BigEndian.PutUint32(b[60:], uint32(f.Kind))
	copy(b[68:84], f.ID[:])
	binary.BigEndian.PutUint32(b[checksumAt:], checksum(b, checksumAt))
	return b, nil
}

// parse reads a footer that lies at off. It trusts no size in it.
func parse(b []byte, off int64) (Footer, error) {
	if string(b[:len(Cookie)]) != Cookie {
		return Footer{}, fault.Corruptf(off, "no VHD footer here")
	}
	f := Footer{
		Size:   int64(binary.BigEndian.Uint64(b[48:])),
		Time:   epoch.Add(time.Duration(binary.BigEndian.Uint32(b[24:])) * time.Second),
		ID:     guid.GUID(b[68:84]),
		Kind:   Kind(binary.BigEndian.Uint32(b[60:])),
		Header: int64(binary.BigEndian.Uint64(b[16:])),
	}
	version := binary.BigEndian.Uint32(b[12:])
	switch {
	case binary.BigEndian.Uint32(b[checksumAt:]) != checksum(b, checksumAt):
		return f, fault.Corruptf(off+checksumAt, "the VHD's footer does not have its checksum")
	case version>>16 != formatVersion>>16:
		return f, fault.Unsupportedf(off+12, "a VHD of version %d.%d, not 1", version>>16, version&0xFFFF)
	case f.Kind != Fixed && f.Kind != Dynamic && f.Kind != Differencing:
		return f, fault.Corruptf(off+60, "a VHD of type %d", f.Kind)
	case f.Size <= 0 || f.Size%sectorSize != 0:
		return f, fault.Corruptf(off+48, "the VHD's disk has %d bytes", f.Size)
	}
	return f, nil
}

func stamp(t time.Time) uint32 {
	return uint32(min(max(t.Unix()-epoch.Unix(), 0), 1<<32-1))
}

// checksumAt is where a footer has its checksum.
const checksumAt = 64

// checksum is the one's complement of the sum of all bytes with the field itself, at offset at, as zero.
func checksum(b []byte, at int) uint32 {
	var sum uint32
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// geometry is the specification's appendix "CHS Calculation", with its steps in order.
func geometry(total int64) (cylinders uint16, heads, sectorsPerTrack byte) {
	total = min(total, 65535*16*255)
	var spt, h, cylinderTimesHeads int64
	if total >= 65535*16*63 {
		spt, h = 255, 16
		cylinderTimesHeads = total / spt
	} else {
		spt = 17
		cylinderTimesHeads = total / spt
		h = max((cylinderTimesHeads+1023)/1024, 4)
		if cylinderTimesHeads >= h*1024 || h > 16 {
			spt, h = 31, 16
			cylinderTimesHeads = total / spt
		}
		if cylinderTimesHeads >= h*1024 {
			spt, h = 63, 16
			cylinderTimesHeads = total / spt
		}
	}
	return uint16(cylinderTimesHeads / h), byte(h), byte(spt)
}
