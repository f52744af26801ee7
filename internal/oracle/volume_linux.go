package oracle

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns the first offset from off that is not in a hole, or the file's size.
func nextData(f *os.File, off int64) int64 {
	pos, err := f.Seek(off, unix.SEEK_DATA)
	switch {
	case err == nil:
		return pos
	case errors.Is(err, unix.ENXIO): // nothing but a hole follows
		if info, err := f.Stat(); err == nil {
			return max(off, info.Size())
		}
	}
	return off
}
