package audit_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// TestBaked audits disks that winbake bakes: the recovery environment waits in System32\Recovery, or
// is left out.
func TestBaked(t *testing.T) {
	for _, firmware := range layout.Firmwares {
		r := bakeDisk(t, firmware, []bake.Format{bake.Raw, bake.VHD}, nil)
		for n, format := range []string{"raw", "fixed VHD"} {
			i := one(t, r.Files[n])
			if i.Format != format || i.Kind != audit.KindDisk || i.WinRE.State != audit.Staged || !i.WinRE.Present || i.WinRE.Version != "10.0.20348.587" {
				t.Errorf("%s %s: %+v", firmware, format, i.WinRE)
			}
			if got := warnings(i); got != "advisory-affected" || i.Recovery != nil || i.Room == nil || !i.Room.Enough {
				t.Errorf("%s: %s, %+v, %+v", firmware, got, i.Recovery, i.Room)
			}
			if len(i.Boot) == 0 || i.Boot[0].Target != audit.TargetNone || i.ReAgent == nil || i.ReAgent.Enabled {
				t.Errorf("%s: %+v, %+v", firmware, i.Boot, i.ReAgent)
			}
			for k, p := range r.Manifest.Disk.Partitions {
				if got := i.Partitions[k]; got.Role != string(p.Role) || got.Offset != p.Offset || got.Size != p.Size || got.Type != p.Type || i.Disk.ID != r.Manifest.Disk.ID {
					t.Errorf("%s: %+v, the manifest says %+v", firmware, got, p)
				}
			}
		}
	}
	r := bakeDisk(t, layout.UEFI, []bake.Format{bake.Raw}, func(tr *tree.Tree) error {
		_, err := winre.Remove(tr)
		return err
	})
	i := one(t, r.Files[0])
	if i.Verdict != audit.OK || i.WinRE.Present || i.WinRE.State != audit.Absent || i.Room != nil || len(i.Next) > 0 {
		t.Errorf("%+v", i)
	}
	if want := "KB5034439 does not apply to it; where Windows Update offers it all the same, it fails with 0x800F081F or 0x80242016: hide it."; !strings.Contains(i.Summary, want) {
		t.Errorf("%q does not say %q", i.Summary, want)
	}
	for _, a := range i.Advisories {
		if a.Status != winre.NotAffected && a.Status != winre.NotApplicable {
			t.Errorf("%s is %s", a.ID, a.Status)
		}
	}
}

