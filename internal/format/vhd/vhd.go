// Package vhd writes and reads the footer that makes a raw disk a fixed VHD. It knows dynamic and
// differencing VHDs only by name: their disks are not one stretch of the file.
//
// Format: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0 (2006). All fields
// are big endian. The footer carries the CHS geometry that the specification's appendix computes:
// QEMU and Hyper-V 2008 take the disk's size from it, and a footer with a geometry of zero reads as
// an empty disk there.
package vhd

import (
	"encoding/binary"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Cookie is what a footer begins with. Dynamic VHDs have a copy of it at their start.
const Cookie = "conectix"

// FooterSize is the length of the footer, which follows the disk's last byte.
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

// Footer describes a fixed VHD.
type Footer struct {
	Size int64 // of the disk in bytes, a multiple of 512
	Time time.Time
	ID   guid.GUID
}

// Marshal returns the 512 bytes, checksum included.
func (f Footer) Marshal() ([]byte, error) {
	if f.Size <= 0 || f.Size%sectorSize != 0 || f.Size > MaxSize {
		return nil, fault.Invalidf("a VHD holds a whole number of 512-byte sectors up to 2040 GiB, not %d bytes", f.Size)
	}
	b := make([]byte, FooterSize)
	copy(b[0:], Cookie)
	binary.BigEndian.PutUint32(b[8:], featureFlags)
	binary.BigEndian.PutUint32(b[12:], formatVersion)
	binary.BigEndian.PutUint64(b[16:], ^uint64(0)) // data offset: none, fixed disk
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
	binary.BigEndian.PutUint32(b[60:], uint32(Fixed))
	copy(b[68:84], f.ID[:])
	binary.BigEndian.PutUint32(b[64:], checksum(b))
	return b, nil
}

// OtherKind is the error of Parse for a VHD that is not fixed, of class fault.ErrUnsupported.
type OtherKind struct{ Kind Kind }

// Error says which it is.
func (e *OtherKind) Error() string {
	if e.Kind == Differencing {
		return "a differencing VHD; fixed ones are read"
	}
	return "a dynamic VHD; fixed ones are read"
}

// Unwrap returns the class.
func (e *OtherKind) Unwrap() error { return fault.ErrUnsupported }

// Parse reads the last 512 bytes of a file of size bytes: the footer of a fixed VHD, whose disk is
// the file's first Footer.Size bytes.
func Parse(b []byte, size int64) (Footer, error) {
	if len(b) != FooterSize || string(b[:len(Cookie)]) != Cookie {
		return Footer{}, fault.Corruptf(size-FooterSize, "no VHD footer here")
	}
	switch kind := Kind(binary.BigEndian.Uint32(b[60:])); kind {
	case Fixed:
	case Dynamic, Differencing:
		return Footer{}, &OtherKind{kind}
	default:
		return Footer{}, fault.Corruptf(size-FooterSize+60, "a VHD of type %d", kind)
	}
	if binary.BigEndian.Uint32(b[64:]) != checksum(b) {
		return Footer{}, fault.Corruptf(size-FooterSize+64, "the VHD's footer does not have its checksum")
	}
	f := Footer{
		Size: int64(binary.BigEndian.Uint64(b[48:])),
		Time: epoch.Add(time.Duration(binary.BigEndian.Uint32(b[24:])) * time.Second),
		ID:   guid.GUID(b[68:84]),
	}
	if f.Size <= 0 || f.Size > size-FooterSize {
		return Footer{}, fault.Corruptf(size-FooterSize+48, "the VHD's disk has %d bytes, the file %d before its footer", f.Size, size-FooterSize)
	}
	return f, nil
}

func stamp(t time.Time) uint32 {
	return uint32(min(max(t.Unix()-epoch.Unix(), 0), 1<<32-1))
}

// checksum is the one's complement of the sum of all bytes with the field itself as zero.
func checksum(b []byte) uint32 {
	var sum uint32
	for i, c := range b {
		if i < 64 || i >= 68 {
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
