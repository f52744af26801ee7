package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// NTFSSpec is what MakeNTFS formats.
type NTFSSpec struct {
	Size    int64  // bytes; the file is sparse
	Label   string // volume name
	Cluster int    // bytes; 0 means 4096, as Windows chooses up to 16 TiB
	Sector  int    // bytes; 0 means 512
	Hidden  int64  // sectors before the partition, for the boot sector
	Serial  uint64 // volume serial number; 0 keeps the random one that mkntfs takes
}

// MakeNTFS formats a new image file with mkntfs and returns it; it lives as long as the test.
func MakeNTFS(t testing.TB, spec NTFSSpec) Volume {
	t.Helper()
	Need(t, "mkntfs")
	path := filepath.Join(t.TempDir(), "ntfs.img")
	if err := makeNTFS(path, spec); err != nil {
		t.Fatal(err)
	}
	return WholeFile(path)
}

// WimlibNTFS makes the reference that our own volumes are compared with: wimlib applies an image of
// a WIM to a new volume that mkntfs made, of the given size in bytes. The file lives as long as the
// test. What wimlib does not restore: EAs, and the change time, which it sets to now.
func WimlibNTFS(t testing.TB, wim string, index int, size int64) Volume {
	t.Helper()
	Need(t, "wimlib-imagex", "mkntfs")
	v := MakeNTFS(t, NTFSSpec{Size: size, Label: "reference"})
	Run(t, "wimlib-imagex", "apply", wim, strconv.Itoa(index), v.Path)
	return v
}

// makeNTFS creates path, a sparse file, and formats it.
func makeNTFS(path string, spec NTFSSpec) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(spec.Size); err != nil {
		return err
	}
	orElse := func(n, otherwise int) string {
		if n == 0 {
			n = otherwise
		}
		return strconv.Itoa(n)
	}
	_, stderr, err := Try("mkntfs", "-q", "-F", "-Q", "-L", spec.Label, "-c", orElse(spec.Cluster, 4096),
		"-s", orElse(spec.Sector, 512), "-p", strconv.FormatInt(spec.Hidden, 10), "-H", "255", "-S", "63", path)
	if err != nil {
		return fmt.Errorf("mkntfs: %w\n%s", err, stderr)
	}
	if spec.Serial == 0 {
		return nil
	}
	return setSerial(f, spec.Serial)
}

// setSerial changes the serial number, at byte 0x48 of the boot sector, there and in the copy in the
// volume's last sector, which every tool wants to be the same.
func setSerial(f *os.File, serial uint64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, 0); err != nil {
		return err
	}
	sector := int64(binary.LittleEndian.Uint16(boot[0x0B:]))
	last := (info.Size()/sector - 1) * sector
	backup := make([]byte, 512)
	if _, err := f.ReadAt(backup, last); err != nil {
		return err
	}
	if !bytes.Equal(boot, backup) {
		return fmt.Errorf("%s: mkntfs left another boot sector at byte %d", f.Name(), last)
	}
	binary.LittleEndian.PutUint64(boot[0x48:], serial)
	if _, err := f.WriteAt(boot, 0); err != nil {
		return err
	}
	_, err = f.WriteAt(boot, last)
	return err
}
