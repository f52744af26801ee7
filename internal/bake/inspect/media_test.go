package inspect_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestWIMs compares what is said of WIMs of each compression with what wimlib says.
func TestWIMs(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	source := filepath.Join(mediaDir(t), "sources", "install.wim")
	for name, options := range map[string][]string{
		"none.wim": {"--compress=none", "--boot"}, "xpress.wim": {"--compress=XPRESS", "--check"}, "lzx.wim": {"--compress=LZX", "--chunk-size=65536"},
		"lzms.wim": {"--compress=LZMS"}, "solid.esd": {"--solid"},
	} {
		path := filepath.Join(t.TempDir(), name)
		args := append([]string{"export", source, "all", path}, options...)
		if name == "none.wim" {
			args = append([]string{"export", source, "1", path}, options...)
		}
		oracle.Run(t, "wimlib-imagex", args...)
		f := one(t, path, inspect.Place{})
		if f.Kind != inspect.KindWIM || f.Container != nil {
			t.Errorf("%s: %+v", name, f)
		}
		sameWIM(t, oracle.JudgeWIM(t, path), f.WIM)
	}
	split := filepath.Join(t.TempDir(), "x.swm")
	oracle.Run(t, "wimlib-imagex", "split", source, split, "1")
	f := one(t, split, inspect.Place{})
	if f.WIM.Parts < 2 || len(f.WIM.Images) != 2 {
		t.Errorf("%+v", f.WIM)
	}
	sameWIM(t, oracle.JudgeWIM(t, split, filepath.Join(filepath.Dir(split), "x*.swm")), f.WIM)
}

func sameWIM(t *testing.T, want oracle.WIMInfo, got *inspect.WIM) {
	t.Helper()
	id, err := guid.Parse(got.ID)
	if err != nil {
		t.Fatal(err)
	}
	version, err := strconv.ParseInt(got.Version, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"GUID": fmt.Sprintf("0x%x", id[:]), "Version": fmt.Sprint(version), "Image Count": fmt.Sprint(len(got.Images)),
		"Chunk Size": fmt.Sprintf("%d bytes", got.ChunkSize), "Part Number": fmt.Sprintf("1/%d", got.Parts), "Boot Index": fmt.Sprint(got.BootIndex),
	} {
		if want.File[key] != value {
			t.Errorf("%s is %q, wimlib says %q", key, value, want.File[key])
		}
	}
	if !strings.EqualFold(want.File["Compression"], got.Compression) || strings.Contains(want.File["Attributes"], "Integrity info") != got.Integrity ||
		got.Solid != (got.Version == "0xe00") {
		t.Errorf("%s, integrity %v; wimlib says %s, %s", got.Compression, got.Integrity, want.File["Compression"], want.File["Attributes"])
	}
	for i, image := range got.Images {
		sameImage(t, want.Images[i], &image)
	}
}

func sameImage(t *testing.T, want map[string]string, got *inspect.WIMImage) {
	t.Helper()
	when := func(stamp string) string {
		at, err := time.Parse(time.RFC3339, stamp)
		if err != nil {
			t.Error(err)
		}
		return at.Format("Mon Jan 02 15:04:05 2006") + " UTC"
	}
	version := strings.Join([]string{want["Major Version"], want["Minor Version"], want["Build"], want["Service Pack Build"]}, ".")
	for key, value := range map[string]string{
		"Index": fmt.Sprint(got.Index), "Name": got.Name, "Description": got.Description, "Display Name": got.DisplayName, "Display Description": got.DisplayDescription,
		"Directory Count": fmt.Sprint(got.Directories), "File Count": fmt.Sprint(got.Files), "Total Bytes": fmt.Sprint(got.TotalBytes),
		"Hard Link Bytes": fmt.Sprint(got.HardLinkBytes), "Creation Time": when(got.Created), "Last Modification Time": when(got.Modified),
		"Architecture": strings.Replace(got.Architecture, "amd64", "x86_64", 1), "Product Name": got.Product, "Edition ID": got.Edition,
		"Installation Type": got.Installation, "Product Type": got.ProductType, "Product Suite": got.ProductSuite, "HAL": got.HAL,
		"Languages": strings.Join(got.Languages, " "), "Default Language": got.DefaultLanguage, "System Root": got.SystemRoot, "Flags": got.Flags,
		"Service Pack Level": fmt.Sprint(got.ServicePack), "WIMBoot compatible": map[bool]string{true: "yes", false: "no"}[got.WIMBoot],
	} {
		if want[key] != value {
			t.Errorf("image %d: %s is %q, wimlib says %q", got.Index, key, value, want[key])
		}
	}
	if got.Version != version || got.WinRE == nil || got.WinRE.Version != "10.0.20348.587" || got.Problem != "" {
		t.Errorf("image %d: %s, %+v, %s; wimlib says %s", got.Index, got.Version, got.WinRE, got.Problem, version)
	}
}

