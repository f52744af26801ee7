package fat32_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	diskfsfat "github.com/diskfs/go-diskfs/filesystem/fat32"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

const size = 64 << 20

var now = filetime.From(time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC))

// sample is an EFI system partition's shape with the names that make FAT hard.
func sample(t testing.TB) (*tree.Tree, map[string][]byte) {
	t.Helper()
	tr := tree.New(now)
	files := map[string][]byte{
		"EFI/Boot/bootx64.efi":                                                            bytes.Repeat([]byte("boot"), 5000),
		"EFI/Microsoft/Boot/BCD":                                                          bytes.Repeat([]byte{7}, 512),
		"EFI/Microsoft/Boot/boot.stl":                                                     nil,
		"EFI/Microsoft/Boot/en-US/bootmgfw.efi.mui":                                       bytes.Repeat([]byte("mui"), 171),
		"EFI/Microsoft/Boot/en-US/bootmgfw.efi.muix":                                      []byte("same first eight and three"),
		"EFI/Microsoft/Boot/ünïcödé 名前.txt":                                               []byte("unicode"),
		"EFI/Microsoft/Boot/" + strings.Repeat("long", 63):                                []byte("255"),
		"EFI/Microsoft/Boot/CIPolicies/Active/{5DAC656C-21AD-4A02-AB49-649917162E70}.cip": []byte("cip"),
	}
	for i := range 700 {
		files[fmt.Sprintf("EFI/Microsoft/Boot/Many/some longer name %d.dat", i)] = []byte(fmt.Sprint(i))
	}
	for path, b := range files {
		if _, err := tr.WriteFile(path, tree.Bytes(b)); err != nil {
			t.Fatal(err)
		}
	}
	tr.Find("EFI/Microsoft/Boot/BCD").Node.Attributes = tree.AttrHidden | tree.AttrSystem | tree.AttrReadOnly
	return tr, files
}

func write(t testing.TB, tr *tree.Tree, o fat32.Options) string {
	t.Helper()
	p, err := fat32.NewPlan(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fat.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(o.Size); err != nil {
		t.Fatal(err)
	}
	if err := volume.Write(f, p); err != nil {
		t.Fatal(err)
	}
	return path
}

func options() fat32.Options {
	return fat32.Options{Size: size, StartLBA: 2048, Label: "System", Serial: 0xCAFE1234, Time: now}
}

func TestFsckFindsNothing(t *testing.T) {
	oracle.Need(t, "fsck.fat", "mdir", "mcopy")
	tr, files := sample(t)
	img := write(t, tr, options())
	oracle.Run(t, "fsck.fat", "-n", "-v", img)
	out := t.TempDir()
	oracle.Run(t, "mcopy", "-s", "-n", "-i", img, "::EFI", out)
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(out, path))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("mcopy %s: %d bytes, %v; want %d bytes", path, len(got), err, len(want))
		}
	}
	listing := oracle.Run(t, "mdir", "-a", "-i", img, "::EFI/Microsoft/Boot/BCD")
	if !strings.Contains(listing, "2024-02-29") {
		t.Errorf("mdir does not show the date:\n%s", listing)
	}
	if attr := oracle.Run(t, "mattrib", "-i", img, "::EFI/Microsoft/Boot/BCD"); !strings.Contains(attr, "SHR") {
		t.Errorf("attributes: %s", attr)
	}
}

func TestFsckCanFail(t *testing.T) {
	oracle.Need(t, "fsck.fat")
	tr, _ := sample(t)
	img := write(t, tr, options())
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	b[32*512+4*5] ^= 0x40 // one FAT entry in the first copy
	if err := os.WriteFile(img, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := oracle.Try("fsck.fat", "-n", img); err == nil {
		t.Fatal("fsck.fat accepts a broken FAT")
	}
}

// TestGoDiskfsReads has another implementation read what was written.
func TestGoDiskfsReads(t *testing.T) {
	tr, files := sample(t)
	f, err := os.OpenFile(write(t, tr, options()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fs, err := diskfsfat.Read(file.New(f, true), size, 0, 512)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"EFI/Boot/bootx64.efi", "EFI/Microsoft/Boot/en-US/bootmgfw.efi.muix"} {
		got, err := fs.ReadFile(path)
		if err != nil || !bytes.Equal(got, files[path]) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
}

func TestSizes(t *testing.T) {
	oracle.Need(t, "fsck.fat")
	tr, _ := sample(t)
	for _, size := range []int64{34 << 20, 100 << 20, 260 << 20, 261<<20 + 512, 300 << 20, 3 << 30} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Size = size
			oracle.Run(t, "fsck.fat", "-n", write(t, tr, o))
		})
	}
}

func TestRefusals(t *testing.T) {
	tr, _ := sample(t)
	small := options()
	small.Size = 16 << 20
	label := options()
	label.Label = "much too long for FAT"
	for name, o := range map[string]fat32.Options{"too few clusters": small, "label": label} {
		if _, err := fat32.NewPlan(tr, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	full := tree.New(now)
	if _, err := full.WriteFile("big", tree.NewPart(bytes.NewReader(nil), 0, 60<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := fat32.NewPlan(full, options()); err != nil {
		t.Errorf("60 MiB into 64 MiB: %v", err)
	}
	if _, err := full.WriteFile("big2", tree.NewPart(bytes.NewReader(nil), 0, 60<<20)); err != nil {
		t.Fatal(err)
	}
	if _, err := fat32.NewPlan(full, options()); err == nil {
		t.Error("120 MiB into 64 MiB: no error")
	}
}
