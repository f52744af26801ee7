package qcow2

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// cacheBytes is how much of the expanded clusters is kept: files are read in pieces smaller than
// most clusters.
const cacheBytes = 16 << 20

// maxCached bounds how many expanded clusters are kept, however small they are.
const maxCached = 1024

// expander expands compressed clusters.
type expander struct {
	size  int64
	cache *sparse.Cache[uint64, []byte] // by L2 entry
	pool  sync.Pool                     // of decoders
	open  func() (decoder, error)
}

// decoder reads what another reader's bytes expand to.
type decoder interface {
	io.Reader
	reset(io.Reader) error
}

func newExpander(c Compression, clusterSize int64) *expander {
	e := &expander{size: clusterSize, open: openDeflate}
	if c == Zstandard {
		e.open = openZstandard
	}
	e.cache = sparse.NewCache[uint64, []byte](int(min(cacheBytes/clusterSize, maxCached)))
	return e
}

// expand returns the cluster that packed begins with; what follows it belongs to others.
func (e *expander) expand(packed []byte) ([]byte, error) {
	d, ok := e.pool.Get().(decoder)
	if !ok {
		var err error
		if d, err = e.open(); err != nil {
			return nil, err
		}
	}
	defer e.pool.Put(d)
	if err := d.reset(bytes.NewReader(packed)); err != nil {
		return nil, err
	}
	cluster := make([]byte, e.size)
	_, err := io.ReadFull(d, cluster)
	return cluster, err
}

type deflateDecoder struct{ io.ReadCloser }

func openDeflate() (decoder, error) { return deflateDecoder{flate.NewReader(nil)}, nil }

func (d deflateDecoder) reset(r io.Reader) error { return d.ReadCloser.(flate.Resetter).Reset(r, nil) }

type zstandardDecoder struct{ *zstd.Decoder }

func openZstandard() (decoder, error) {
	// No frame of an image needs a larger window than its cluster; 8 MiB is what every decoder has
	// to grant (RFC 8878, 3.1.1.1.2). With one goroutine, decoding takes place in Read alone, so that
	// a decoder that is let go needs no closing.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	return zstandardDecoder{d}, err
}

func (d zstandardDecoder) reset(r io.Reader) error { return d.Reset(r) }
