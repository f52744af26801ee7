package wim

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/ordered"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// maxIntegrity bounds the integrity table: at the usual 10 MiB for an entry, a file of 500 TB.
const maxIntegrity = 1 << 30

// Verify reads the whole file: it checks the integrity table, if there is one, and then the SHA-1 of
// every metadata resource and blob, each in the order in which they lie in the file, on all cores.
// progress, which may be nil, is told how many of how many bytes are done; it is called by one goroutine
// at a time. The first mismatch in that order ends it, and is the error, whichever was found first.
func (f *File) Verify(ctx context.Context, progress func(done, total int64)) error {
	meter := &meter{ctx: ctx, report: progress}
	tables := make([]*integrity, len(f.parts))
	for i, p := range f.parts {
		var err error
		if tables[i], err = p.readIntegrity(); err != nil {
			return p.in("integrity table", err)
		}
		meter.total += tables[i].covered()
	}
	blobs := f.inOrder()
	for _, b := range blobs {
		meter.total += b.res.size
	}
	for i, p := range f.parts {
		if err := tables[i].check(p, meter); err != nil {
			return fault.In(p.src.name, err)
		}
	}
	return checkBlobs(blobs, meter)
}

// inOrder returns all metadata resources and blobs by their place in the file.
func (f *File) inOrder() []*Blob {
	all := make([]*Blob, 0, len(f.metadata)+len(f.blobs))
	for i := range f.metadata {
		all = append(all, &f.metadata[i])
	}
	for i := range f.blobs {
		all = append(all, &f.blobs[i])
	}
	slices.SortStableFunc(all, func(a, b *Blob) int { return a.res.compare(&b.res) })
	return all
}

// piece is what is read of blobs in one go: some of them, or a stretch of one that is long.
type piece struct {
	blobs []*Blob
	off   int64 // of the stretch in the only blob
	n     int64 // bytes
	buf   []byte
}

// whole says that no blob is in other pieces too.
func (p *piece) whole() bool { return p.off == 0 && p.n >= p.blobs[0].res.size }

// step is how much of a long blob a piece has: whole chunks, so that each is decoded once. It is not more than
// largeChunk.
func (b *Blob) step() int64 {
	if b.res.solid != nil {
		return batchSize // what a piece leaves of a chunk stays in the cache for the next
	}
	return max(batchSize, b.res.chunk)
}

// pieces cuts blobs into pieces, in their order.
func pieces(blobs []*Blob) iter.Seq[*piece] {
	return func(yield func(*piece) bool) {
		for rest := blobs; len(rest) > 0; {
			first, count, n := rest[0], 0, int64(0)
			for count < len(rest) && n+rest[count].res.size <= batchSize {
				n += rest[count].res.size
				count++
			}
			if count > 0 && !yield(&piece{blobs: rest[:count], n: n}) {
				return
			}
			for off := int64(0); count == 0 && off < first.res.size; off += first.step() {
				if !yield(&piece{blobs: rest[:1], off: off, n: min(first.step(), first.res.size-off)}) {
					return
				}
			}
			rest = rest[max(count, 1):]
		}
	}
}

// checkBlobs compares the hash of each blob. Workers decode pieces, and hash what is whole; the hash of a
// long blob is computed as its pieces come in their order again.
func checkBlobs(blobs []*Blob, m *meter) error {
	workers := runtime.GOMAXPROCS(0)
	depth := 2*workers + 2
	free := make(chan []byte, depth)
	for range depth {
		free <- nil
	}
	var long tree.Checker
	return ordered.Run(m.ctx, workers, depth, pieces(blobs),
		func(p *piece) error {
			p.buf = <-free // there are as many as pieces on their way
			if int64(len(p.buf)) < p.n {
				p.buf = make([]byte, max(p.n, batchSize))
			}
			return p.read()
		},
		func(p *piece) error {
			if !p.whole() {
				if err := long.Check(p.blobs[0], p.off, p.buf[:p.n]); err != nil {
					return p.blobs[0].in(err)
				}
			}
			free <- p.buf
			return m.add(p.n)
		})
}

// read fills the buffer, and checks what is whole.
func (p *piece) read() error {
	if !p.whole() {
		return p.blobs[0].in(p.blobs[0].res.readFull(p.buf[:p.n], p.off))
	}
	for _, b := range p.blobs {
		data := p.buf[:b.res.size]
		err := b.res.readFull(data, 0)
		if err == nil {
			err = new(tree.Checker).Check(b, 0, data)
		}
		if err != nil {
			return b.in(err)
		}
	}
	return nil
}

