// Package volume is what a planned file system looks like to the stage that writes it: contents
// with their places, and metadata that can be produced piece by piece. NTFS and FAT32 plans both
// look like this, so the pipeline that fills a disk knows neither.
package volume

import (
	"io"
	"iter"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Run is a range of bytes, counted from the start of the volume.
type Run struct {
	Offset, Length int64
}

// End is the offset after the run.
func (r Run) End() int64 { return r.Offset + r.Length }

// Placement is one content and where its bytes go: the runs in order, which together are at least
// as long as the content. The rest of the last cluster stays zero.
type Placement struct {
	Content tree.Content
	Runs    []Run
}

// Plan is a file system whose every address is assigned. It writes nothing by itself. The target
// is taken to be all zero before.
type Plan interface {
	// Size is the size of the volume in bytes.
	Size() int64
	// Placements yields every content that has clusters of its own, in the order that reads the
	// medium best. A yielded Placement's Runs are valid only until the next one.
	Placements() iter.Seq[Placement]
	// Regions are the pieces of metadata. They do not overlap one another or a placement.
	Regions() []Run
	// Zeros are the ranges that have to be zero without a region that says so, such as the free part of an
	// allocation table. They cost nothing on a new disk; one that held something else before needs them.
	Zeros() []Run
	// Emit fills buf, as long as region i, with that region's bytes. It is safe for concurrent use.
	Emit(i int, buf []byte) error
}

// Write writes a whole plan to w, one piece after the other. The bake's own pipeline does the same
// in parallel; this is for tests and small volumes.
func Write(w io.WriterAt, p Plan) error {
	for placement := range p.Placements() {
		if err := writePlacement(w, placement); err != nil {
			return err
		}
	}
	var buf []byte
	for i, r := range p.Regions() {
		if int64(cap(buf)) < r.Length {
			buf = make([]byte, r.Length)
		}
		buf = buf[:r.Length]
		clear(buf)
		if err := p.Emit(i, buf); err != nil {
			return err
		}
		if _, err := w.WriteAt(buf, r.Offset); err != nil {
			return err
		}
	}
	return nil
}

func writePlacement(w io.WriterAt, p Placement) error {
	r := tree.NewReader(p.Content)
	for _, run := range p.Runs {
		if _, err := io.Copy(io.NewOffsetWriter(w, run.Offset), io.LimitReader(r, run.Length)); err != nil {
			return err
		}
	}
	// The reader checks the content's hash when it meets the end.
	_, err := io.Copy(io.Discard, r)
	return err
}