// TestStick audits the Windows in the virtual disk on a stick where it is.
func TestStick(t *testing.T) {
	const forTest = "a test"
	for firmware, name := range map[layout.Firmware]string{layout.BIOS: "w.vhd", layout.UEFI: "w.vhdx", layout.Both: "w.vhd"} {
		r := runBake(t, bake.Config{
			Size: 1 << 30, Firmware: firmware, Formats: []bake.Format{bake.Raw},
			Native: &bake.NativeBoot{File: name, Size: 600 * mib, Overrides: map[bake.Rule]string{bake.RuleDiskSize: forTest, bake.RuleVirtualSize: forTest}},
		}, nil)
		i := one(t, r.Files[0])
		format := map[string]string{"w.vhd": "fixed VHD", "w.vhdx": "VHDX"}[name]
		if i.Inside == nil || i.Inside.Path != `\`+name || i.Inside.Format != format || i.Format != "raw" || i.Windows == nil || i.Windows.Partition != 1 {
			t.Errorf("%s: %+v, %s, %+v", firmware, i.Inside, i.Format, i.Windows)
			continue
		}
		if i.Verdict == audit.Unreadable || i.Disk.ID == r.Manifest.Disk.ID || len(i.Partitions) != 1 || len(i.Boot) == 0 {
			t.Errorf("%s: %s, %+v, %+v", firmware, i.Error, i.Disk, i.Boot)
		}
		for _, b := range i.Boot {
			if !b.Around || b.Problem != "" || b.Target != audit.TargetNone || b.Partition == 0 {
				t.Errorf("%s: %+v", firmware, b)
			}
		}
		for _, f := range i.Findings {
			if strings.HasPrefix(f.ID, "bcd-") {
				t.Errorf("%s: %+v", firmware, f)
			}
		}
	}
}

// TestDamagedStick has a stick whose virtual disk or boot configuration cannot be read.
func TestDamagedStick(t *testing.T) {
	const forTest = "a test"
	r := runBake(t, bake.Config{
		Size: 1 << 30, Firmware: layout.BIOS, Formats: []bake.Format{bake.Raw},
		Native: &bake.NativeBoot{File: "w.vhd", Size: 600 * mib, Overrides: map[bake.Rule]string{bake.RuleDiskSize: forTest, bake.RuleVirtualSize: forTest}},
	}, nil)
	path := r.Files[0]
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d, err := volumes.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	place := func(name string) int64 {
		c, err := d.Volumes[0].Content(name)
		if err != nil {
			t.Fatal(err)
		}
		return d.Volumes[0].Offset + tree.Position(c)
	}
	// Without a store, the virtual disk in the root folder is found.
	if _, err := f.WriteAt([]byte("lost"), place("Boot/BCD")); err != nil {
		t.Fatal(err)
	}
	if i := one(t, path); i.Inside == nil || i.Windows == nil || !strings.Contains(warnings(i), "bcd-unreadable") {
		t.Errorf("%+v, %s, %s", i.Inside, i.Error, warnings(i))
	}
	if _, err := f.WriteAt(make([]byte, 512), place("w.vhd")); err != nil {
		t.Fatal(err)
	}
	if i := one(t, path); i.Verdict != audit.Unreadable || i.Inside == nil || !strings.Contains(i.Error, `\w.vhd on partition 1`) {
		t.Errorf("%s %s", i.Verdict, i.Error)
	}
}

// TestConvertedByOthers reads the same disk in the formats that qemu-img makes of it.
func TestConvertedByOthers(t *testing.T) {
	raw := recoveryDisk(t, layout.UEFI, 400*mib, nil)
	for _, c := range []struct{ format, options, want string }{
		{"vpc", "subformat=dynamic", "dynamic VHD"}, {"vhdx", "", "VHDX"}, {"qcow2", "", "qcow2"},
	} {
		i := one(t, oracle.QemuImgConvert(t, raw, "raw", c.format, c.options))
		if i.Format != c.want || i.WinRE.State != audit.Enabled || i.Recovery == nil || i.Recovery.Partition != 4 {
			t.Errorf("%s: %s, %s, %s", c.format, i.Format, i.WinRE.State, i.Error)
		}
	}
}

// TestEnabled audits disks with a recovery partition that is as it should be.
func TestEnabled(t *testing.T) {
	for firmware, stores := range map[layout.Firmware]string{
		layout.BIOS: `\Boot\BCD`, layout.UEFI: `\EFI\Microsoft\Boot\BCD \EFI\Microsoft\Recovery\BCD`,
		layout.Both: `\Boot\BCD \EFI\Microsoft\Boot\BCD \EFI\Microsoft\Recovery\BCD`,
	} {
		i := one(t, recoveryDisk(t, firmware, 400*mib, nil))
		p := i.Partitions[len(i.Partitions)-1]
		if got := warnings(i); got != "advisory-affected" || i.WinRE.State != audit.Enabled || i.WinRE.Locations[0].Partition != p.Number {
			t.Errorf("%s: %s, %+v", firmware, got, i.WinRE)
		}
		if r := i.Recovery; r == nil || r.Partition != p.Number || !r.Marked || !r.WIM || r.Size != p.Size || *r.Free != *p.Free || p.Role != "recovery" || p.Label != "Recovery" {
			t.Errorf("%s: %+v of %+v", firmware, r, p)
		}
		if r := i.ReAgent; !r.Enabled || r.Target != audit.TargetOK || r.Partition != p.Number || r.Offset != p.Offset || r.Disk != i.Disk.ID {
			t.Errorf("%s: %+v", firmware, r)
		}
		var got []string
		for _, b := range i.Boot {
			got = append(got, b.Store)
			if b.Target != audit.TargetOK || b.TargetPart != p.Number || b.Sequence != i.ReAgent.Loader || !b.Recovery && (b.Enabled == nil || !*b.Enabled) {
				t.Errorf("%s: %+v", firmware, b)
			}
		}
		if strings.Join(got, " ") != stores {
			t.Errorf("%s: %q", firmware, got)
		}
	}
}

// editStore changes an entry of the disk's UEFI store.
func editStore(t testing.TB, r *recoverable, edit func(s *bcd.Store, loader *bcd.Object)) {
	t.Helper()
	s, err := boot.ReadStore(r.system, boot.UEFI.StorePath())
	if err != nil {
		t.Fatal(err)
	}
	edit(s, s.Resolve(bcd.Default))
	if err := boot.WriteStore(r.system, boot.UEFI.StorePath(), s); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, tr *tree.Tree, path string, data []byte) {
	t.Helper()
	if _, err := tr.WriteFile(path, tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, tr *tree.Tree, path string) {
	t.Helper()
	if err := tr.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func setState(t testing.TB, r *recoverable, change func(*winre.ReAgent)) {
	t.Helper()
	change(r.state)
	if err := winre.SetState(r.windows, r.state); err != nil {
		t.Fatal(err)
	}
}

const wim = "Recovery/WindowsRE/Winre.wim"

// TestSpoiled finds what is wrong with a disk, one thing at a time. Each disk is missing updates.
func TestSpoiled(t *testing.T) {
	newer := guid.MustParse("11111111-2222-3333-4444-555555555555")
	for name, c := range map[string]struct {
		size   int64
		change func(r *recoverable)
		want   string
		state  audit.State
	}{
		"no room": {size: 100 * mib, want: "recovery-room", state: audit.Enabled},
		"other disk": {change: func(r *recoverable) {
			setState(t, r, func(s *winre.ReAgent) { s.Location.Disk.GUID = newer })
		}, want: "reagent-other-disk", state: audit.Broken},
		"other offset": {change: func(r *recoverable) {
			setState(t, r, func(s *winre.ReAgent) { s.Location.Offset += mib })
		}, want: "reagent-no-partition", state: audit.Broken},
		"Windows' own partition": {change: func(r *recoverable) {
			setState(t, r, func(s *winre.ReAgent) { s.Location.Offset = r.disk.Find(layout.Windows).Offset })
		}, want: "reagent-no-image", state: audit.Broken},
		"other entry": {change: func(r *recoverable) {
			setState(t, r, func(s *winre.ReAgent) { s.BCD = newer })
		}, want: "bcd-reagent-differ", state: audit.Enabled},
		"switched off": {change: func(r *recoverable) {
			setState(t, r, func(s *winre.ReAgent) { *s = *winre.Disabled(true) })
		}, want: "winre-disabled", state: audit.Disabled},
		"no state": {change: func(r *recoverable) { remove(t, r.windows, winre.StateFile) }, want: "winre-disabled", state: audit.Disabled},
		"broken state": {change: func(r *recoverable) { put(t, r.windows, winre.StateFile, []byte("<WindowsRE")) },
			want: "reagent-unreadable winre-disabled", state: audit.Disabled},
		"recovery off": {change: func(r *recoverable) {
			editStore(t, r, func(_ *bcd.Store, o *bcd.Object) { o.Set(bcd.ElemRecoveryEnabled.Bool(false)) })
		}, want: "bcd-recovery-off", state: audit.Enabled},
		"no sequence": {change: func(r *recoverable) {
			editStore(t, r, func(_ *bcd.Store, o *bcd.Object) { o.Delete(bcd.ElemRecoverySequence) })
		}, want: "bcd-no-recovery", state: audit.Enabled},
		"no entry": {change: func(r *recoverable) {
			editStore(t, r, func(s *bcd.Store, _ *bcd.Object) { s.Remove(r.state.BCD) })
		}, want: "bcd-no-entry", state: audit.Enabled},
		"entry without a WIM": {change: func(r *recoverable) {
			editStore(t, r, func(s *bcd.Store, _ *bcd.Object) {
				s.Object(r.state.BCD).Set(bcd.ElemDevice.Device(r.device(layout.Recovery)))
			})
		}, want: "bcd-no-wim", state: audit.Enabled},
		"entry for Windows' partition": {change: func(r *recoverable) {
			editStore(t, r, func(s *bcd.Store, _ *bcd.Object) {
				s.Object(r.state.BCD).Set(bcd.ElemDevice.Device(bcd.Ramdisk{On: r.device(layout.Windows), Path: winre.WIM}))
			})
		}, want: "bcd-no-image", state: audit.Enabled},
		"entry for another disk": {change: func(r *recoverable) {
			editStore(t, r, func(s *bcd.Store, _ *bcd.Object) {
				s.Object(r.state.BCD).Set(bcd.ElemDevice.Device(bcd.Ramdisk{On: bcd.GPTPartition(newer, newer), Path: winre.WIM}))
			})
		}, want: "bcd-other-disk", state: audit.Enabled},
		"broken store": {change: func(r *recoverable) { put(t, r.system, boot.UEFI.StorePath(), bytes.Repeat([]byte("regf"), 2000)) },
			want: "bcd-unreadable", state: audit.Enabled},
		"no store": {change: func(r *recoverable) {
			remove(t, r.system, boot.UEFI.StorePath())
			remove(t, r.system, boot.RecoveryStorePath)
		}, want: "bcd-missing", state: audit.Enabled},
		"no Winre.wim": {change: func(r *recoverable) { remove(t, r.re, wim) },
			want: "bcd-no-image reagent-no-image recovery-partition-empty", state: audit.Broken},
		"broken Winre.wim": {change: func(r *recoverable) { put(t, r.re, wim, []byte("MSWIM\x00\x00\x00 and no more")) },
			want: "advisory-unknown winre-unreadable", state: audit.Enabled},
		"empty Winre.wim": {change: func(r *recoverable) { put(t, r.re, wim, nil) },
			want: "advisory-unknown winre-unreadable", state: audit.Enabled},
		"moved to Windows' partition": {change: func(r *recoverable) {
			n := r.re.Find(wim).Node
			if _, err := r.windows.CopyFile(wim, r.re, n); err != nil {
				t.Fatal(err)
			}
			remove(t, r.re, wim)
			setState(t, r, func(s *winre.ReAgent) { s.Location.Offset = r.disk.Find(layout.Windows).Offset })
		}, want: "bcd-no-image recovery-partition-empty", state: audit.Enabled},
	} {
		i := one(t, recoveryDisk(t, layout.UEFI, cmp.Or(c.size, 300*mib), c.change))
		var got []string
		for _, id := range strings.Fields(warnings(i)) {
			if id != "advisory-affected" {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != c.want || i.WinRE.State != c.state || i.Verdict != audit.Findings {
			t.Errorf("%s: %q, %s, %s %s; want %q", name, got, i.WinRE.State, i.Verdict, i.Error, c.want)
		}
		for _, f := range i.Findings {
			if f.Severity == audit.Warning && (f.Next == "" || !slices.Contains(i.Next, f.Next)) || !strings.HasSuffix(f.Text, ".") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestUpdated audits a recovery environment that every advisory is settled in, and one that lacks
// only what no CVE stands behind.
func TestUpdated(t *testing.T) {
	advisories := func(fixed string) []winre.Advisory {
		v, err := winre.ParseVersion(fixed)
		if err != nil {
			t.Fatal(err)
		}
		fix := []winre.Fix{{Windows: "Windows Server 2022", Builds: []uint16{20348}, KBs: []string{"KB1234567"}, Fixed: v}}
		return []winre.Advisory{{ID: "KB1234567", Fixes: fix}}
	}
	path := recoveryDisk(t, layout.UEFI, 400*mib, nil)
	for fixed, want := range map[string]string{"10.0.20348.587": "", "10.0.20348.588": "update-missing"} {
		r, err := audit.Run([]string{path}, nil, audit.Options{Advisories: advisories(fixed)})
		if err != nil {
			t.Fatal(err)
		}
		i := r.Images[0]
		var got []string
		for _, f := range i.Findings {
			got = append(got, f.ID)
		}
		if i.Verdict != audit.OK || r.Verdict != audit.OK || strings.Join(got, " ") != want || !strings.HasSuffix(i.Summary, "Nothing is to be done.") {
			t.Errorf("%s: %s, %q, %s", fixed, i.Verdict, got, i.Summary)
		}
	}
}

// TestRegistryVersion tells of a WinREVersion that is not Winre.wim's.
func TestRegistryVersion(t *testing.T) {
	i := one(t, recoveryDisk(t, layout.BIOS, 300*mib, func(r *recoverable) {
		reg := registry.Open(r.windows)
		if err := reg.Set(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, regf.String("WinREVersion", "10.0.20348.2201")); err != nil {
			t.Fatal(err)
		}
		if err := reg.Flush(); err != nil {
			t.Fatal(err)
		}
	}))
	if i.WinRE.Registry != "10.0.20348.2201" || i.WinRE.Version != "10.0.20348.587" || !slices.ContainsFunc(i.Findings, func(f audit.Finding) bool { return f.ID == "winre-version-registry" }) {
		t.Errorf("%+v, %+v", i.WinRE, i.Findings)
	}
}

// TestVolumeAndFolder audits one volume of a disk, and the same files in a folder.
func TestVolumeAndFolder(t *testing.T) {
	path := recoveryDisk(t, layout.UEFI, 300*mib, nil)
	i := one(t, path)
	v := oracle.Volume{Path: path, Offset: i.Partitions[2].Offset, Size: i.Partitions[2].Size}
	volume := one(t, v.File(t))
	if volume.Kind != audit.KindVolume || volume.WinRE.State != audit.Unseen || volume.Verdict != audit.Findings || volume.Error != "" || warnings(volume) != "advisory-unknown" {
		t.Errorf("%s %s: %+v %s %s", volume.Kind, volume.Verdict, volume.WinRE, warnings(volume), volume.Error)
	}
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	oracle.Need(t, "wimlib-imagex")
	folder := filepath.Join(t.TempDir(), "mounted")
	oracle.Run(t, "wimlib-imagex", "apply", filepath.Join(dir, "sources/install.wim"), "1", folder)
	if err := os.Rename(filepath.Join(folder, "Windows/System32"), filepath.Join(folder, "Windows/SYSTEM32")); err != nil {
		t.Fatal(err)
	}
	f := one(t, folder)
	if f.Kind != audit.KindFolder || f.WinRE.State != audit.Staged || f.Windows.Version != "10.0.20348.587" || len(f.Partitions) > 0 || f.WinRE.Version == "" || warnings(f) != "advisory-affected" {
		t.Errorf("%+v", f)
	}
	// A link out of the folder is not followed.
	software := filepath.Join(folder, "Windows/SYSTEM32/config/SOFTWARE")
	outside := filepath.Join(t.TempDir(), "SOFTWARE")
	if err := os.Rename(software, outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, software); err != nil {
		t.Skip(err)
	}
	if f := one(t, folder); f.Verdict != audit.Unreadable || !strings.Contains(f.Error, "escapes") {
		t.Errorf("%s %s", f.Verdict, f.Error)
	}
}

// TestUnreadable reports what is no image, and goes on with the next.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := filepath.Join(dir, "folder")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	wimPath := func() string { d, _ := media(); return filepath.Join(d, "sources/install.wim") }()
	paths := map[string]string{
		filepath.Join(dir, "missing"):                                                "there is no",
		write("zeros", make([]byte, mib)):                                            "55 AA",
		write("nothing", nil):                                                        "ends",
		write("text", []byte("no disk at all")):                                      "ends",
		write("qcow2", []byte("QFI\xFB")):                                            "qcow2",
		write("vmdk", []byte("KDMV")):                                                "qemu-img convert",
		write("object.json", []byte("{}")):                                           "no manifest.json of winbake",
		write("broken.json", []byte(" {")):                                           "no manifest.json of winbake",
		write("NTFS", append([]byte("\xEB\x52\x90NTFS    "), make([]byte, 4096)...)): "NTFS volume",
		empty:   "holds no Windows",
		wimPath: "is a WIM",
	}
	for path, says := range paths {
		r := run(t, path)
		i := r.Images[0]
		if r.Verdict != audit.Unreadable || !strings.Contains(i.Error, says) || strings.Contains(i.Error, "\n") {
			t.Errorf("%s: %s, %q does not say %q", path, r.Verdict, i.Error, says)
		}
	}
	r := bakeDisk(t, layout.BIOS, []bake.Format{bake.Raw}, nil)
	if all := run(t, filepath.Join(dir, "missing"), r.Files[0]); all.Verdict != audit.Unreadable || all.Images[1].WinRE.State != audit.Staged {
		t.Errorf("%s", all.Verdict)
	}
}

// TestDamaged changes bytes all over a disk: an error or a report, and no more.
func TestDamaged(t *testing.T) {
	path := recoveryDisk(t, layout.UEFI, 300*mib, nil)
	good := one(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range good.Partitions {
		for step := range int64(40) {
			off := p.Offset + step*step*977
			old := make([]byte, 64)
			if _, err := f.ReadAt(old, off); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, 64), off); err != nil {
				t.Fatal(err)
			}
			i := one(t, path)
			if i.Verdict == audit.Unreadable && i.Error == "" {
				t.Errorf("%d: %+v", off, i)
			}
			if _, err := f.WriteAt(old, off); err != nil {
				t.Fatal(err)
			}
		}
	}
	if again := one(t, path); fmt.Sprint(again.Findings) != fmt.Sprint(good.Findings) {
		t.Error("the disk is not as it was")
	}
}

// What a bake has decided about the recovery environment, the audit finds done.
func TestBakedAsDecided(t *testing.T) {
	for _, firmware := range layout.Firmwares {
		for _, test := range []struct {
			policy winre.Policy
			state  bake.RecoveryState
			want   audit.State
		}{
			{winre.Include, bake.Enabled, audit.Enabled}, {winre.Include, bake.Staged, audit.Staged}, {winre.Exclude, "", audit.Absent},
		} {
			i := one(t, bakeRecovery(t, firmware, &bake.Recovery{Policy: test.policy, State: test.state}))
			if got := warnings(i); i.WinRE.State != test.want || got != "" && got != "advisory-affected" {
				t.Errorf("%s %s %s: %s, %s", firmware, test.policy, test.state, i.WinRE.State, got)
			}
			if got := i.Recovery != nil; got != (test.policy == winre.Include) {
				t.Errorf("%s %s %s: recovery partition %+v", firmware, test.policy, test.state, i.Recovery)
			}
		}
	}
}
