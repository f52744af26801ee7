// Package sparsetest is what the tests of virtual disk formats share: disks to convert, the
// comparison with the raw disk that they were, and damage. Only tests use it.
package sparsetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Disk is a disk as every reader offers it.
type Disk interface {
	io.ReaderAt
	Size() int64
}

// RandomDisk makes a raw disk with stretches of noise and of text, of zeros and of nothing, of all
// lengths from a sector on, and returns its path. The same size and seed give the same disk.
func RandomDisk(t testing.TB, size int64, seed uint64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "random.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	const sector = 512
	for off := int64(0); off < size; {
		length := min(sector<<r.IntN(13), size-off)
		b := make([]byte, length)
		switch r.IntN(4) {
		case 0:
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		case 1:
			line := fmt.Appendf(nil, "line %d at %d\n", r.Uint32(), off)
			copy(b, bytes.Repeat(line, len(b)/len(line)+1))
		case 2: // zeros that are written
		default:
			off += length * int64(1+r.IntN(8))
			continue
		}
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
		off += length
	}
	return f.Name()
}

// Same fails the test unless a disk is what a raw file is: as a whole, and in pieces of all lengths
// that several goroutines read at once.
func Same(t testing.TB, d Disk, raw string) {
	t.Helper()
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := same(d, want); err != nil {
		t.Errorf("%s: %v", filepath.Base(raw), err)
	}
}

func same(d Disk, want []byte) error {
	size := int64(len(want))
	if d.Size() != size {
		return fmt.Errorf("the disk has %d bytes, want %d", d.Size(), size)
	}
	got, err := io.ReadAll(io.NewSectionReader(d, 0, size+1))
	if err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("read as a whole: %w", differ(got, want, 0, err))
	}
	if n, err := d.ReadAt(make([]byte, 1), size); n != 0 || err != io.EOF {
		return fmt.Errorf("behind the end: %d bytes, %w", n, err)
	}
	var wait sync.WaitGroup
	problems := make(chan error, 4)
	for seed := range cap(problems) {
		wait.Go(func() { problems <- samePieces(d, want, uint64(seed)) })
	}
	wait.Wait()
	close(problems)
	for problem := range problems {
		err = errors.Join(err, problem)
	}
	return err
}

func samePieces(d Disk, want []byte, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 2))
	for range 150 {
		off := r.IntN(len(want))
		p := make([]byte, 1+r.IntN(1<<r.IntN(20)))
		end := min(off+len(p), len(want))
		n, err := d.ReadAt(p, int64(off))
		if n == len(p) || n == end-off && err == io.EOF {
			err = nil
		}
		if err != nil || !bytes.Equal(p[:n], want[off:end]) {
			return differ(p[:n], want[off:end], off, err)
		}
	}
	return nil
}

func differ(got, want []byte, off int, err error) error {
	if err != nil {
		return err
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	return fmt.Errorf("%d bytes, want %d; they differ from offset %#x on", len(got), len(want), off+i)
}

// Image is a file in memory: pieces, in any order, and zeros between them. Later pieces cover
// earlier ones.
type Image struct {
	Size   int64
	Pieces []Piece
}

// Piece is bytes at an offset.
type Piece struct {
	Offset int64
	Data   []byte
}

// Clone returns an image whose pieces can be changed.
func (m *Image) Clone() *Image {
	c := &Image{m.Size, slices.Clone(m.Pieces)}
	for i := range c.Pieces {
		c.Pieces[i].Data = bytes.Clone(c.Pieces[i].Data)
	}
	return c
}

// ReadAt reads from the file.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= m.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), m.Size-off))
	clear(p[:n])
	for _, piece := range m.Pieces {
		if from := piece.Offset - off; from < 0 && -from < int64(len(piece.Data)) {
			copy(p[:n], piece.Data[-from:])
		} else if from >= 0 && from < int64(n) {
			copy(p[from:n], piece.Data)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write writes the file and returns its path.
func (m *Image) Write(t testing.TB, name string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size); err != nil {
		t.Fatal(err)
	}
	for _, piece := range m.Pieces {
		if _, err := f.WriteAt(piece.Data, piece.Offset); err != nil {
			t.Fatal(err)
		}
	}
	return f.Name()
}

// Look reads here and there from a disk. An error of a class that damaged input does not have is
// one of the test; any other is returned.
func Look(t testing.TB, d Disk) error {
	t.Helper()
	size := d.Size()
	p := make([]byte, min(100_001, size/2+1))
	for _, off := range []int64{0, size / 3, size / 2, size - 1, size - int64(len(p))} {
		n, err := d.ReadAt(p, max(off, 0))
		switch {
		case n < len(p) && err == nil:
			t.Errorf("%d of %d bytes, and no error", n, len(p))
		case err != nil && err != io.EOF:
			Class(t, err)
			return err
		}
	}
	return nil
}

// Class fails the test if an error does not say that input is damaged or unsupported.
func Class(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, fault.ErrBug) || !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("an error of no class, or the wrong one: %v", err)
	}
}
