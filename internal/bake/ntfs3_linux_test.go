package bake_test

import (
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestNtfs3 has the Linux kernel find the Windows partition of a baked disk of each kind, and its NTFS
// driver read it: it must show the tree that was baked.
func TestNtfs3(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a virtual machine")
	}
	var baked []*tree.Tree
	var jobs []oracle.Ntfs3Job
	for _, firmware := range firmwares {
		r := run(t, config(t, firmware), func(tr *tree.Tree) error {
			baked = append(baked, tr)
			return nil
		})
		jobs = append(jobs, oracle.Ntfs3Job{Volume: windows(t, r)})
	}
	for i, got := range oracle.Ntfs3(t, jobs...) {
		t.Run(string(firmwares[i]), func(t *testing.T) {
			t.Logf("%d names in %v", len(got.Entries), got.Took)
			oracle.CompareNtfs3(t, got, baked[i])
		})
	}
}
