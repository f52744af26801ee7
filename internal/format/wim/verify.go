package wim

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// maxIntegrity bounds the integrity table: at the usual 10 MiB for an entry, a file of 500 TB.
const maxIntegrity = 1 << 30

// Verify reads the whole file: it checks the integrity table, if there is one, and the SHA-1 of
// every metadata resource and blob, in the order in which they lie in the file. progress, which
// may be nil, is told how many of how many bytes are done; it is called from this goroutine.
// The first mismatch ends it.
func (f *File) Verify(ctx context.Context, progress func(done, total int64)) error {
	meter := meter{ctx: ctx, report: progress}
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
		if err := tables[i].check(p, &meter); err != nil {
			return fault.In(p.src.name, err)
		}
	}
	buf := make([]byte, batchSize)
	for _, b := range blobs {
		if err := b.check(&meter, buf); err != nil {
			return fault.In(b.res.src.name, fault.In(fmt.Sprintf("blob at offset %#x", b.res.position()-b.res.base), err))
		}
	}
	return nil
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

// check reads the blob through buf and compares its hash.
func (b *Blob) check(m *meter, buf []byte) error {
	h := sha1.New()
	for off := int64(0); off < b.res.size; {
		n := min(int64(len(buf)), b.res.size-off)
		if err := b.res.readFull(buf[:n], off); err != nil {
			return err
		}
		h.Write(buf[:n])
		off += n
		if err := m.add(n); err != nil {
			return err
		}
	}
	return tree.CheckSum(h.Sum(nil), b.sum)
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
	for i := int64(0); i*t.unit < t.covered(); i++ {
		off := headerSize + i*t.unit
		n := min(t.unit, t.end-off)
		sum, err := hashRange(f.src, off, n)
		if err != nil {
			return err
		}
		if want := t.sums[i*sha1.Size:][:sha1.Size]; !bytes.Equal(sum, want) {
			return fault.Corruptf(off, "the next %d bytes have the SHA-1 %x, the integrity table says %x", n, sum, want)
		}
		if err := m.add(n); err != nil {
			return err
		}
	}
	return nil
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
