package audit_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// othersDisk makes a disk without winbake's writers: sgdisk or sfdisk partitions it, mkfs.fat and
// mkntfs format it, wimlib fills it. state is ReAgent.xml for the disk, given its identifiers; store
// is a BCD store, or nil.
func othersDisk(t *testing.T, mbr bool, recoverySize int64, state func(id string, offset int64) string, store []byte) string {
	t.Helper()
	oracle.Need(t, "sgdisk", "sfdisk", "mkntfs", "mkfs.fat", "mmd", "mcopy", "wimlib-imagex")
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "others.raw")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 196*mib+recoverySize); err != nil {
		t.Fatal(err)
	}
	if mbr {
		script := fmt.Sprintf("label: dos\nlabel-id: 0xCAFE1234\nsize=64MiB, type=c, bootable\nsize=128MiB, type=7\nsize=%dMiB, type=27\n", recoverySize/mib)
		cmd := oracle.Command("sfdisk", "--quiet", path)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	} else {
		oracle.Run(t, "sgdisk", "-n1:0:+64M", "-t1:EF00", "-n2:0:+128M", "-t2:0700", "-n3:0:+"+strconv.FormatInt(recoverySize/mib, 10)+"M", "-t3:2700",
			"-A3:set:0", "-A3:set:63", path)
	}
	table := oracle.Sfdisk(t, path)
	wim := filepath.Join(dir, "sources/install.wim")
	scratch := t.TempDir()
	files := filepath.Join(scratch, "files")
	oracle.Run(t, "wimlib-imagex", "extract", "--quiet", wim, "1", "/Windows/System32/Recovery/Winre.wim", "--dest-dir="+scratch)
	reagent := state(table.ID, table.Partitions[2].Start*512)

	recovery := filepath.Join(files, "re")
	writeFile(t, filepath.Join(recovery, "Recovery/WindowsRE/ReAgent.xml"), []byte(reagent))
	if err := os.Rename(filepath.Join(scratch, "Winre.wim"), filepath.Join(recovery, "Recovery/WindowsRE/Winre.wim")); err != nil {
		t.Fatal(err)
	}
	place(t, path, table.Volume(path, 3), applied(t, recovery, "Recovery", table.Partitions[2].Size*512))

	windows := filepath.Join(files, "windows")
	oracle.Run(t, "wimlib-imagex", "apply", "--quiet", wim, "1", windows)
	remove := filepath.Join(windows, "Windows/System32/Recovery/Winre.wim")
	if err := os.Remove(remove); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(windows, "Windows/System32/Recovery/ReAgent.xml"), []byte(reagent))
	place(t, path, table.Volume(path, 2), applied(t, windows, "OS", table.Partitions[1].Size*512))
	if store != nil {
		place(t, path, table.Volume(path, 1), fat(t, store, mbr))
	}
	return path
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// applied has wimlib fill a volume of mkntfs with a folder.
func applied(t *testing.T, folder, label string, size int64) string {
	t.Helper()
	wim := filepath.Join(t.TempDir(), "folder.wim")
	oracle.Run(t, "wimlib-imagex", "capture", "--compress=none", folder, wim)
	v := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: size, Label: label})
	oracle.Run(t, "wimlib-imagex", "apply", wim, "1", v.Path)
	return v.Path
}

// fat is a system partition with a store.
func fat(t *testing.T, store []byte, mbr bool) string {
	t.Helper()
	img, host := filepath.Join(t.TempDir(), "fat.img"), filepath.Join(t.TempDir(), "BCD")
	writeFile(t, host, store)
	oracle.Run(t, "mkfs.fat", "-C", "-F", "32", img, strconv.Itoa(64<<10))
	folder := "::/EFI/Microsoft/Boot"
	if mbr {
		folder = "::/Boot"
	}
	for dir := "::"; dir != folder; {
		next, _, _ := strings.Cut(strings.TrimPrefix(folder, dir+"/"), "/")
		dir += "/" + next
		oracle.Run(t, "mmd", "-i", img, dir)
	}
	oracle.Run(t, "mcopy", "-i", img, host, folder+"/BCD")
	return img
}

// place copies a volume into its partition.
func place(t *testing.T, disk string, at oracle.Volume, volume string) {
	t.Helper()
	out, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := os.Open(volume)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if n, err := io.Copy(io.NewOffsetWriter(out, at.Offset), in); err != nil || n > at.Size {
		t.Fatalf("%d bytes into %d: %v", n, at.Size, err)
	}
}

