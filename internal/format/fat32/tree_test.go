package fat32_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/fat32"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// content is the content of a node, which may have none.
func content(n *tree.Node) tree.Content {
	if n.Data == nil {
		return tree.Bytes(nil)
	}
	return n.Data
}

// TestTree reads all files of what the package writes, and of what mkfs.fat and mtools made with a
// fragmented file in it.
func TestTree(t *testing.T) {
	tr, files := sample(t)
	got, err := openFAT(t, write(t, tr, options())).Tree()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		same(t, got, path, want)
	}
	count := 0
	for range got.Walk() {
		count++
	}
	want := 0
	for range tr.Walk() {
		want++
	}
	if count != want {
		t.Errorf("%d names, want %d", count, want)
	}
}

func same(t *testing.T, tr *tree.Tree, path string, want []byte) {
	t.Helper()
	n, err := tr.Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(content(n), 0, tree.SizeOf(n.Data)))
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("%s: %d bytes, %v, want %d", path, len(b), err, len(want))
	}
	for _, off := range []int64{1, 4095, 4096, 5000, int64(len(want)) - 1, int64(len(want)), int64(len(want)) + 1} {
		if off < 0 || len(want) == 0 {
			continue
		}
		part := make([]byte, 3000)
		k, err := n.Data.ReadAt(part, off)
		from := min(off, int64(len(want)))
		if w := want[from:min(from+3000, int64(len(want)))]; !bytes.Equal(part[:k], w) || (k < len(part)) != (err == io.EOF) {
			t.Errorf("%s at %d: %d bytes, %v, want %d", path, off, k, err, len(w))
		}
	}
}

// TestCase has names that are as they were given to mtools, without long names for those that are 8.3 but
// for their case.
func TestCase(t *testing.T) {
	oracle.Need(t, "mkfs.fat", "mcopy")
	host := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(host, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "fat.img")
	oracle.Run(t, "mkfs.fat", "-C", "-F", "32", img, "64000")
	var got []string
	want := []string{"Mixed.txt", "UPPER.TXT", "base.TXT", "bootmgr", "both.txt", "EXT.txt", "bootx64.efi"}
	for _, name := range want {
		oracle.Run(t, "mcopy", "-i", img, host, "::/"+name)
	}
	tr, err := openFAT(t, img).Tree()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tr.Entries(tr.Root) {
		got = append(got, e.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFacts compares label, serial number and free space with mdir's, in both widths of the FAT.
func TestFacts(t *testing.T) {
	oracle.Need(t, "mkfs.fat", "mcopy", "mdel", "mdir")
	data := bytes.Repeat([]byte("0123456789"), 30_000)
	host := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(host, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		width, megabytes string
		bits             int
	}{{"16", "32", 16}, {"32", "64", 32}} {
		img := filepath.Join(t.TempDir(), "fat.img")
		oracle.Run(t, "mkfs.fat", "-C", "-F", c.width, "-i", "12ab34cd", "-n", "LABEL 1", img, c.megabytes+"000")
		for _, name := range []string{"one", "two", "three"} {
			oracle.Run(t, "mcopy", "-i", img, host, "::/"+name)
		}
		oracle.Run(t, "mdel", "-i", img, "::/two")
		large := filepath.Join(t.TempDir(), "large")
		if err := os.WriteFile(large, bytes.Repeat(data, 3), 0o600); err != nil {
			t.Fatal(err)
		}
		oracle.Run(t, "mcopy", "-i", img, large, "::/in pieces")
		v := openFAT(t, img)
		label, err := v.Label()
		if err != nil || label != "LABEL 1" {
			t.Errorf("%q, %v", label, err)
		}
		serial, err := v.Serial()
		if err != nil || serial != 0x12ab34cd || v.Bits() != c.bits {
			t.Errorf("%x, %v, %d bits", serial, err, v.Bits())
		}
		free, err := v.Free()
		said := regexp.MustCompile(`([\d ]+) bytes free`).FindStringSubmatch(oracle.Run(t, "mdir", "-i", img))
		if err != nil || said == nil || strings.ReplaceAll(said[1], " ", "") != fmt.Sprint(free) {
			t.Errorf("%d, %v, mdir says %q", free, err, said)
		}
		if dirty, err := v.Dirty(); dirty || err != nil {
			t.Errorf("%v, %v", dirty, err)
		}
		tr, err := v.Tree()
		if err != nil {
			t.Fatal(err)
		}
		same(t, tr, "in pieces", bytes.Repeat(data, 3))
		same(t, tr, "ONE", data)
	}
}

// FuzzTree loads volumes with bytes of others in them, and reads a piece of each file.
func FuzzTree(f *testing.F) {
	img := smallFAT(f)
	f.Add(uint32(0), []byte{})
	f.Add(uint32(32*512+8), []byte{2, 0, 0, 0}) // the root directory follows itself
	f.Fuzz(func(t *testing.T, off uint32, b []byte) {
		v, err := fat32.Open(patched{bytes.NewReader(img), int64(off), b}, int64(len(img)))
		if err != nil {
			return
		}
		if free, err := v.Free(); err == nil && free > v.Size() {
			t.Errorf("%d bytes are free of %d", free, v.Size())
		}
		tr, err := v.Tree()
		if err != nil {
			return
		}
		piece := make([]byte, 1<<16)
		for _, n := range tr.Nodes() {
			if got, _ := content(n).ReadAt(piece, 0); int64(got) > tree.SizeOf(n.Data) {
				t.Errorf("%d bytes of %d", got, tree.SizeOf(n.Data))
			}
		}
	})
}
