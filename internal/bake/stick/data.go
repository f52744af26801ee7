package stick

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
)

// piece is a buffer on its way from the image to the disk.
type piece struct {
	buf []byte
	off int64
	sum [sha256.Size]byte
}

// pieces is how many buffers are on the way: one is read and checked while another is written.
const pieces = 3

// writeData reads the image and writes it, all but the first edge, which is kept.
func (w *writer) writeData() error {
	total := w.image.Held()
	w.progress.Stage(fmt.Sprintf("Writing %s of %s to %s", capacity(total), capacity(w.image.Size), w.device.Path))
	free, full := make(chan []byte, pieces), make(chan piece, pieces)
	for range pieces {
		free <- memory(chunkSize)
	}
	g, ctx := errgroup.WithContext(w.ctx)
	g.Go(func() error {
		defer close(full)
		return w.read(ctx, free, full)
	})
	g.Go(func() error {
		var done int64
		for p := range full {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.write(p.buf, p.off); err != nil {
				return err
			}
			w.sums = append(w.sums, written{bmap.Range{Offset: p.off, Length: int64(len(p.buf))}, p.sum})
			done += int64(len(p.buf))
			w.progress.Advance(done, total)
			free <- p.buf[:chunkSize]
		}
		return nil
	})
	err := g.Wait()
	var said *gone
	switch {
	case err != nil && w.ctx.Err() != nil:
		return w.cancelled(w.ctx.Err())
	case err == nil, errors.As(err, &said):
		return err
	}
	// It is the image's; but the stick has lost what it held.
	return fmt.Errorf("%w; %s is not finished and does not start", err, w.device.Path)
}

// read cuts the image into pieces and checks it against its map.
func (w *writer) read(ctx context.Context, free chan []byte, full chan<- piece) error {
	blocks := w.image.ranges()
	for k, b := range blocks {
		if w.image.Map == nil {
			w.gapBefore(blocks, k)
		}
		check := newChecker(b)
		for off := b.Offset; off < b.End(); {
			// Pieces end where the disk's chunks do, and the first edge does.
			n := min(b.End(), (off/chunkSize+1)*chunkSize) - off
			if head := int64(len(w.head)); off < head {
				n = min(n, head-off)
			}
			p, err := w.readPiece(ctx, free, check, off, n)
			if err != nil {
				return err
			}
			if p.buf != nil {
				full <- p // there are never more pieces than fit
			}
			off += n
		}
		if err := check.end(); err != nil {
			return fault.In(w.image.Path, err)
		}
	}
	if w.image.Map == nil {
		w.gapBefore(blocks, len(blocks))
	}
	return nil
}

// gapBefore notes what lies between a block and the one before.
func (w *writer) gapBefore(blocks []block, k int) {
	start, end := int64(0), w.image.Size
	if k > 0 {
		start = blocks[k-1].End()
	}
	if k < len(blocks) {
		end = blocks[k].Offset
	}
	w.gap(start, end)
}

// gap notes a range that has to read as zeros. The first edge does anyway.
func (w *writer) gap(start, end int64) {
	start = max(start, int64(len(w.head)))
	if start >= end {
		return
	}
	if k := len(w.gaps) - 1; k >= 0 && w.gaps[k].End() == start {
		w.gaps[k].Length += end - start
		return
	}
	w.gaps = append(w.gaps, bmap.Range{Offset: start, Length: end - start})
}

// readPiece reads a piece of the image. It has no buffer when there is nothing to write yet.
func (w *writer) readPiece(ctx context.Context, free chan []byte, check *checker, off, n int64) (piece, error) {
	if off < int64(len(w.head)) {
		p := w.head[off : off+n]
		err := w.fill(p, off)
		check.add(p)
		w.patch(p, off)
		return piece{}, err
	}
	var buf []byte
	select {
	case buf = <-free:
	case <-ctx.Done():
		return piece{}, ctx.Err()
	}
	p := piece{buf: buf[:n], off: off}
	if err := w.fill(p.buf, off); err != nil {
		return piece{}, err
	}
	check.add(p.buf)
	w.patch(p.buf, off)
	if w.image.Map == nil && isZero(p.buf) {
		w.gap(off, off+n)
		free <- buf
		return piece{}, nil
	}
	if w.options.Verify {
		p.sum = sha256.Sum256(p.buf)
	}
	return p, nil
}

func (w *writer) fill(p []byte, off int64) error {
	n, err := w.image.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fault.Corruptf(off, "the image ends before its size")
	}
	return fault.In(w.image.Path, err)
}

// zeroGaps has the disk read as zeros where an image without a map has nothing. It is read, which sticks
// do many times faster than they write, and written where there is something. (The kernel's BLKZEROOUT is no
// help: few sticks can do it, and a loop device takes room for all of it.)
func (w *writer) zeroGaps() error {
	var total, done int64
	for _, g := range w.gaps {
		total += g.Length
	}
	if total == 0 {
		return nil
	}
	w.progress.Stage("Clearing what the image leaves empty")
	buf, zeros := memory(chunkSize), memory(chunkSize)
	for _, g := range w.gaps {
		for off := g.Offset; off < g.End(); {
			n := min(g.End(), (off/chunkSize+1)*chunkSize) - off
			if err := w.zero(off, buf[:n], zeros[:n]); err != nil {
				return w.explain(err)
			}
			off += n
			done += n
			w.progress.Advance(done, total)
		}
	}
	return nil
}

// zero writes zeros where the disk has something else; buf is as long.
func (w *writer) zero(off int64, buf, zeros []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if n, err := w.device.target.ReadAt(buf, off); n < len(buf) {
		return fmt.Errorf("reading at %d: %w", off, err)
	}
	if isZero(buf) {
		return nil
	}
	w.sums = append(w.sums, written{bmap.Range{Offset: off, Length: int64(len(zeros))}, sha256.Sum256(zeros)})
	return w.write(zeros, off)
}

func isZero(p []byte) bool {
	for len(p) > 0 {
		n := min(len(p), len(nothing))
		if !bytes.Equal(p[:n], nothing[:n]) {
			return false
		}
		p = p[n:]
	}
	return true
}

var nothing [64 << 10]byte
