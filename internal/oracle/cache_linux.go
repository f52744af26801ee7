package oracle

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// CacheDir is where large test material is kept between runs: WINBAKE_TEST_CACHE, or winbake-test in
// the user's cache directory. It may be deleted at any time when no test runs.
func CacheDir() (string, error) {
	dir := os.Getenv("WINBAKE_TEST_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(base, "winbake-test")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// cached returns the file of that name in the cache. If there is none, make writes it, in a scratch
// directory beside it, while other tests and processes that want the same file wait. Whatever
// changes the content must change the name.
func cached(t testing.TB, name string, make func(scratch, file string) error) string {
	t.Helper()
	dir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	unlock, err := lock(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := makeCached(dir, path, make); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return path
}

// makeCached lets make write a file and moves it to its place, read-only, when it is whole.
func makeCached(dir, path string, make func(scratch, file string) error) error {
	scratch, err := os.MkdirTemp(dir, "making-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	file := filepath.Join(scratch, filepath.Base(path))
	if err := make(scratch, file); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o444); err != nil {
		return err
	}
	return os.Rename(file, path)
}

// lock waits for an exclusive lock on a file, which it creates. The lock ends with the process at the
// latest.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
