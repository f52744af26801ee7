package wim

import (
	"context"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestRealTree reads thousands of real files with everything that NTFS has, compressed by wimlib,
// and writes them; wimlib must see no difference.
func TestRealTree(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	path := oracle.RealTreeWIM(t, oracle.TreeSpec{})
	f := mustOpen(t, path)
	want := oracle.WIMDir(t, path, 1)
	oracle.CompareWIMDirs(t, want, ourDir(t, path, 1), nil)
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
	out := writeTemp(t, WriteOptions{Integrity: true}, ImageSource{mustTree(t, f, 1), f.Images()[0]})
	oracle.JudgeWIM(t, out)
	oracle.CompareWIMDirs(t, want, oracle.WIMDir(t, out, 1), nil)
}
