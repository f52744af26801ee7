package sparse_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// counter counts how often it is read, and what.
type counter struct {
	r            io.ReaderAt
	mu           sync.Mutex
	calls, bytes int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.bytes += len(p)
	return c.r.ReadAt(p, off)
}

func TestReadAt(t *testing.T) {
	const text = "0123456789"
	three := func(p []byte, off int64) (int, error) { return copy(p[:min(len(p), 3)], text[off:]), nil }
	for _, c := range []struct {
		off  int64
		n    int
		want string
		err  error
	}{
		{0, 10, text, nil}, {2, 4, "2345", nil}, {8, 4, "89", io.EOF}, {10, 1, "", io.EOF}, {99, 1, "", io.EOF}, {3, 0, "", nil},
		{-1, 1, "", fault.ErrBug},
	} {
		p := make([]byte, c.n)
		n, err := sparse.ReadAt(p, c.off, int64(len(text)), three)
		if string(p[:n]) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d at %d: %q, %v", c.n, c.off, p[:n], err)
		}
	}
	stuck := func([]byte, int64) (int, error) { return 0, nil }
	if _, err := sparse.ReadAt(make([]byte, 1), 0, 1, stuck); !errors.Is(err, fault.ErrBug) {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcde"), 200_000)
	c := &counter{r: bytes.NewReader(data)}
	f := sparse.NewFile(c, int64(len(data)))
	for range 3 {
		for _, off := range []int{0, 5, 16383, 16384, 100_000, len(data) - 40_000} {
			p := make([]byte, 40_000)
			if err := f.Table(p, int64(off)); err != nil || !bytes.Equal(p, data[off:off+len(p)]) {
				t.Errorf("at %d: %v", off, err)
			}
		}
	}
	if c.calls > 12 {
		t.Errorf("%d reads", c.calls)
	}
	for _, off := range []int64{-1, int64(len(data)) - 1, int64(len(data)), 1<<63 - 1} {
		for name, read := range map[string]func([]byte, int64) error{"table": f.Table, "data": f.Data} {
			if err := read(make([]byte, 2), off); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "the file has 3000000") {
				t.Errorf("%s at %d: %v", name, off, err)
			}
		}
	}
}

// TestTableIsBounded reads more than the cache keeps, from several goroutines.
func TestTableIsBounded(t *testing.T) {
	data := bytes.Repeat([]byte{1, 2, 3, 4}, 3<<20)
	c := &counter{r: bytes.NewReader(data)}
	f := sparse.NewFile(c, int64(len(data)))
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			p := make([]byte, 4)
			for off := int64(0); off < f.Size(); off += 512 {
				if err := f.Table(p, off); err != nil || p[3] != 4 {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if c.bytes < len(data) || c.bytes > 8*len(data) {
		t.Errorf("%d bytes were read", c.bytes)
	}
}

// TestErrorsOfTheHost are passed on, and what failed is asked for again.
func TestErrorsOfTheHost(t *testing.T) {
	broken := true
	r := readerAt(func(p []byte, _ int64) (int, error) {
		if broken {
			return 0, iotest.ErrTimeout
		}
		return len(p) - 1, io.EOF // the file has shrunk
	})
	f := sparse.NewFile(r, 100)
	for _, read := range []func([]byte, int64) error{f.Table, f.Data} {
		broken = true
		if err := read(make([]byte, 2), 0); !errors.Is(err, iotest.ErrTimeout) {
			t.Error(err)
		}
		broken = false
		if err := read(make([]byte, 2), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}

type readerAt func([]byte, int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

func TestCacheKeepsTheLastUsed(t *testing.T) {
	loads := ""
	c := sparse.NewCache[string, string](2)
	for _, key := range []string{"a", "b", "a", "c", "a", "b"} {
		got, err := c.Get(key, func(k string) (string, error) { loads += k; return k + k, nil })
		if err != nil || got != key+key {
			t.Error(got, err)
		}
	}
	if loads != "abcb" {
		t.Error(loads)
	}
}
