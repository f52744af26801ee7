package verify_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// nestedDisk is a disk that starts the Windows in a VHD on it.
func nestedDisk(t *testing.T) string {
	t.Helper()
	windows, err := standin.Windows(standin.Options{Files: 20})
	if err != nil {
		t.Fatal(err)
	}
	d, err := layout.New(layout.Spec{Size: 1 << 30, Firmware: layout.BIOS, Label: "Stick", Seed: []byte("stick")})
	if err != nil {
		t.Fatal(err)
	}
	outer := tree.New(windows.Now)
	volume := bcd.MBRPartition(d.Signature, uint64(d.Find(layout.Windows).Offset))
	o := boot.Options{Firmware: boot.BIOS, System: volume, OS: boot.InVHD(volume, `\windows.vhd`)}
	o.LoaderID, o.ResumeID = boot.IDs([]byte("stick"))
	if err := boot.Install(windows, outer, o); err != nil {
		t.Fatal(err)
	}
	inner, err := tree.OpenHostFile(disks(bakeDisk(t, layout.Both, false, bake.VHDDynamic))[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outer.WriteFile("windows.vhd", inner); err != nil {
		t.Fatal(err)
	}
	records := bootcode.Own()
	plan, err := d.Plan(layout.Contents{Windows: outer, MBR: records.MBR.Code, NTFS: records.NTFS.Code, FAT32: records.FAT32.Code})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stick.raw")
	f, err := image.Create(path, plan.Disk.Spec.Size)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := image.Write(t.Context(), plan, func(int64) {}, f); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNested looks into a virtual disk that the boot configuration names.
func TestNested(t *testing.T) {
	path := nestedDisk(t)
	f := run(t, path, verify.Options{})
	clean(t, f)
	if !slices.ContainsFunc(f.Checked, func(s string) bool { return strings.HasPrefix(s, `partition 1, \windows.vhd: partition 2: hives`) }) {
		t.Errorf("not looked into: %s", f.Checked)
	}
	s := openScene(t, path)
	at := s.ntfs(1).content("windows.vhd")
	f = verify.Disk(flipped{s.r, at + 28, 1}, s.size, "stick")
	expect(t, f, "container")
	if f.Findings[0].Where.Disk != `partition 1, \windows.vhd` {
		t.Errorf("%+v", f.Findings[0].Where)
	}
}

// TestUnreadable tells what is no disk from one that is damaged.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a.vmdk": "KDMV" + strings.Repeat("\x00", 1000), "differencing.qcow2": "QFI\xFB\x00\x00\x00\x09" + strings.Repeat("\x00", 100)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if f := run(t, path, verify.Options{}); f.Verdict != verify.Unreadable || f.Error == "" {
			t.Errorf("%s: %s %s", name, f.Verdict, f.Error)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if f := run(t, path, verify.Options{}); f.Verdict != verify.Unreadable {
			t.Errorf("%s: %s", path, f.Verdict)
		}
	}
	empty := filepath.Join(dir, "empty.raw")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := run(t, empty, verify.Options{}); f.Verdict != verify.Findings {
		t.Errorf("empty: %s %s", f.Verdict, f.Error)
	}
}

// TestCut verifies a disk whose end is missing.
func TestCut(t *testing.T) {
	s := openScene(t, disks(bakeDisk(t, layout.UEFI, true, bake.Raw))[0])
	for _, size := range []int64{s.size / 2, s.size - 512, 1 << 20, 512, 100} {
		if f := verify.Disk(s.r, size, "cut"); f.Verdict != verify.Findings {
			t.Errorf("%d: %s %s", size, f.Verdict, f.Error)
		}
	}
}

// TestWIM verifies a WIM, and one with a byte flipped.
func TestWIM(t *testing.T) {
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sources/install.wim")
	clean(t, run(t, path, verify.Options{}))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	path = filepath.Join(t.TempDir(), "damaged.wim")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, run(t, path, verify.Options{}), "wim")
}

// FuzzDisk flips any byte of the first MiB: nothing panics, and no verdict is missing.
func FuzzDisk(f *testing.F) {
	s := openScene(f, disks(bakeDisk(f, layout.Both, false, bake.Raw))[0])
	f.Add(uint32(0x1BE), byte(1))
	f.Add(uint32(1<<20+0x0E), byte(0x80))
	f.Fuzz(func(t *testing.T, at uint32, xor byte) {
		if got := verify.Disk(flipped{s.r, int64(at % (64 << 20)), xor}, s.size, "fuzz"); got.Verdict == "" {
			t.Error("no verdict")
		}
	})
}
