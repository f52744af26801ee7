package wim

import (
	"crypto/sha1"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Blob is the content of one or more streams, stored once in a WIM. It is a tree.Blob; a File has
// one *Blob for each SHA-1. Any number of goroutines may read it as long as the File is open.
type Blob struct {
	res resource
	sum hash
}

var _ tree.Blob = (*Blob)(nil)

// Size returns the number of uncompressed bytes.
func (b *Blob) Size() int64 { return b.res.size }

// SHA1 returns the hash that the blob table gives for the uncompressed bytes.
func (b *Blob) SHA1() [sha1.Size]byte { return b.sum }

// Position returns the byte offset of the stored blob in the WIM.
func (b *Blob) Position() int64 { return b.res.offset }

// ChunkSize returns the unit of compression in uncompressed bytes, or 1 when the blob is stored as
// it is.
func (b *Blob) ChunkSize() int64 { return max(b.res.chunk, 1) }

// ReadAt reads uncompressed bytes. Chunks that p covers whole are decoded into p; the others are
// decoded aside and copied. Nothing is checked against the SHA-1.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fault.Bugf("negative offset %d in a WIM blob", off)
	}
	n := min(int64(len(p)), b.res.size-off)
	if n <= 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	if err := b.res.readFull(p[:n], off); err != nil {
		return 0, err
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Format returns how the blob is compressed: None when it is stored as it is.
func (b *Blob) Format() Format { return b.res.format }

// StoredSize returns the number of bytes that the blob takes in the WIM, with its chunk table.
func (b *Blob) StoredSize() int64 { return b.res.stored }

// Stored reads the blob's bytes as they lie in the WIM: for a compressed blob the chunk table,
// then the chunks. That is also the layout of a WofCompressedData stream of the same format and
// chunk size.
func (b *Blob) Stored() *io.SectionReader {
	return io.NewSectionReader(b.res.src, b.res.offset, b.res.stored)
}

// Chunk is the place of one chunk in the WIM.
type Chunk struct {
	Offset int64 // from the start of the WIM
	Stored int64 // bytes in the WIM; equal to Size when the chunk is not compressed
	Size   int64 // uncompressed bytes
}

// Chunks returns the number of chunks; a blob that is stored as it is counts as one.
func (b *Blob) Chunks() int64 {
	if b.res.chunk == 0 {
		return min(b.res.size, 1)
	}
	return b.res.chunks()
}

// AppendChunks adds the places of count chunks from number first to dst.
func (b *Blob) AppendChunks(dst []Chunk, first, count int64) ([]Chunk, error) {
	r := &b.res
	if first < 0 || count < 0 || first > b.Chunks()-count {
		return dst, fault.Bugf("chunks %d+%d of a blob with %d", first, count, b.Chunks())
	}
	if r.chunk == 0 {
		if count > 0 {
			dst = append(dst, Chunk{r.offset, r.stored, r.size})
		}
		return dst, nil
	}
	w, err := newWorker(r.format, r.chunk)
	if err != nil {
		return dst, fault.In(r.src.name, err)
	}
	defer w.release()
	const step = 1 << 16 // table entries per read
	for end := first + count; first < end; first += step {
		n := min(step, end-first)
		if err := w.fetchEnds(r, first, n); err != nil {
			return dst, fault.In(r.src.name, err)
		}
		base := r.offset + r.tableSize()
		for i := range n {
			dst = append(dst, Chunk{base + w.ends[i], w.ends[i+1] - w.ends[i], r.chunkLen(first + i)})
		}
	}
	return dst, nil
}
