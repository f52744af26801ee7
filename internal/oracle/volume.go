package oracle

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Volume is a file system inside an image file: size bytes from a byte offset. A Size of zero means
// "to the end of the file".
type Volume struct {
	Path   string
	Offset int64
	Size   int64
}

// WholeFile is the volume that fills an image file.
func WholeFile(path string) Volume { return Volume{Path: path} }

// String names the volume in messages.
func (v Volume) String() string {
	if v.Offset == 0 {
		return v.Path
	}
	return fmt.Sprintf("%s@%d", v.Path, v.Offset)
}

// File returns an image file that holds the volume and nothing else: the file itself if the volume
// begins it, else a sparse copy that lives as long as the test. Programs that take no offset (ntfs-3g,
// ntfsprogs, wimlib) need it.
func (v Volume) File(t testing.TB) string {
	t.Helper()
	path, cleanup, err := v.file()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cleanup)
	return path
}

// file is File for callers without a test; the copy goes when cleanup is called.
func (v Volume) file() (path string, cleanup func(), err error) {
	whole, err := v.fillsFile()
	if err != nil || whole {
		return v.Path, func() {}, err
	}
	dir, err := os.MkdirTemp("", "oracle-volume-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "volume.img")
	if err := v.CopyTo(path); err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return path, func() { os.RemoveAll(dir) }, nil
}

func (v Volume) fillsFile() (bool, error) {
	info, err := os.Stat(v.Path)
	if err != nil {
		return false, err
	}
	return v.Offset == 0 && (v.Size == 0 || v.Size == info.Size()), nil
}

// CopyTo writes the volume's bytes to a new file; holes and runs of zeros become holes.
func (v Volume) CopyTo(path string) error {
	in, err := os.Open(v.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	size := v.Size
	if size == 0 {
		size = info.Size() - v.Offset
	}
	if size < 0 || v.Offset+size > info.Size() {
		return fmt.Errorf("%s: volume ends at byte %d of a %d-byte file", v, v.Offset+size, info.Size())
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	err = sparseCopy(out, in, v.Offset, size)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// sparseBlock is what sparseCopy looks at in one go; a block of zeros is not written.
const sparseBlock = 256 << 10

// sparseCopy copies size bytes from off in in to the start of out, an empty file.
func sparseCopy(out, in *os.File, off, size int64) error {
	if err := out.Truncate(size); err != nil {
		return err
	}
	buf, zero := make([]byte, sparseBlock), make([]byte, sparseBlock)
	for pos := nextData(in, off); pos < off+size; {
		n := min(sparseBlock, off+size-pos)
		if _, err := io.ReadFull(io.NewSectionReader(in, pos, n), buf[:n]); err != nil {
			return err
		}
		if bytes.Equal(buf[:n], zero[:n]) {
			pos = nextData(in, pos+n)
			continue
		}
		if _, err := out.WriteAt(buf[:n], pos-off); err != nil {
			return err
		}
		pos += n
	}
	return nil
}
