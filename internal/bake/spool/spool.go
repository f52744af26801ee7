// Package spool keeps what a bake has made before it could be placed on the disk: compressed contents,
// whose lengths nobody knows in advance, and hives.
package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// File is a temporary file of contents, one after the other.
type File struct {
	f       *os.File
	dir     string
	madeDir bool
	end     int64 // of the contents that are kept
}

// Create makes an empty file called name in dir, and dir itself where it is missing. A file that is
// there already, which a killed bake has left, is replaced.
func Create(dir, name string) (*File, error) {
	s := &File{dir: dir}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		s.madeDir = true
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	s.f, err = os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	return s, err
}

// Close removes the file, and the directory if Create has made it and nothing else came into it.
func (s *File) Close() error {
	err := errors.Join(s.f.Close(), os.Remove(s.f.Name()))
	if s.madeDir {
		_ = os.Remove(s.dir) // fails where the outputs are in it
	}
	return err
}

// Store appends what r reads, and returns it as a content that lasts until Close.
func (s *File) Store(r io.Reader) (tree.Content, error) {
	start := s.end
	n, err := io.Copy(io.NewOffsetWriter(s.f, start), r)
	if err != nil {
		return nil, err
	}
	s.end += n
	return &stored{Part: tree.NewPart(s.f, start, n), start: start}, nil
}

// stored is a content in the file.
type stored struct {
	tree.Part
	start int64
}

// behindMedia is where the contents of a spool come in the order in which contents are read: after
// everything that a medium can hold.
const behindMedia = 1 << 62

// Position orders contents as they lie in the file.
func (s *stored) Position() int64 { return behindMedia + s.start }
