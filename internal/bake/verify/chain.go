package verify

import (
	"bytes"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// Boot programs, as firmware and boot managers look for them.
const (
	managerBIOS = "bootmgr"
	managerUEFI = "EFI/Microsoft/Boot/bootmgfw.efi"
	fallback    = "EFI/Boot/"
)

// fallbacks are the names of boot managers that UEFI looks for without a boot entry (UEFI 2.10, 3.5.1.1).
var fallbacks = []struct {
	name    string
	machine pe.Machine
}{{"bootx64.efi", pe.AMD64}, {"bootaa64.efi", pe.ARM64}, {"bootia32.efi", pe.I386}, {"bootarm.efi", pe.ARM}}

// boot follows the boot chain of both firmwares from the partition that each starts.
func (c *checker) boot() {
	starts := 0
	active := c.active()
	if active != nil && active.system != "" {
		starts += c.bootBIOS(active)
	}
	for _, v := range c.volumes {
		starts += c.bootUEFI(v)
		// A boot manager elsewhere, such as that of another disk, may use this store; firmware does not.
		if v != active && v.has(boot.BIOS.StorePath()) {
			c.store(v, boot.BIOS, boot.BIOS.StorePath())
		}
	}
	if starts == 0 && c.where.Disk == "" {
		c.idle(active)
	}
}

// idle notes what no firmware starts.
func (c *checker) idle(active *volume) {
	for _, v := range c.volumes {
		switch {
		case v.has(managerBIOS) && active == nil && !c.identity.GPT:
			c.find(c.unlessChained(), "boot-none", v.at(""), "there is bootmgr, and no partition is active: a BIOS starts none")
		case v.windows:
			c.find(Warning, "boot-none", v.at(""), "there is a Windows, and no boot configuration on the disk that firmware finds: it does not start by itself")
		}
	}
}

// unlessChained is Warning, or Note where the boot record has another's program, which need not go by the
// active partition.
func (c *checker) unlessChained() Severity {
	sector := make([]byte, disk.SectorSize)
	if n, _ := c.r.ReadAt(sector, 0); n == len(sector) {
		switch bootcode.IdentifyMBR(sector) {
		case bootcode.GRUB, bootcode.Syslinux, bootcode.Unknown:
			return Note
		}
	}
	return Warning
}

// bootBIOS follows the chain from the active partition; it returns how many stores it met.
func (c *checker) bootBIOS(v *volume) int {
	store := boot.BIOS.StorePath()
	hasManager, hasStore := v.has(managerBIOS), v.has(store)
	switch {
	case !hasManager && !hasStore:
		c.find(Note, "boot-none", v.at(""), "the active partition has no bootmgr: a BIOS starts no Windows from it")
		return 0
	case !hasManager:
		c.find(Error, "boot-file", v.at(`\bootmgr`), "the active partition has a boot configuration, and no bootmgr")
	case !hasStore:
		c.find(Error, "boot-store", v.at(windowsPath(store)), "the active partition has bootmgr, and no boot configuration")
		return 1
	default:
		c.managerBIOS(v)
	}
	return c.store(v, boot.BIOS, store)
}

// managerBIOS looks at bootmgr, which a boot record loads without a file system driver.
func (c *checker) managerBIOS(v *volume) {
	f, err := v.lookup(managerBIOS)
	if err != nil {
		c.foundAt(Error, "boot-file", v.at(`\bootmgr`), err)
		return
	}
	if f.Dir || f.Content == nil || !f.Plain {
		c.find(Error, "boot-file", v.at(`\bootmgr`), "it is empty, compressed or has holes: the boot record cannot load it")
		return
	}
	c.sameAs(v, managerBIOS, "Windows/Boot/PCAT/bootmgr")
}

// bootUEFI follows the chain from a volume that a UEFI firmware may start; it returns how many stores it
// met. Firmware looks for its boot manager on every FAT volume.
func (c *checker) bootUEFI(v *volume) int {
	store := boot.UEFI.StorePath()
	var managers []string
	for _, f := range fallbacks {
		if path := fallback + f.name; v.has(path) {
			managers = append(managers, path)
			c.program(v, path, f.machine)
		}
	}
	hasManager, hasStore := v.has(managerUEFI), v.has(store)
	if len(managers) == 0 && !hasManager && !hasStore {
		return 0
	}
	if v.fat == nil && c.where.Disk == "" {
		c.find(Note, "boot-file", v.at(""), "UEFI boot files are on %s, which firmware reads with a driver of its own only", v.system)
	}
	if hasManager {
		c.program(v, managerUEFI, 0)
		c.sameAs(v, managerUEFI, "Windows/Boot/EFI/bootmgfw.efi")
		for _, path := range managers {
			c.sameFile(v, path, v, managerUEFI)
		}
	}
	switch {
	case len(managers) == 0 && v.fat != nil && hasManager:
		c.find(Error, "boot-file", v.at(windowsPath(fallback)), `there is no \EFI\Boot\boot*.efi: only firmware with a boot entry of its own starts the disk`)
	case !hasManager && hasStore && len(managers) == 0:
		c.find(Error, "boot-file", v.at(windowsPath(managerUEFI)), "there is a boot configuration, and no boot manager")
	}
	if !hasStore {
		if hasManager {
			c.find(Error, "boot-store", v.at(windowsPath(store)), "there is a boot manager, and no boot configuration")
		}
		return 1
	}
	if v.has(boot.RecoveryStorePath) {
		c.store(v, 0, boot.RecoveryStorePath)
	}
	return c.store(v, boot.UEFI, store)
}

// program looks at a boot program. machine is what it has to be for; 0 for anything.
func (c *checker) program(v *volume, path string, machine pe.Machine) pe.Machine {
	at := v.at(windowsPath(path))
	f, err := v.lookup(path)
	switch {
	case missing(err):
		c.find(Error, "boot-file", at, "the file is missing")
		return 0
	case err != nil:
		c.foundAt(Error, "boot-file", at, err)
		return 0
	case f.Dir || f.Content == nil:
		c.find(Error, "boot-file", at, "it is a folder, or empty")
		return 0
	}
	info, err := pe.Read(f.Content)
	if err != nil {
		c.foundAt(Error, "boot-file", at, err)
		return 0
	}
	if machine != 0 && info.Machine != machine {
		c.find(Error, "boot-file", at, "the program is for %s, expected %s", info.Machine, machine)
	}
	stated, actual, err := pe.Checksum(f.Content, f.Content.Size())
	if err != nil {
		c.foundAt(Error, "boot-file", at, err)
	} else if stated != 0 && stated != actual {
		c.find(Error, "boot-file", at, "the program says that its checksum is %#08x, it has %#08x", stated, actual)
	}
	return info.Machine
}

// machine is what a program is for, 0 where that cannot be told.
func (v *volume) machine(path string) pe.Machine {
	f, err := v.lookup(path)
	if err != nil || f.Dir || f.Content == nil {
		return 0
	}
	info, err := pe.Read(f.Content)
	if err != nil {
		return 0
	}
	return info.Machine
}

// sameAs compares a boot program with the one of the Windows that it came from. After an update the two may
// be of different versions.
func (c *checker) sameAs(v *volume, path, source string) {
	for _, w := range c.volumes {
		if w.windows && w.has(source) {
			c.sameFile(v, path, w, source)
			return
		}
	}
}

// sameFile compares two boot programs that should be copies of one another.
func (c *checker) sameFile(v *volume, path string, w *volume, source string) {
	a, err := v.read(path, maxProgram)
	b, other := w.read(source, maxProgram)
	if err != nil || other != nil || bytes.Equal(a, b) || len(a) != len(b) {
		return
	}
	differ, first := 0, int64(0)
	for i := range a {
		if a[i] != b[i] {
			if differ++; differ == 1 {
				first = int64(i)
			}
		}
	}
	const few = 64 // bytes: another build differs in thousands
	if differ > few {
		return
	}
	at := v.at(windowsPath(path))
	at.Offset = &first
	c.find(Error, "boot-file", at, "it differs from %s on partition %d in %d bytes: one of the two is damaged", windowsPath(source), w.table.Number, differ)
}

// store looks at a boot configuration, and returns 1. firmware is 0 for the second store of UEFI machines,
// which need not start anything.
func (c *checker) store(v *volume, firmware boot.Firmware, path string) int {
	at := v.at(windowsPath(path))
	s, err := bootstore.Read(v.read, path)
	if err != nil {
		c.foundAt(Error, "boot-store", at, err)
		return 1
	}
	if data, err := v.read(path, maxProgram); err == nil {
		for _, err := range c.clean(v, path, data) {
			c.foundAt(Error, "boot-store", at, err)
		}
	}
	e := entries{c: c, at: at, system: v, store: s, firmware: firmware}
	if firmware == 0 { // WinRE's own, which the same boot manager reads
		e.firmware = boot.UEFI
	}
	if e.firmware == boot.UEFI {
		e.machine = v.machine(managerUEFI)
	}
	e.all(firmware)
	c.checked("%s: %s", v.name(), windowsPath(path))
	return 1
}

// inVHD returns the virtual disk in a file of a volume, verified once.
func (c *checker) inVHD(v *volume, path string) *checker {
	key := strings.ToLower(path)
	if v.table.Number != 0 {
		key = Where{Partition: v.table.Number, Path: key}.String()
	}
	if inner, ok := c.inside[key]; ok {
		return inner
	}
	c.inside[key] = nil
	at := v.at(windowsPath(path))
	f, err := v.lookup(path)
	switch {
	case missing(err):
		c.find(Error, "virtual-disk", at, "the boot configuration names this file, which is missing")
		return nil
	case err != nil:
		c.foundAt(Error, "virtual-disk", at, err)
		return nil
	case f.Dir || f.Content == nil:
		c.find(Error, "virtual-disk", at, "the boot configuration names it as a virtual disk; it is a folder, or empty")
		return nil
	}
	if f.Runs > 1 {
		c.find(Note, "boot-vhd-fragmented", at, "the virtual disk lies in %d pieces; some machines start only from one that is in one piece", f.Runs)
	}
	if c.where.Disk != "" {
		c.find(Note, "virtual-disk", at, "a virtual disk in a virtual disk is not looked into")
		return nil
	}
	inner := newChecker(c.file, at.String())
	inner.container(f.Content, f.Content.Size(), inner.where.Disk)
	c.errs = append(c.errs, inner.errs...)
	c.inside[key] = inner
	return inner
}

// holder finds the partition of a device's identifiers, in the disk's list.
func (c *checker) holder(p bcd.Partition) (*volume, error) {
	p.Inside = nil // this is the disk that it is in
	list := make([]disk.Partition, len(c.volumes))
	for i, v := range c.volumes {
		list[i] = v.table
	}
	i, err := bootstore.Find(c.identity, list, p)
	if err != nil {
		return nil, err
	}
	return c.volumes[i], nil
}
