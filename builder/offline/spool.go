package offline

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/packer-plugin-sdk/tmp"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const (
	// smallFile is kept in memory: a file of its own would cost more than it saves.
	smallFile = 64 << 10
	// memoryBudget bounds what all small files together may take; beyond it they go to disk too.
	memoryBudget = 64 << 20
	// copyUnit is how much is read before the next look at whether the bake still goes on.
	copyUnit = 1 << 20
)

var errClosed = errors.New("the bake has ended; its image can no longer be read or changed")

// spool keeps the content that was uploaded until the image is written: what lies in the image is
// what the file held when it was uploaded, whatever happens to the original afterwards.
type spool struct {
	mu     sync.Mutex
	dir    string // made when it is first needed
	memory int64
	closed bool
}

// store reads r to its end and returns its bytes as a content that lasts until close.
func (s *spool) store(r io.Reader) (tree.Content, error) {
	head, err := io.ReadAll(io.LimitReader(r, smallFile+1))
	if err != nil {
		return nil, err
	}
	if s.takeMemory(int64(len(head))) {
		return tree.Bytes(bytes.Clone(head)), nil
	}
	return s.storeFile(io.MultiReader(bytes.NewReader(head), r))
}

func (s *spool) takeMemory(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > smallFile || s.memory+n > memoryBudget {
		return false
	}
	s.memory += n
	return true
}

func (s *spool) storeFile(r io.Reader) (tree.Content, error) {
	f, err := s.create()
	if err != nil {
		return nil, err
	}
	err = s.copy(f, r)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		s.discard(f.Name())
		return nil, err
	}
	return tree.OpenHostFile(f.Name())
}

// discard removes a file that did not become a content. After close nobody else would remove the
// directory on a system that keeps open files.
func (s *spool) discard(path string) {
	os.Remove(path)
	if s.isClosed() {
		os.Remove(filepath.Dir(path))
	}
}

func (s *spool) create() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.dir == "" {
		dir, err := tmp.Dir("winbake-upload")
		if err != nil {
			return nil, err
		}
		s.dir = dir
	}
	return os.CreateTemp(s.dir, "*")
}

// copy is io.Copy that ends when the spool is closed.
func (s *spool) copy(w io.Writer, r io.Reader) error {
	for {
		if s.isClosed() {
			return errClosed
		}
		if _, err := io.CopyN(w, r, copyUnit); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (s *spool) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// close removes everything. The contents that store returned can no longer be read.
func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
