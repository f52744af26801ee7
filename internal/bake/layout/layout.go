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
	// Contained is for a disk that no firmware starts, since it lies in a file of another disk, whose
	// boot manager looks into it: MBR, one NTFS partition, as Microsoft's guide to native boot makes it
	// (https://learn.microsoft.com/windows-hardware/manufacture/desktop/deploy-windows-on-a-vhd--native-boot).
	Contained Firmware = "contained"
)

// Firmwares are the values that a user may give.
var Firmwares = []Firmware{BIOS, UEFI, Both}

// Role is what a partition is for.
type Role string

// The roles.
const (
	System   Role = "system"   // what the firmware starts from
	Reserved Role = "reserved" // Microsoft reserved partition: no file system
	Windows  Role = "windows"
	Recovery Role = "recovery" // Windows Recovery Environment
	Host     Role = "host"     // holds a virtual disk with Windows on it
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
	// minWindows is what a recovery partition must leave to Windows: as much as the smallest disk
	// has for it behind the system partitions of UEFI. Whether Windows fits is for Plan to say.
	minWindows = MinSize - 2*alignment - systemSize - reservedSize
	// maxMBR is where the 32-bit sector numbers of an MBR end.
	maxMBR = 2 << 40
)

// Spec is what the user asks for.
type Spec struct {
	Size     int64 // of the disk, in bytes
	Firmware Firmware
	// Main is what the largest partition is for: Windows, if it is empty, or Host.
	Main  Role
	Label string // of the largest partition
	// Recovery is the size of the recovery partition in bytes, rounded up to whole MiB; 0 for a disk
	// that has none.
	Recovery int64
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
		return nil, fault.Invalidf("size: a disk of %s is too small; at least %s are needed", fault.Bytes(s.Size), fault.Bytes(MinSize))
	}
	if s.Size%disk.SectorSize != 0 {
		return nil, fault.Invalidf("size: %d bytes is not a whole number of %d-byte sectors", s.Size, disk.SectorSize)
	}
	if s.Main == "" {
		s.Main = Windows
	}
	d := &Disk{Spec: s}
	var err error
	switch s.Firmware {
	case BIOS:
		err = d.partitionBIOS()
	case UEFI:
		d.ID = d.Identifier("disk")
		err = d.partitionUEFI()
	case Both:
		err = d.partitionBoth()
	case Contained:
		err = d.addMain(disk.Partition{Offset: alignment, MBRType: disk.TypeNTFS}, down(d.Spec.Size))
	default:
		err = fault.Invalidf("firmware: %q is not one of %q", s.Firmware, Firmwares)
	}
	if err != nil {
		return nil, err
	}
	if d.MBR() {
		switch {
		case s.Size > maxMBR && s.Firmware == Contained:
			return nil, fault.Invalidf("size: %s: a virtual disk that Windows starts from gets an MBR, which ends at 2 TiB", fault.Bytes(s.Size))
		case s.Size > maxMBR:
			return nil, fault.Invalidf("size: %s: an MBR disk (firmware %q) ends at 2 TiB; use firmware %q", fault.Bytes(s.Size), s.Firmware, UEFI)
		}
		d.Signature = d.signature()
	}
	return d, nil
}

// MBR says whether the disk has an MBR partition table; the others have a GPT.
func (d *Disk) MBR() bool { return d.Spec.Firmware != UEFI }

func (d *Disk) partitionBIOS() error {
	return d.addMain(disk.Partition{Offset: alignment, MBRType: disk.TypeNTFS, Active: true}, down(d.Spec.Size))
}

// partitionBoth is the layout that Windows To Go has: a firmware of either kind finds its boot
// manager on the FAT32 partition, a BIOS because it is active, UEFI because it is FAT.
func (d *Disk) partitionBoth() error {
	d.add(Partition{
		Partition: disk.Partition{Offset: alignment, Size: systemSize, MBRType: disk.TypeFAT32LBA, Active: true},
		Role:      System, FileSystem: FAT32, Label: "SYSTEM",
	})
	return d.addMain(disk.Partition{Offset: alignment + systemSize, MBRType: disk.TypeNTFS}, down(d.Spec.Size))
}

