package fat32_test

import (
	"bytes"
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
