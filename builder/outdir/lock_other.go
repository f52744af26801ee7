//go:build !windows && (!unix || solaris || illumos || aix)

package outdir

import (
	"errors"
	"os"
)

// lock makes the lock file. Here it locks nothing: the standard library has no lock for this
// system that ends with the process.
func lock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
}

func unlock(f *os.File) error {
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
