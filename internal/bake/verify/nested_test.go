package verify_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
)

// nativeDisk is a stick that starts the Windows in a virtual disk on it.
func nativeDisk(t *testing.T, firmware layout.Firmware, file string) string {
	t.Helper()
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	c := bake.Config{
		Size: 2 << 30, Firmware: firmware, Formats: []bake.Format{bake.Raw}, Media: dir, Image: "ServerStandardCore", Name: "stick", Label: "Windows", Tool: "winbake test",
		OutputDir: filepath.Join(t.TempDir(), "out"), BlockMap: true,
		Native: &bake.NativeBoot{File: file, Size: 640 * mib, Label: "Stick", Overrides: map[bake.Rule]string{}},
	}
	for _, rule := range bake.Rules {
		c.Native.Overrides[rule] = "a test"
	}
	r, err := bake.Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Files[0]
}

// TestNested looks into a virtual disk that the boot configuration names.
func TestNested(t *testing.T) {
	for firmware, file := range map[layout.Firmware]string{layout.BIOS: "hyperv.vhd", layout.UEFI: "hyperv.vhdx", layout.Both: "hyperv.vhd"} {
		path := nativeDisk(t, firmware, file)
		f := run(t, path, verify.Options{})
		clean(t, f)
		looked := slices.ContainsFunc(f.Checked, func(s string) bool {
			return strings.Contains(s, `\`+file+": partition ") && strings.HasSuffix(s, "hives")
		})
		if !looked {
			t.Errorf("not looked into: %s", strings.Join(f.Checked, "; "))
		}
		if firmware != layout.BIOS {
			continue
		}
		badBlockMaps(t, path)
		// The first cluster of the virtual disk is its MBR.
		s := openScene(t, path)
		at := s.ntfs(1).content(file)
		f = verify.Disk(flipped{s.r, at + 510, 1}, s.size, "stick")
		expect(t, f, "mbr")
		if f.Findings[0].Where.Disk != `partition 1, \`+file {
			t.Errorf("%+v", f.Findings[0].Where)
		}
	}
}

// badBlockMaps changes the block map beside a stick in ways that are found.
func badBlockMaps(t *testing.T, path string) {
	t.Helper()
	name := path + bmap.Suffix
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	another, err := (&bmap.Map{Size: 1 << 20, BlockSize: bmap.BlockSize}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{"cut off": sound[:len(sound)/2], "of another image": another} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f := run(t, path, verify.Options{NoChecksums: true})
		if !slices.ContainsFunc(f.Findings, func(f verify.Finding) bool { return f.Check == "manifest" && f.Where.Path == filepath.Base(name) }) {
			t.Errorf("a block map that is %s: %+v", what, f.Findings)
		}
	}
	if err := os.WriteFile(name, sound, 0o600); err != nil {
		t.Fatal(err)
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
	copy(b, "WLPWM")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if f := run(t, path, verify.Options{}); f.Verdict != verify.Unreadable || len(f.Findings) > 0 || !strings.Contains(f.Error, "a pipable WIM") {
		t.Errorf("a pipable WIM: %s, %s, %v", f.Verdict, f.Error, f.Findings)
	}
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
