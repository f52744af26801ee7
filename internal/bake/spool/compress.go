package spool

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof/chunk"
	"github.com/winbake/packer-plugin-winbake/internal/ordered"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// segmentSize is how much of a content is compressed in one go: a multiple of every chunk.
const segmentSize = 1 << 20

// Compress compresses contents as the Windows Overlay Filter keeps them, and returns what is to be
// stored of each; nil for those of which useful says that the stored bytes are too many. Blobs are
// checked against their SHA-1. progress hears of numbers of uncompressed bytes, from one goroutine.
func (s *File) Compress(ctx context.Context, a wof.Algorithm, contents []tree.Content,
	useful func(c tree.Content, stored int64) bool, progress func(n int64)) ([]tree.Content, error) {
	workers := runtime.GOMAXPROCS(0)
	depth := 2 * workers
	c := &compressor{
		file: s, algorithm: a, contents: contents, useful: useful, progress: progress,
		free: make(chan *buffers, depth), results: make([]tree.Content, len(contents)),
	}
	for range depth {
		c.free <- &buffers{plain: make([]byte, segmentSize)}
	}
	err := ordered.Run(ctx, workers, depth, c.segments(), c.fill, c.store)
	return c.results, err
}

type compressor struct {
	file      *File
	algorithm wof.Algorithm
	contents  []tree.Content
	useful    func(tree.Content, int64) bool
	progress  func(int64)
	free      chan *buffers

	// What follows belongs to store.
	checker tree.Checker
	start   int64 // where the content's stream starts in the file
	at      int64 // its end so far
	table   []byte
	results []tree.Content
}

// segment is a stretch of a content.
type segment struct {
	content int // its number
	off, n  int64
	buf     *buffers
}

type buffers struct {
	plain  []byte
	packed []byte
	ends   []int // of the chunks in packed
}

func (c *compressor) segments() iter.Seq[*segment] {
	return func(yield func(*segment) bool) {
		for i, content := range c.contents {
			size := content.Size()
			for off := int64(0); off < size; off += segmentSize {
				if !yield(&segment{content: i, off: off, n: min(segmentSize, size-off)}) {
					return
				}
			}
		}
	}
}

// fill reads and compresses a segment.
func (c *compressor) fill(s *segment) error {
	s.buf = <-c.free // as many as there can be segments on their way
	content := c.contents[s.content]
	plain := s.buf.plain[:s.n]
	if _, err := content.ReadAt(plain, s.off); err != nil && !errors.Is(err, io.EOF) {
		return &tree.ContentError{Content: content, Err: err}
	}
	length := int(c.algorithm.ChunkSize())
	s.buf.packed, s.buf.ends = s.buf.packed[:0], s.buf.ends[:0]
	for at := 0; at < len(plain); at += length {
		var err error
		if s.buf.packed, err = chunk.Append(c.algorithm, s.buf.packed, plain[at:min(at+length, len(plain))]); err != nil {
			return err
		}
		s.buf.ends = append(s.buf.ends, len(s.buf.packed))
	}
	return nil
}

// store appends a segment to the file; after the last one of a content its table, if the content is
// to be kept.
func (c *compressor) store(s *segment) error {
	content := c.contents[s.content]
	layout := wof.Layout{Algorithm: c.algorithm, Size: content.Size()}
	last := s.off+s.n == layout.Size
	if err := c.checker.Check(content, s.off, s.buf.plain[:s.n]); err != nil {
		return err
	}
	if s.off == 0 {
		c.start, c.table = c.file.end, c.table[:0]
		c.at = c.start + layout.TableSize()
	}
	base := c.at - c.start - layout.TableSize()
	for i, end := range s.buf.ends {
		if !last || i < len(s.buf.ends)-1 { // an entry is the start of the chunk after
			c.table = layout.AppendEntry(c.table, base+int64(end))
		}
	}
	if _, err := c.file.f.WriteAt(s.buf.packed, c.at); err != nil {
		return err
	}
	c.at += int64(len(s.buf.packed))
	c.free <- s.buf
	c.progress(s.n)
	if !last || !c.useful(content, c.at-c.start) {
		return nil // the next content takes the place of one that is not kept
	}
	if _, err := c.file.f.WriteAt(c.table, c.start); err != nil {
		return err
	}
	c.results[s.content] = &stored{tree.NewPart(c.file.f, c.start, c.at-c.start), c.start}
	c.file.end = c.at
	return nil
}
