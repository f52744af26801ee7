package image

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nextData finds the first stored range at or after off. ok is false when the host cannot tell.
func nextData(f *os.File, off, size int64) (start, end int64, ok bool) {
	start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size, true // only a hole is left
	}
	if err != nil {
		return 0, 0, false
	}
	end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
	if err != nil {
		return 0, 0, false
	}
	return start, min(end, size), true
}

// makeSparse has nothing to do: a file that was made longer has holes.
func makeSparse(*os.File) error { return nil }
