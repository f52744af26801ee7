//go:build unix && !solaris && !illumos && !aix

package outdir

import (
	"errors"
	"os"
	"syscall"
)

// lock takes the lock file, which ends with this process at the latest. It returns nil when
// somebody else has it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || err == nil && !same(f, path) {
		return nil, f.Close()
	}
	if errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.ENOSYS) {
		err = nil // some network file systems have no locks; a bake works there all the same
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// same says that path still is f: not if its owner removed it between our open and our lock.
func same(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// unlock removes the lock file first, so that nobody can take a lock on it that is no lock.
func unlock(f *os.File) error {
	return errors.Join(os.Remove(f.Name()), f.Close())
}
