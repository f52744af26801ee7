package image

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens a file for writing past the host's cache, or returns nil.
func openDirect(path string) *os.File {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil
	}
	return f
}

// isRefusal says whether a direct write failed because it was one.
func isRefusal(err error) bool { return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) }
