package ntfs

import (
	"fmt"
	"sync"

	"github.com/winbake/packer-plugin-winbake/internal/codec/lzx"
	"github.com/winbake/packer-plugin-winbake/internal/codec/xpress"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Files that Windows compressed with "compact /exe" or for CompactOS: the Windows Overlay Filter
// shows the decoded content of the stream WofCompressedData and hides that stream and the reparse
// point ([MS-FSCC] 2.1.2.1; the layout of the stream from wimlib and ntfs-3g-system-compression).
const (
	wofTag      = 0x80000017
	wofStream   = "WofCompressedData"
	wofVersion  = 1
	wofByWIM    = 1 // the content is in a WIM elsewhere
	wofByFile   = 2
	wofDataSize = 16
)

// wofAlgorithms are the chunk sizes by algorithm: XPRESS4K, LZX, XPRESS8K, XPRESS16K.
var wofAlgorithms = [...]int64{4 << 10, 32 << 10, 8 << 10, 16 << 10}

const wofLZX = 1

// wofContent is the content of a compressed file. The stream begins with the offsets of all chunks
// but the first, counted from the end of this table: 32-bit numbers, 64-bit for contents from 4 GiB
// on. A chunk that did not become shorter is stored as it is.
type wofContent struct {
	data  *streamReader
	size  int64 // decoded
	chunk int64
	lzx   bool
}

// wofFile is what r says of a compressed file, and whether it is one: else it is a reparse point
// like others.
func wofFile(r *tree.Reparse) (algorithm uint32, provider uint32, ok bool) {
	if r == nil || r.Tag != wofTag || len(r.Data) < 8 || le.Uint32(r.Data) != wofVersion {
		return 0, 0, false
	}
	provider = le.Uint32(r.Data[4:])
	if provider == wofByFile && len(r.Data) >= wofDataSize {
		algorithm = le.Uint32(r.Data[12:])
	}
	return algorithm, provider, true
}

// openWOF returns the content of a compressed file.
func (v *Volume) openWOF(f *inode, algorithm uint32) (*wofContent, error) {
	if int(algorithm) >= len(wofAlgorithms) {
		return nil, fault.In(where(uint64(f.record)), fault.Unsupportedf(fault.NoOffset, "compressed with algorithm %d, which is not known", algorithm))
	}
	data, err := v.open(f, typeData, wofStream)
	if err != nil {
		return nil, err
	}
	unnamed := f.find(typeData, "")
	if data == nil || unnamed == nil {
		return nil, f.corrupt("a compressed file without stream %s", wofStream)
	}
	c := &wofContent{data: data, size: unnamed.size, chunk: wofAlgorithms[algorithm], lzx: algorithm == wofLZX}
	if c.size > 0 && c.table() > data.size {
		return nil, f.corrupt("%d bytes in chunks of %d cannot be in a stream of %d", c.size, c.chunk, data.size)
	}
	return c, nil
}

// Size is the length of the decoded content.
func (c *wofContent) Size() int64 { return c.size }

// Position is where the content lies on the volume.
func (c *wofContent) Position() int64 { return c.data.Position() }

// ReadAt decodes the chunks that p needs.
func (c *wofContent) ReadAt(p []byte, off int64) (int, error) {
	return readBounded(p, off, c.size, func(p []byte, off int64) error {
		return fillChunks(&c.data.v.cache, c, c.chunk, c.size, p, off, func(b []byte, off int64) error {
			return fault.In(where(uint64(c.data.record)), fault.In(wofStream, c.decode(b, off/c.chunk)))
		})
	})
}

// chunks is the number of chunks.
func (c *wofContent) chunks() int64 { return (c.size + c.chunk - 1) / c.chunk }

// entry is the length of an entry of the table.
func (c *wofContent) entry() int64 {
	if c.size >= 1<<32 {
		return 8
	}
	return 4
}

// table is the length of the table.
func (c *wofContent) table() int64 { return (c.chunks() - 1) * c.entry() }

// bounds returns where chunk i is in the stream.
func (c *wofContent) bounds(i int64) (start, end int64, err error) {
	ends := [2]int64{0, c.data.size - c.table()}
	for k := range ends {
		n := i - 1 + int64(k)
		if n < 0 || n == c.chunks()-1 {
			continue
		}
		b := make([]byte, c.entry())
		if _, err := c.data.ReadAt(b, n*c.entry()); err != nil {
			return 0, 0, err
		}
		if len(b) == 8 {
			ends[k] = int64(le.Uint64(b))
		} else {
			ends[k] = int64(le.Uint32(b))
		}
	}
	if ends[0] < 0 || ends[0] >= ends[1] || ends[1] > c.data.size-c.table() {
		return 0, 0, fault.Corruptf(max(0, i-1)*c.entry(), "chunk %d lies from byte %d to %d of %d", i, ends[0], ends[1], c.data.size-c.table())
	}
	return ends[0] + c.table(), ends[1] + c.table(), nil
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
	return fault.In(fmt.Sprintf("chunk at byte %#x", start), c.decompress(b, *src))
}

var (
	xpressDecoders = sync.Pool{New: func() any { return new(xpress.Decoder) }}
	lzxDecoders    sync.Pool
)

func (c *wofContent) decompress(dst, src []byte) error {
	if !c.lzx {
		d := xpressDecoders.Get().(*xpress.Decoder)
		defer xpressDecoders.Put(d)
		return d.Decode(dst, src)
	}
	d, ok := lzxDecoders.Get().(*lzx.Decoder)
	if !ok {
		var err error
		if d, err = lzx.NewDecoder(int(wofAlgorithms[wofLZX])); err != nil {
			return err
		}
	}
	defer lzxDecoders.Put(d)
	return d.Decode(dst, src)
}