func (d *Disk) partitionUEFI() error {
	_, usable := disk.GPTUsable(d.Spec.Size)
	system := disk.Partition{Offset: alignment, Size: systemSize, Name: "EFI system partition", Type: disk.TypeEFI, Attributes: disk.AttrNoDriveLetter}
	reserved := disk.Partition{Offset: system.Offset + system.Size, Size: reservedSize, Name: "Microsoft reserved partition", Type: disk.TypeMSR, Attributes: disk.AttrNoDriveLetter}
	d.add(Partition{Partition: system, Role: System, FileSystem: FAT32, Label: "SYSTEM"})
	d.add(Partition{Partition: reserved, Role: Reserved})
	return d.addMain(disk.Partition{Offset: reserved.Offset + reserved.Size, Name: basicName, Type: disk.TypeBasicData}, down(usable))
}

// basicName is the name that Windows' own tools give to every partition that they are not told a
// name for, a recovery partition too.
const basicName = "Basic data partition"

// addMain gives the disk from main.Offset to end to the largest partition, and the last of it to the
// recovery partition where one is wanted. That lies behind Windows because it can only be made larger,
// as updates of the recovery environment may need, at the expense of the partition before it.
func (d *Disk) addMain(main disk.Partition, end int64) error {
	recovery, err := d.recoverySize(main.Offset, end)
	if err != nil {
		return err
	}
	main.Size = end - recovery - main.Offset
	d.add(Partition{Partition: main, Role: d.Spec.Main, FileSystem: NTFS, Label: d.Spec.Label})
	if recovery == 0 {
		return nil
	}
	// Type and attributes: https://learn.microsoft.com/windows-hardware/manufacture/desktop/configure-uefigpt-based-hard-drive-partitions
	// and the page on BIOS/MBR beside it.
	d.add(Partition{
		Partition: disk.Partition{
			Offset: end - recovery, Size: recovery, MBRType: disk.TypeRE,
			Name: basicName, Type: disk.TypeRecovery, Attributes: disk.AttrRequired | disk.AttrNoDriveLetter,
		},
		Role: Recovery, FileSystem: NTFS, Label: "Recovery",
	})
	return nil
}

// recoverySize is the size of the recovery partition, if there is room for it and for Windows between
// two places.
func (d *Disk) recoverySize(start, end int64) (int64, error) {
	want := d.Spec.Recovery
	if want < 0 {
		return 0, fault.Invalidf("recovery partition: %d bytes is no size", want)
	}
	if room := end - start - minWindows; want > room {
		n := len(d.Partitions) + 1
		return 0, fault.Invalidf(
			"size: a disk of %s has no room for a recovery partition of %s (partition %d): Windows (partition %d) needs at least %s before it, so that %s are left for it; make the disk larger by %d MiB",
			fault.Bytes(d.Spec.Size), fault.Bytes(want), n+1, n, fault.Bytes(minWindows), fault.Bytes(max(room, 0)), (want-room-1)/mib+1)
	}
	return up(want), nil
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

func up(size int64) int64 { return down(size + alignment - 1) }

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
	seed := fmt.Appendf(nil, "winbake %s %d %s", d.Spec.Firmware, d.Spec.Size, d.Spec.Seed)
	if d.Spec.Recovery != 0 {
		seed = fmt.Appendf(seed, " recovery %d", d.Spec.Recovery)
	}
	return seed
}

// signature is the disk's MBR signature; Windows takes 0 for "none".
func (d *Disk) signature() uint32 {
	id := d.Identifier("disk signature")
	return max(binary.LittleEndian.Uint32(id[:]), 1)
}