// in says where in the file the blob is that err is about.
func (b *Blob) in(err error) error {
	return fault.In(b.res.src.name, fault.In(fmt.Sprintf("blob at offset %#x", b.res.position()-b.res.base), err))
}

// meter counts bytes for a progress report and stops when the context is done.
type meter struct {
	ctx         context.Context
	report      func(done, total int64)
	done, total int64
}

func (m *meter) add(n int64) error {
	m.done += n
	if m.report != nil {
		m.report(m.done, m.total)
	}
	return m.ctx.Err()
}

// integrity is the integrity table: the SHA-1 of each unit of the file from the end of the header
// to the end of the blob table.
type integrity struct {
	unit int64 // bytes
	end  int64 // offset in the file where the covered part ends
	sums []byte
}

// covered is the number of bytes that the table vouches for.
func (t *integrity) covered() int64 {
	if t.unit == 0 {
		return 0
	}
	return t.end - headerSize
}

// readIntegrity returns the table, or one that covers nothing if the file has none.
func (f *File) readIntegrity() (*integrity, error) {
	h := f.header.Integrity
	if h.Stored == 0 {
		return &integrity{}, nil
	}
	res, err := f.newResource(h)
	if err != nil {
		return nil, err
	}
	b, err := res.readAll(maxIntegrity)
	if err != nil {
		return nil, err
	}
	if len(b) < integrityHeaderSize {
		return nil, fault.Corruptf(res.offset, "%d bytes", len(b))
	}
	t := &integrity{
		unit: int64(binary.LittleEndian.Uint32(b[8:])),
		end:  int64(f.header.Table.Offset + f.header.Table.Stored),
		sums: b[integrityHeaderSize:],
	}
	size, count := int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))
	if t.unit == 0 || t.end < headerSize || size != int64(len(b)) || size != integrityHeaderSize+count*sha1.Size ||
		count != (t.covered()+t.unit-1)/t.unit {
		return nil, fault.Corruptf(res.offset, "%d entries for units of %d in %d bytes do not fit %d covered bytes", count, t.unit, size, t.covered())
	}
	return t, nil
}

// check compares each unit of the file with the table.
func (t *integrity) check(f *File, m *meter) error {
	workers := runtime.GOMAXPROCS(0)
	return ordered.Run(m.ctx, workers, 2*workers, t.units(),
		func(u unit) error {
			sum, err := hashRange(f.src, u.off, u.n)
			if err != nil {
				return err
			}
			if !bytes.Equal(sum, u.sum) {
				return fault.Corruptf(u.off, "the next %d bytes have the SHA-1 %x, the integrity table says %x", u.n, sum, u.sum)
			}
			return nil
		},
		func(u unit) error { return m.add(u.n) })
}

// unit is a stretch of the file with its SHA-1 in the integrity table.
type unit struct {
	off, n int64
	sum    []byte
}

func (t *integrity) units() iter.Seq[unit] {
	return func(yield func(unit) bool) {
		off, sums := int64(headerSize), t.sums
		for ; off < t.end; off, sums = off+t.unit, sums[sha1.Size:] {
			if !yield(unit{off, min(t.unit, t.end-off), sums[:sha1.Size]}) {
				return
			}
		}
	}
}

func hashRange(r io.ReaderAt, off, n int64) ([]byte, error) {
	h := sha1.New()
	if _, err := io.CopyBuffer(h, io.NewSectionReader(r, off, n), make([]byte, 256<<10)); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// appendIntegrity adds the table for the bytes of r from the end of the header to end.
func appendIntegrity(dst []byte, r io.ReaderAt, end int64) ([]byte, error) {
	count := (end - headerSize + integrityUnit - 1) / integrityUnit
	dst = binary.LittleEndian.AppendUint32(dst, uint32(integrityHeaderSize+count*sha1.Size))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(count))
	dst = binary.LittleEndian.AppendUint32(dst, integrityUnit)
	for off := int64(headerSize); off < end; off += integrityUnit {
		sum, err := hashRange(r, off, min(integrityUnit, end-off))
		if err != nil {
			return nil, err
		}
		dst = append(dst, sum...)
	}
	return dst, nil
}
