package iso9660_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/iso9660"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

const block = 2048

func folder(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.NewChaCha8([32]byte{3})
	for i, name := range names {
		b := make([]byte, i*997)
		r.Read(b)
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, b []byte) *iso9660.Volume {
	t.Helper()
	v, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wide(prefix string) (names []string) {
	for i := range 500 {
		names = append(names, fmt.Sprintf("%s/%d%s", prefix, i, strings.Repeat("x", i%30)))
	}
	return names
}

// TestJoliet reads what genisoimage writes, by its Joliet names.
func TestJoliet(t *testing.T) {
	dir := folder(t, append(wide("wide"), "sources/install.wim", "日本語/Größe.txt", "deep/1/2/3/4/5/6/7/8/9/10/11/file", "no extension", "a.b.c", "empty")...)
	path := oracle.Genisoimage(t, dir, "-J", "-joliet-long", "-D", "-input-charset", "utf-8")
	b := read(t, path)
	v := open(t, b)
	if !v.Joliet {
		t.Error("no Joliet")
	}
	want := oracle.FileSums(t, os.DirFS(dir))
	oracle.CompareSums(t, want, oracle.FileSums(t, v))
	oracle.CompareSevenZip(t, oracle.WholeFile(path), "Iso", want)
	info, err := fs.Stat(v, "sources/install.wim")
	if source, _ := os.Stat(filepath.Join(dir, "sources/install.wim")); err != nil || !info.ModTime().Equal(source.ModTime().Truncate(time.Second)) {
		t.Errorf("%v, %v", info, err)
	}
}

// TestPrimary reads the names that all discs have.
func TestPrimary(t *testing.T) {
	dir := folder(t, "SOURCES/INSTALL.WIM", "BOOT/BOOTSECT.EXE", "README", "A/B/C/D.E")
	path := oracle.Genisoimage(t, dir)
	v := open(t, read(t, path))
	want := oracle.FileSums(t, os.DirFS(dir))
	oracle.CompareSums(t, want, oracle.FileSums(t, v))
	if v.Joliet {
		t.Error("Joliet")
	}
	if err := fstest.TestFS(v, "SOURCES/INSTALL.WIM", "README"); err != nil {
		t.Error(err)
	}
}

// TestJudgesCanFail changes a byte of a file: 7-Zip and CompareSums notice.
func TestJudgesCanFail(t *testing.T) {
	dir := folder(t, "zero", "a", "b")
	path := oracle.Genisoimage(t, dir, "-J")
	b := read(t, path)
	content := read(t, filepath.Join(dir, "b"))
	b[bytes.Index(b, content)+3] ^= 1
	want := oracle.FileSums(t, os.DirFS(dir))
	if got := oracle.FileSums(t, open(t, b)); got["b"] == want["b"] || got["a"] != want["a"] {
		t.Error("a changed byte is not seen")
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := oracle.SevenZipTree(t, oracle.WholeFile(path), "Iso")["b"].SHA256; got == "" || got == want["b"] {
		t.Errorf("7-Zip does not see a changed byte: %q", got)
	}
}

// What no disc may cost, however it is damaged.
const (
	maxTime   = time.Second
	maxMemory = 256 << 20
)

// look reads all that a disc has, of large files the start and the end, and fails the test if that takes
// too long or too much, or gives an error of no class.
func look(t testing.TB, what string, r io.ReaderAt, size int64) (files int, err error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	v, err := iso9660.Open(r, size)
	if err == nil {
		err = fs.WalkDir(v, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := v.Open(path)
			if err != nil {
				return err
			}
			c, err := f.(*disc.File).Content()
			if err != nil {
				return err
			}
			files++
			b := make([]byte, min(c.Size(), 1<<16))
			for _, off := range []int64{0, c.Size() - int64(len(b))} {
				if n, err := c.ReadAt(b, off); n < len(b) {
					return err
				}
			}
			return nil
		})
	}
	if d := time.Since(start); d > maxTime {
		t.Errorf("%s: %v", what, d)
	}
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > maxMemory {
		t.Errorf("%s: %d MiB", what, (after.TotalAlloc-before.TotalAlloc)>>20)
	}
	if err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("%s: an error of no class: %v", what, err)
	}
	return files, err
}

// TestSamples reads discs of other programs, among them some made to crash readers. Those that must
// have files do; the rest may be in error.
func TestSamples(t *testing.T) {
	damaged := map[string]bool{"test_fuzz_1.iso.Z.uu": true, "test_read_format_iso.iso.Z.uu": true, // the latter is empty
		"test_read_format_iso_joliet_utf16be_overflow.iso.uu": true,
		"test_read_format_iso_rockridge_zf_overflow.iso.uu":   true, "test_read_format_iso_zisofs_overflow.iso.uu": true}
	for _, name := range oracle.Samples(t, "iso-udf") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b := oracle.Sample(t, name)
			files, err := look(t, name, bytes.NewReader(b), int64(len(b)))
			t.Logf("%d bytes, %d files, %v", len(b), files, err)
			if !damaged[filepath.Base(name)] && (err != nil || files == 0) {
				t.Errorf("%d files, %v", files, err)
			}
		})
	}
}

