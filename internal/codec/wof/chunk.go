package wof

import (
	"slices"
	"sync"

	"github.com/winbake/packer-plugin-winbake/internal/codec/lzx"
	"github.com/winbake/packer-plugin-winbake/internal/codec/xpress"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Decoders and encoders of chunks, reused: they are large.
var (
	xpressDecoders = sync.Pool{New: func() any { return new(xpress.Decoder) }}
	xpressEncoders = sync.Pool{New: func() any { return new(xpress.Encoder) }}
	lzxDecoders    sync.Pool
	lzxEncoders    sync.Pool
)

// Decode decodes a chunk that is shorter than its content, dst. It is safe for concurrent use.
func (a Algorithm) Decode(dst, src []byte) error {
	switch {
	case !a.Known():
		return a.unknown()
	case a != LZX:
		d := xpressDecoders.Get().(*xpress.Decoder)
		defer xpressDecoders.Put(d)
		return d.Decode(dst, src)
	}
	d, ok := lzxDecoders.Get().(*lzx.Decoder)
	if !ok {
		var err error
		if d, err = lzx.NewDecoder(int(LZX.ChunkSize())); err != nil {
			return err
		}
	}
	defer lzxDecoders.Put(d)
	return d.Decode(dst, src)
}

// Append compresses src, a chunk's content, and appends what is stored of it to dst: src itself if it
// does not become shorter. It is safe for concurrent use.
func (a Algorithm) Append(dst, src []byte) ([]byte, error) {
	if !a.Known() || int64(len(src)) > a.ChunkSize() {
		return dst, fault.Bugf("a chunk of %d bytes for %v", len(src), a)
	}
	room := slices.Grow(dst, len(src))[:len(dst)+len(src)]
	n, ok, err := a.encode(room[len(dst):], src)
	if !ok {
		return append(dst, src...), err
	}
	return room[:len(dst)+n], nil
}

func (a Algorithm) encode(dst, src []byte) (n int, ok bool, err error) {
	if a != LZX {
		e := xpressEncoders.Get().(*xpress.Encoder)
		defer xpressEncoders.Put(e)
		n, ok = e.Encode(dst, src)
		return n, ok, nil
	}
	e, have := lzxEncoders.Get().(*lzx.Encoder)
	if !have {
		if e, err = lzx.NewEncoder(int(LZX.ChunkSize())); err != nil {
			return 0, false, err
		}
	}
	defer lzxEncoders.Put(e)
	n, ok = e.Encode(dst, src)
	return n, ok, nil
}

func (a Algorithm) unknown() error {
	return fault.Unsupportedf(fault.NoOffset, "compressed with %v, which is not known", a)
}
