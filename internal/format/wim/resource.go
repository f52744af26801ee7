package wim

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// batchSize is how many uncompressed bytes are read from the file and decoded in one go: enough
// for the read to be cheap, little enough for a worker to stay small. A larger chunk is a batch
// of its own.
const batchSize = 1 << 20

// source is a file that resources lie in.
type source struct {
	io.ReaderAt
	name string
}

// readFull fills p from off, which the caller knows to lie in the file. The caller names the file.
func (s *source) readFull(p []byte, off int64) error {
	n, err := s.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fault.Corruptf(off, "only %d of %d bytes are there; the file became shorter", n, len(p))
	}
	return err
}

// resource is a run of stored bytes: what is compressed as one. It has passed newResource.
type resource struct {
	*storage
	offset int64
	stored int64
	size   int64
}

// storage is what many resources of a file have in common.
type storage struct {
	src    *source
	base   int64 // how many bytes the parts of a split file have before this one
	chunk  int64 // bytes of uncompressed data per chunk; 0 when stored as it is
	format Format
	// solid is the resource that the blobs are in, if it is one of many. Their offset is then one of
	// its uncompressed bytes.
	solid *solid
	cache *chunkCache
}

// newResource checks a resource header's claims against the file. A compressed resource must have
// room for its chunk table and one byte per chunk, which bounds its uncompressed size.
func (f *File) newResource(h resourceHeader) (resource, error) {
	r := resource{storage: &f.plain, offset: int64(h.Offset), stored: int64(h.Stored), size: int64(h.Size)}
	if err := h.validate(f.size); err != nil {
		return r, err
	}
	if h.Flags&resCompressed == 0 {
		return r, nil
	}
	if f.format == None {
		return r, fault.Corruptf(fault.NoOffset, "it is marked compressed, but the file's header names no compression")
	}
	r.storage = &f.packed
	n := r.chunks()
	if n == 0 || n > r.stored || r.tableSize()+n > r.stored {
		return r, fault.Corruptf(fault.NoOffset, "%d stored bytes cannot hold %d chunks of %v", r.stored, n, r.format)
	}
	if r.chunk > largeChunk && r.size > largeChunk {
		return f.newShared(r)
	}
	return r, nil
}

// largeChunk is the largest chunk that whoever reads a part of it decodes for himself: that of LZX. Larger ones,
// which LZMS can have, are decoded once for all readers, as those of solid resources are.
const largeChunk = 2 << 20

// newShared makes a resource with large chunks a blob in a solid one that holds nothing else.
func (f *File) newShared(r resource) (resource, error) {
	if f.room -= r.stored; f.room < 0 { // many entries for one place must not make as many tables
		return r, fault.Corruptf(fault.NoOffset, "the resources have more bytes than the file")
	}
	w, err := newWorker(r.format, r.chunk)
	if err != nil {
		return r, err
	}
	defer w.release()
	if err := w.fetchEnds(&r, 0, r.chunks()); err != nil {
		return r, err
	}
	s := &solid{file: r, first: r.offset + r.tableSize(), ends: slices.Clone(w.ends[1:]), size: r.size}
	s.blobs = *r.storage
	s.blobs.solid = s
	s.blobs.cache.fit(r.chunk)
	return resource{storage: &s.blobs, size: r.size}, nil
}

// position orders resources as they lie in the file, in all its parts.
func (r *resource) position() int64 {
	if r.solid != nil {
		return r.base + r.solid.position(r.offset)
	}
	return r.base + r.offset
}

// compare orders two resources as position does, and those of one chunk as they lie in it.
func (r *resource) compare(other *resource) int {
	return cmp.Or(cmp.Compare(r.position(), other.position()), cmp.Compare(r.offset, other.offset))
}

func (r *resource) chunks() int64 {
	return r.size/r.chunk + min(r.size%r.chunk, 1)
}

// entrySize is the size of one chunk table entry.
func (r *resource) entrySize() int64 {
	if r.size > math.MaxUint32 {
		return 8
	}
	return 4
}

func (r *resource) tableSize() int64 { return (r.chunks() - 1) * r.entrySize() }

// chunkLen is the uncompressed length of chunk i.
func (r *resource) chunkLen(i int64) int64 { return min(r.chunk, r.size-i*r.chunk) }

