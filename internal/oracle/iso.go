package oracle

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"testing"
)

// Genisoimage has genisoimage make an ISO of a folder and returns its path. Options are such as "-udf"
// and "-J".
func Genisoimage(t testing.TB, folder string, options ...string) string {
	t.Helper()
	Need(t, "genisoimage")
	path := filepath.Join(t.TempDir(), "genisoimage.iso")
	Run(t, "genisoimage", append([]string{"-quiet", "-o", path}, append(options, folder)...)...)
	return path
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
