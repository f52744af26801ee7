package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
)

// disk verifies a disk, or a volume that fills it.
func (c *checker) disk(r io.ReaderAt, size int64) {
	c.r, c.size = r, size
	whole := io.NewSectionReader(r, 0, size)
	switch media.FileSystem(whole) {
	case fsNTFS, fsFAT32, fsFAT:
		v := c.volume(disk.Partition{Size: size}, whole)
		c.hives(v)
		return
	}
	t := disk.Check(r, size)
	for _, err := range t.Problems {
		c.found(step(err), "", err)
	}
	c.identity, c.partitions = t.Identity, t.Partitions
	if t.Partitions == nil && len(t.Problems) > 0 {
		return
	}
	table := "MBR"
	if t.Identity.GPT {
		table = "GPT"
	}
	c.checked("%s, %d partitions", table, len(t.Partitions))
	for _, p := range c.partitions {
		c.volumes = append(c.volumes, c.volume(p, io.NewSectionReader(r, p.Offset, p.Size)))
	}
	c.records()
	for _, v := range c.volumes {
		c.hives(v)
	}
	c.boot()
}

const (
	fsNTFS  = "NTFS"
	fsFAT   = "FAT"
	fsFAT32 = "FAT32"
)

// at is where a volume is.
func (v *volume) at(path string) Where { return Where{Partition: v.table.Number, Path: path} }

// volume verifies the file system of a partition, which r holds.
func (c *checker) volume(p disk.Partition, r *io.SectionReader) *volume {
	v := &volume{table: p, r: r, system: media.FileSystem(r)}
	switch v.system {
	case fsNTFS:
		c.ntfs(v)
	case fsFAT, fsFAT32:
		c.fat(v)
	case "":
		if lost := v.lost(); lost != "" {
			c.find(Error, "volume", v.at(""), "the boot sector is damaged: %s", lost)
		}
	default:
		c.find(Note, "volume", v.at(""), "%s is not looked into", v.system)
	}
	if v.system != "" {
		c.checked("%s: %s", v.name(), v.system)
	}
	return v
}

// lost says what tells that a partition without a known boot sector had one; empty for a partition that may
// be of any system, or that nobody formatted yet.
func (v *volume) lost() string {
	b := make([]byte, disk.SectorSize)
	read := func(off int64) bool {
		n, _ := v.r.ReadAt(b, off)
		return n == len(b)
	}
	const oemAt, backupFAT32, typeAt = 3, 6 * disk.SectorSize, 0x52
	if read(v.r.Size()-disk.SectorSize) && string(b[oemAt:oemAt+8]) == "NTFS    " {
		return "its copy in the last sector is that of an NTFS volume"
	}
	if read(backupFAT32) && string(b[typeAt:typeAt+8]) == "FAT32   " {
		return "its copy in sector 6 is that of a FAT32 volume"
	}
	wanted := v.table.Type == disk.TypeEFI || v.table.Type == disk.TypeRecovery || v.table.MBRType == disk.TypeRE
	if wanted && read(0) && !bytes.Equal(b, make([]byte, len(b))) {
		return "the partition's type wants a file system, and none that is known is there"
	}
	return ""
}

func (c *checker) ntfs(v *volume) {
	n, err := ntfs.Open(v.r, v.r.Size())
	if err != nil {
		c.foundAt(Error, "volume", v.at(""), err)
		return
	}
	v.ntfs = n
	severity := Error
	if n.Dirty() {
		// What a running Windows has in its log and memory only is missing from the volume.
		severity = Warning
		for _, w := range n.Warnings() {
			c.find(Warning, "volume-dirty", v.at(""), "%s", w)
		}
	}
	for _, err := range n.Check() {
		c.foundAt(severity, "ntfs-"+step(err), v.at(""), err)
	}
}

func (c *checker) fat(v *volume) {
	f, err := fat32.Open(v.r, v.r.Size())
	if err != nil {
		c.foundAt(Error, "volume", v.at(""), err)
		return
	}
	v.fat = f
	problems := f.Check()
	severity := Error
	for _, err := range problems {
		if step(err) == fat32.CheckState {
			severity = Warning
		}
	}
	for _, err := range problems {
		switch check := step(err); check {
		case fat32.CheckState:
			c.foundAt(Warning, "volume-dirty", v.at(""), err)
		case fat32.CheckFree:
			c.foundAt(Warning, "fat-"+check, v.at(""), err)
		default:
			c.foundAt(severity, "fat-"+check, v.at(""), err)
		}
	}
}

