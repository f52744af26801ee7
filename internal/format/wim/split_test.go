package wim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// manyTree has enough contents of like size to be split into many parts.
func manyTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: richTree(t), tick: 3e9}
	for i := range 12 {
		b.file(fmt.Sprintf("part%02d.bin", i), "", noise(300_000, uint64(100+i)))
	}
	return b.tree
}

// split has wimlib split a WIM into parts of about so many bytes, and returns their paths.
func split(t testing.TB, wim string, bytes int) []string {
	t.Helper()
	oracle.Need(t, wimlib)
	dir := t.TempDir()
	first := filepath.Join(dir, "install.swm")
	oracle.Run(t, wimlib, "split", wim, first, fmt.Sprintf("%.3f", float64(bytes)/(1<<20)), "--check")
	all, err := filepath.Glob(filepath.Join(dir, "*.swm"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSplit reads sets of 2 to 9 parts that wimlib made, of several kinds of WIM. What wimlib says of
// the whole file must be true of the set.
func TestSplit(t *testing.T) {
	want := manyTree(t)
	plain := writeTemp(t, WriteOptions{Integrity: true}, ImageSource{want, sampleImage("many")})
	packed := filepath.Join(t.TempDir(), "lzx.wim")
	oracle.Need(t, wimlib)
	oracle.Run(t, wimlib, "export", plain, "1", packed, "--compress=LZX", "--check")
	seen := map[int]bool{}
	for _, c := range []struct {
		path string
		size int
	}{{plain, 3_000_000}, {plain, 2_000_000}, {packed, 1_600_000}, {packed, 1_250_000}, {plain, 1_000_000}, {packed, 900_000}, {packed, 700_000}, {packed, 600_000}} {
		all := split(t, c.path, c.size)
		seen[len(all)] = true
		f := mustOpen(t, all[0])
		sameTrees(t, mustTree(t, f, 1), want)
		oracle.CompareWIMDirs(t, oracle.WIMDir(t, c.path, 1), ourDir(t, all[0], 1), nil)
		if err := f.Verify(context.Background(), nil); err != nil {
			t.Error(err)
		}
		size := int64(0)
		for _, p := range f.parts {
			size += p.size
		}
		for i := range f.blobs {
			if at := f.blobs[i].Position(); at <= 0 || at >= size {
				t.Errorf("blob at %d of %d", at, size)
			}
		}
	}
	t.Logf("sets of %v parts", seen)
	if len(seen) < 5 {
		t.Errorf("sets of %v parts are too few", seen)
	}
}

// TestSplitESD reads a split WIM whose files are compressed with LZMS. (A solid file cannot be split.)
func TestSplitLZMS(t *testing.T) {
	oracle.Need(t, wimlib)
	want := manyTree(t)
	plain := writeTemp(t, WriteOptions{}, ImageSource{want, sampleImage("many")})
	packed := filepath.Join(t.TempDir(), "lzms.wim")
	oracle.Run(t, wimlib, "export", plain, "1", packed, "--compress=LZMS")
	sameTrees(t, mustTree(t, mustOpen(t, split(t, packed, 1_500_000)[0]), 1), want)
}

// TestSplitNames finds the parts whatever the case of their names.
func TestSplitNames(t *testing.T) {
	want := manyTree(t)
	all := split(t, writeTemp(t, WriteOptions{}, ImageSource{want, Image{Name: "x"}}), 2_000_000)
	for i, path := range all {
		name := strings.ToUpper(filepath.Base(path))
		if i == 1 {
			name = "Install2.swm"
		}
		if err := os.Rename(path, filepath.Join(filepath.Dir(path), name)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(all[0])
	sameTrees(t, mustTree(t, mustOpen(t, filepath.Join(dir, "INSTALL.SWM")), 1), want)
	if paths, err := Parts(filepath.Join(dir, "INSTALL.SWM")); err != nil || len(paths) != len(all) || filepath.Base(paths[1]) != "Install2.swm" {
		t.Errorf("%q (%v)", paths, err)
	}
}

// TestSplitMistakes mixes parts up.
func TestSplitMistakes(t *testing.T) {
	plain := writeTemp(t, WriteOptions{}, ImageSource{manyTree(t), Image{Name: "x"}})
	other := writeTemp(t, WriteOptions{GUID: [16]byte{7}}, ImageSource{manyTree(t), Image{Name: "x"}})
	foreign := split(t, other, 2_000_000)
	for _, c := range []struct {
		name string
		edit func(all []string) error
		open int
		want error
		text string
	}{
		{"missing", func(all []string) error { return os.Remove(all[2]) }, 0, fault.ErrInvalid, "part 3 is missing: there is no install3.swm beside it"},
		{"not the first", func([]string) error { return nil }, 1, fault.ErrInvalid, "install2.swm: this is part 2 of a split WIM of 3 parts"},
		{"exchanged", func(all []string) error {
			return errors.Join(os.Rename(all[1], all[1]+"x"), os.Rename(all[2], all[1]), os.Rename(all[1]+"x", all[2]))
		}, 0, fault.ErrCorrupt, "install2.swm at offset 0x28: part 3 where part 2 is expected"},
		{"of another set", func(all []string) error { return os.Rename(foreign[1], all[1]) }, 0, fault.ErrCorrupt, "install2.swm at offset 0x18: it belongs to another split WIM than install.swm"},
		{"no WIM", func(all []string) error { return os.WriteFile(all[1], []byte("x"), 0o600) }, 0, fault.ErrCorrupt, "install2.swm"},
		{"truncated", func(all []string) error { return os.Truncate(all[2], 300_000) }, 0, fault.ErrCorrupt, "install3.swm"},
	} {
		all := split(t, plain, 2_000_000)
		if len(all) != 3 {
			t.Fatalf("%d parts", len(all))
		}
		if err := c.edit(all); err != nil {
			t.Fatal(err)
		}
		_, err := Open(all[c.open])
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSplitFlips damages the contents of each part: Verify names the part.
func TestSplitFlips(t *testing.T) {
	all := split(t, writeTemp(t, WriteOptions{}, ImageSource{manyTree(t), Image{Name: "x"}}), 1_500_000)
	for i, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(b)
		bad[len(bad)/2] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, all[0])
		if err := f.Verify(context.Background(), nil); !errors.Is(err, fault.ErrCorrupt) || !strings.HasPrefix(err.Error(), filepath.Base(path)+": ") && !strings.HasPrefix(err.Error(), filepath.Base(path)+" at ") {
			t.Errorf("part %d: %v", i+1, err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
