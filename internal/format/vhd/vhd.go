// Package vhd writes the footer that makes a raw disk a fixed VHD.
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

// FooterSize is the length of the footer, which follows the disk's last byte.
const FooterSize = 512

// MaxSize is the largest disk a VHD may hold: 2040 GiB, as Hyper-V enforces.
const MaxSize = 2040 << 30

const (
	sectorSize    = 512
	creatorWi2k   = 0x5769326B // "Wi2k": the host is Windows
	typeFixed     = 2
	featureFlags  = 2 // "reserved", always set
	formatVersion = 0x00010000
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
	copy(b[0:], "conectix")
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
	binary.BigEndian.PutUint32(b[60:], typeFixed)
	copy(b[68:84], f.ID[:])
	binary.BigEndian.PutUint32(b[64:], checksum(b))
	return b, nil
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
