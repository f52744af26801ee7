package bake_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// forTest is why the disks here are smaller than the guides have them.
const forTest = "a test"

func nativeConfig(t testing.TB, firmware layout.Firmware, file string) bake.Config {
	t.Helper()
	c := config(t, firmware)
	c.Size = 3 * gib
	c.Native = &bake.NativeBoot{
		File: file, Size: 640 << 20, Label: "STICK",
		Overrides: map[bake.Rule]string{bake.RuleDiskSize: forTest, bake.RuleVirtualSize: forTest},
	}
	return c
}

// hostVolume is the volume with the virtual disk, and its number.
func hostVolume(t testing.TB, r *bake.Result) (oracle.Volume, int) {
	t.Helper()
	for i, p := range r.Manifest.Disk.Partitions {
		if p.Role == layout.Host {
			return oracle.Volume{Path: r.Files[0], Offset: p.Offset, Size: p.Size}, i + 1
		}
	}
	t.Fatal("no partition for the virtual disk")
	return oracle.Volume{}, 0
}

// TestNativeBoots starts the sticks, as USB sticks, up to the boot manager.
func TestNativeBoots(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64")
	for disk, machines := range map[layout.Firmware][]oracle.Firmware{
		layout.BIOS: {oracle.BIOS}, layout.UEFI: {oracle.UEFI}, layout.Both: {oracle.BIOS, oracle.UEFI},
	} {
		r := run(t, nativeConfig(t, disk, "hvsOS.vhd"), nil)
		for _, firmware := range machines {
			t.Run(string(disk)+"/"+string(firmware), func(t *testing.T) {
				t.Parallel()
				want := greetings[firmware]
				if firmware == oracle.BIOS {
					want += ", drive 0x80"
				}
				oracle.Boot(t, oracle.BootOptions{Disk: r.Files[0], Firmware: firmware, Bus: oracle.USB, Expect: want, Timeout: 3 * time.Minute})
			})
		}
	}
}

