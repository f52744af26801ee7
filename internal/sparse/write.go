package sparse

import (
	"bytes"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Target is the file that a disk is written to, empty at first.
type Target interface {
	io.WriterAt
	// Truncate makes the file shorter, or longer by zeros.
	Truncate(size int64) error
}

// contentWriter is a target that has a better way for contents, which nobody reads soon.
type contentWriter interface {
	WriteContentAt(p []byte, off int64) (int, error)
}

// Shape is how the units of a disk (blocks, clusters) lie in a file: one behind the other.
type Shape struct {
	Size   int64 // of the disk in bytes
	Unit   int64 // bytes of the disk in a unit; the last one is as long as the others in the file
	First  int64 // where the file has the first unit's data
	Stride int64 // from one unit's data to the next one's
}

// Writer is a disk that goes to a file unit by unit. A unit is allocated, behind those that are
// there, when the first byte that is not zero is written to it, so that holes and zeros take no room,
// and the file is written from its start to its end as long as the disk is. The same writes in the
// same order give the same file. Only one goroutine may use it.
type Writer struct {
	shape  Shape
	file   Target
	places map[int64]*places
	end    int64 // of what is allocated
	length int64 // of the file
	err    error // the first one; the file is no good after it
}

// pageUnits is the number of units whose places are kept together.
const pageUnits = 8192

// places are where the file has the data of units; 0 for those it does not have.
type places [pageUnits]int64

// NewWriter makes the disk.
func NewWriter(file Target, s Shape) *Writer {
	return &Writer{shape: s, file: file, places: map[int64]*places{}, end: s.First}
}

// Place is where the file has a unit's data; 0 where it does not have them.
func (w *Writer) Place(unit int64) int64 {
	if page := w.places[unit/pageUnits]; page != nil {
		return page[unit%pageUnits]
	}
	return 0
}

// Placed yields the units that the file has, in the order of the disk, and where.
func (w *Writer) Placed() iter.Seq2[int64, int64] {
	return func(yield func(unit, place int64) bool) {
		for _, page := range slices.Sorted(maps.Keys(w.places)) {
			for i, place := range w.places[page] {
				if place != 0 && !yield(page*pageUnits+int64(i), place) {
					return
				}
			}
		}
	}
}

// Set says where the file has a unit, for formats with other ways to store one.
func (w *Writer) Set(unit, place int64) {
	page := w.places[unit/pageUnits]
	if page == nil {
		page = new(places)
		w.places[unit/pageUnits] = page
	}
	page[unit%pageUnits] = place
}

// Size is the disk's size in bytes.
func (w *Writer) Size() int64 { return w.shape.Size }

// Units is how many units the disk has.
func (w *Writer) Units() int64 { return (w.shape.Size + w.shape.Unit - 1) / w.shape.Unit }

// End is where the next unit's data would go.
func (w *Writer) End() int64 { return w.end }

// WriteAt writes to the disk.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) { return w.write(p, off, w.file.WriteAt) }

// WriteContentAt is WriteAt by the file's own way for contents.
func (w *Writer) WriteContentAt(p []byte, off int64) (int, error) {
	put := w.file.WriteAt
	if c, ok := w.file.(contentWriter); ok {
		put = c.WriteContentAt
	}
	return w.write(p, off, put)
}

type putter func(p []byte, off int64) (int, error)

// write cuts p at the units' ends, and writes what lies together in the file at once.
func (w *Writer) write(p []byte, off int64, put putter) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if off < 0 || off > w.shape.Size-int64(len(p)) {
		return 0, fault.Bugf("%d bytes are written at %d of a disk of %d bytes", len(p), off, w.shape.Size)
	}
	run, at := 0, int64(0) // p[run:done] goes to at
	flush := func(end int) {
		if w.err == nil && end > run && at != 0 {
			_, w.err = put(p[run:end], at)
		}
		run = end
	}
	for done := 0; done < len(p) && w.err == nil; {
		unit, in := (off+int64(done))/w.shape.Unit, (off+int64(done))%w.shape.Unit
		n := int(min(int64(len(p)-done), w.shape.Unit-in))
		place := w.Place(unit)
		if place == 0 && !IsZero(p[done:done+n]) {
			place = w.allocate(unit)
		}
		if place == 0 || at == 0 || place+in != at+int64(done-run) {
			flush(done)
			at = 0
			if place != 0 {
				at = place + in
			}
		}
		done += n
		if done == len(p) {
			flush(done)
		}
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// growth is how much a file is made longer at once: writes past the end of a file are slow.
const growth = 256 << 20

// allocate gives a unit its place.
func (w *Writer) allocate(unit int64) int64 {
	place := w.Reserve(w.shape.Stride)
	w.Set(unit, place)
	return place
}

// Reserve takes the next n bytes of the file.
func (w *Writer) Reserve(n int64) int64 {
	place := w.end
	w.end += n
	if w.end > w.length && w.err == nil {
		w.length = w.end + growth
		w.err = w.file.Truncate(w.length)
	}
	return place
}

// Table writes bytes of the file that are not the disk's.
func (w *Writer) Table(b []byte, off int64) error {
	if w.err == nil {
		_, w.err = w.file.WriteAt(b, off)
	}
	return w.err
}

// Finish makes the file as long as it is to be.
func (w *Writer) Finish(length int64) error {
	if w.err == nil {
		w.err = w.file.Truncate(length)
	}
	return w.err
}

var zeros [64 << 10]byte

// IsZero says whether all bytes are zero.
func IsZero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(zeros))
		if !bytes.Equal(p[:n], zeros[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}
