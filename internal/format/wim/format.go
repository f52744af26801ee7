package wim

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/winbake/packer-plugin-winbake/internal/codec/lzms"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lzx"
	"github.com/winbake/packer-plugin-winbake/internal/codec/xpress"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Format is a way of compressing. The numbers are those that solid resources and WOF use.
type Format uint8

// The formats of WIM resources.
const (
	None   Format = 0
	XPRESS Format = 1 // LZ77 with Huffman codes, [MS-XCA] 2.2
	LZX    Format = 2
	LZMS   Format = 3
)

// String names the format as Microsoft does.
func (f Format) String() string {
	switch f {
	case None:
		return "none"
	case XPRESS:
		return "XPRESS"
	case LZX:
		return "LZX"
	case LZMS:
		return "LZMS"
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// chunkRange gives the smallest and largest legal chunk, as powers of two (WIMGAPI and wimlib).
func (f Format) chunkRange() (least, most int) {
	switch f {
	case XPRESS:
		return 12, 16
	case LZX:
		return 15, 21
	case LZMS:
		return 15, 30
	}
	return 0, -1
}

// legal says whether the format can have chunks of that many bytes.
func (f Format) legal(chunk int64) bool {
	least, most := f.chunkRange()
	return chunk > 0 && chunk&(chunk-1) == 0 && chunk >= 1<<least && chunk <= 1<<most
}

// decoder expands one chunk: src into exactly len(dst) bytes.
type decoder interface {
	Decode(dst, src []byte) error
}

// maxChunkLog is the largest chunk that can be decoded, as a power of two: that of Microsoft's ESD
// files. LZMS could have 1 GiB.
const maxChunkLog = 26

// worker is what one read needs besides its destination; workers are reused.
type worker struct {
	pool    *sync.Pool
	decoder decoder
	raw     []byte  // stored bytes of a batch, with what is read of the chunk table
	plain   []byte  // a chunk of which only a part is wanted
	ends    []int64 // ends of a batch's chunks, from the first chunk of the resource
}

var workers [LZMS + 1][maxChunkLog + 1]sync.Pool

// newWorker returns a worker for the format and chunk size. It goes back with release.
func newWorker(f Format, chunk int64) (*worker, error) {
	if !f.legal(chunk) || chunk > 1<<maxChunkLog {
		return nil, fault.Unsupportedf(fault.NoOffset, "%v with chunks of %d bytes", f, chunk)
	}
	pool := &workers[f][bits.TrailingZeros64(uint64(chunk))]
	if w, ok := pool.Get().(*worker); ok {
		return w, nil
	}
	d, err := newDecoder(f, int(chunk))
	if err != nil {
		return nil, err
	}
	return &worker{pool: pool, decoder: d}, nil
}

func (w *worker) release() { w.pool.Put(w) }

func newDecoder(f Format, chunk int) (decoder, error) {
	switch f {
	case XPRESS:
		return new(xpress.Decoder), nil
	case LZX:
		return lzx.NewDecoder(chunk)
	case LZMS:
		return lzms.NewDecoder(chunk)
	}
	return nil, fault.Unsupportedf(fault.NoOffset, "%v compression", f)
}
