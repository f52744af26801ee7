package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FsckFAT fails the test if fsck.fat would repair something in a FAT volume.
func FsckFAT(t testing.TB, v Volume) {
	t.Helper()
	Need(t, "fsck.fat")
	verdict(t, fsckFAT(v.File(t)))
}

func fsckFAT(image string) error {
	out, stderr, err := Try("fsck.fat", "-n", "-v", image)
	// A boot sector that differs from its backup is told, but does not change the exit code.
	if err != nil || strings.Contains(out, "differences between boot sector and its backup") {
		return judged("fsck.fat", image, err, out+stderr)
	}
	return nil
}

// MtoolsList lists all files and directories of a FAT volume with mdir, one path each, beginning with
// '/'; those of directories end in '/'.
func MtoolsList(t testing.TB, v Volume) []string {
	t.Helper()
	Need(t, "mdir")
	out := Run(t, "mdir", "-i", v.mtools(), "-/", "-b", "::/")
	var paths []string
	for line := range strings.Lines(out) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "::"); ok {
			paths = append(paths, slash(path))
		}
	}
	return paths
}

// MtoolsRead returns a file of a FAT volume, read with mcopy.
func MtoolsRead(t testing.TB, v Volume, path string) []byte {
	t.Helper()
	Need(t, "mcopy")
	to := filepath.Join(t.TempDir(), "file")
	Run(t, "mcopy", "-n", "-i", v.mtools(), "::"+slash(path), to)
	content, err := os.ReadFile(to)
	return fatal(t, content, err)
}

// MtoolsTree copies all of a FAT volume to a new directory and returns that.
func MtoolsTree(t testing.TB, v Volume) string {
	t.Helper()
	Need(t, "mcopy")
	dir := t.TempDir()
	Run(t, "mcopy", "-s", "-p", "-Q", "-n", "-i", v.mtools(), "::/", dir)
	return dir
}

// mtools names the volume for the option -i.
func (v Volume) mtools() string { return fmt.Sprintf("%s@@%d", v.Path, v.Offset) }
