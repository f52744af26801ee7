package image_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
)

// TestSparse looks for the mark that keeps Windows from attaching a virtual disk.
func TestSparse(t *testing.T) {
	for _, holes := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "disk")
		f, err := image.Create(path, 1<<20, holes)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		attributes := info.Sys().(*syscall.Win32FileAttributeData).FileAttributes
		if marked := attributes&windows.FILE_ATTRIBUTE_SPARSE_FILE != 0; marked != holes {
			t.Errorf("marked as sparse: %v, want %v", marked, holes)
		}
	}
}
