package vhdx_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// TestFixed puts disks into fixed VHDX files as a bake does, in one piece, and has QEMU read them.
func TestFixed(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for _, size := range []int64{512, 32 << 20, 77<<20 + 512, 130 << 30} {
		f, err := vhdx.NewFixed(vhdx.Options{Size: size, ID: guid.Derive(nil, "disk"), FileWrite: guid.Derive(nil, "file"), DataWrite: guid.Derive(nil, "data")})
		if err != nil {
			t.Fatal(err)
		}
		start := min(size, 5<<20+512)
		disk := sparsetest.RandomDisk(t, start, 1)
		path := writeFixed(t, f, disk)
		oracle.Run(t, "qemu-img", "check", "-f", "vhdx", path)
		sparsetest.Same(t, io.NewSectionReader(openFile(t, path), 0, start), disk)
		if size > 1<<30 { // too much to read
			continue
		}
		raw := oracle.QemuImgConvert(t, path, "vhdx", "raw", "")
		if info, err := os.Stat(raw); err != nil || info.Size() != size {
			t.Errorf("%d bytes: %v, %v", size, info, err)
		}
		oracle.Run(t, "qemu-img", "compare", "-f", "vhdx", "-F", "raw", path, raw)
		sparsetest.Same(t, io.NewSectionReader(openFile(t, path), 0, size), raw)
	}
}

// writeFixed makes the file, which has the disk at start.
func writeFixed(t *testing.T, f *vhdx.Fixed, disk string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fixed.vhdx")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(f.FileSize()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(data, f.DiskOffset()); err != nil {
		t.Fatal(err)
	}
	if err := f.Describe(file); err != nil {
		t.Fatal(err)
	}
	return path
}
