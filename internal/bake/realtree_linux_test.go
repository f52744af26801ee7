package bake_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
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
	wim := oracle.RealTreeWIM(t, oracle.TreeSpec{})
	c := config(t, layout.UEFI)
	c.Media, c.Image, c.Size = wim, "", 3*gib
	r := run(t, c, addWindows)
	volume := windows(t, r)
	oracle.JudgeNTFS(t, volume)
	oracle.JudgeDisk(t, r.Files[0])
	reference := oracle.WimlibNTFS(t, wim, 1, volume.Size)
	// wimlib restores no EAs.
	diffs, err := oracle.NTFSDiff(volume, reference, oracle.Except("/Windows"), oracle.Ignore(oracle.EA), oracle.Limit(0))
	if err != nil {
		t.Fatal(err)
	}
	diffs = slices.DeleteFunc(diffs, ownShortName)
	if len(diffs) > 0 {
		t.Errorf("%d differences from what wimlib writes (b):\n%s", len(diffs), strings.Join(diffs[:min(len(diffs), 40)], "\n"))
	}
}

// ownShortName says whether all that differs is that a name which is a valid 8.3 name serves as one:
// ours is in both namespaces, as on Windows; wimlib's is in that of long names only.
func ownShortName(diff string) bool {
	return strings.Contains(diff, ": short name: a ") && strings.HasSuffix(diff, ", b has none")
}
