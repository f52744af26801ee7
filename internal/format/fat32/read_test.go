package fat32_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func openFAT(t testing.TB, path string) *fat32.Volume {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := fat32.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestReadOurs reads every file of what the package writes.
func TestReadOurs(t *testing.T) {
	tr, files := sample(t)
	v := openFAT(t, write(t, tr, options()))
	for _, problem := range v.Check() {
		t.Errorf("Check: %v", problem)
	}
	for path, want := range files {
		for _, p := range []string{path, strings.ToUpper(path)} {
			if got, err := v.ReadFile(p, 1<<20); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes (%v), want %d", p, len(got), err, len(want))
			}
		}
	}
}

// TestReadMtools reads what mkfs.fat and mtools made, in both widths of the FAT.
func TestReadMtools(t *testing.T) {
	oracle.Need(t, "mkfs.fat", "mcopy", "mmd")
	store := bytes.Repeat([]byte("BCD "), 9000)
	host := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(host, store, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ width, megabytes string }{{"16", "32"}, {"32", "64"}} {
		img := filepath.Join(t.TempDir(), "fat.img")
		oracle.Run(t, "mkfs.fat", "-C", "-F", c.width, img, c.megabytes+"000")
		for _, dir := range []string{"EFI", "EFI/Microsoft", "EFI/Microsoft/Boot", "a rather long name"} {
			oracle.Run(t, "mmd", "-i", img, "::/"+dir)
		}
		oracle.Run(t, "mcopy", "-i", img, host, "::/EFI/Microsoft/Boot/BCD")
		oracle.Run(t, "mcopy", "-i", img, host, "::/a rather long name/Boot Configuration.data")
		v := openFAT(t, img)
		for _, problem := range v.Check() {
			t.Errorf("FAT%s: Check: %v", c.width, problem)
		}
		for _, path := range []string{"efi/microsoft/boot/bcd", "A RATHER LONG NAME/boot configuration.DATA"} {
			if got, err := v.ReadFile(path, 1<<20); err != nil || !bytes.Equal(got, store) {
				t.Errorf("FAT%s %s: %d bytes, %v", c.width, path, len(got), err)
			}
		}
		for _, path := range []string{"EFI/Boot/BCD", "EFI/Microsoft/Boot/BCD/x", "nothing"} {
			if _, err := v.ReadFile(path, 1<<20); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("FAT%s %s: %v", c.width, path, err)
			}
		}
		if _, err := v.ReadFile("EFI/Microsoft/Boot/BCD", 100); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("too long: %v", err)
		}
		if _, err := v.ReadFile("EFI", 100); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("directory: %v", err)
		}
	}
}

// TestFewClusters reads a FAT32 volume that has as many clusters as FAT16, as small system partitions
// are. The file is put there by hand, since mtools takes such a volume for FAT16.
func TestFewClusters(t *testing.T) {
	oracle.Need(t, "mkfs.fat", "fsck.fat", "7z")
	img := filepath.Join(t.TempDir(), "few.img")
	oracle.Run(t, "mkfs.fat", "-C", "-F", "32", "-s", "8", img, "40000")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	const sector, cluster = 512, 8 * 512
	fat, length := int(le.Uint16(b[0x0E:]))*sector, int(le.Uint32(b[0x24:]))*sector
	for _, at := range []int{fat, fat + length} {
		le.PutUint32(b[at+3*4:], 0x0FFFFFFF)
	}
	root := fat + 2*length
	copy(b[root:], "HELLO   TXT\x20")
	le.PutUint16(b[root+26:], 3)
	le.PutUint32(b[root+28:], 7)
	copy(b[root+cluster:], "winbake")
	le.PutUint32(b[sector+0x1E8:], le.Uint32(b[sector+0x1E8:])-1) // FSInfo: free clusters
	if err := os.WriteFile(img, b, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "fsck.fat", "-n", img)
	if out := oracle.Run(t, "7z", "e", "-so", "-tFAT", img, "HELLO.TXT"); out != "winbake" {
		t.Errorf("7-Zip reads %q", out)
	}
	v := openFAT(t, img)
	if got, err := v.ReadFile("hello.txt", 100); err != nil || string(got) != "winbake" || v.Bits() != 32 {
		t.Errorf("%q, %v, FAT%d", got, err, v.Bits())
	}
	for _, problem := range v.Check() {
		t.Error(problem)
	}
}

// smallFAT is the head of a FAT32 volume with one file, and a reader that shows zeros after it.
func smallFAT(t testing.TB) []byte {
	t.Helper()
	tr, _ := sample(t)
	for _, path := range []string{"EFI/Microsoft/Boot/Many", "EFI/Boot"} {
		if err := tr.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(write(t, tr, options()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadCorrupt(t *testing.T) {
	img := smallFAT(t)
	for name, change := range map[string]func(b []byte){
		"signature": func(b []byte) { b[510] = 0 },
		"sector":    func(b []byte) { b[0x0B] = 1 },
		"cluster":   func(b []byte) { b[0x0D] = 3 },
		"total":     func(b []byte) { b[0x23] = 0x7F },
		"FAT16":     func(b []byte) { b[0x16] = 0xFF },
		"short FAT": func(b []byte) { b[0x24], b[0x25] = 1, 0 },
		"root":      func(b []byte) { b[0x2C] = 0 },
		"root far":  func(b []byte) { b[0x2E] = 0xFF },
	} {
		b := bytes.Clone(img)
		change(b)
		v, err := fat32.Open(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = v.ReadFile("EFI/Microsoft/Boot/BCD", 1<<20)
		}
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// patched is a reader of an image with a few bytes in other places changed.
type patched struct {
	*bytes.Reader
	off   int64
	bytes []byte
}

func (p patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.Reader.ReadAt(b, off)
	for i, c := range p.bytes {
		if at := p.off + int64(i) - off; at >= 0 && at < int64(n) {
			b[at] = c
		}
	}
	return n, err
}

// FuzzOpen changes bytes of a volume's boot sector, FAT and directories.
func FuzzOpen(f *testing.F) {
	img := smallFAT(f)
	f.Add(uint32(0), []byte{})
	f.Add(uint32(0x0B), []byte{0, 16})
	f.Add(uint32(32*512+8), []byte{2, 0, 0, 0}) // the root directory follows itself
	f.Fuzz(func(t *testing.T, off uint32, b []byte) {
		r := patched{bytes.NewReader(img), int64(off), b}
		v, err := fat32.Open(r, int64(len(img)))
		if err != nil {
			return
		}
		v.Check()
		if got, err := v.ReadFile("EFI/Microsoft/Boot/BCD", 1<<20); err == nil && len(got) > 1<<20 {
			t.Errorf("%d bytes", len(got))
		}
	})
}
