package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Genisoimage has genisoimage make an ISO of a folder and returns its path. Options are such as "-udf"
// and "-J". The file has holes where the ISO has nothing but zeros.
func Genisoimage(t testing.TB, folder string, options ...string) string {
	t.Helper()
	Need(t, "genisoimage")
	path := filepath.Join(t.TempDir(), "genisoimage.iso")
	cmd := Command("genisoimage", append([]string{"-quiet"}, append(options, folder)...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	iso, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	err = writeSparse(path, iso)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatalf("genisoimage: %v\n%s", err, tail(said.String(), 20))
	}
	return path
}

// writeSparse writes a file, but no pieces of it that are all zeros.
func writeSparse(path string, r io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	piece, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := int64(0); ; {
		n, err := io.ReadFull(r, piece)
		if !bytes.Equal(piece[:n], zeros[:n]) {
			if _, err := f.WriteAt(piece[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return f.Truncate(off)
		case err != nil:
			return err
		}
	}
}

// Mkudffs has mkudffs of udftools make an empty UDF volume of size bytes, in blocks of 2,048, and
// returns its path. Options are such as "--media-type=dvdrom".
func Mkudffs(t testing.TB, size int64, options ...string) string {
	t.Helper()
	Need(t, "mkudffs")
	path := filepath.Join(t.TempDir(), "mkudffs.udf")
	blocks := strconv.FormatInt(size/2048, 10)
	Run(t, "mkudffs", append(options, "--blocksize=2048", "--new-file", path, blocks)...)
	return path
}

// FileSums reads all files of a tree and returns the SHA-256 of each in hexadecimal, by path, as
// CompareSevenZip takes it.
func FileSums(t testing.TB, files fs.FS) map[string]string {
	t.Helper()
	sums, err := fileSums(files)
	return fatal(t, sums, err)
}

func fileSums(files fs.FS) (map[string]string, error) {
	sums := map[string]string{}
	return sums, fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := files.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		sums[path] = hex.EncodeToString(h.Sum(nil))
		return nil
	})
}

// CompareSums fails the test unless two trees hold the same files.
func CompareSums(t testing.TB, want, got map[string]string) {
	t.Helper()
	if diff := diffLines(listSums(want), listSums(got)); diff != "" {
		t.Errorf("the trees differ (- wanted, + found):\n%s", diff)
	}
}
