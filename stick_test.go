package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// What example/hypervusb shows in the registry, by hive: it does without a page file, starts from USB, and
// spares the flash memory.
var stickRegistry = map[string][]registryValue{
	"SYSTEM": {
		{`ControlSet001\Control\ComputerName\ComputerName`, "ComputerName", "HV-STICK"},
		{`ControlSet001\Control\Session Manager\Memory Management`, "PagingFiles", ""},
		{`ControlSet001\Control\CrashControl`, "CrashDumpEnabled", "0"},
		{`ControlSet001\Control`, "BootDriverFlags", "28"},
		{`ControlSet001\Services\USBSTOR`, "BootFlags", "20"},
		{`ControlSet001\Services\USBXHCI`, "BootFlags", "16"},
		{`ControlSet001\Services\vhdmp`, "BootFlags", "2"},
		{`ControlSet001\Services\FsDepends\Parameters`, "VirtualDiskExpandOnMount", "4"},
		{`ControlSet001\Services\partmgr\Parameters`, "SanPolicy", "4"},
		{`ControlSet001\Control\Power`, "HibernateEnabled", "0"},
		{`ControlSet001\Services\defragsvc`, "Start", "4"},
		{`ControlSet001\Services\SysMain`, "Start", "4"},
	},
	"SOFTWARE": {{`Example`, "Host", "stick"}, {`winbake\Tags`, "WinRE", "False"}},
}

// The example, through Packer: ntfs-3g finds the virtual disk on the stick and takes Windows' hives out of it,
// and hivex reads them.
func TestStickExample(t *testing.T) {
	oracle.Need(t, "ntfscat", "ntfsinfo", "hivexget", "qemu-img")
	i := needPacker(t)
	out := t.TempDir()
	cmd := i.command("build", "-only=winbake-hypervusb.both", "-var=media="+i.media, "-var=output="+out, ".")
	cmd.Dir = filepath.Join("example", "hypervusb")
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	dir := filepath.Join(out, "both")
	m, stick := readManifest(t, dir), filepath.Join(dir, "usb.img")
	var host oracle.Volume
	for _, p := range m.Disk.Partitions {
		if p.Role == layout.Host {
			host = oracle.Volume{Path: stick, Offset: p.Offset, Size: p.Size}
		}
	}
	if m.VirtualDisk == nil || m.Tags["WinRE"] != "False" {
		t.Fatalf("the manifest has %+v, tags %v", m.VirtualDisk, m.Tags)
	}
	vhd := filepath.Join(t.TempDir(), m.VirtualDisk.File)
	if err := oracle.NTFSFile(t, host, m.VirtualDisk.File).CopyTo(vhd); err != nil {
		t.Fatal(err)
	}
	raw := oracle.QemuImgConvert(t, vhd, "vpc", "raw", "")
	volume := oracle.Sfdisk(t, raw).Volume(raw, 1).File(t)
	for hive, values := range stickRegistry {
		checkRegistry(t, takeFile(t, volume, "Windows/System32/config/"+hive), values)
	}
	checkClean(t, i)
}

func readManifest(t *testing.T, dir string) (m bake.Manifest) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}
