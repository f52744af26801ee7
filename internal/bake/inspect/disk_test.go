package inspect_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// formats are those that one bake makes, and QEMU's names of them.
var formats = []struct {
	format          bake.Format
	container, qemu string
	blocks          int64 // 0: as qemu-img says
}{
	{format: bake.Raw, container: "raw", qemu: "raw"},
	{format: bake.VHDDynamic, container: "dynamic VHD", qemu: "vpc", blocks: 2 << 20},
	{format: bake.VHDX, container: "VHDX", qemu: "vhdx"},
	{format: bake.QCOW2, container: "qcow2", qemu: "qcow2"},
}

// TestDisks inspects baked disks of each firmware in each format. Every figure is compared with what
// other programs say.
func TestDisks(t *testing.T) {
	oracle.Need(t, "sfdisk", "sgdisk", "qemu-img", "ntfsinfo", "mdir")
	for _, firmware := range layout.Firmwares {
		r := bakeDisk(t, firmware, func(c *bake.Config) {
			c.Formats, c.Size, c.Recovery = []bake.Format{bake.Raw, bake.VHDDynamic, bake.VHDX, bake.QCOW2}, 3<<30, &bake.Recovery{}
		})
		var first []byte
		for i, f := range formats {
			got := one(t, r.Files[i], inspect.Place{})
			if got.Kind != inspect.KindDisk || got.Container.Format != f.container {
				t.Errorf("%s: %s %+v", f.format, got.Kind, got.Container)
			}
			sameContainer(t, r.Files[i], f.qemu, f.blocks, got.Container)
			if f.format == bake.Raw {
				sameTable(t, r.Files[i], got.Disk)
				sameVolumes(t, r.Files[i], got.Disk)
				checkWindows(t, firmware, got.Disk)
			}
			all, err := json.Marshal(got.Disk)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = all
			}
			if !bytes.Equal(all, first) {
				t.Errorf("%s: the disk is another than in the raw file", f.format)
			}
		}
	}
}

func sameContainer(t *testing.T, path, qemu string, blocks int64, got *inspect.Container) {
	t.Helper()
	want := oracle.QemuImgInfo(t, path, qemu)
	if blocks == 0 {
		blocks = want.ClusterSize
	}
	info, err := os.Stat(path)
	if err != nil || got.FileSize != info.Size() || got.VirtualSize != want.VirtualSize || got.BlockSize != blocks {
		t.Errorf("%s: %+v, qemu-img says %+v", path, got, want)
	}
	if data := want.Specific.Data; qemu == "qcow2" {
		if got.Refcounts != int(data["refcount-bits"].(float64)) || fmt.Sprint(data["lazy-refcounts"]) != fmt.Sprint(slices.Contains(got.Flags, "lazy refcounts")) ||
			got.Compression != map[string]string{"zlib": "deflate", "zstd": "zstd"}[data["compression-type"].(string)] {
			t.Errorf("%s: %+v, qemu-img says %v", path, got, data)
		}
	}
}

// sameTable compares a partition table with sfdisk's.
func sameTable(t *testing.T, path string, got *inspect.Disk) {
	t.Helper()
	want := oracle.JudgeDisk(t, path)
	id := strings.ToLower(strings.TrimPrefix(want.ID, "0x"))
	if got.Table != map[string]string{"gpt": "gpt", "dos": "mbr"}[want.Label] || got.ID != id || len(got.Partitions) != len(want.Partitions) ||
		int64(got.FirstUsable) != want.FirstLBA || int64(got.LastUsable) != want.LastLBA || got.Backup != map[string]string{"gpt": "ok"}[want.Label] {
		t.Errorf("%+v, sfdisk says %+v", got, want)
		return
	}
	for i, p := range want.Partitions {
		g := got.Partitions[i]
		if g.Number != i+1 || g.Offset != p.Start*512 || g.Size != p.Size*512 || !strings.EqualFold(strings.TrimLeft(g.Type, "0"), p.Type) && !strings.EqualFold(g.Type, p.Type) ||
			!strings.EqualFold(g.ID, p.UUID) || g.Name != p.Name || g.Active != p.Bootable || g.TypeName == "" {
			t.Errorf("%+v, sfdisk says %+v", g, p)
		}
		if required := strings.Contains(p.Attrs, "RequiredPartition"); required != slices.Contains(g.AttributeNames, "required") ||
			strings.Contains(p.Attrs, "63") != slices.Contains(g.AttributeNames, "no drive letter") {
			t.Errorf("%v, sfdisk says %s", g.AttributeNames, p.Attrs)
		}
	}
}

