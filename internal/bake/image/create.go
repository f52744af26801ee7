package image

import (
	"errors"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Create makes a sparse file of zeros at path, which must not exist.
func Create(path string, size int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	// A host file system without holes still works; it only takes the room.
	_ = makeSparse(f)
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(fault.In(path, err), f.Close(), os.Remove(path))
	}
	return f, nil
}
