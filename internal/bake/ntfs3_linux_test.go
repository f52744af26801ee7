package bake_test

import (
	"testing"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestNtfs3 has the Linux kernel find the Windows partition of a baked disk of each kind, and its NTFS
// driver read it: it must show the tree that was baked. One of them has 20,000 real files.
func TestNtfs3(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a virtual machine")
	}
	var baked []*tree.Tree
	var jobs []oracle.Ntfs3Job
	var names []string
	add := func(name string, c bake.Config, edit func(*tree.Tree) error) {
		r := run(t, c, func(tr *tree.Tree) error {
			baked = append(baked, tr)
			return edit(tr)
		})
		jobs, names = append(jobs, oracle.Ntfs3Job{Volume: windows(t, r)}), append(names, name)
	}
	for _, firmware := range firmwares {
		add(string(firmware), config(t, firmware), func(*tree.Tree) error { return nil })
	}
	real := config(t, layout.UEFI)
	real.Media, real.Image, real.Size = oracle.RealTreeWIM(t, oracle.TreeSpec{}), "", 3*gib
	add("20,000 real files", real, func(tr *tree.Tree) error {
		var surrogates []*tree.Entry // lone ones, for which Linux has no name
		for path, e := range tr.Walk() {
			if !utf8.ValidString(path) {
				surrogates = append(surrogates, e)
			}
		}
		for _, e := range surrogates {
			tr.Unlink(e)
		}
		return addWindows(tr)
	})
	for i, got := range oracle.Ntfs3(t, jobs...) {
		t.Run(names[i], func(t *testing.T) {
			t.Logf("%d names in %v", len(got.Entries), got.Took)
			oracle.CompareNtfs3(t, got, baked[i])
		})
	}
}
