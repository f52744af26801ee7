package wim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// longTree has blobs of several pieces, and small ones between them.
func longTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: tree.New(sampleTime)}
	for i := range 2 {
		b.file(fmt.Sprintf("long%d", i), "", text(5<<20+i, uint64(i)))
		for j := range 20 {
			b.file(fmt.Sprintf("small%d.%d", i, j), "", text(1000+j, uint64(100*i+j+10)))
		}
	}
	return b.tree
}

// withCores gives the test that many of GOMAXPROCS.
func withCores(t *testing.T, n int) {
	was := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
}

// meeting is a file whose readers wait for one another: of the reads in a stretch of it, the first two
// return when both have begun.
type meeting struct {
	io.ReaderAt
	from, to int64
	mu       sync.Mutex
	here     int
	both     chan struct{}
}

func (m *meeting) ReadAt(p []byte, off int64) (int, error) {
	if off >= m.from && off < m.to {
		m.mu.Lock()
		if m.here++; m.here == 2 {
			close(m.both)
		}
		m.mu.Unlock()
		<-m.both
	}
	return m.ReaderAt.ReadAt(p, off)
}

// TestVerifyInParallel hangs where only one core verifies: a long blob, small ones, and an integrity table.
func TestVerifyInParallel(t *testing.T) {
	withCores(t, 2)
	long := &builder{t: t, tree: tree.New(sampleTime)}
	long.file("long", "", text(9<<20, 1))
	for name, path := range map[string]string{
		"long":      writeTemp(t, WriteOptions{}, ImageSource{long.tree, Image{}}),
		"many":      writeTemp(t, WriteOptions{}, ImageSource{longTree(t), Image{}}),
		"integrity": writeTemp(t, WriteOptions{Integrity: true}, ImageSource{longTree(t), Image{}}),
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := &meeting{ReaderAt: bytes.NewReader(b), both: make(chan struct{})}
		f, err := NewFile(m, int64(len(b)), name)
		if err != nil {
			t.Fatal(err)
		}
		m.from, m.to = headerSize, int64(f.header.Table.Offset)
		var last int64
		err = f.Verify(t.Context(), func(done, total int64) {
			if done <= last || done > total {
				t.Errorf("%s: %d of %d after %d", name, done, total, last)
			}
			last = done
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestVerifyTellsTheFirst damages two blobs: whichever worker is faster, the error is of the first.
func TestVerifyTellsTheFirst(t *testing.T) {
	withCores(t, 4)
	path := writeTemp(t, WriteOptions{}, ImageSource{longTree(t), Image{}})
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blobs := mustOpen(t, path).inOrder()
	for i := 1; i < len(blobs); i += 5 {
		b := bytes.Clone(good)
		first, second := blobs[i-1], blobs[i]
		b[first.res.offset+first.res.size-1] ^= 1
		b[second.res.offset] ^= 1
		f, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.wim")
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("x.wim: blob at offset %#x: SHA-1 is ", first.res.offset)
		if err := f.Verify(context.Background(), nil); !errors.Is(err, fault.ErrCorrupt) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestVerifyDecodesOnce verifies files whose chunks are larger than what is read in one go.
func TestVerifyDecodesOnce(t *testing.T) {
	oracle.Need(t, wimlib)
	withCores(t, 2)
	plain := writeTemp(t, WriteOptions{}, ImageSource{longTree(t), Image{Name: "x"}})
	for _, test := range []struct{ name, path string }{
		{"LZX", export(t, plain, "--compress=LZX:20", "--chunk-size=2097152")},
		{"LZMS", export(t, plain, "--compress=LZMS:20", "--chunk-size=4194304")},
		{"solid LZMS", exportSolid(t, plain, "LZMS/4194304")},
		{"solid LZX", exportSolid(t, plain, "LZX/1048576")},
	} {
		b, err := os.ReadFile(test.path)
		if err != nil {
			t.Fatal(err)
		}
		c := &counting{Reader: bytes.NewReader(b), reads: map[int64]int{}}
		f, err := NewFile(c, int64(len(b)), test.name)
		if err != nil {
			t.Fatal(err)
		}
		starts := chunkStarts(t, f)
		clear(c.reads)
		if err := f.Verify(context.Background(), nil); err != nil {
			t.Error(err)
		}
		if len(starts) < 3 {
			t.Fatalf("%s: %d chunks", test.name, len(starts))
		}
		for _, at := range starts {
			if n := c.reads[at]; n != 1 {
				t.Errorf("%s: the chunk at %#x of %#x was read %d times", test.name, at, starts, n)
			}
		}
	}
}

// TestLargeChunksOverlap has many entries for one resource with large chunks: each would have a table.
func TestLargeChunksOverlap(t *testing.T) {
	oracle.Need(t, wimlib)
	plain := writeTemp(t, WriteOptions{}, ImageSource{longTree(t), Image{Name: "x"}})
	b, err := os.ReadFile(export(t, plain, "--compress=LZMS:20", "--chunk-size=4194304"))
	if err != nil {
		t.Fatal(err)
	}
	var h header
	h.unmarshal((*[headerSize]byte)(b))
	table := bytes.Clone(b[h.Table.Offset:][:h.Table.Size])
	for at := 0; ; at += blobEntrySize {
		var e blobEntry
		if e.unmarshal(table[at:]); e.Resource.Size < 5<<20 {
			continue
		}
		for i := range 200 {
			e.Hash[0], e.Hash[1] = byte(i), 1
			table = e.append(table)
		}
		break
	}
	h.Table.Offset, h.Table.Stored, h.Table.Size = uint64(len(b)), uint64(len(table)), uint64(len(table))
	copy(b, h.marshal())
	b = append(b, table...)
	if _, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.wim"); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "more bytes than the file") {
		t.Error(err)
	}
}

// export has wimlib compress image 1 of a WIM.
func export(t testing.TB, wim string, args ...string) string {
	t.Helper()
	path := t.TempDir() + "/x.wim"
	oracle.Run(t, wimlib, append([]string{"export", wim, "1", path}, args...)...)
	return path
}

// chunkStarts are where the chunks of solid resources, and of blobs of several chunks, begin.
func chunkStarts(t testing.TB, f *File) (all []int64) {
	t.Helper()
	var last *solid
	for _, b := range f.inOrder() {
		if s := b.res.solid; s != nil && s != last {
			last = s
			for i := range s.ends {
				all = append(all, s.start(int64(i)))
			}
		}
		if b.res.solid != nil || b.res.chunk == 0 || b.res.chunks() < 2 {
			continue
		}
		w, err := newWorker(b.res.format, b.res.chunk)
		if err != nil {
			t.Fatal(err)
		}
		defer w.release()
		if err := w.fetchEnds(&b.res, 0, b.res.chunks()); err != nil {
			t.Fatal(err)
		}
		for _, start := range w.ends[:len(w.ends)-1] {
			all = append(all, b.res.offset+b.res.tableSize()+start)
		}
	}
	return all
}