// readFull fills p with the uncompressed bytes from off, which must all be in the resource.
func (r *resource) readFull(p []byte, off int64) error {
	if r.solid != nil {
		return r.solid.readFull(p, r.offset+off)
	}
	if r.chunk == 0 {
		return fault.In(r.src.name, r.src.readFull(p, r.offset+off))
	}
	w, err := newWorker(r.format, r.chunk)
	if err != nil {
		return fault.In(r.src.name, err)
	}
	defer w.release()
	for len(p) > 0 {
		n, err := w.read(r, p, off)
		if err != nil {
			return fault.In(r.src.name, err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// read fills the start of p with one batch and returns how many bytes that is.
func (w *worker) read(r *resource, p []byte, off int64) (int, error) {
	first := off / r.chunk
	count := (off+int64(len(p))-1)/r.chunk - first + 1
	count = min(count, max(batchSize/r.chunk, 1))
	data, err := w.fetch(r, first, count)
	if err != nil {
		return 0, err
	}
	done, start := 0, w.ends[0]
	for i := range count {
		src := data[w.ends[i]-start : w.ends[i+1]-start]
		n, err := w.expand(r, first+i, src, p[done:], off+int64(done))
		if err != nil {
			return done, at(r.offset+r.tableSize()+w.ends[i], r.format.String()+" chunk", err)
		}
		done += n
	}
	return done, nil
}

// expand copies what p wants of chunk i, whose stored bytes are src, and returns how much it is.
// A chunk that is wanted whole is decoded in place.
func (w *worker) expand(r *resource, i int64, src, p []byte, off int64) (int, error) {
	size := r.chunkLen(i)
	skip := off - i*r.chunk
	switch {
	case int64(len(src)) == size: // stored as it is
		return copy(p, src[skip:]), nil
	case skip == 0 && int64(len(p)) >= size:
		return int(size), w.decoder.Decode(p[:size], src)
	}
	if int64(len(w.plain)) < size {
		w.plain = make([]byte, size)
	}
	err := w.decoder.Decode(w.plain[:size], src)
	return copy(p, w.plain[skip:size]), err
}

// fetch reads the stored bytes of count chunks from first, and sets w.ends[i+1] to the end of the
// i-th of them and w.ends[0] to the start of the first, counted from the end of the chunk table.
// The whole of a small resource comes with its table in one read.
func (w *worker) fetch(r *resource, first, count int64) ([]byte, error) {
	if count == r.chunks() && r.stored <= batchSize+batchSize/8 {
		w.grow(r.stored)
		if err := r.src.readFull(w.raw, r.offset); err != nil {
			return nil, err
		}
		table := r.tableSize()
		return w.raw[table:], w.setEnds(r, first, count, w.raw[:table])
	}
	if err := w.fetchEnds(r, first, count); err != nil {
		return nil, err
	}
	w.grow(w.ends[count] - w.ends[0])
	return w.raw, r.src.readFull(w.raw, r.offset+r.tableSize()+w.ends[0])
}

// fetchEnds reads the part of the chunk table that count chunks from first need.
func (w *worker) fetchEnds(r *resource, first, count int64) error {
	from := max(first-1, 0)
	to := min(first+count, r.chunks()-1)
	w.grow((to - from) * r.entrySize())
	if err := r.src.readFull(w.raw, r.offset+from*r.entrySize()); err != nil {
		return err
	}
	return w.setEnds(r, first, count, w.raw)
}

// grow makes w.raw n bytes long. n is bounded by batchSize, the chunk size and the table's share.
func (w *worker) grow(n int64) {
	if int64(cap(w.raw)) < n {
		w.raw = make([]byte, n)
	}
	w.raw = w.raw[:n]
}

// setEnds fills w.ends from table, which holds the chunk table's entries from that of chunk first
// (or of chunk 1, as chunk 0 has none) to that of the chunk after the last, if there is one.
func (w *worker) setEnds(r *resource, first, count int64, table []byte) error {
	w.ends = w.ends[:0]
	if first == 0 {
		w.ends = append(w.ends, 0)
	}
	for len(table) > 0 {
		end := uint64(0)
		if r.entrySize() == 4 {
			end = uint64(binary.LittleEndian.Uint32(table))
		} else {
			end = min(binary.LittleEndian.Uint64(table), math.MaxInt64)
		}
		w.ends = append(w.ends, int64(end))
		table = table[r.entrySize():]
	}
	limit := r.stored - r.tableSize()
	if first+count == r.chunks() {
		w.ends = append(w.ends, limit)
	}
	return w.checkEnds(r, first, limit)
}

// checkEnds makes sure that each chunk has at least one stored byte and not more than it expands
// to, and that all lie in the resource.
func (w *worker) checkEnds(r *resource, first, limit int64) error {
	for i := range len(w.ends) - 1 {
		chunk := first + int64(i)
		start, end := w.ends[i], w.ends[i+1]
		if end > limit || end <= start || end-start > r.chunkLen(chunk) {
			return fault.Corruptf(r.offset+max(chunk-1, 0)*r.entrySize(), "chunk %d is said to be stored in bytes %d to %d of %d", chunk, start, end, limit)
		}
	}
	return nil
}

// readAll returns the whole uncompressed resource. A size of up to 64 times the stored bytes is
// taken on trust; beyond that, memory is taken as the data turns out to be there, so that a small
// file cannot ask for a large buffer.
func (r *resource) readAll(limit int64) ([]byte, error) {
	if r.size > limit {
		return nil, fault.In(r.src.name, fault.Corruptf(r.offset, "resource of %d bytes, more than the %d that make sense", r.size, limit))
	}
	var b []byte
	for int64(len(b)) < r.size {
		n := min(r.size, max(int64(len(b))*8, 64*r.stored, batchSize)) - int64(len(b))
		b = append(make([]byte, 0, int64(len(b))+n), b...)
		b = b[:int64(len(b))+n]
		if err := r.readFull(b[int64(len(b))-n:], int64(len(b))-n); err != nil {
			return nil, err
		}
	}
	return b, nil
}