// step is the step of a format's Check that found a problem.
func step(err error) string {
	var p *fault.Problem
	errors.As(err, &p)
	return p.Check
}

// records looks at the programs that a BIOS starts, on a disk with an active partition.
func (c *checker) records() {
	active := c.active()
	if active == nil {
		return
	}
	sector := make([]byte, disk.SectorSize)
	if _, err := c.r.ReadAt(sector, 0); err != nil {
		c.errs = append(c.errs, err)
		return
	}
	code := sector[:bootcode.MBRSize]
	if bytes.Equal(code, make([]byte, len(code))) {
		c.find(Error, "mbr-code", Where{}, "partition %d is active, and the boot record has no program to start it", active.table.Number)
	} else if at := damaged(code, bootcode.MBR()); at >= 0 {
		c.find(Error, "mbr-code", Where{Offset: &at}, "the boot record is winbake's but for byte %#x: %#02x, expected %#02x", at, code[at], bootcode.MBR()[at])
	}
	c.bootSector(active)
}

// bootSector looks at the boot sector of the active partition.
func (c *checker) bootSector(v *volume) {
	b := make([]byte, bootcode.NTFSSize)
	if _, err := v.r.ReadAt(b, 0); err != nil {
		c.errs = append(c.errs, fmt.Errorf("partition %d: %w", v.table.Number, err))
		return
	}
	const hiddenAt = 0x1C
	if v.ntfs == nil && v.fat == nil {
		return
	}
	if hidden := int64(le.Uint32(b[hiddenAt:])); hidden != v.table.Offset/disk.SectorSize {
		c.find(Error, "boot-sector", v.at(""), "the boot sector says that sector %d is its own, the partition begins at %d: a BIOS would read the wrong sectors", hidden, v.table.Offset/disk.SectorSize)
	}
	if !c.loadsManager(v, bootcode.IdentifyVolume(b[:disk.SectorSize])) {
		return
	}
	own, skip := bootcode.NTFS(), [2]int{0x0B, 0x54}
	if v.fat != nil {
		own, skip, b = bootcode.FAT32(), [2]int{0x0B, 0x5A}, fatRecord(b)
		own = own[:min(len(own), len(b))]
	}
	clear(b[skip[0]:skip[1]])
	clear(own[skip[0]:skip[1]])
	if at := damaged(b[:len(own)], own); at >= 0 {
		c.find(Error, "boot-sector", v.at(""), "the boot record is winbake's but for byte %#x of it: %#02x, expected %#02x", at, b[at], own[at])
	}
}

// loadsManager says whether a boot record that bootcode.IdentifyVolume calls code can load the bootmgr of its
// volume, if there is one.
func (c *checker) loadsManager(v *volume, code string) bool {
	const oldLoader = "ntldr" // which may load another Windows, and that bootmgr
	if !v.has(managerBIOS) {
		return true
	}
	switch code {
	case bootcode.NoCode, bootcode.Notice:
		c.find(Error, "boot-sector", v.at(""), "there is bootmgr, and the boot sector has no program that loads it: a BIOS does not start it")
		return false
	case bootcode.MicrosoftOld:
		if !v.has(oldLoader) {
			c.find(Error, "boot-sector", v.at(""), "there is bootmgr, and the boot sector loads NTLDR, which is missing: a BIOS does not start it")
			return false
		}
	}
	return true
}

// fatRecord is the reserved sectors in the form that bootcode.FAT32 has: the first, one that does not
// count, and from sector 12 on.
func fatRecord(b []byte) []byte {
	const second = 12 * disk.SectorSize
	return append(append(bytes.Clone(b[:disk.SectorSize]), bootcode.FAT32()[disk.SectorSize:2*disk.SectorSize]...), b[second:]...)
}

// damaged says where code that is ours but for a few bytes differs first; -1 where it is ours, or another's.
func damaged(code, own []byte) int64 {
	const few = 16
	first, differ := int64(-1), 0
	for i := range own {
		if code[i] != own[i] {
			if differ++; differ == 1 {
				first = int64(i)
			}
		}
	}
	if differ > few {
		return -1
	}
	return first
}

// active returns the partition that a BIOS starts, or nil.
func (c *checker) active() *volume {
	for _, v := range c.volumes {
		if v.table.Active && !c.identity.GPT {
			return v
		}
	}
	return nil
}
