package sparse_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// target is a file in memory that notes what is done to it.
type target struct {
	data []byte
	log  []string
	err  error
}

func (f *target) WriteAt(p []byte, off int64) (int, error) { return f.put("w", p, off) }

func (f *target) WriteContentAt(p []byte, off int64) (int, error) { return f.put("c", p, off) }

func (f *target) put(how string, p []byte, off int64) (int, error) {
	f.log = append(f.log, fmt.Sprintf("%s%d@%d", how, len(p), off))
	if f.err != nil {
		return 0, f.err
	}
	return copy(f.data[off:], p), nil
}

func (f *target) Truncate(size int64) error {
	f.data = append(f.data, make([]byte, max(0, size-int64(len(f.data))))...)[:size]
	return f.err
}

// TestWriterAllocates writes here and there: units come in the order of the first byte that is not
// zero, and what lies together is written at once.
func TestWriterAllocates(t *testing.T) {
	f := &target{}
	w := sparse.NewWriter(f, sparse.Shape{Size: 95, Unit: 10, First: 100, Stride: 10})
	for _, s := range []struct {
		off  int64
		data string
		log  string
	}{
		{85, "abcdefghij", "w10@105"}, // units 8 and 9
		{0, strings.Repeat("\x00", 40), ""},
		{20, "0123456789ABCDEFGHIJ", "w20@120"},
		{10, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00xy", "w2@120"}, // zeros before a unit that is there
		{25, "\x00\x00", "w2@125"},                                   // zeros over what is there
		{40, "", ""},
	} {
		f.log = nil
		if n, err := w.WriteAt([]byte(s.data), s.off); err != nil || n != len(s.data) {
			t.Fatal(n, err)
		}
		if got := strings.Join(f.log, " "); got != s.log {
			t.Errorf("%q at %d: %s, want %s", s.data, s.off, got, s.log)
		}
	}
	if _, err := w.WriteContentAt([]byte("z"), 94); err != nil || f.log[len(f.log)-1] != "c1@114" {
		t.Errorf("%v, %v", f.log, err)
	}
	var placed []string
	for unit, place := range w.Placed() {
		placed = append(placed, fmt.Sprintf("%d@%d", unit, place))
	}
	if got := strings.Join(placed, " "); got != "2@120 3@130 8@100 9@110" || w.End() != 140 || w.Units() != 10 {
		t.Errorf("%s, end %d, %d units", got, w.End(), w.Units())
	}
	if err := w.Table([]byte("T"), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(140); err != nil || len(f.data) != 140 {
		t.Errorf("%d bytes, %v", len(f.data), err)
	}
	want := "T" + strings.Repeat("\x00", 104) + "abcde" + "fghiz" + strings.Repeat("\x00", 5) + "xy234\x00\x00789ABCDEFGHIJ"
	if !bytes.Equal(f.data, []byte(want)) {
		t.Errorf("%q, want %q", f.data, want)
	}
}

func TestWriterRefuses(t *testing.T) {
	w := sparse.NewWriter(&target{}, sparse.Shape{Size: 95, Unit: 10, First: 100, Stride: 10})
	for _, off := range []int64{-1, 95, 94, 1<<63 - 1} {
		if _, err := w.WriteAt([]byte("ab"), off); !errors.Is(err, fault.ErrBug) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	if _, err := w.WriteAt([]byte("ab"), 93); err != nil {
		t.Error(err)
	}
}

// TestWriterStaysBroken returns the first error from everything that comes after it.
func TestWriterStaysBroken(t *testing.T) {
	full := errors.New("full")
	f := &target{}
	w := sparse.NewWriter(f, sparse.Shape{Size: 95, Unit: 10, First: 100, Stride: 10})
	f.err = full
	if _, err := w.WriteAt([]byte("ab"), 0); !errors.Is(err, full) {
		t.Error(err)
	}
	f.err = nil
	_, write := w.WriteAt([]byte("ab"), 0)
	for _, err := range []error{write, w.Table([]byte("a"), 0), w.Finish(100)} {
		if !errors.Is(err, full) {
			t.Error(err)
		}
	}
}
