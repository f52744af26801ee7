package bake_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// addWindows gives a tree of anything what a bake looks for in Windows: boot files, winload and
// hives of the stand-in.
func addWindows(t *tree.Tree) error {
	windows, err := standin.Windows(standin.Options{Files: 4, WithoutRecovery: true})
	if err != nil {
		return err
	}
	src, err := windows.Lookup("Windows")
	if err != nil {
		return err
	}
	return t.CopyInto("Windows", windows, src)
}

// TestRealTreeEqualsWimlib bakes 20,000 real files with everything that NTFS has, and compares the
// volume with what wimlib puts onto one that mkntfs made.
func TestRealTreeEqualsWimlib(t *testing.T) {
	if testing.Short() {
		t.Skip("several minutes of 20,000 files")
	}
	image := oracle.RealTreeWIM(t, oracle.TreeSpec{})
	c := config(t, layout.UEFI)
	c.Media, c.Image, c.Size = image, "", 3*gib
	r := run(t, c, addWindows)
	volume := windows(t, r)
	oracle.JudgeDisk(t, r.Files[0])
	oracle.FsckFAT(t, oracle.Sfdisk(t, r.Files[0]).Volume(r.Files[0], 1))
	oracle.JudgeNTFS(t, volume)
	t.Run("ntfs-3g", func(t *testing.T) {
		// wimlib on Linux knows no EAs.
		oracle.CompareNTFS(t, volume, oracle.WimlibNTFS(t, image, 1, volume.Size), oracle.Except("/Windows"), oracle.Ignore(oracle.EA))
	})
	t.Run("GRUB", func(t *testing.T) {
		// GRUB ignores case, so it cannot tell all files of /usr from one another.
		host := t.TempDir()
		oracle.Run(t, "wimlib-imagex", "extract", "--quiet", image, "1", "/usr/bin", "--dest-dir="+host)
		grub := oracle.Grub{Image: r.Files[0], Device: "(loop0,gpt3)"}
		grub.Compare(t, "/usr/bin", filepath.Join(host, "bin"))
	})
	t.Run("7-Zip", func(t *testing.T) { compareWithSevenZip(t, image, volume) })
}

// firstImage is the tree of a WIM's first image. The WIM stays open until the test ends.
func firstImage(t *testing.T, path string) *tree.Tree {
	t.Helper()
	f, err := wim.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	tr, err := f.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// compareWithSevenZip has 7-Zip read every file of the volume, and compares with the WIM's contents.
func compareWithSevenZip(t *testing.T, path string, volume oracle.Volume) {
	t.Helper()
	want := firstImage(t, path)
	got := oracle.SevenZipTree(t, volume, "NTFS")
	files, wrong := 0, 0
	for path, e := range want.Walk() {
		if e.Node.IsDir() || e.Node.Reparse() != nil || strings.HasPrefix(path, "Windows/") {
			continue
		}
		files++
		h := sha256.New()
		if _, err := io.Copy(h, tree.NewReader(e.Node.Data)); err != nil {
			t.Fatal(err)
		}
		if g := got[path]; g.SHA256 != hex.EncodeToString(h.Sum(nil)) || g.Size != tree.SizeOf(e.Node.Data) {
			if wrong++; wrong < 20 {
				t.Errorf("%s: 7-Zip finds %+v", path, g)
			}
		}
	}
	t.Logf("%d files compared, %d wrong", files, wrong)
}