// TestISO compares what is said of an ISO with what isoinfo says, and finds the WIMs in it.
func TestISO(t *testing.T) {
	oracle.Need(t, "genisoimage", "isoinfo")
	dir := mediaDir(t)
	boot := []string{"-V", "STANDIN", "-publisher", "nobody", "-A", "a test", "-b", "bootmgr", "-no-emul-boot", "-boot-load-size", "8", "-eltorito-alt-boot", "-e", "efi/boot/bootx64.efi", "-no-emul-boot"}
	for system, options := range map[string][]string{"UDF": {"-udf"}, "Joliet": {"-J", "-joliet-long"}, "ISO 9660": {"-iso-level", "3"}} {
		path := oracle.Genisoimage(t, dir, append(options, boot...)...)
		f := one(t, path, inspect.Place{})
		i := f.ISO
		if f.Kind != inspect.KindISO || i == nil || i.FileSystem != system || i.Label != "STANDIN" || !strings.EqualFold(i.Publisher, "nobody") || !strings.EqualFold(i.Application, "a test") || len(i.Problems) > 0 {
			t.Fatalf("%s: %+v", system, i)
		}
		said := oracle.Run(t, "isoinfo", "-d", "-i", path)
		if !strings.Contains(said, "Volume id: "+i.Label) || !strings.Contains(said, "System id: "+i.System) {
			t.Errorf("%+v, isoinfo says\n%s", i, said)
		}
		sameBoot(t, said, i.Boot)
		if len(i.Files) != 1 || i.Files[0].WIM == nil || len(i.Files[0].WIM.Images) != 2 {
			t.Errorf("%s: %+v", system, i.Files)
		}
		sameFile(t, path, inspect.Place{}, "sources/install.wim", filepath.Join(dir, "sources", "install.wim"))
		folder := "sources"
		list := inspect.Run([]string{path}, inspect.Options{Folder: &folder}).Files[0]
		if list.Error != "" || len(list.Folder.Entries) == 0 {
			t.Errorf("%+v", list)
		}
	}
}

// sameBoot compares the boot catalog. isoinfo shows the default entry, and with each bootable image the
// other entries that it knows.
func sameBoot(t *testing.T, said string, got []inspect.ISOBoot) {
	t.Helper()
	if len(got) != 2 || got[0].Platform != "BIOS" || got[1].Platform != "UEFI" || !got[0].Bootable || got[0].Media != "no emulation" {
		t.Fatalf("%+v", got)
	}
	m := regexp.MustCompile(`Nsect ([0-9A-Fa-f]+)\s+Bootoff [0-9A-Fa-f]+ (\d+)`).FindStringSubmatch(said)
	if m == nil || m[1] != fmt.Sprintf("%X", got[0].Sectors) || m[2] != fmt.Sprint(got[0].Block) {
		t.Errorf("%+v, isoinfo says %q", got[0], m)
	}
}

// sameFile compares a file inside of path with one of the host.
func sameFile(t *testing.T, path string, place inspect.Place, name, host string) {
	t.Helper()
	want, err := os.ReadFile(host)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := inspect.Cat(&got, path, place, name); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s: %d bytes, %v, want %d", name, got.Len(), err, len(want))
	}
}

// TestImages reads a file of an image of a WIM, and wants to know which image.
func TestImages(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	path := filepath.Join(mediaDir(t), "sources", "install.wim")
	dir := t.TempDir()
	const name = "Windows/System32/config/SYSTEM"
	oracle.Run(t, "wimlib-imagex", "extract", path, "2", "/"+name, "--dest-dir="+dir)
	sameFile(t, path, inspect.Place{Image: 2}, name, filepath.Join(dir, "SYSTEM"))
	key := `HKLM\SYSTEM\CurrentControlSet\Control`
	f := inspect.Run([]string{path}, inspect.Options{Place: inspect.Place{Image: 1}, Key: &key}).Files[0]
	if f.Error != "" || len(f.Key.Subkeys) == 0 {
		t.Errorf("%+v", f)
	}
	for place, want := range map[*inspect.Place]string{
		{}: "--image", {Image: 9}: "9", {Image: 1, In: []string{"nothing"}}: "--image", {Partition: 1}: "no partitions",
	} {
		var b bytes.Buffer
		if err := inspect.Cat(&b, path, *place, name); err == nil || !strings.Contains(err.Error(), want) || b.Len() > 0 {
			t.Errorf("%+v: %v", place, err)
		}
	}
}
