package stick

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"unsafe"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bmap"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
)

// Progress hears how far writing is. Its methods are called from one goroutine at a time.
type Progress interface {
	// Stage says what begins.
	Stage(name string)
	// Advance says how many bytes of the stage are through.
	Advance(done, total int64)
	// Note is a sentence for the user that is no progress.
	Note(text string)
}

// Options say how an image is written.
type Options struct {
	// Verify has everything read back that was written.
	Verify bool
	// Discard tells the disk first that nothing of what it holds is needed.
	Discard bool
}

// Result is what was done.
type Result struct {
	// Written is how many bytes were sent to the disk.
	Written int64
	// Verified is how many of them were read back.
	Verified int64
}

const (
	// align is what direct I/O begins and ends at multiples of: a page, and the largest sector.
	align = 4 << 10
	// chunkSize is how much is written at once: no less than what sticks erase at once.
	chunkSize = 4 << 20
	// edge is how much of both ends is cleared first, with whatever was known of the disk: partition
	// tables, a GPT's second copy, the marks of RAID, LVM and file systems. The first edge is written last.
	edge = 1 << 20
	// discardStep is how much a disk discards before ctx is looked at again.
	discardStep = 1 << 30
)

// Write writes an image to the disk. What the image's map leaves out, the disk keeps; without a map it
// gets zeros there. The disk's first MiB is cleared at the beginning and written at the end, after all
// else was read back, so that a stick that was not finished does not look like one. A GPT is fit to the
// disk's size.
//
// An image that does not suit, or has no partition table, is refused before anything is written, and so is
// all once ctx has ended.
func (d *Device) Write(ctx context.Context, i *Image, o Options, p Progress) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("nothing was written: %w", err)
	}
	if err := d.suits(i); err != nil {
		return nil, err
	}
	patches, err := disk.Refit(i, i.Size, d.Size, d.Sector)
	if err != nil {
		return nil, fault.In(d.Path+" is not written", fault.In(i.Path, err))
	}
	w := &writer{ctx: ctx, device: d, image: i, options: o, progress: p, patches: patches}
	w.head = memory(int(min(edge, (i.Size+d.Sector-1)/d.Sector*d.Sector)))
	err = w.run()
	return &w.result, err
}

// suits says why an image cannot go to the disk, or returns nil.
func (d *Disk) suits(i *Image) error {
	if err := d.refuseOwnFile(i.Path); err != nil {
		return err
	}
	if i.Size > d.Size {
		return fault.Invalidf("%s is not written: it has %d bytes (%s), and the image has %d (%s)", d.Path, d.Size, capacity(d.Size), i.Size, capacity(i.Size))
	}
	if i.Map != nil && d.Sector > 0 && i.Map.BlockSize%d.Sector != 0 {
		return fault.Invalidf("%s is not written: it has sectors of %d bytes, and the block map has blocks of %d", d.Path, d.Sector, i.Map.BlockSize)
	}
	if d.Sector <= 0 || i.Size%d.Sector != 0 {
		return fault.Invalidf("%s is not written: it has sectors of %d bytes, and the image has %d bytes, which are not whole ones", d.Path, d.Sector, i.Size)
	}
	return nil
}

// writer writes one image to one disk.
type writer struct {
	ctx      context.Context
	device   *Device
	image    *Image
	options  Options
	progress Progress
	patches  []disk.Patch
	result   Result

	// head is the first edge of the disk, as it is written at the end.
	head []byte
	// gaps are what has to read as zeros.
	gaps []bmap.Range
	// sums are what was written.
	sums []written
}

// written is what a range of the disk has to read back as.
type written struct {
	bmap.Range
	sum [sha256.Size]byte
}

// run is the whole of it, in its order.
func (w *writer) run() error {
	for _, stage := range []func() error{
		w.discard, w.clearEdges, w.writeData, w.zeroGaps, w.settle, w.writeTail, w.writeHead,
	} {
		if err := stage(); err != nil {
			return err
		}
	}
	return nil
}

// discard drops what the disk holds, if the user wants it.
func (w *writer) discard() error {
	if !w.options.Discard {
		return nil
	}
	w.progress.Stage("Discarding what " + w.device.Path + " holds")
	err := w.discardAll()
	if errors.Is(err, errors.ErrUnsupported) {
		w.progress.Note("The disk cannot discard. Where the image has nothing, it keeps what it held before.")
		return nil
	}
	return w.explain(err)
}

func (w *writer) discardAll() error {
	for off := int64(0); off < w.device.Size; off += discardStep {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.device.target.Discard(off, min(discardStep, w.device.Size-off)); err != nil {
			return err
		}
	}
	return nil
}

// clearEdges removes whatever the disk was known by.
func (w *writer) clearEdges() error {
	n := min(edge, w.device.Size)
	zeros := memory(int(n))
	for _, off := range []int64{0, w.device.Size - n} {
		if err := w.write(zeros, off); err != nil {
			return err
		}
	}
	return w.explain(w.device.target.Sync())
}

