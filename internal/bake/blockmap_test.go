package bake_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestBlockMap has bmaptool copy a disk by its block map, and the judges look at the copy. In package stick it
// goes to a device that held something else.
func TestBlockMap(t *testing.T) {
	oracle.Need(t, "bmaptool")
	c := config(t, layout.Both)
	c.BlockMap = true
	r := run(t, c, nil)
	name := "disk.raw" + bmap.Suffix
	if !slices.Contains(r.Manifest.Records, name) || !slices.ContainsFunc(r.Files, func(f string) bool { return filepath.Base(f) == name }) {
		t.Errorf("files %q, records %q", r.Files, r.Manifest.Records)
	}
	sums, err := os.ReadFile(filepath.Join(c.OutputDir, "checksums.sha256"))
	if err != nil || !strings.Contains(string(sums), "  "+name+"\n") {
		t.Errorf("%s, %v", sums, err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	oracle.Run(t, "bmaptool", "copy", r.Files[0], copied) // it finds the map by its name
	oracle.JudgeDisk(t, copied)
	for _, p := range r.Manifest.Disk.Partitions {
		v := oracle.Volume{Path: copied, Offset: p.Offset, Size: p.Size}
		switch p.FileSystem {
		case layout.NTFS:
			oracle.JudgeNTFS(t, v)
		case layout.FAT32:
			oracle.FsckFAT(t, v)
		}
	}
}