// sameVolumes compares file systems with what ntfsinfo and mtools say.
func sameVolumes(t *testing.T, path string, got *inspect.Disk) {
	t.Helper()
	table := oracle.Sfdisk(t, path)
	for i, p := range got.Partitions {
		volume, v := table.Volume(path, i+1), p.Volume
		switch v.FileSystem {
		case "NTFS":
			sameNTFS(t, volume, v)
		case "FAT32":
			sameFAT(t, volume, v)
		case "":
		default:
			t.Errorf("partition %d: %s", p.Number, v.FileSystem)
		}
		if len(v.Problems) > 0 || v.Dirty {
			t.Errorf("partition %d: %v", p.Number, v.Problems)
		}
	}
}

func sameNTFS(t *testing.T, volume oracle.Volume, v *inspect.Volume) {
	t.Helper()
	said := oracle.Run(t, "ntfsinfo", "-m", volume.File(t))
	number := func(name string) int64 {
		m := regexp.MustCompile(name + `: +(\d+)`).FindStringSubmatch(said)
		if m == nil {
			t.Fatalf("ntfsinfo says no %s:\n%s", name, said)
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if v.ClusterSize != number("Cluster Size") || v.Size/v.ClusterSize != number("Volume Size in Clusters") && v.Size/v.ClusterSize != number("Volume Size in Clusters")+1 ||
		v.Free == nil || *v.Free != number("Free Clusters")*v.ClusterSize || !strings.Contains(said, "Volume Name: "+v.Label+"\n") {
		t.Errorf("%+v, %v, ntfsinfo says\n%s", v, *v.Free, said)
	}
	b := make([]byte, 8)
	f, err := os.Open(volume.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(b, volume.Offset+0x48); err != nil || fmt.Sprintf("%016x", binary.LittleEndian.Uint64(b)) != v.Serial {
		t.Errorf("serial %s, the boot sector has % x", v.Serial, b)
	}
}

func sameFAT(t *testing.T, volume oracle.Volume, v *inspect.Volume) {
	t.Helper()
	place := fmt.Sprintf("%s@@%d", volume.Path, volume.Offset)
	said := oracle.Run(t, "mdir", "-i", place, "::/")
	serial := strings.ToUpper(v.Serial[:4] + "-" + v.Serial[4:])
	free := regexp.MustCompile(`([\d ]+) bytes free`).FindStringSubmatch(said)
	if !strings.Contains(said, serial) || !strings.Contains(said, "is "+v.Label) || free == nil || v.Free == nil ||
		strings.ReplaceAll(free[1], " ", "") != fmt.Sprint(*v.Free) {
		t.Errorf("%+v, %d free, mdir says\n%s", v, *v.Free, said)
	}
}

// checkWindows checks what the report says of the stand-in's Windows and of the way to it.
func checkWindows(t *testing.T, firmware layout.Firmware, d *inspect.Disk) {
	t.Helper()
	var windows, stores, winre, bad int
	for _, p := range d.Partitions {
		v := p.Volume
		stores += len(v.Stores)
		if w := v.Windows; w != nil {
			windows++
			if w.Version != "10.0.20348.587" || w.Edition != "ServerStandard" || w.Architecture != "amd64" || !w.Server || w.ReAgent == nil || !w.ReAgent.Enabled ||
				w.ReAgent.Partition != len(d.Partitions) || len(w.Problems) > 0 {
				t.Errorf("%+v %+v", w, w.ReAgent)
			}
		}
		for _, w := range v.WinRE {
			winre++
			if w.Version != "10.0.20348.587" || len(v.Files) != 1 || v.Files[0].WIM == nil || len(v.Files[0].WIM.Images) != 1 {
				t.Errorf("%+v, %+v", w, v.Files)
			}
		}
		for _, s := range v.Stores {
			for _, o := range s.Objects {
				for _, e := range o.Elements {
					if e.Problem != "" || e.Missing || len(e.Values) == 0 {
						bad++
						t.Errorf("%s %s %+v", s.Path, o.Title, e)
					}
				}
			}
		}
	}
	want := map[layout.Firmware]int{layout.BIOS: 1, layout.UEFI: 2, layout.Both: 3}[firmware]
	if windows != 1 || stores != want || winre != 1 {
		t.Errorf("%s: %d Windows, %d stores, %d WinRE", firmware, windows, stores, winre)
	}
	code := map[layout.Firmware]string{layout.BIOS: "winbake", layout.UEFI: "none", layout.Both: "winbake"}[firmware]
	if d.BootCode != code || d.Partitions[0].Volume.BootCode != code {
		t.Errorf("%s: boot code %q, %q", firmware, d.BootCode, d.Partitions[0].Volume.BootCode)
	}
}

// TestNative inspects a stick with Windows in a virtual disk, from the stick's table to the registry in
// the disk, and reads from the disk in the stick what other programs find there.
func TestNative(t *testing.T) {
	oracle.Need(t, "ntfscat", "qemu-img", "hivexget")
	for firmware, file := range map[layout.Firmware]string{layout.BIOS: "hvsOS.vhd", layout.UEFI: "hvsOS.vhdx"} {
		r := bakeDisk(t, firmware, native(file))
		got := one(t, r.Files[0], inspect.Place{})
		host := got.Disk.Partitions[len(got.Disk.Partitions)-1]
		if len(host.Volume.Files) != 1 || host.Volume.Files[0].Path != file || host.Volume.Files[0].Disk == nil || host.Volume.Files[0].Error != "" {
			t.Fatalf("%+v", host.Volume)
		}
		inner := host.Volume.Files[0].Disk.Partitions[0].Volume
		if inner.Windows == nil || inner.Windows.Version != "10.0.20348.587" {
			t.Errorf("%+v", inner)
		}
		means := fmt.Sprintf(`vhd=[partition %d]\%s,locate=custom:`, host.Number, file)
		found := 0
		for _, p := range got.Disk.Partitions {
			for _, s := range p.Volume.Stores {
				for _, o := range s.Objects {
					for _, e := range o.Elements {
						if strings.HasPrefix(e.Means, means) && !e.Missing {
							found++
						}
					}
				}
			}
		}
		if found < 4 { // device and osdevice of loader and resume application
			t.Errorf("%d elements mean %s", found, means)
		}
		judgeInside(t, r.Files[0], host, file)
	}
}

// judgeInside takes the SYSTEM hive out of the virtual disk by public tools, and compares.
func judgeInside(t *testing.T, stick string, host *inspect.Partition, file string) {
	t.Helper()
	dir := t.TempDir()
	vhd, raw, hive := filepath.Join(dir, file), filepath.Join(dir, "inner.raw"), filepath.Join(dir, "SYSTEM")
	volume := oracle.Volume{Path: stick, Offset: host.Offset, Size: host.Size}.File(t)
	save(t, vhd, oracle.Run(t, "ntfscat", volume, file))
	qemu := map[string]string{".vhd": "vpc", ".vhdx": "vhdx"}[filepath.Ext(file)]
	oracle.Run(t, "qemu-img", "convert", "-f", qemu, "-O", "raw", vhd, raw)
	windows := oracle.Sfdisk(t, raw).Volume(raw, 1).File(t)
	want := oracle.Run(t, "ntfscat", windows, "Windows/System32/config/SYSTEM")
	save(t, hive, want)
	var got bytes.Buffer
	place := inspect.Place{In: []string{file}}
	if err := inspect.Cat(&got, stick, place, `\Windows\System32\config\SYSTEM`); err != nil || got.String() != want {
		t.Errorf("%d bytes, %v; ntfscat reads %d", got.Len(), err, len(want))
	}
	path := `HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management`
	f := inspect.Run([]string{stick}, inspect.Options{Place: place, Key: &path}).Files[0]
	if f.Error != "" || len(f.Key.Values) == 0 {
		t.Fatal(f.Error)
	}
	for name, v := range oracle.Hivex(t, hive)[`ControlSet001\Control\Session Manager\Memory Management`] {
		i := slices.IndexFunc(f.Key.Values, func(g inspect.Value) bool { return g.Name == name })
		if i < 0 || f.Key.Values[i].Data != fmt.Sprintf("%x", v.Data) {
			t.Errorf("%s: hivex reads % x, %+v", name, v.Data, f.Key.Values)
		}
	}
	again := one(t, stick, place)
	if again.Disk == nil || !strings.HasSuffix(again.Path, " > "+file) {
		t.Errorf("%+v", again)
	}
}

func save(t testing.TB, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestContainers compares what is said of images that QEMU makes with what qemu-img says.
func TestContainers(t *testing.T) {
	oracle.Need(t, "qemu-img")
	raw := sparsetest.RandomDisk(t, 5<<20, 1)
	for _, c := range []struct{ format, options, want string }{
		{"vpc", "subformat=fixed,force_size=on", "fixed VHD"}, {"vpc", "subformat=dynamic,force_size=on", "dynamic VHD"},
		{"vhdx", "subformat=fixed", "VHDX"}, {"vhdx", "block_size=1M", "VHDX"}, {"qcow2", "compat=0.10", "qcow2"},
		{"qcow2", "cluster_size=4096,lazy_refcounts=on,refcount_bits=64,compression_type=zstd", "qcow2"},
	} {
		path := oracle.QemuImgConvert(t, raw, "raw", c.format, c.options)
		got := one(t, path, inspect.Place{})
		if got.Container.Format != c.want || got.Disk == nil || got.Disk.Table != "none" {
			t.Errorf("%+v", got)
		}
		want := oracle.QemuImgInfo(t, path, c.format)
		if got.Container.VirtualSize != want.VirtualSize || want.ClusterSize > 0 && want.ClusterSize != got.Container.BlockSize && c.format != "vpc" {
			t.Errorf("%s: %+v, qemu-img says %+v", c.options, got.Container, want)
		}
		if data := want.Specific.Data; c.format == "qcow2" && (int(data["refcount-bits"].(float64)) != got.Container.Refcounts ||
			data["lazy-refcounts"] == true != slices.Contains(got.Container.Flags, "lazy refcounts")) {
			t.Errorf("%+v, qemu-img says %v", got.Container, data)
		}
		if creator := map[string]string{"vpc": "qem2 5.3", "vhdx": "QEMU"}[c.format]; !strings.HasPrefix(strings.ToUpper(got.Container.Creator), strings.ToUpper(creator[:min(3, len(creator))])) {
			t.Errorf("made by %q", got.Container.Creator)
		}
	}
	backed := filepath.Join(t.TempDir(), "backed.qcow2")
	oracle.Run(t, "qemu-img", "create", "-f", "qcow2", "-b", raw, "-F", "raw", backed)
	f := inspect.Run([]string{backed}, inspect.Options{}).Files[0]
	if f.Error == "" || f.Container.Parent != raw || f.Kind != inspect.KindDisk {
		t.Errorf("%+v, %+v", f, f.Container)
	}
}