// TestNativeDisk has others read the stick, take the virtual disk out of it, and read that.
func TestNativeDisk(t *testing.T) {
	oracle.Need(t, "sfdisk", "sgdisk", "ntfscat", "ntfsinfo", "qemu-img", "vhdiinfo", "hivexregedit", "wimlib-imagex")
	for _, test := range []struct {
		firmware   layout.Firmware
		file, qemu string
	}{{layout.BIOS, "hvsOS.vhd", "vpc"}, {layout.UEFI, "hvsOS.vhd", "vpc"}, {layout.Both, "hvsOS.vhdx", "vhdx"}} {
		t.Run(string(test.firmware), func(t *testing.T) {
			t.Parallel()
			c := nativeConfig(t, test.firmware, test.file)
			c.Recovery = &bake.Recovery{Policy: winre.Exclude}
			r := run(t, c, func(tr *tree.Tree) error { // Hyper-V Server has it
				_, err := tr.WriteFile("Windows/System32/hvix64.exe", tree.Bytes("MZ"))
				return err
			})
			if name := filepath.Base(r.Files[0]); name != "disk.img" {
				t.Errorf("the stick is called %s", name)
			}
			table := oracle.JudgeDisk(t, r.Files[0])
			host, number := hostVolume(t, r)
			if p := table.Partitions[number-1]; p.Start*table.SectorSize != host.Offset {
				t.Errorf("the manifest has the partition at %d, sfdisk at sector %d", host.Offset, p.Start)
			}
			oracle.JudgeNTFS(t, host)
			// ntfs-3g reads the virtual disk, and finds it in one piece where the manifest says.
			file := filepath.Join(oracle.MountNTFS(t, host), test.file)
			if at := oracle.NTFSFile(t, host, test.file); at.Offset > r.Manifest.VirtualDisk.Offset || at.Offset%(1<<20) != 0 || test.qemu == "vpc" && at.Offset != r.Manifest.VirtualDisk.Offset {
				t.Errorf("ntfsinfo has the virtual disk at %d, the manifest the disk in it at %d", at.Offset, r.Manifest.VirtualDisk.Offset)
			}
			checkLoader(t, r, test.firmware)
			inner := checkVirtualDisk(t, file, test.qemu, c.Native.Size)
			oracle.JudgeNTFS(t, inner)
			applied := oracle.WimlibNTFS(t, filepath.Join(c.Media, "sources/install.wim"), r.Manifest.Windows.Index, inner.Size)
			// The tags are in the registry. wimlib on Linux knows no EAs, and gives a new object id no birth id.
			oracle.CompareNTFS(t, inner, applied, oracle.Except("/Windows/System32/config/SOFTWARE", "/Windows/System32/Recovery", "/Windows/System32/hvix64.exe"), oracle.Ignore(oracle.EA, oracle.ObjectID))
			for name, h := range nativeStores(t, r, test.firmware) {
				checkNativeEntry(t, name, h, table, number, `\`+test.file)
			}
		})
	}
}

// checkLoader looks for what the boot manager of a BIOS reads virtual disks with.
func checkLoader(t *testing.T, r *bake.Result, firmware layout.Firmware) {
	t.Helper()
	const loader = "Boot/bootvhd.dll"
	switch host, _ := hostVolume(t, r); firmware {
	case layout.BIOS:
		if !strings.HasPrefix(oracle.Run(t, "ntfscat", host.File(t), loader), "MZ") {
			t.Errorf("no %s on the stick", loader)
		}
	case layout.Both:
		if !bytes.HasPrefix(oracle.MtoolsRead(t, oracle.Sfdisk(t, r.Files[0]).Volume(r.Files[0], 1), loader), []byte("MZ")) {
			t.Errorf("no %s on the system partition", loader)
		}
	}
}

// checkVirtualDisk has others judge a virtual disk, and returns the volume in it.
func checkVirtualDisk(t *testing.T, file, format string, size int64) oracle.Volume {
	t.Helper()
	if format == "vpc" {
		oracle.Run(t, "vhdiinfo", file)
	}
	raw := oracle.QemuImgConvert(t, file, format, "raw", "")
	if info, err := os.Stat(raw); err != nil || info.Size() != size {
		t.Fatalf("the virtual disk has %v bytes (%v), not %d", info.Size(), err, size)
	}
	table := oracle.JudgeDisk(t, raw)
	if len(table.Partitions) != 1 || table.Partitions[0].Bootable {
		t.Fatalf("partitions of the virtual disk: %+v", table.Partitions)
	}
	return table.Volume(raw, 1)
}

// nativeStores are the boot stores of a stick as hivex reads them.
func nativeStores(t *testing.T, r *bake.Result, firmware layout.Firmware) map[string]oracle.Hive {
	t.Helper()
	if firmware != layout.BIOS {
		return stores(t, r, firmware)
	}
	host, _ := hostVolume(t, r)
	file := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(file, []byte(oracle.Run(t, "ntfscat", host.File(t), "Boot/BCD")), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]oracle.Hive{"Boot/BCD": oracle.Hivex(t, file)}
}

// checkNativeEntry compares the devices of the default entry and of its resume application with the
// layout that bcdedit writes for "vhd=[C:]\x.vhd".
func checkNativeEntry(t *testing.T, name string, h oracle.Hive, table oracle.PartitionTable, number int, file string) {
	t.Helper()
	loader := defaultLoader(h)
	resume := text(element(h, loader, "23000003"))
	for _, e := range []struct {
		object, element string
		path            uint32 // the element whose path is looked for
	}{
		{loader, "11000001", 0x12000002}, {loader, "21000001", 0x22000002}, {resume, "11000001", 0x12000002}, {resume, "21000001", 0x22000002},
	} {
		got := element(h, e.object, e.element)
		if len(got) < 0xBE {
			t.Errorf("%s: element %s of %s has %d bytes", name, e.element, e.object, len(got))
			continue
		}
		checkPartition(t, name, got[0x76:], table, table.Partitions[number-1])
		if want := nativeDevice(e.path, got[0x76:0xBE], file); !bytes.Equal(got, want) {
			t.Errorf("%s: element %s of %s is\n%x, want\n%x", name, e.element, e.object, got, want)
		}
	}
	if got := element(h, loader, "250000f0"); !bytes.Equal(got, []byte{1, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("%s: hypervisorlaunchtype %x", name, got)
	}
	if got := element(h, loader, "16000009"); !bytes.Equal(got, []byte{0}) {
		t.Errorf("%s: recoveryenabled %x", name, got)
	}
}

// nativeDevice is the device of a Windows in a virtual disk, put together from a store that bcdedit made
// (grub4dos/ntloader): found by the path in an element, in any partition of a virtual disk, which is a
// file on a partition.
func nativeDevice(path uint32, partition []byte, file string) []byte {
	le := binary.LittleEndian
	name := append(utf16le.Encode(file), 0, 0)
	total := uint32(0xBE + len(name))
	b := make([]byte, 0x10, total)
	add := func(words ...uint32) {
		for _, w := range words {
			b = le.AppendUint32(b, w)
		}
	}
	add(8, 0, total-0x10, 0)           // locate
	add(0, path, 0x1E)                 // by the element, in the descriptor 0x1E after this one's start
	b = append(b, 0, 0)                // no path
	add(0, 0, total-0x2E, 0, 6)        // a local device: a virtual disk
	b = append(b, make([]byte, 20)...) // any partition
	add(0, 0, total-0x56, 0, 5)        // a local device: a file
	add(1, total-0x6A, 5)              // its path
	return append(append(b, partition...), name...)
}

// TestNativeLocate has a store that names no disk.
func TestNativeLocate(t *testing.T) {
	oracle.Need(t, "hivexregedit", "ntfscat")
	c := nativeConfig(t, layout.BIOS, "w.vhd")
	c.BootDevices = bake.Locate
	h := nativeStores(t, run(t, c, nil), layout.BIOS)["Boot/BCD"]
	boot := make([]byte, 0x48)
	boot[0], boot[8] = 5, 0x48
	if got, want := element(h, defaultLoader(h), "11000001"), nativeDevice(0x12000002, boot, `\w.vhd`); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestNativeFormats bakes one stick in all formats at once, with its files compressed and read back, and
// twice the same.
func TestNativeFormats(t *testing.T) {
	oracle.Need(t, "qemu-img")
	c := nativeConfig(t, layout.Both, "hvsOS.vhd")
	c.Formats, c.Compress = []bake.Format{bake.Raw, bake.VHDX, bake.QCOW2}, bake.CompressZstd
	c.Compact, c.VerifyContents = bake.CompactLZX, true
	r := run(t, c, nil)
	for i, format := range []string{"vhdx", "qcow2"} {
		oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", format, r.Files[0], r.Files[1+i])
	}
	c.OutputDir = filepath.Join(t.TempDir(), "again")
	again := run(t, c, nil)
	oracle.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", r.Files[0], again.Files[0])
	if v := r.Manifest.VirtualDisk; v == nil || v.File != "hvsOS.vhd" || v.Disk.Size != c.Native.Size || v.Disk.Compact == nil || v.Disk.Compact.Files == 0 || !maps.Equal(v.Overrides, c.Native.Overrides) {
		t.Errorf("%+v", v)
	}
}

// TestNativeWritesLittle has a stick of 32 GiB take no more room than its files.
func TestNativeWritesLittle(t *testing.T) {
	c := nativeConfig(t, layout.BIOS, "hvsOS.vhd")
	c.Size, c.Native.Size, c.Native.Overrides = 32*gib, 24*gib, nil
	r := run(t, c, nil)
	taken := allocated(t, r.Files[0])
	plain := config(t, layout.BIOS)
	if files := allocated(t, run(t, plain, nil).Files[0]); taken > files+192<<20 { // the two NTFS logs and bitmaps
		t.Errorf("the stick takes %d bytes, Windows on a disk of its own %d", taken, files)
	}
}

// TestNativeRules checks what the guides ask for.
func TestNativeRules(t *testing.T) {
	const gb = 1e9
	for _, test := range []struct {
		stick, virtual int64
		overrides      map[bake.Rule]string
		want           []string
	}{
		{32 * gib, 24 * gib, nil, nil},
		{16 * gib, 12 * gib, nil, nil},
		{16 * gb, 12 * gib, nil, []string{"usb_free"}},
		{16 * gb, 12 * gib, map[bake.Rule]string{bake.RuleDiskFree: "read mostly"}, nil},
		{16*gb - 512, 11 * gib, nil, []string{"usb_size", "vhd_size"}},
		{32 * gib, 24*gib + 512, nil, []string{"usb_free"}},
		{32 * gib, 24 * gib, map[bake.Rule]string{"usb": "x", bake.RuleDiskFree: " "}, []string{`no rule "usb"`, "usb_free needs a reason"}},
	} {
		c := nativeConfig(t, layout.BIOS, "x.vhd")
		c.Size, c.Native.Size, c.Native.Overrides = test.stick, test.virtual, test.overrides
		problems := c.Problems()
		if len(problems) != len(test.want) {
			t.Errorf("stick %d, virtual disk %d: %v", test.stick, test.virtual, problems)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(problems[i].Error(), want) {
				t.Errorf("%v, want %q", problems[i], want)
			}
		}
	}
}

// TestNativeErrors is what cannot be.
func TestNativeErrors(t *testing.T) {
	for want, change := range map[string]func(*bake.Config){
		"vhd_name": func(c *bake.Config) { c.Native.File = "hvsOS.img" },
		"root":     func(c *bake.Config) { c.Native.File = `a\b.vhd` },
		"vhd_size": func(c *bake.Config) { c.Native.Size = 64 << 20 },
		"usb_size": func(c *bake.Config) { c.Native.Size, c.Native.Overrides[bake.RuleDiskFree] = c.Size, forTest },
		"MBR, which ends at 2 TiB": func(c *bake.Config) {
			c.Firmware, c.Native.File, c.Size, c.Native.Size = layout.UEFI, "x.vhdx", 4<<40, 2<<40+512
		},
		"usb_label":   func(c *bake.Config) { c.Native.Label = strings.Repeat("x", 33) },
		"hypervisor":  func(c *bake.Config) { c.Native.Hypervisor = "maybe" },
		"boot_device": func(c *bake.Config) { c.Firmware, c.BootDevices = layout.Both, bake.Locate },
		"winre":       func(c *bake.Config) { c.Recovery = &bake.Recovery{Policy: winre.Include, Role: winre.General} },
	} {
		c := nativeConfig(t, layout.BIOS, "hvsOS.vhd")
		change(&c)
		_, err := bake.Run(t.Context(), c, nil)
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fault.ErrBug) {
			t.Errorf("%s: %v", want, err)
		}
		empty(t, c.OutputDir)
	}
}

// TestDriveLetter bakes a Windows that has run on another disk, where it had the letter C:, onto a disk of its
// own and into a virtual one.
func TestDriveLetter(t *testing.T) {
	oracle.Need(t, "ntfscat", "hivexregedit", "sfdisk", "qemu-img")
	used := func(tr *tree.Tree) error {
		r := registry.Open(tr)
		return errors.Join(r.Set(`HKLM\SYSTEM\MountedDevices`, regf.Binary(`\DosDevices\C:`, make([]byte, 12))), r.Flush())
	}
	check := func(v oracle.Volume, want []byte) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "SYSTEM")
		if err := os.WriteFile(file, []byte(oracle.Run(t, "ntfscat", v.File(t), registry.SystemHive)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := systemhive.Key(t, oracle.Hivex(t, file), "MountedDevices")[`\DosDevices\C:`].Data; !bytes.Equal(got, want) {
			t.Errorf("C: is %x, want %x", got, want)
		}
	}
	mbr := func(id string, offset int64) []byte {
		signature, err := strconv.ParseUint(strings.TrimPrefix(id, "0x"), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(signature)), uint64(offset))
	}
	r := run(t, config(t, layout.BIOS), used)
	check(windows(t, r), mbr(oracle.Sfdisk(t, r.Files[0]).ID, windows(t, r).Offset))

	r = run(t, config(t, layout.UEFI), used)
	for _, p := range oracle.Sfdisk(t, r.Files[0]).Partitions {
		if p.Start*512 == windows(t, r).Offset {
			id := guid.MustParse(p.UUID)
			check(windows(t, r), append([]byte("DMIO:ID:"), id[:]...))
		}
	}

	r = run(t, nativeConfig(t, layout.BIOS, "w.vhd"), used)
	host, _ := hostVolume(t, r)
	file := filepath.Join(t.TempDir(), "w.vhd")
	if err := oracle.NTFSFile(t, host, "w.vhd").CopyTo(file); err != nil {
		t.Fatal(err)
	}
	raw := oracle.QemuImgConvert(t, file, "vpc", "raw", "")
	table := oracle.Sfdisk(t, raw)
	check(table.Volume(raw, 1), mbr(table.ID, table.Partitions[0].Start*512))
}