// small is a disc in memory with two files and a folder.
func small() []byte {
	b := make([]byte, 24*block)
	root := record("\x00", 20, 2*block, 2)
	volume(b[16*block:], 1, root)
	copy(b[17*block:], "\xFFCD001\x01")
	put(b[20*block:], root, record("\x01", 20, 2*block, 2), record("SOURCES", 22, block, 2), record("README.;1", 23, 5, 0))
	put(b[21*block:], record("LAST.TXT;1", 23, 7, 0))
	put(b[22*block:], record("\x00", 22, block, 2), record("\x01", 20, 2*block, 2),
		record("INSTALL.WIM;1", 20, block, 0x80), record("INSTALL.WIM;1", 23, 9, 0))
	copy(b[23*block:], "Hello, World")
	return b
}

func volume(b []byte, kind byte, root []byte) {
	b[0] = kind
	copy(b[1:], "CD001\x01")
	b[128], b[129] = 0, block>>8
	copy(b[156:], root)
}

func put(b []byte, records ...[]byte) {
	for _, r := range records {
		b = b[copy(b, r):]
	}
}

func record(name string, at, length uint32, flags byte) []byte {
	b := make([]byte, (33+len(name)+1)&^1)
	b[0], b[25], b[28], b[32] = byte(len(b)), flags, 1, byte(len(name))
	b[2], b[3], b[4], b[5] = byte(at), byte(at>>8), byte(at>>16), byte(at>>24)
	b[10], b[11], b[12], b[13] = byte(length), byte(length>>8), byte(length>>16), byte(length>>24)
	copy(b[33:], name)
	return b
}

// TestExtents joins a file's extents, and takes names without version and empty extension.
func TestExtents(t *testing.T) {
	v := open(t, small())
	b, err := fs.ReadFile(v, "SOURCES/INSTALL.WIM")
	if err != nil || len(b) != block+9 || string(b[block:]) != "Hello, Wo" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for name, want := range map[string]string{"README": "Hello", "LAST.TXT": "Hello, "} {
		if b, err := fs.ReadFile(v, name); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestHostile damages one thing each.
func TestHostile(t *testing.T) {
	for _, c := range []struct {
		name, says string
		class      error
		change     func([]byte)
	}{
		{"no descriptor", "no primary", fault.ErrCorrupt, func(b []byte) { b[16*block+1] = 'X' }},
		{"block size", "blocks of 512", fault.ErrUnsupported, func(b []byte) { b[16*block+129] = 2 }},
		{"root is a file", "it is a file", fault.ErrCorrupt, func(b []byte) { b[16*block+156+25] = 0 }},
		{"root beyond the end", "the image has only", fault.ErrCorrupt, func(b []byte) { b[16*block+156+4] = 1 }},
		{"root of 4 GiB", "the image has only", fault.ErrCorrupt, func(b []byte) { b[16*block+156+13] = 0xFF }},
		{"record longer than its block", "of which", fault.ErrCorrupt, func(b []byte) { put(b[16*block+156+10:], []byte{20, block >> 8}) }},
		{"short record", "too short", fault.ErrCorrupt, func(b []byte) { b[21*block] = 20 }},
		{"long name", "too short", fault.ErrCorrupt, func(b []byte) { b[21*block+32] = 200 }},
		{"interleaved", "interleaved", fault.ErrUnsupported, func(b []byte) { b[21*block+26] = 1 }},
		{"second disc", "disc 2", fault.ErrUnsupported, func(b []byte) { b[21*block+28] = 2 }},
		{"no last extent", "last extent", fault.ErrCorrupt, func(b []byte) { b[21*block+25] = 0x80 }},
		{"folder in itself", "somewhere else", fault.ErrCorrupt, func(b []byte) { put(b[21*block:], record("LAST.TXT;1", 22, block, 2)) }},
		{"folder in the root's place", "somewhere else", fault.ErrCorrupt, func(b []byte) { put(b[21*block:], record("LAST.TXT;1", 20, block, 2)) }},
		{"slash", `"A/B"`, fault.ErrCorrupt, func(b []byte) { put(b[21*block:], record("A/B", 23, 1, 0), []byte{0}) }},
		{"own name", `"."`, fault.ErrCorrupt, func(b []byte) { put(b[21*block:], record("..;1", 23, 1, 0), []byte{0}) }},
		{"middle extent", "in the middle", fault.ErrCorrupt, func(b []byte) { put(b[21*block:], record("X", 23, 1, 0x80), record("X", 23, 1, 0)) }},
		{"folder with extents", "several extents", fault.ErrCorrupt, func(b []byte) { put(b[21*block:], record("X", 23, block, 0x82), record("X", 23, 1, 2)) }},
	} {
		b := small()
		c.change(b)
		if _, err := look(t, c.name, bytes.NewReader(b), int64(len(b))); !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTruncated cuts a disc anywhere: what is left is an error, but for the end of the last block.
func TestTruncated(t *testing.T) {
	b := small()
	for size := range 23*block + 9 {
		if size%101 != 0 && size < 22*block {
			continue
		}
		if _, err := look(t, fmt.Sprint(size), bytes.NewReader(b[:size]), int64(size)); err == nil {
			t.Errorf("%d bytes: no error", size)
		}
	}
}

// FuzzOpen opens a disc from its sector 16 on.
func FuzzOpen(f *testing.F) {
	f.Add(small()[16*block:])
	f.Add(bytes.Replace(small()[16*block:], []byte("INSTALL"), []byte("\x00I\x00N\x00S\x00"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(make([]byte, 16*block), b...)
		look(t, "fuzz", bytes.NewReader(b), int64(len(b)))
		if _, boot, _ := iso9660.Describe(bytes.NewReader(b)); len(boot) > block/32 {
			t.Errorf("%d boot entries", len(boot))
		}
	})
}