// write sends bytes to the disk.
func (w *writer) write(p []byte, off int64) error {
	n, err := w.device.target.WriteAt(p, off)
	w.result.Written += int64(n)
	if err == nil && n < len(p) {
		err = fmt.Errorf("%d of %d bytes were written: %w", n, len(p), io.ErrShortWrite)
	}
	if err != nil {
		return w.explain(fmt.Errorf("writing at %d: %w", off, err))
	}
	return nil
}

// explain words an error of the disk. One that says that the build was cancelled stays one.
func (w *writer) explain(err error) error {
	if err == nil || w.ctx.Err() != nil && errors.Is(err, w.ctx.Err()) {
		return w.cancelled(err)
	}
	return w.device.explain(err)
}

func (w *writer) cancelled(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is not finished and does not start; write it again: %w", w.device.Path, err)
}

// settle waits for the disk, and reads back what was written so far.
func (w *writer) settle() error {
	t := w.device.target
	w.progress.Stage("Waiting for " + w.device.Path)
	if err := errors.Join(t.Sync(), t.Drop()); err != nil {
		return w.explain(err)
	}
	if !w.options.Verify {
		return nil
	}
	w.progress.Stage("Reading back")
	var total, done int64
	for _, s := range w.sums {
		total += s.Length
	}
	buf := memory(chunkSize)
	for _, s := range w.sums {
		if err := w.ctx.Err(); err != nil {
			return w.cancelled(err)
		}
		if err := w.readBack(buf[:s.Length], s); err != nil {
			return err
		}
		done += s.Length
		w.progress.Advance(done, total)
	}
	return nil
}

func (w *writer) readBack(buf []byte, s written) error {
	if n, err := w.device.target.ReadAt(buf, s.Offset); n < len(buf) {
		return w.explain(fmt.Errorf("reading back at %d: %w", s.Offset, err))
	}
	w.result.Verified += s.Length
	if sha256.Sum256(buf) != s.sum {
		return fault.In(w.device.Path, fault.Corruptf(s.Offset, "the stick does not read back what was written, among the next %d bytes: it is worn out, or has less room than it says. "+
			"It is not finished and does not start; take another one", s.Length))
	}
	return nil
}

// writeTail writes the end of a GPT, and what else of the table is not in the first edge.
func (w *writer) writeTail() error {
	for _, p := range w.patches {
		inHead := min(max(int64(len(w.head))-p.Offset, 0), int64(len(p.Data)))
		if err := w.writeNow(p.Data[inHead:], p.Offset+inHead); err != nil {
			return err
		}
	}
	return nil
}

// writeHead writes the first edge: the boot record that everybody looks for comes last.
func (w *writer) writeHead() error {
	first := min(align, len(w.head))
	if err := w.writeNow(w.head[first:], int64(first)); err != nil {
		return err
	}
	return w.writeNow(w.head[:first], 0)
}

// writeNow writes a piece, waits for the disk and reads the piece back.
func (w *writer) writeNow(data []byte, off int64) error {
	if len(data) == 0 {
		return nil
	}
	p := memory(len(data))
	copy(p, data)
	w.patch(p, off)
	if err := w.write(p, off); err != nil {
		return err
	}
	if err := errors.Join(w.device.target.Sync(), w.device.target.Drop()); err != nil {
		return w.explain(err)
	}
	if !w.options.Verify {
		return nil
	}
	sum := sha256.Sum256(p)
	return w.readBack(p, written{bmap.Range{Offset: off, Length: int64(len(p))}, sum})
}

// patch puts what the table needs on this disk into bytes of the image.
func (w *writer) patch(p []byte, off int64) {
	for _, q := range w.patches {
		from, to := max(q.Offset, off), min(q.Offset+int64(len(q.Data)), off+int64(len(p)))
		if from < to {
			copy(p[from-off:to-off], q.Data[from-q.Offset:])
		}
	}
}

// memory is a buffer of zeros that suits direct I/O.
func memory(n int) []byte {
	b := make([]byte, n+align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (align - 1)
	return b[skip : skip+n : skip+n]
}

// checker follows the checksum of the block that is being read.
type checker struct {
	block block
	hash  hash.Hash
}

func newChecker(b block) *checker { return &checker{b, sha256.New()} }

func (c *checker) add(p []byte) {
	if c.block.checked {
		c.hash.Write(p)
	}
}

// end compares, once all of the block was added.
func (c *checker) end() error {
	if c.block.checked && !bytes.Equal(c.hash.Sum(nil), c.block.SHA256[:]) {
		return fault.Corruptf(c.block.Offset, "%d bytes do not have the SHA-256 that the block map gives them: the image is damaged, or its .bmap file belongs to another one", c.block.Length)
	}
	return nil
}
