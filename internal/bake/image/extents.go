package image

import (
	"crypto/sha256"
	"hash"
	"io"
	"iter"
	"os"
)

// Extent is a range of a file that may hold data; what lies between extents reads as zeros.
type Extent struct {
	Offset, Length int64
}

// Extents yields the ranges of f, up to size, that the host has stored. Where the host cannot tell,
// that is all of the file.
func Extents(f *os.File, size int64) iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		for off := int64(0); off < size; {
			start, end, ok := nextData(f, off, size)
			if !ok {
				yield(Extent{off, size - off})
				return
			}
			if start >= size || !yield(Extent{start, end - start}) {
				return
			}
			off = end
		}
	}
}

// zeros is what a hole reads as.
var zeros [1 << 20]byte

// readSparse streams f, up to size, to w, without reading the holes from the host.
func readSparse(w io.Writer, f *os.File, size int64) error {
	done := int64(0)
	for e := range Extents(f, size) {
		if err := writeZeros(w, e.Offset-done); err != nil {
			return err
		}
		if _, err := io.Copy(w, io.NewSectionReader(f, e.Offset, e.Length)); err != nil {
			return err
		}
		done = e.Offset + e.Length
	}
	return writeZeros(w, size-done)
}

// Hash is the SHA-256 of f, up to size. each hears of the bytes before they are hashed, and may end it.
func Hash(f *os.File, size int64, each func([]byte) error) (hash.Hash, error) {
	h := sha256.New()
	err := readSparse(writerFunc(func(b []byte) (int, error) {
		if err := each(b); err != nil {
			return 0, err
		}
		return h.Write(b)
	}), f, size)
	return h, err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func writeZeros(w io.Writer, n int64) error {
	for n > 0 {
		k := min(n, int64(len(zeros)))
		if _, err := w.Write(zeros[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}
