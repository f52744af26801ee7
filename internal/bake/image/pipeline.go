package image

import (
	"context"
	"crypto/sha1"
	"errors"
	"hash"
	"io"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// The pipeline: a producer cuts the plan into jobs in the order of the medium; workers fill each
// job's buffer (read, decompress, or produce metadata) in parallel; one consumer takes the jobs in
// their order again, checks the SHA-1 of whole contents, and writes. Memory is the buffers alone.
const (
	// jobSize is what a job reads at most: enough that a write costs little and a compressed chunk
	// of any size fits, small enough that all buffers together stay small.
	jobSize = 2 << 20
	// jobParts bounds the small files in one job.
	jobParts = 512
)

// job is one buffer's worth of the disk.
type job struct {
	buf   []byte
	parts []part // pieces of contents in buf; none for metadata
	emit  func(buf []byte) error
	// writes say which bytes of buf go where on the disk.
	writes []write
	ready  chan error
}

// part is a piece of one content that goes to buf[at:at+n].
type part struct {
	content tree.Content
	off     int64 // in the content
	at, n   int
	last    bool // the content ends here
}

type write struct {
	at, n int
	disk  int64 // byte offset on the disk
}

// pipeline runs jobs onto targets.
type pipeline struct {
	targets  []io.WriterAt
	progress func(done int64)
	workers  int
	free     chan []byte
	sum      hash.Hash
}

// newPipeline makes the buffers.
func newPipeline(targets []io.WriterAt, progress func(done int64)) *pipeline {
	// One worker more than cores: some of them wait for the disk.
	workers := runtime.GOMAXPROCS(0) + 1
	p := &pipeline{targets: targets, progress: progress, workers: workers, free: make(chan []byte, 2*workers), sum: sha1.New()}
	for range cap(p.free) {
		p.free <- make([]byte, jobSize)
	}
	return p
}

// run writes everything that jobs yields. It stops at the first error, after which the pipeline is
// not used again, or when ctx ends.
func (p *pipeline) run(ctx context.Context, jobs iter.Seq[*job]) error {
	g, ctx := errgroup.WithContext(ctx)
	todo := make(chan *job)
	ordered := make(chan *job, cap(p.free))
	g.Go(func() error { return p.produce(ctx, jobs, todo, ordered) })
	for range p.workers {
		g.Go(func() error {
			for j := range todo {
				j.ready <- j.fill()
			}
			return nil
		})
	}
	g.Go(func() error { return p.consume(ctx, ordered) })
	return g.Wait()
}

func (p *pipeline) produce(ctx context.Context, jobs iter.Seq[*job], todo, ordered chan<- *job) error {
	defer close(todo)
	defer close(ordered)
	for j := range jobs {
		select {
		case j.buf = <-p.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		j.ready = make(chan error, 1)
		// ordered has room for as many jobs as there are buffers, so only todo can block.
		ordered <- j
		select {
		case todo <- j:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// fill produces the job's bytes.
func (j *job) fill() error {
	if j.emit != nil {
		w := j.writes[0]
		return j.emit(j.buf[:w.n])
	}
	end := 0
	for _, p := range j.parts {
		clear(j.buf[end:p.at]) // the slack of the last cluster
		end = p.at + p.n
		if _, err := p.content.ReadAt(j.buf[p.at:end], p.off); err != nil && !errors.Is(err, io.EOF) {
			return &tree.ContentError{Content: p.content, Err: err}
		}
	}
	return nil
}

func (p *pipeline) consume(ctx context.Context, ordered <-chan *job) error {
	for j := range ordered {
		select {
		case err := <-j.ready:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := p.finish(j); err != nil {
			return err
		}
		p.free <- j.buf
	}
	return nil
}

// finish checks the contents that end in the job and writes its bytes.
func (p *pipeline) finish(j *job) error {
	for _, part := range j.parts {
		if err := p.check(part, j.buf[part.at:part.at+part.n]); err != nil {
			return err
		}
	}
	var n int64
	for _, w := range j.writes {
		for _, target := range p.targets {
			if _, err := target.WriteAt(j.buf[w.at:w.at+w.n], w.disk); err != nil {
				return err
			}
		}
		n += int64(w.n)
	}
	p.progress(n)
	return nil
}

// check follows a content's SHA-1 from its first piece to its last. Pieces of one content come one
// after the other, so that one hash is enough.
func (p *pipeline) check(part part, b []byte) error {
	blob, ok := part.content.(tree.Blob)
	if !ok {
		return nil
	}
	if part.off == 0 {
		p.sum.Reset()
	}
	p.sum.Write(b)
	if !part.last {
		return nil
	}
	if err := tree.CheckSum(p.sum.Sum(nil), blob.SHA1()); err != nil {
		return &tree.ContentError{Content: blob, Err: err}
	}
	return nil
}

// dataJobs cuts a volume's contents into jobs. Small contents that lie side by side share one.
func dataJobs(placements iter.Seq[volume.Placement], base int64) iter.Seq[*job] {
	return func(yield func(*job) bool) {
		c := &cutter{base: base, yield: yield, more: true}
		for placement := range placements {
			c.add(placement)
			if !c.more {
				return
			}
		}
		c.flush()
	}
}

// cutter collects parts into the current job.
type cutter struct {
	base  int64
	yield func(*job) bool
	more  bool
	cur   *job
	used  int // bytes of the buffer that are spoken for
}

func (c *cutter) add(p volume.Placement) {
	size := p.Content.Size()
	var off int64
	for _, run := range p.Runs {
		length := min(run.Length, size-off)
		for done := int64(0); done < length && c.more; {
			n := c.piece(p.Content, off+done, length-done)
			c.put(part{content: p.Content, off: off + done, n: int(n), last: off+done+n == size}, c.base+run.Offset+done)
			done += n
		}
		off += length
	}
}

// piece is how much of a content the current job takes: all of it, or as much as ends on a chunk.
func (c *cutter) piece(content tree.Content, off, left int64) int64 {
	if c.cur != nil && (int64(jobSize-c.used) < left || len(c.cur.parts) >= jobParts) {
		c.flush()
	}
	if left <= jobSize {
		return left
	}
	chunk := int64(1)
	if b, ok := content.(tree.Blob); ok && b.ChunkSize() > 0 && b.ChunkSize() <= jobSize {
		chunk = b.ChunkSize()
	}
	return (off+jobSize)/chunk*chunk - off
}

// put adds a part. It joins the last write when it follows on it, with the slack of the last
// cluster between them as zeros.
func (c *cutter) put(p part, disk int64) {
	if c.cur == nil {
		c.cur = &job{}
		c.used = 0
	}
	j := c.cur
	if n := len(j.writes); n > 0 {
		w := &j.writes[n-1]
		gap := disk - (w.disk + int64(w.n))
		if at := c.used + int(gap); gap >= 0 && gap < maxSlack && at+p.n <= jobSize {
			p.at = at
			w.n += int(gap) + p.n
			j.parts = append(j.parts, p)
			c.used = at + p.n
			return
		}
	}
	if c.used+p.n > jobSize {
		c.flush()
		c.put(p, disk)
		return
	}
	p.at = c.used
	j.parts = append(j.parts, p)
	j.writes = append(j.writes, write{at: c.used, n: p.n, disk: disk})
	c.used += p.n
}

// maxSlack is the largest gap that is written as zeros rather than skipped: the slack of one
// cluster.
const maxSlack = 64 << 10

func (c *cutter) flush() {
	if c.cur != nil && c.more {
		c.more = c.yield(c.cur)
	}
	c.cur = nil
	c.used = 0
}

// metadataJobs is one job for each of a volume's regions.
func metadataJobs(v volume.Plan, base int64) iter.Seq[*job] {
	return func(yield func(*job) bool) {
		for i, r := range v.Regions() {
			j := &job{
				emit:   func(buf []byte) error { return v.Emit(i, buf) },
				writes: []write{{n: int(r.Length), disk: base + r.Offset}},
			}
			if !yield(j) {
				return
			}
		}
	}
}
