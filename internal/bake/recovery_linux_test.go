package bake_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
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
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

const (
	wimInWindows   = "Windows/System32/Recovery/Winre.wim"
	wimInRecovery  = "Recovery/WindowsRE/Winre.wim"
	stateInWindows = "Windows/System32/Recovery/ReAgent.xml"
)

func recoveryConfig(t *testing.T, firmware layout.Firmware, policy winre.Policy) bake.Config {
	t.Helper()
	c := config(t, firmware)
	c.Size = 3 * gib
	c.Recovery = &bake.Recovery{Policy: policy, Role: winre.General}
	return c
}

// recoveryPartition is what sfdisk says of the recovery partition, and its number; 0 if there is none.
func recoveryPartition(table oracle.PartitionTable) (oracle.Partition, int) {
	for i, p := range table.Partitions {
		if p.Type == "27" || p.Type == "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC" {
			return p, i + 1
		}
	}
	return oracle.Partition{}, 0
}

// stores are the paths of the boot stores that hivex shall read, by the volume that has them.
func stores(t *testing.T, r *bake.Result, firmware layout.Firmware) map[string]oracle.Hive {
	t.Helper()
	out := map[string]oracle.Hive{}
	add := func(name string, b []byte) {
		file := filepath.Join(t.TempDir(), "BCD")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out[name] = oracle.Hivex(t, file)
	}
	if firmware == layout.BIOS {
		add("Boot/BCD", []byte(oracle.Run(t, "ntfscat", windows(t, r).File(t), "Boot/BCD")))
		return out
	}
	system := oracle.Sfdisk(t, r.Files[0]).Volume(r.Files[0], 1)
	add("EFI/Microsoft/Boot/BCD", oracle.MtoolsRead(t, system, "EFI/Microsoft/Boot/BCD"))
	if firmware == layout.Both {
		add("Boot/BCD", oracle.MtoolsRead(t, system, "Boot/BCD"))
	}
	return out
}

