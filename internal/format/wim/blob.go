package wim

import (
	"crypto/sha1"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Blob is the content of one or more streams, stored once in a WIM. It is a tree.Blob; a File has
// one *Blob for each SHA-1. Any number of goroutines may read it as long as the File is open.
type Blob struct {
	res        resource
	sum        hash
	compressed bool // the WIM's contents are, where that makes them shorter
}

var _ tree.Blob = (*Blob)(nil)

// Size returns the number of uncompressed bytes.
func (b *Blob) Size() int64 { return b.res.size }

// SHA1 returns the hash that the blob table gives for the uncompressed bytes.
func (b *Blob) SHA1() [sha1.Size]byte { return b.sum }

// Position returns the byte offset of the stored blob in the WIM. In an ESD, whose chunks hold many
// blobs, it is about that; in a split WIM the parts count as if they were one file.
func (b *Blob) Position() int64 { return b.res.position() }

// ChunkSize returns the unit of compression in uncompressed bytes, or 1 when the blob is stored as
// it is. For the blobs of an ESD it is 1 too: what of a chunk is not wanted now is kept for the next.
func (b *Blob) ChunkSize() int64 {
	if b.res.solid != nil {
		return 1
	}
	return max(b.res.chunk, 1)
}

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

// packing is the algorithm of the overlay filter that compresses like a WIM with such chunks.
func (r *resource) packing() (wof.Algorithm, bool) {
	if r.solid != nil {
		return 0, false
	}
	for _, a := range []wof.Algorithm{wof.XPRESS4K, wof.LZX, wof.XPRESS8K, wof.XPRESS16K} {
		format := XPRESS
		if a == wof.LZX {
			format = LZX
		}
		if r.format == format && r.chunk == a.ChunkSize() {
			return a, true
		}
	}
	return 0, false
}

// Packed returns the blob's bytes as they lie in the WIM, if that is also what the overlay filter
// keeps of a file compressed with a; else nil. It checks the table of the chunks, but decodes none.
func (b *Blob) Packed(a wof.Algorithm) (tree.Content, error) {
	r := &b.res
	if have, ok := r.packing(); !ok || have != a {
		return nil, nil
	}
	w, err := newWorker(r.format, r.chunk)
	if err != nil {
		return nil, fault.In(r.src.name, err)
	}
	defer w.release()
	const step = 1 << 16 // table entries per read
	for first, n := int64(0), r.chunks(); first < n; first += step {
		if err := w.fetchEnds(r, first, min(step, n-first)); err != nil {
			return nil, fault.In(r.src.name, err)
		}
	}
	return storedBlob{b}, nil
}

// Incompressible says that whoever wrote the WIM compressed its contents, but not this one: it would
// not have become shorter.
func (b *Blob) Incompressible() bool {
	return b.res.format == None && b.res.solid == nil && b.compressed
}

// storedBlob is a blob as it lies in the WIM: the table of its chunks, then the chunks.
type storedBlob struct{ blob *Blob }

func (s storedBlob) Size() int64     { return s.blob.res.stored }
func (s storedBlob) Position() int64 { return s.blob.Position() }

func (s storedBlob) ReadAt(p []byte, off int64) (int, error) {
	r := &s.blob.res
	if off < 0 || off >= r.stored {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.stored-off)
	if err := r.src.readFull(p[:n], r.offset+off); err != nil {
		return 0, fault.In(r.src.name, err)
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}
