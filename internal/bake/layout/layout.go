// Package layout decides where everything lies on the disk: partitions, identifiers, and, once the
// trees are known, every cluster. It is pure: no I/O, no clock, no chance. The same spec and trees
// give the same plan.
package layout

import (
	"encoding/binary"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
)

// Firmware is what the disk boots from.
type Firmware string

// The firmwares.
const (
	BIOS Firmware = "bios" // MBR disk, one active NTFS partition
	UEFI Firmware = "uefi" // GPT disk, EFI system partition, MSR, NTFS
	Both Firmware = "both" // MBR disk, active FAT32 system partition with both boot trees, NTFS
)

// Firmwares are the accepted values.
var Firmwares = []Firmware{BIOS, UEFI, Both}

// Role is what a partition is for.
type Role string

// The roles.
const (
	System   Role = "system"   // what the firmware starts from
	Reserved Role = "reserved" // Microsoft reserved partition: no file system
	Windows  Role = "windows"
)

// FileSystem is what a partition holds.
type FileSystem string

// The file systems.
const (
	NTFS  FileSystem = "ntfs"
	FAT32 FileSystem = "fat32"
	None  FileSystem = ""
)

const (
	mib = 1 << 20
	// alignment of partitions: what Windows and every other modern tool use.
	alignment = mib
	// systemSize is the EFI system partition's size. 300 MiB is the least that also suits disks
	// with 4 KiB sectors (Microsoft Learn, "UEFI/GPT-based hard drive partitions"), and leaves
	// room for the boot files of any Windows version.
	systemSize = 300 * mib
	// reservedSize is the MSR's size on the same page.
	reservedSize = 16 * mib
	// MinSize is the smallest disk that can hold a Windows volume at all.
	MinSize = 512 * mib
	// maxMBR is where the 32-bit sector numbers of an MBR end.
	maxMBR = 2 << 40
)

// Spec is what the user asks for.
type Spec struct {
	Size     int64 // of the disk, in bytes
	Firmware Firmware
	Label    string // of the Windows volume
	// Seed makes the identifiers: equal seeds give equal disks.
	Seed []byte
	Time filetime.Time
}

// Disk is the partitioned disk, before its volumes are planned.
type Disk struct {
	Spec Spec
	// ID is the GPT disk GUID; Signature the MBR's. Only one of them is used.
	ID         guid.GUID
	Signature  uint32
	Partitions []Partition
}

// Partition is one partition with its purpose.
type Partition struct {
	disk.Partition
	Role       Role
	FileSystem FileSystem
	Label      string
	Serial     uint64 // of the volume
}

// New partitions a disk. The errors are about the spec.
func New(s Spec) (*Disk, error) {
	if s.Size < MinSize {
		return nil, fault.Invalidf("size: a disk of %d bytes is too small; at least %d MiB are needed", s.Size, MinSize/mib)
	}
	if s.Size%disk.SectorSize != 0 {
		return nil, fault.Invalidf("size: %d bytes is not a whole number of %d-byte sectors", s.Size, disk.SectorSize)
	}
	d := &Disk{Spec: s}
	switch s.Firmware {
	case BIOS:
		d.partitionBIOS()
	case UEFI:
		d.ID = d.Identifier("disk")
		d.partitionUEFI()
	case Both:
		d.partitionBoth()
	default:
		return nil, fault.Invalidf("firmware: %q is not one of %q", s.Firmware, Firmwares)
	}
	if d.MBR() {
		if s.Size > maxMBR {
			return nil, fault.Invalidf("size: %d bytes: an MBR disk (firmware %q) ends at 2 TiB; use firmware %q", s.Size, s.Firmware, UEFI)
		}
		d.Signature = d.signature()
	}
	return d, nil
}

// MBR says whether the disk has an MBR partition table; the others have a GPT.
func (d *Disk) MBR() bool { return d.Spec.Firmware != UEFI }

func (d *Disk) partitionBIOS() {
	d.add(Partition{
		Partition: disk.Partition{Offset: alignment, Size: down(d.Spec.Size) - alignment, MBRType: disk.TypeNTFS, Active: true},
		Role:      Windows, FileSystem: NTFS, Label: d.Spec.Label,
	})
}

// partitionBoth is the layout that Windows To Go has: a firmware of either kind finds its boot
// manager on the FAT32 partition, a BIOS because it is active, UEFI because it is FAT.
func (d *Disk) partitionBoth() {
	d.add(Partition{
		Partition: disk.Partition{Offset: alignment, Size: systemSize, MBRType: disk.TypeFAT32LBA, Active: true},
		Role:      System, FileSystem: FAT32, Label: "SYSTEM",
	})
	start := int64(alignment + systemSize)
	d.add(Partition{
		Partition: disk.Partition{Offset: start, Size: down(d.Spec.Size) - start, MBRType: disk.TypeNTFS},
		Role:      Windows, FileSystem: NTFS, Label: d.Spec.Label,
	})
}

func (d *Disk) partitionUEFI() {
	_, usable := disk.GPTUsable(d.Spec.Size)
	system := disk.Partition{Offset: alignment, Size: systemSize, Name: "EFI system partition", Type: disk.TypeEFI, Attributes: disk.AttrNoDriveLetter}
	reserved := disk.Partition{Offset: system.Offset + system.Size, Size: reservedSize, Name: "Microsoft reserved partition", Type: disk.TypeMSR, Attributes: disk.AttrNoDriveLetter}
	start := reserved.Offset + reserved.Size
	windows := disk.Partition{Offset: start, Size: down(usable) - start, Name: "Basic data partition", Type: disk.TypeBasicData}
	d.add(Partition{Partition: system, Role: System, FileSystem: FAT32, Label: "SYSTEM"})
	d.add(Partition{Partition: reserved, Role: Reserved})
	d.add(Partition{Partition: windows, Role: Windows, FileSystem: NTFS, Label: d.Spec.Label})
}

// add gives the partition its identifiers.
func (d *Disk) add(p Partition) {
	name := fmt.Sprintf("partition %s", p.Role)
	p.ID = d.Identifier(name)
	serial := d.Identifier(name + " serial")
	p.Serial = binary.LittleEndian.Uint64(serial[:])
	d.Partitions = append(d.Partitions, p)
}

func down(offset int64) int64 { return offset / alignment * alignment }

// Find returns the partition with a role, or nil.
func (d *Disk) Find(r Role) *Partition {
	for i := range d.Partitions {
		if d.Partitions[i].Role == r {
			return &d.Partitions[i]
		}
	}
	return nil
}

// Identifier returns a GUID of this disk for any purpose, such as a boot entry.
func (d *Disk) Identifier(purpose string) guid.GUID { return guid.Derive(d.seed(), purpose) }

// seed is the user's seed with what makes this disk another one.
func (d *Disk) seed() []byte {
	return fmt.Appendf(nil, "winbake %s %d %s", d.Spec.Firmware, d.Spec.Size, d.Spec.Seed)
}

// signature is the disk's MBR signature; Windows takes 0 for "none".
func (d *Disk) signature() uint32 {
	id := d.Identifier("disk signature")
	return max(binary.LittleEndian.Uint32(id[:]), 1)
}
