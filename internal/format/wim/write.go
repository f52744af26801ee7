package wim

import (
	"cmp"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Output is where a WIM is written to, such as an *os.File that is empty. It is written at given
// offsets, since a header and a chunk table say what only those know who wrote what follows them;
// and it is read, since the integrity table hashes what was written and since the result is opened
// before it is handed on.
type Output interface {
	io.ReaderAt
	io.WriterAt
}

// ImageSource is an image to be written. Of Info the writer sets Index, the counts and byte sums
// itself; the other fields go into the XML data as they are.
type ImageSource struct {
	Tree *tree.Tree
	Info Image
}

// WriteOptions says how to write. The same sources and options give the same bytes.
type WriteOptions struct {
	GUID      [16]byte // identifies the file; it should not be that of another one
	BootIndex int      // number of the image that boot loaders start, or 0
	RPFix     bool     // the header's flag of that name; see File.RPFix
	Integrity bool     // add an integrity table
	// Progress, if not nil, is told how many of how many bytes of content are written. It is called
	// from the goroutine that called Write.
	Progress func(done, total int64)
}

// Write writes an uncompressed WIM with the given images to out and returns its size. Every
// content is stored once, however many files and images have it.
//
// A tree.Blob says its SHA-1 in advance: it is read once, and must turn out to have it. Any other
// content is read twice: first to hash it, then to write it, and must be the same both times.
// Contents are stored in the order of Blob.Position, so that a source is read from its start to
// its end; those that are no Blobs follow in the order of the trees.
//
// A reparse point with several names is written as several reparse points, since the format has
// no place for both; files that are encrypted (EFS) are refused.
func Write(ctx context.Context, out Output, images []ImageSource, opts WriteOptions) (int64, error) {
	if len(images) == 0 || len(images) > maxImages {
		return 0, fault.Invalidf("a WIM of %d images", len(images))
	}
	if opts.BootIndex < 0 || opts.BootIndex > len(images) {
		return 0, fault.Invalidf("boot index %d, but there are %d images", opts.BootIndex, len(images))
	}
	w := &writer{out: out, end: headerSize, index: map[hash]*outBlob{}, meter: meter{ctx: ctx, report: opts.Progress}}
	for i := range images {
		if err := w.plan(&images[i], i+1); err != nil {
			return 0, err
		}
	}
	if err := w.write(opts); err != nil {
		return 0, err
	}
	return w.end, w.reread()
}

// writer is one run of Write.
type writer struct {
	out    Output
	end    int64 // where the next resource goes
	header header
	images []*imagePlan
	blobs  []*outBlob
	index  map[hash]*outBlob
	meter  meter
	buf    []byte
}

// outBlob is a content to be stored.
type outBlob struct {
	sum      hash
	content  tree.Content
	refs     uint32 // how many names lead to it
	position int64  // what the order follows: Blob.Position, or one of the constants below
	resource resourceHeader
}

// Contents without a position follow those with one; the data of reparse points, which a reader
// of the metadata wants, is together at the end.
const (
	noPosition      int64 = 1<<63 - 2
	reparsePosition int64 = 1<<63 - 1
)

// write writes everything in the order of the file, the header last.
func (w *writer) write(opts WriteOptions) error {
	w.header = header{
		Magic: [8]byte([]byte(magic)), HeaderSize: headerSize, Version: versionPlain, Flags: flagInProgress,
		GUID: opts.GUID, Part: 1, Parts: 1, Images: uint32(len(w.images)), BootIndex: uint32(opts.BootIndex),
	}
	// 1. A header that says that the file is not finished.
	if err := w.writeHeader(); err != nil {
		return err
	}
	// 2. The contents, then each image's metadata.
	if err := w.writeBlobs(); err != nil {
		return err
	}
	if err := w.writeMetadata(); err != nil {
		return err
	}
	// 3. The tables.
	if err := w.writeTables(opts); err != nil {
		return err
	}
	// 4. The header that counts.
	w.header.Flags &^= flagInProgress
	if opts.RPFix {
		w.header.Flags |= flagRPFix
	}
	return w.writeHeader()
}

func (w *writer) writeHeader() error {
	_, err := w.out.WriteAt(w.header.marshal(), 0)
	return err
}

// writeBlobs stores the contents in their order.
func (w *writer) writeBlobs() error {
	slices.SortStableFunc(w.blobs, func(a, b *outBlob) int { return cmp.Compare(a.position, b.position) })
	for _, b := range w.blobs {
		w.meter.total += b.content.Size()
	}
	for _, b := range w.blobs {
		res, sum, err := w.writeResource(b.content, 0, w.meter.add)
		if err == nil && sum != b.sum {
			err = tree.CheckSum(sum[:], b.sum)
		}
		if err != nil {
			return fault.In(fmt.Sprintf("content %x", b.sum), err)
		}
		b.resource = res
	}
	return nil
}

// writeMetadata stores each image's metadata.
func (w *writer) writeMetadata() error {
	for i, plan := range w.images {
		b := plan.marshal()
		res, sum, err := w.writeResource(tree.Bytes(b), resMetadata, w.goOn)
		if err != nil {
			return err
		}
		plan.entry = blobEntry{Resource: res, Part: 1, Refs: 1, Hash: sum}
		if w.header.BootIndex == uint32(i+1) {
			w.header.Boot = res
		}
	}
	return nil
}

// writeTables stores the blob table, the XML data and the integrity table.
func (w *writer) writeTables(opts WriteOptions) error {
	var err error
	if w.header.Table, _, err = w.writeResource(tree.Bytes(w.table()), resMetadata, w.goOn); err != nil {
		return err
	}
	covered := w.end
	infos := make([]Image, len(w.images))
	for i, plan := range w.images {
		infos[i] = plan.info
	}
	text, err := marshalXML(infos, w.end)
	if err != nil {
		return err
	}
	if w.header.XML, _, err = w.writeResource(tree.Bytes(text), resMetadata, w.goOn); err != nil {
		return err
	}
	if !opts.Integrity {
		return nil
	}
	sums, err := appendIntegrity(nil, w.out, covered)
	if err != nil {
		return err
	}
	w.header.Integrity, _, err = w.writeResource(tree.Bytes(sums), 0, w.goOn)
	return err
}

// table returns the blob table: contents, then metadata in the order of the images.
func (w *writer) table() []byte {
	b := make([]byte, 0, (len(w.blobs)+len(w.images))*blobEntrySize)
	for _, blob := range w.blobs {
		e := blobEntry{Resource: blob.resource, Part: 1, Refs: blob.refs, Hash: blob.sum}
		b = e.append(b)
	}
	for _, plan := range w.images {
		b = plan.entry.append(b)
	}
	return b
}

// goOn stands for meter.add where what is written is not counted.
func (w *writer) goOn(int64) error { return w.meter.ctx.Err() }

// writeResource stores one resource at the end of the file, as it is, and returns its header and
// hash. written is told of each piece and may end it.
func (w *writer) writeResource(c tree.Content, flags byte, written func(int64) error) (resourceHeader, hash, error) {
	size := c.Size()
	res := resourceHeader{Stored: uint64(size), Flags: flags, Offset: uint64(w.end), Size: uint64(size)}
	h := sha1.New()
	for off := int64(0); off < size; {
		b, err := w.load(c, off)
		if err != nil {
			return res, hash{}, err
		}
		h.Write(b)
		if _, err := w.out.WriteAt(b, w.end); err != nil {
			return res, hash{}, err
		}
		off, w.end = off+int64(len(b)), w.end+int64(len(b))
		if err := written(int64(len(b))); err != nil {
			return res, hash{}, err
		}
	}
	return res, hash(h.Sum(nil)), nil
}

// load reads the next piece of a content from off. Pieces begin and end where the chunks of a
// Blob do.
func (w *writer) load(c tree.Content, off int64) ([]byte, error) {
	piece := int64(batchSize)
	if b, ok := c.(tree.Blob); ok {
		piece = max(piece/b.ChunkSize(), 1) * b.ChunkSize()
	}
	n := min(piece, c.Size()-off)
	if int64(len(w.buf)) < n {
		w.buf = make([]byte, n)
	}
	got, err := c.ReadAt(w.buf[:n], off)
	if int64(got) == n {
		err = nil
	} else if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return w.buf[:n], err
}

// reread opens what was written and compares it with what should be there.
func (w *writer) reread() error {
	f, err := NewFile(w.out, w.end, "the WIM just written")
	if err != nil {
		return fault.Bugf("%v", err)
	}
	if f.header != w.header || len(f.images) != len(w.images) || len(f.blobs) != len(w.blobs) {
		return fault.Bugf("the WIM just written reads back differently: %+v", f.header)
	}
	return nil
}
