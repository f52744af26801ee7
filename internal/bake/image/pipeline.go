package image

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"

	"github.com/winbake/packer-plugin-winbake/internal/ordered"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// The pipeline: the plan is cut into jobs in the order of the medium; workers fill each job's buffer
// in parallel (read, decompress, check the SHA-1 of what is whole, or produce metadata); one
// goroutine follows the SHA-1 of contents in several jobs, one writes. Memory is the buffers alone.
const (
	// jobSize is what a job reads at most: enough that a write costs little and a compressed chunk
	// of any size fits, small enough that all buffers together stay small.
	jobSize = 2 << 20
	// jobParts bounds the small files in one job.
	jobParts = 512
)

// pipeline runs jobs onto targets.
type pipeline struct {
	targets  []io.WriterAt
	progress func(done int64)
	workers  int
	free     chan []byte
	long     tree.Checker // of the content that is in several jobs
}

// newPipeline makes the buffers.
func newPipeline(targets []io.WriterAt, progress func(done int64)) *pipeline {
	// One worker more than cores: some of them wait for the medium.
	workers := runtime.GOMAXPROCS(0) + 1
	// Jobs wait for one another at the hash and at the disk; that must not keep workers waiting.
	p := &pipeline{targets: targets, progress: progress, workers: workers, free: make(chan []byte, 2*workers+2)}
	for range cap(p.free) {
		p.free <- make([]byte, jobSize+maxSlack)
	}
	return p
}

// run writes everything that jobs yields. It stops at the first error, after which the pipeline is
// not used again, or when ctx ends.
func (p *pipeline) run(ctx context.Context, jobs iter.Seq[*job]) error {
	return ordered.Run(ctx, p.workers, cap(p.free), jobs, p.fill, p.follow, p.write)
}

// fill produces the job's bytes.
func (p *pipeline) fill(j *job) error {
	j.buf = <-p.free // there are as many as jobs on their way
	if j.emit != nil {
		return j.emit(j.buf[:j.used()])
	}
	end := 0
	for i := range j.parts {
		part := &j.parts[i]
		clear(j.buf[end:part.at]) // the slack of the last cluster
		end = part.at + part.n
		b := j.buf[part.at:end]
		if _, err := part.content.ReadAt(b, part.off); err != nil && !errors.Is(err, io.EOF) {
			return &tree.ContentError{Content: part.content, Err: err}
		}
		if part.whole() {
			if err := new(tree.Checker).Check(part.content, 0, b); err != nil {
				return err
			}
		}
	}
	clear(j.buf[end:j.used()])
	return nil
}

// follow checks the SHA-1 of contents that are in several jobs. Their pieces come one after the
// other.
func (p *pipeline) follow(j *job) error {
	for i := range j.parts {
		part := &j.parts[i]
		if part.whole() {
			continue
		}
		if err := p.long.Check(part.content, part.off, j.buf[part.at:part.at+part.n]); err != nil {
			return err
		}
	}
	return nil
}

// contentWriter is a target that has a better way for contents, which nobody reads soon.
type contentWriter interface {
	// WriteContentAt is WriteAt.
	WriteContentAt(p []byte, off int64) (int, error)
}

// write writes the job's bytes.
func (p *pipeline) write(j *job) error {
	for _, w := range j.writes {
		b := j.buf[w.at : w.at+w.n]
		for _, target := range p.targets {
			put := target.WriteAt
			if c, ok := target.(contentWriter); ok && j.emit == nil {
				put = c.WriteContentAt
			}
			if _, err := put(b, w.disk); err != nil {
				return err
			}
		}
	}
	p.free <- j.buf
	j.buf = nil
	p.progress(j.size())
	return nil
}
