package tree

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Content is the bytes of one stream: known size, read when needed, by any number of goroutines.
// ReadAt follows io.ReaderAt.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Blob is a Content that lies in a medium, such as a WIM: it knows its SHA-1, its place, and the
// unit it is best read in. Two streams with the same content share one Blob (same pointer).
type Blob interface {
	Content
	// SHA1 is what the content must hash to. The reader of all of it checks; ReadAt does not.
	SHA1() [sha1.Size]byte
	// Position orders blobs as they lie in the medium; a bake reads in this order.
	Position() int64
	// ChunkSize is the unit of compression in bytes: reads that start and end at multiples of it
	// decode nothing twice. 1 when any read is as good.
	ChunkSize() int64
}

// Packed is a content that is also at hand compressed, as the Windows Overlay Filter keeps files on
// NTFS. Reading it gives the bytes as they are, so that whoever does not know of Packed loses
// nothing; NTFS volumes hold the other form.
type Packed interface {
	Content
	// Packed returns how the content is compressed, and what the stream WofCompressedData holds.
	Packed() (wof.Algorithm, Content)
	// Unpacked returns the content that was packed.
	Unpacked() Content
}

// Pack joins a content and its compressed form. A Blob stays one.
func Pack(c Content, algorithm wof.Algorithm, stored Content) Packed {
	if b, ok := c.(Blob); ok {
		return &packedBlob{b, packing{algorithm, stored}}
	}
	return &packed{c, packing{algorithm, stored}}
}

type packing struct {
	algorithm wof.Algorithm
	stored    Content
}

func (p *packing) Packed() (wof.Algorithm, Content) { return p.algorithm, p.stored }

type packed struct {
	Content
	packing
}

func (p *packed) Unpacked() Content { return p.Content }

type packedBlob struct {
	Blob
	packing
}

func (p *packedBlob) Unpacked() Content { return p.Blob }

// afterMedia is the position of a content that is not in a medium.
const afterMedia = 1<<63 - 1

// Position is where the medium has a content, a blob of a WIM or a file of another volume. Volumes
// lay contents out in this order; those that are not in a medium come last.
func Position(c Content) int64 {
	if p, ok := c.(interface{ Position() int64 }); ok {
		return p.Position()
	}
	return afterMedia
}

// Bytes is a Content in memory.
type Bytes []byte

// Size returns the number of bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// ReadAt copies bytes from off.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fault.Bugf("negative offset %d", off)
	}
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// HostFile is a file of the machine that winbake runs on. It is opened for each read, so that a
// tree may hold any number of them.
type HostFile struct {
	path string
	size int64
}

// OpenHostFile looks at a regular file and returns it as content.
func OpenHostFile(path string) (*HostFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.Invalidf("%s is not a regular file", path)
	}
	return &HostFile{path, info.Size()}, nil
}

// Size returns the size the file had when it was opened first.
func (h *HostFile) Size() int64 { return h.size }

// ReadAt reads from the file; a file that shrank in the meantime is an error.
func (h *HostFile) ReadAt(p []byte, off int64) (int, error) {
	want := min(int64(len(p)), h.size-off)
	if want <= 0 {
		return 0, io.EOF
	}
	f, err := os.Open(h.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(p[:want], off)
	if errors.Is(err, io.EOF) && int64(n) < want {
		return n, fmt.Errorf("%s: became shorter while it was used: %w", h.path, io.ErrUnexpectedEOF)
	}
	if err == nil && want < int64(len(p)) {
		err = io.EOF
	}
	return n, err
}

// Part is size bytes of another content, from off.
type Part struct {
	*io.SectionReader
}

// NewPart returns a window onto c.
func NewPart(c io.ReaderAt, off, size int64) Part {
	return Part{io.NewSectionReader(c, off, size)}
}

// SizeOf is c.Size() where nil is an empty content.
func SizeOf(c Content) int64 {
	if c == nil {
		return 0
	}
	return c.Size()
}

// NewReader reads c from its start to its end. If c is a Blob, the last read checks its SHA-1.
func NewReader(c Content) io.Reader {
	if c == nil {
		c = Bytes(nil)
	}
	r := io.NewSectionReader(c, 0, c.Size())
	blob, ok := c.(Blob)
	if !ok {
		return r
	}
	h := sha1.New()
	return &checkedReader{r: io.TeeReader(r, h), sum: func() []byte { return h.Sum(nil) }, want: blob.SHA1()}
}

type checkedReader struct {
	r    io.Reader
	sum  func() []byte
	want [sha1.Size]byte
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		if err := CheckSum(c.sum(), c.want); err != nil {
			return n, err
		}
	}
	return n, err
}

// CheckSum compares a computed SHA-1 with the one the medium gives.
func CheckSum(got []byte, want [sha1.Size]byte) error {
	if string(got) != string(want[:]) {
		return fault.Corruptf(fault.NoOffset, "SHA-1 is %s, expected %s", hex.EncodeToString(got), hex.EncodeToString(want[:]))
	}
	return nil
}

// ContentError says which content could not be read, or is not what its medium says it is. Whoever
// knows the trees can name the file.
type ContentError struct {
	Content Content
	Err     error
}

// Error is the cause's text.
func (e *ContentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *ContentError) Unwrap() error { return e.Err }

// Checker follows contents whose bytes come by in their order, and compares the SHA-1 of those that are
// Blobs. The zero value is ready to use. Pieces of one content must not mix with those of another.
type Checker struct{ sum hash.Hash }

// Check takes the piece of c that starts at off, and says with a ContentError when c ends with it and
// is not what its medium says.
func (k *Checker) Check(c Content, off int64, piece []byte) error {
	blob, ok := c.(Blob)
	if !ok {
		return nil
	}
	last := off+int64(len(piece)) == blob.Size()
	var sum []byte
	if off == 0 && last {
		whole := sha1.Sum(piece)
		sum = whole[:]
	} else {
		if off == 0 {
			k.sum = sha1.New()
		}
		k.sum.Write(piece)
		if !last {
			return nil
		}
		sum = k.sum.Sum(nil)
	}
	if err := CheckSum(sum, blob.SHA1()); err != nil {
		return &ContentError{c, err}
	}
	return nil
}

// ReadAll returns all of c, checked, if it is not longer than limit bytes.
func ReadAll(c Content, limit int64) ([]byte, error) {
	size := SizeOf(c)
	if size > limit {
		return nil, fault.Unsupportedf(fault.NoOffset, "content of %d bytes is larger than the %d expected here", size, limit)
	}
	b := make([]byte, size)
	if size == 0 {
		return b, nil
	}
	if _, err := c.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if blob, ok := c.(Blob); ok {
		sum := sha1.Sum(b)
		return b, CheckSum(sum[:], blob.SHA1())
	}
	return b, nil
}
