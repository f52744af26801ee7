package ntfs_test

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestReadWindows reads volumes that Windows 10 formatted and filled, as ntfs-3g does.
func TestReadWindows(t *testing.T) {
	if testing.Short() {
		t.Skip("volumes of up to 1 GiB")
	}
	for name, want := range map[string]struct {
		cluster int64
		file    string
	}{
		"ntfs-2m.raw.gz":         {2 << 20, ""},
		"ntfs-lastaccess.raw.gz": {4096, "test/1.txt"},
		"ntfs-ptrn.raw.gz":       {4096, "2.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			v, tr := foreign(t, firstPartition(t, oracle.Sample(t, "ntfs/msuhanov+ntfs-samples/"+name)))
			if v.ClusterSize() != want.cluster {
				t.Errorf("clusters of %d bytes", v.ClusterSize())
			}
			if _, err := tr.Lookup(want.file); err != nil {
				t.Error(err)
			}
			for _, problem := range v.Check() {
				t.Error(problem)
			}
		})
	}
}

// firstPartition writes the first partition of a disk with an MBR to a file. The pattern that one of
// the samples was filled with before Windows formatted it becomes holes.
func firstPartition(t *testing.T, disk []byte) string {
	t.Helper()
	start, size := int64(le.Uint32(disk[0x1BE+8:]))*512, int64(le.Uint32(disk[0x1BE+12:]))*512
	part := disk[start : start+size]
	const unit = 1 << 20
	pattern := bytes.Repeat([]byte("PTRN"), unit/4)
	f, err := os.Create(filepath.Join(t.TempDir(), "windows.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zero := make([]byte, unit)
	for at := int64(0); at < size; at += unit {
		b := part[at:min(at+unit, size)]
		if bytes.Equal(b, pattern[:len(b)]) || bytes.Equal(b, zero[:len(b)]) {
			continue
		}
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// TestReadSameIDs reads a volume on which two streams of a file, in two records, have one instance
// number.
func TestReadSameIDs(t *testing.T) {
	packed := oracle.Sample(t, "ntfs/Velocidex+go-ntfs/tests/ads_with_same_ids/charlie.dd.bz2")
	b, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "charlie.img")
	if err := os.WriteFile(image, b, 0o644); err != nil {
		t.Fatal(err)
	}
	v, _ := foreign(t, image)
	for _, problem := range v.Check() {
		t.Error(problem)
	}
}
