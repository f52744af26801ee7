package sparsetest

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Format is a writer, the reader of the same format, and who else reads it.
type Format struct {
	Create   func(f *os.File, size int64) (FileWriter, error)
	Open     func(r io.ReaderAt, size int64) (Disk, error)
	QEMU     string // its name of the format
	SevenZip string // "" if 7-Zip does not read it
	// SevenZipUnit is what 7-Zip wants a disk's size to be a multiple of.
	SevenZipUnit int64
	Sizes        []int64 // of disks that are written to fully
	Large        []int64 // of disks that have little on them
	// MaxFile is what the file of a large disk may have at most.
	MaxFile int64
	// Judge asks others; nil for none.
	Judge func(t testing.TB, path string)
}

// JudgeWriter has all read what the writer makes.
func JudgeWriter(t *testing.T, f Format) {
	t.Run("full", f.full)
	t.Run("large", f.large)
	t.Run("empty", f.empty)
	t.Run("same bytes", f.sameBytes)
}

func (f Format) write(t testing.TB, size int64, fill func(FileWriter) error) string {
	t.Helper()
	return WriteFile(t, "disk."+f.QEMU, func(file *os.File) (FileWriter, error) { return f.Create(file, size) }, fill)
}

func (f Format) open(t testing.TB, path string) Disk {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Open(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f Format) judge(t testing.TB, path string, size int64) {
	t.Helper()
	if got := oracle.QemuImgInfo(t, path, f.QEMU).VirtualSize; got != size {
		t.Errorf("qemu-img sees %d bytes, not %d", got, size)
	}
	if f.QEMU != "vpc" { // for which qemu-img has no check
		oracle.QemuImgCheck(t, path, f.QEMU)
	}
	if f.Judge != nil {
		f.Judge(t, path)
	}
}

// full writes disks in any order. Our reader, QEMU and 7-Zip see the same disk.
func (f Format) full(t *testing.T) {
	for i, size := range f.Sizes {
		raw := RandomDisk(t, size, uint64(i)+2)
		path := f.write(t, size, CopyFrom(t, raw, uint64(i)))
		Same(t, f.open(t, path), raw)
		f.judge(t, path, size)
		oracle.QemuImgCompare(t, raw, "raw", path, f.QEMU)
		back := oracle.QemuImgConvert(t, path, f.QEMU, "raw", "")
		oracle.QemuImgCompare(t, raw, "raw", back, "raw")
		if f.SevenZip == "" || size%f.SevenZipUnit != 0 {
			continue
		}
		oracle.QemuImgCompare(t, raw, "raw", oracle.SevenZipDisk(t, path, f.SevenZip), "raw")
	}
}

// large writes a little at the ends and in the middle of large disks: the file stays small.
func (f Format) large(t *testing.T) {
	piece := bytes.Repeat([]byte("winbake"), 700)[:4000]
	for _, size := range f.Large {
		offsets := []int64{0, size/2 - 100, size - 5000}
		path := f.write(t, size, func(w FileWriter) error {
			for _, off := range offsets {
				if _, err := w.WriteAt(piece, off); err != nil {
					return err
				}
			}
			_, err := w.WriteContentAt(make([]byte, 1<<20), size/3) // zeros take no room
			return err
		})
		f.judge(t, path, size)
		d := f.open(t, path)
		for _, off := range append(offsets, size/3) {
			want := piece
			if off == size/3 {
				want = make([]byte, 1<<20)
			}
			got := make([]byte, len(want))
			if _, err := d.ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: at %d: %v", size, off, err)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Size() > f.MaxFile {
			t.Errorf("%d bytes: the file has %d", size, info.Size())
		}
	}
}

func (f Format) empty(t *testing.T) {
	const size = 1 << 30
	path := f.write(t, size, func(FileWriter) error { return nil })
	f.judge(t, path, size)
	got := make([]byte, 1000)
	if _, err := f.open(t, path).ReadAt(got, size/2); err != nil || !bytes.Equal(got, make([]byte, 1000)) {
		t.Errorf("%q, %v", got, err)
	}
}

func (f Format) sameBytes(t *testing.T) {
	const size = 20 << 20
	raw := RandomDisk(t, size, 7)
	var files [2][]byte
	for i := range files {
		var err error
		if files[i], err = os.ReadFile(f.write(t, size, CopyFrom(t, raw, 7))); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the same writes gave other bytes")
	}
}
