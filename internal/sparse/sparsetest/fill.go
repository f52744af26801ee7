package sparsetest

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// FileWriter is a disk that is being written to a file.
type FileWriter interface {
	io.WriterAt
	WriteContentAt(p []byte, off int64) (int, error)
	Finish() (int64, error)
}

// WriteFile writes a disk with what fill puts on it, and returns the file's path. It is a mistake of
// the writer when the file has another size than it says.
func WriteFile(t testing.TB, name string, create func(*os.File) (FileWriter, error), fill func(FileWriter) error) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := create(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(w); err != nil {
		t.Fatal(err)
	}
	size, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.Finish(); err != nil || again != size {
		t.Errorf("finished again: %d bytes, %v; not %d", again, err, size)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("the file has %d bytes, the writer says %d (%v)", info.Size(), size, err)
	}
	return f.Name()
}

// CopyFrom returns a fill that writes what is in a raw file, in pieces of all lengths and in an
// order that the seed gives.
func CopyFrom(t testing.TB, raw string, seed uint64) func(FileWriter) error {
	t.Helper()
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return func(w FileWriter) error {
		r := rand.New(rand.NewPCG(seed, 3))
		var ends []int
		for at := 0; at < len(b); {
			at = min(at+1+r.IntN(1<<(4+r.IntN(18))), len(b))
			ends = append(ends, at)
		}
		for _, i := range r.Perm(len(ends)) {
			start := 0
			if i > 0 {
				start = ends[i-1]
			}
			put := w.WriteAt
			if i%2 == 0 {
				put = w.WriteContentAt
			}
			if n, err := put(b[start:ends[i]], int64(start)); err != nil || n != ends[i]-start {
				return err
			}
		}
		return nil
	}
}