// element is the data of a BCD element as hivex reads it.
func element(h oracle.Hive, object, kind string) []byte {
	return h[`Objects\`+object+`\Elements\`+kind]["Element"].Data
}

func text(b []byte) string { return strings.TrimRight(utf16le.Decode(b), "\x00") }

// defaultLoader is the boot manager's default entry.
func defaultLoader(h oracle.Hive) string {
	return text(element(h, "{9dea862c-5cdd-4e70-acc1-f32b344d4795}", "23000003"))
}

// Included and enabled, everything that names the recovery partition names the one that sfdisk shows, and
// what it leads to is there, as others read it.
func TestRecoveryIncluded(t *testing.T) {
	oracle.Need(t, "sgdisk", "sfdisk", "ntfscat", "ntfsinfo", "wimlib-imagex", "hivexregedit", "hivexget", "mcopy")
	for _, firmware := range firmwares {
		t.Run(string(firmware), func(t *testing.T) {
			t.Parallel()
			var original []byte
			r := run(t, recoveryConfig(t, firmware, winre.Include), func(tr *tree.Tree) (err error) {
				original, err = tree.ReadAll(tr.Find(wimInWindows).Node.Data, 1<<30)
				return err
			})
			table := oracle.JudgeDisk(t, r.Files[0])
			p, n := recoveryPartition(table)
			if n != len(table.Partitions) || p.Start != table.Partitions[n-2].Start+table.Partitions[n-2].Size {
				t.Fatalf("the recovery partition does not follow Windows: %+v", table.Partitions)
			}
			if p.Size*table.SectorSize < winre.MinPartition || firmware == layout.UEFI && p.Attrs != "RequiredPartition GUID:63" {
				t.Errorf("recovery partition %+v", p)
			}
			volume := table.Volume(r.Files[0], n)
			oracle.JudgeNTFS(t, volume)
			file := volume.File(t)
			wim := []byte(oracle.Run(t, "ntfscat", file, wimInRecovery))
			if sha1.Sum(wim) != sha1.Sum(original) {
				t.Error("Winre.wim on the recovery partition is another one")
			}
			if sdi := oracle.Run(t, "ntfscat", file, "Recovery/WindowsRE/boot.sdi"); !strings.HasPrefix(sdi, "$SDI0001") {
				t.Error("boot.sdi is not there")
			}
			path := filepath.Join(t.TempDir(), "Winre.wim")
			if err := os.WriteFile(path, wim, 0o600); err != nil {
				t.Fatal(err)
			}
			oracle.JudgeWIM(t, path)
			inWindows := windows(t, r).File(t)
			if _, _, err := oracle.Try("ntfscat", inWindows, wimInWindows); err == nil {
				t.Error("Winre.wim is also on the Windows volume")
			}
			loader := ""
			for name, h := range stores(t, r, firmware) {
				loader = checkRecoveryEntry(t, name, h, table, p)
			}
			if firmware != layout.BIOS {
				checkSecondStore(t, table.Volume(r.Files[0], 1), loader)
			}
			for _, agent := range []string{oracle.Run(t, "ntfscat", inWindows, stateInWindows), oracle.Run(t, "ntfscat", file, "Recovery/WindowsRE/ReAgent.xml")} {
				checkState(t, agent, loader, table, p)
			}
			checkTags(t, inWindows, r, "True")
		})
	}
}

// checkRecoveryEntry follows the default entry of a store to the recovery environment, and returns that
// one's identifier.
func checkRecoveryEntry(t *testing.T, name string, h oracle.Hive, table oracle.PartitionTable, p oracle.Partition) string {
	t.Helper()
	loader := defaultLoader(h)
	recovery := text(element(h, loader, "14000008"))
	if enabled := element(h, loader, "16000009"); recovery == "" || !bytes.Equal(enabled, []byte{1}) {
		t.Fatalf("%s: the loader's recovery sequence is %q, enabled %x", name, recovery, enabled)
	}
	device := element(h, recovery, "11000001")
	if other := element(h, recovery, "21000001"); !bytes.Equal(device, other) || len(device) < 0x8C {
		t.Fatalf("%s: device and osdevice of the recovery environment: %x, %x", name, device, other)
	}
	options := "{" + guidText(device[:16]) + "}"
	nested := device[0x44:] // the partition, in the RAM disk's path
	if kind := binary.LittleEndian.Uint32(nested); kind != 6 {
		t.Errorf("%s: the RAM disk lies on a device of type %d", name, kind)
	}
	checkPartition(t, name, nested, table, p)
	if got := text(device[0x8C:]); got != `\Recovery\WindowsRE\Winre.wim` {
		t.Errorf("%s: the RAM disk is %s", name, got)
	}
	if sdi := element(h, options, "31000003"); len(sdi) < 0x58 {
		t.Errorf("%s: the RAM disk's options %s: %x", name, options, sdi)
	} else {
		checkPartition(t, name+" boot.sdi", sdi[16:], table, p)
	}
	if got := text(element(h, options, "32000004")); got != `\Recovery\WindowsRE\boot.sdi` {
		t.Errorf("%s: boot.sdi is %s", name, got)
	}
	return recovery
}

// checkPartition compares a partition's device descriptor with sfdisk's view.
func checkPartition(t *testing.T, name string, b []byte, table oracle.PartitionTable, p oracle.Partition) {
	t.Helper()
	id, kind, disk := b[0x10:0x20], binary.LittleEndian.Uint32(b[0x24:]), b[0x28:0x38]
	if table.Label == "gpt" {
		if kind != 0 || !strings.EqualFold(guidText(id), p.UUID) || !strings.EqualFold(guidText(disk), table.ID) {
			t.Errorf("%s: the entry names partition %s of disk %s, sfdisk shows %s of %s", name, guidText(id), guidText(disk), p.UUID, table.ID)
		}
		return
	}
	signature, err := strconv.ParseUint(strings.TrimPrefix(table.ID, "0x"), 16, 32)
	offset := binary.LittleEndian.Uint64(id)
	if err != nil || kind != 1 || int64(offset) != p.Start*table.SectorSize || uint64(binary.LittleEndian.Uint32(disk)) != signature {
		t.Errorf("%s: the entry names offset %d of disk %x, sfdisk shows %d of %s", name, offset, disk, p.Start*table.SectorSize, table.ID)
	}
}

func guidText(b []byte) string { return guid.GUID(b).String() }

// checkSecondStore looks at the store that UEFI machines have for the recovery environment.
func checkSecondStore(t *testing.T, system oracle.Volume, loader string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(file, oracle.MtoolsRead(t, system, "EFI/Microsoft/Recovery/BCD"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := oracle.Hivex(t, file); defaultLoader(h) == "" || len(element(h, defaultLoader(h), "11000001")) < 0x8C {
		t.Errorf("the second store's default is %q, the main one's recovery environment %q", defaultLoader(h), loader)
	}
}

// agentXML is what this test reads of ReAgent.xml.
type agentXML struct {
	WinreBCD struct {
		ID string `xml:"id,attr"`
	}
	WinreLocation struct {
		Path   string `xml:"path,attr"`
		ID     uint32 `xml:"id,attr"`
		Offset int64  `xml:"offset,attr"`
		GUID   string `xml:"guid,attr"`
	}
	InstallState struct {
		State int `xml:"state,attr"`
	}
}

func checkState(t *testing.T, document, loader string, table oracle.PartitionTable, p oracle.Partition) {
	t.Helper()
	var a agentXML
	if err := xml.Unmarshal([]byte(document), &a); err != nil {
		t.Fatal(err)
	}
	if a.InstallState.State != 1 || !strings.EqualFold(a.WinreBCD.ID, loader) || a.WinreLocation.Path != `\Recovery\WindowsRE` ||
		a.WinreLocation.Offset != p.Start*table.SectorSize {
		t.Errorf("ReAgent.xml: %+v, the partition is %+v, the entry %s", a, p, loader)
	}
	id := "0x" + fmt.Sprintf("%08x", a.WinreLocation.ID)
	if table.Label == "gpt" {
		id = strings.Trim(a.WinreLocation.GUID, "{}")
	}
	if !strings.EqualFold(id, table.ID) {
		t.Errorf("ReAgent.xml names disk %s, sfdisk shows %s", id, table.ID)
	}
}

// checkTags compares the tags in the image's registry and in the manifest.
func checkTags(t *testing.T, volume string, r *bake.Result, want string) {
	t.Helper()
	hive := filepath.Join(t.TempDir(), "SOFTWARE")
	if err := os.WriteFile(hive, []byte(oracle.Run(t, "ntfscat", volume, "Windows/System32/config/SOFTWARE")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range r.Manifest.Tags {
		if got := strings.TrimSpace(oracle.Run(t, "hivexget", hive, `\winbake\Tags`, name)); got != value {
			t.Errorf("tag %s is %q in the registry, %q in the manifest", name, got, value)
		}
	}
	if r.Manifest.Tags["WinRE"] != want || r.Manifest.WinRE.Present != (want == "True") {
		t.Errorf("tags %v, %+v", r.Manifest.Tags, r.Manifest.WinRE)
	}
}

// Excluded, nothing of it is left, and nothing leads to it.
func TestRecoveryExcluded(t *testing.T) {
	oracle.Need(t, "sgdisk", "sfdisk", "ntfscat", "hivexregedit", "hivexget", "mcopy")
	for _, firmware := range firmwares {
		t.Run(string(firmware), func(t *testing.T) {
			t.Parallel()
			var size int64
			r := run(t, recoveryConfig(t, firmware, winre.Exclude), func(tr *tree.Tree) error {
				size = tr.Find(wimInWindows).Node.Data.Size()
				return nil
			})
			table := oracle.JudgeDisk(t, r.Files[0])
			if p, n := recoveryPartition(table); n != 0 {
				t.Errorf("recovery partition %+v", p)
			}
			volume := windows(t, r).File(t)
			if _, _, err := oracle.Try("ntfscat", volume, wimInWindows); err == nil {
				t.Error("Winre.wim is still there")
			}
			var a agentXML
			if err := xml.Unmarshal([]byte(oracle.Run(t, "ntfscat", volume, stateInWindows)), &a); err != nil || a.InstallState.State != 0 || a.WinreLocation.Path != "" {
				t.Errorf("ReAgent.xml: %+v, %v", a, err)
			}
			for name, h := range stores(t, r, firmware) {
				loader := defaultLoader(h)
				if enabled := element(h, loader, "16000009"); !bytes.Equal(enabled, []byte{0}) || element(h, loader, "14000008") != nil {
					t.Errorf("%s: recoveryenabled %x", name, enabled)
				}
			}
			if r.Manifest.WinRE.SavedBytes < size {
				t.Errorf("%d bytes saved, Winre.wim has %d", r.Manifest.WinRE.SavedBytes, size)
			}
			checkTags(t, volume, r, "False")
		})
	}
}

// Staged, the file waits where Windows looks for it, and the partition is there for it.
func TestRecoveryStaged(t *testing.T) {
	oracle.Need(t, "sfdisk", "ntfscat", "ntfsls")
	c := recoveryConfig(t, layout.UEFI, winre.Include)
	c.Recovery.State = bake.Staged
	r := run(t, c, nil)
	table := oracle.Sfdisk(t, r.Files[0])
	_, n := recoveryPartition(table)
	if n == 0 {
		t.Fatal("no recovery partition")
	}
	if listed := oracle.Run(t, "ntfsls", table.Volume(r.Files[0], n).File(t)); strings.TrimSpace(listed) != "" {
		t.Errorf("the recovery partition holds %s", listed)
	}
	if wim := oracle.Run(t, "ntfscat", windows(t, r).File(t), wimInWindows); len(wim) == 0 {
		t.Error("Winre.wim does not wait in Windows")
	}
	if w := r.Manifest.WinRE; w.State != bake.Staged || w.Volume != layout.Windows || w.Path != wimInWindows {
		t.Errorf("%+v", w)
	}
}

// With a recovery partition, the disks start as before.
func TestRecoveryDisksBoot(t *testing.T) {
	oracle.Need(t, "qemu-system-x86_64")
	for disk, firmware := range map[layout.Firmware]oracle.Firmware{layout.BIOS: oracle.BIOS, layout.UEFI: oracle.UEFI} {
		t.Run(string(disk), func(t *testing.T) {
			t.Parallel()
			r := run(t, recoveryConfig(t, disk, winre.Include), nil)
			oracle.Boot(t, oracle.BootOptions{Disk: r.Files[0], Firmware: firmware, Expect: greetings[firmware], Timeout: 3 * time.Minute})
		})
	}
}

// What cannot be is one clear error.
func TestRecoveryErrors(t *testing.T) {
	for _, test := range []struct {
		name      string
		change    func(*bake.Config)
		provision func(*tree.Tree) error
		part      string
	}{
		{"partition too small", func(c *bake.Config) { c.Recovery.PartitionSize = 100 << 20 }, nil, "partition_size"},
		{"no room", func(c *bake.Config) { c.Recovery.MinFree = 3 * gib }, nil, "min_free"},
		{"no file", nil, func(tr *tree.Tree) error { return tr.Remove(wimInWindows) }, "Winre.wim"},
		{"corrupt file", nil, func(tr *tree.Tree) error {
			_, err := tr.WriteFile(wimInWindows, tree.Bytes(bytes.Repeat([]byte("no WIM"), 1000)))
			return err
		}, wimInWindows},
		{"parity", func(c *bake.Config) { c.Recovery.Parity = &winre.Parity{Name: "prod/manifest.json"} }, nil, "prod/manifest.json"},
		{"locate", func(c *bake.Config) { c.BootDevices = bake.Locate }, nil, "boot_devices"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := recoveryConfig(t, layout.UEFI, winre.Include)
			if test.change != nil {
				test.change(&c)
			}
			_, err := bake.Run(t.Context(), c, test.provision)
			if err == nil || !strings.Contains(err.Error(), test.part) || !strings.HasPrefix(err.Error(), "winre") || errors.Is(err, fault.ErrBug) {
				t.Errorf("%v, want %q", err, test.part)
			}
			empty(t, c.OutputDir)
		})
	}
}
