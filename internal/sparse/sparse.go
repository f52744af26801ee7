// Package sparse is what the readers and writers of virtual disks share. A disk whose blocks lie
// scattered in a file, or nowhere, is found block by block through tables that may be larger than
// memory should hold. So a reader loads nothing; tables are read through a bounded cache, and data
// straight from the file. All of reading is safe for concurrent use. A Writer is for one goroutine.
package sparse

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// ReadAt is io.ReaderAt for a disk of size bytes. Each call of piece has to fill at least the first
// byte of p with the disk's bytes from off on, and says how many it filled, which counts only without an
// error; p never reaches past the end of the disk.
func ReadAt(p []byte, off, size int64, piece func(p []byte, off int64) (int, error)) (int, error) {
	if off < 0 {
		return 0, fault.Bugf("a disk is read from offset %d", off)
	}
	if off >= size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > size-off {
		p, end = p[:size-off], io.EOF
	}
	done := 0
	for done < len(p) {
		n, err := piece(p[done:], off+int64(done))
		if err != nil {
			return done, err
		}
		if n <= 0 {
			return done, fault.Bugf("nothing was read at offset %d", off+int64(done))
		}
		done += n
	}
	return done, end
}
