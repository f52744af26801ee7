package ntfs

import (
	"bytes"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof/chunk"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Files that the Windows Overlay Filter compressed: it shows the decoded content of the stream
// WofCompressedData, and hides that stream and the reparse point. The unnamed stream has the
// content's length and is one hole.

// packedContent returns what the overlay filter is to show, or nil for an ordinary file.
func packedContent(n *tree.Node) tree.Packed {
	p, _ := n.Data.(tree.Packed)
	return p
}

// reparseOf returns the reparse point that the node has on the volume, or nil.
func reparseOf(n *tree.Node) *tree.Reparse {
	if p := packedContent(n); p != nil {
		algorithm, _ := p.Packed()
		return overlays[algorithm]
	}
	return n.Reparse()
}

// overlays are the reparse points of compressed files, by algorithm.
var overlays = func() (all [4]*tree.Reparse) {
	for a := range all {
		all[a] = &tree.Reparse{Tag: wof.Tag, Data: wof.Algorithm(a).Reparse()}
	}
	return all
}()

// wofContent is the content of a compressed file.
type wofContent struct {
	data   *streamReader
	layout wof.Layout
}

// wofFile is what r says of a compressed file.
func wofFile(r *tree.Reparse) (wof.Algorithm, wof.Place) {
	if r == nil {
		return 0, wof.Unknown
	}
	return wof.ParseReparse(r.Tag, r.Data)
}

// openWOF returns the content of a compressed file.
func (v *Volume) openWOF(f *inode, algorithm wof.Algorithm) (*wofContent, error) {
	if !algorithm.Known() {
		return nil, fault.In(where(uint64(f.record)), fault.Unsupportedf(fault.NoOffset, "compressed with %v, which is not known", algorithm))
	}
	data, err := v.open(f, typeData, wof.StreamName)
	if err != nil {
		return nil, err
	}
	unnamed := f.find(typeData, "")
	if data == nil || unnamed == nil {
		return nil, f.corrupt("a compressed file without stream %s", wof.StreamName)
	}
	data.resident = bytes.Clone(data.resident) // the record's buffer is used again
	c := &wofContent{data, wof.Layout{Algorithm: algorithm, Size: unnamed.size}}
	if c.layout.TableSize() > data.size {
		return nil, f.corrupt("%d bytes in chunks of %d cannot be in a stream of %d", unnamed.size, algorithm.ChunkSize(), data.size)
	}
	return c, nil
}

// Size is the length of the decoded content.
func (c *wofContent) Size() int64 { return c.layout.Size }

// Position is where the content lies on the volume.
func (c *wofContent) Position() int64 { return c.data.Position() }

// ReadAt decodes the chunks that p needs.
func (c *wofContent) ReadAt(p []byte, off int64) (int, error) {
	length, size := c.layout.Algorithm.ChunkSize(), c.layout.Size
	return readBounded(p, off, size, func(p []byte, off int64) error {
		return fillChunks(&c.data.v.cache, c, length, size, p, off, func(b []byte, off int64) error {
			return fault.In(where(uint64(c.data.record)), fault.In(wof.StreamName, c.decode(b, off/length)))
		})
	})
}

// bounds returns where chunk i is in the stream.
func (c *wofContent) bounds(i int64) (start, end int64, err error) {
	table, entry := c.layout.TableSize(), c.layout.EntrySize()
	ends := [2]int64{0, c.data.size - table}
	for k := range ends {
		n := i - 1 + int64(k)
		if n < 0 || n == c.layout.Chunks()-1 {
			continue
		}
		b := make([]byte, entry)
		if _, err := c.data.ReadAt(b, n*entry); err != nil {
			return 0, 0, err
		}
		ends[k] = c.layout.Entry(b)
	}
	if ends[0] < 0 || ends[0] >= ends[1] || ends[1] > c.data.size-table {
		return 0, 0, fault.Corruptf(max(0, i-1)*entry, "chunk %d lies from byte %d to %d of %d", i, ends[0], ends[1], c.data.size-table)
	}
	return ends[0] + table, ends[1] + table, nil
}

// decode decodes chunk i, whose length is b's.
func (c *wofContent) decode(b []byte, i int64) error {
	start, end, err := c.bounds(i)
	if err != nil {
		return err
	}
	if end-start > int64(len(b)) {
		return fault.Corruptf(start, "chunk %d has %d bytes for %d", i, end-start, len(b))
	}
	if end-start == int64(len(b)) {
		_, err := c.data.ReadAt(b, start)
		return err
	}
	cache := &c.data.v.cache
	src := cache.buffer(end - start)
	defer cache.release(src)
	if _, err := c.data.ReadAt(*src, start); err != nil {
		return err
	}
	return fault.In(fmt.Sprintf("chunk at byte %#x", start), chunk.Decode(c.layout.Algorithm, b, *src))
}