// state20 is a ReAgent.xml as Windows 10 writes it.
func state20(id, guid string, offset int64) string {
	return fmt.Sprintf(`<?xml version='1.0' encoding='utf-8'?>

<WindowsRE version="2.0">
  <WinreBCD id="{f8d1de0b-0ced-11e6-abf9-db7ac698ead8}"/>
  <WinreLocation path="\Recovery\WindowsRE" id="%s" offset="%d" guid="{%s}"/>
  <ImageLocation path="" id="0" offset="0" guid="{00000000-0000-0000-0000-000000000000}"/>
  <InstallState state="1"/>
  <OsInstallAvailable state="0"/>
  <IsAutoRepairOn state="1"/>
  <WinREStaged state="0"/>
  <OsBuildVersion path="20348.1.amd64fre.fe_release.210507-1500"/>
  <IsServer state="1"/>
  <ScheduledOperation state="4"/>
</WindowsRE>
`, id, offset, guid)
}

// TestOthers audits disks that winbake had no part in.
func TestOthers(t *testing.T) {
	gpt := othersDisk(t, false, 320*mib, func(id string, offset int64) string { return state20("0", strings.ToLower(id), offset) }, nil)
	i := one(t, gpt)
	if got := warnings(i); i.WinRE.State != audit.Enabled || got != "advisory-affected bcd-missing" || i.Disk.Table != "gpt" || i.Windows.Partition != 2 {
		t.Errorf("%s, %s, %s", i.WinRE.State, got, i.Error)
	}
	if r := i.Recovery; r == nil || r.Partition != 3 || !r.Marked || !r.WIM || r.Size != 320*mib || *r.Free < 300*mib || !i.Room.Enough {
		t.Errorf("%+v, %+v", r, i.Room)
	}
	if p := i.Partitions[2]; p.Attributes != "8000000000000001" || p.Label != "Recovery" {
		t.Errorf("%+v", p)
	}
	signature := func(id string, offset int64) string {
		n, err := strconv.ParseUint(strings.TrimPrefix(id, "0x"), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		return state20(strconv.FormatUint(n, 10), "00000000-0000-0000-0000-000000000000", offset)
	}
	i = one(t, othersDisk(t, true, 200*mib, signature, nil))
	if got := warnings(i); i.WinRE.State != audit.Enabled || got != "advisory-affected bcd-missing recovery-room" || i.Disk.ID != "cafe1234" || i.ReAgent.Disk != "cafe1234" {
		t.Errorf("%s, %s, %s, %+v", i.WinRE.State, got, i.Disk.ID, i.ReAgent)
	}
}

// TestOthersStore reads a store that Windows wrote, which is that of another disk.
func TestOthersStore(t *testing.T) {
	store := oracle.Sample(t, "bcd/mkorman90+regipy/regipy_tests/data/BCD.xz")
	disk := othersDisk(t, false, 300*mib, func(id string, offset int64) string { return state20("0", strings.ToLower(id), offset) }, store)
	i := one(t, disk)
	if len(i.Boot) != 1 || i.Boot[0].Problem != "" || i.Boot[0].Target != audit.TargetDisk || i.Boot[0].Enabled == nil || !*i.Boot[0].Enabled ||
		!strings.HasSuffix(strings.Split(i.Boot[0].Device, ",{")[0], `\Recovery\WindowsRE\Winre.wim`) && !strings.Contains(i.Boot[0].Device, "Winre.wim") {
		t.Errorf("%+v", i.Boot)
	}
	if got := warnings(i); got != "advisory-affected bcd-other-disk bcd-reagent-differ" {
		t.Errorf("%s", got)
	}
}

// TestSampleVolumes audits volumes that Windows formatted and that hold no Windows.
func TestSampleVolumes(t *testing.T) {
	for _, name := range []string{"ntfs-2m.raw.gz", "ntfs-lastaccess.raw.gz"} {
		b := oracle.Sample(t, "ntfs/msuhanov+ntfs-samples/"+name)
		path := filepath.Join(t.TempDir(), "volume.raw")
		writeFile(t, path, b)
		i := one(t, path)
		if i.Verdict != audit.Unreadable || !strings.Contains(i.Error, "there is no \\Windows\\System32\\config\\SYSTEM") {
			t.Errorf("%s: %s %s", name, i.Verdict, i.Error)
		}
	}
}
