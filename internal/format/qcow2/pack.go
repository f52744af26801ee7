package qcow2

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

const (
	// packedShift is where an L2 entry of a compressed cluster has its number of sectors.
	packedShift = 62 - (writtenBits - 8)
	// maxPacked is what compressing must bring a cluster down to: a sector less at least.
	maxPacked = writtenCluster - hostSector
	// maxPending bounds the clusters that wait for the rest of their bytes.
	maxPending = 256
	// deflateWindow is what QEMU gives its decoder: it takes no reference that reaches farther back.
	deflateWindow = 4 << 10
)

// packer compresses the clusters of a disk. A cluster is compressed when all of it has been written,
// or at the end, and cannot be changed any more then. What waits too long is stored as it is.
type packer struct {
	disk     *sparse.Writer
	method   Compression
	encoders sync.Pool
	pending  map[int64]*pendingCluster
	order    []int64 // the keys of pending, and some that no longer are, the oldest first
	next     int64   // where the next compressed bytes go
	left     int64   // how many of them there is room for
	counts   map[int64]uint16
}

// pendingCluster is a cluster that is not all there.
type pendingCluster struct {
	data    [writtenCluster]byte
	written [writtenCluster / hostSector]bool // sectors
}

// cluster is one that is ready.
type cluster struct {
	number int64
	data   []byte
	packed []byte // nil where that is no shorter
}

// encoder compresses one cluster at a time.
type encoder interface {
	encode(p []byte) ([]byte, error)
}

func newPacker(disk *sparse.Writer, method Compression) (*packer, error) {
	p := &packer{disk: disk, method: method, pending: map[int64]*pendingCluster{}, counts: map[int64]uint16{}}
	e, err := p.newEncoder()
	if err != nil {
		return nil, err
	}
	p.encoders.Put(e)
	return p, nil
}

func (p *packer) newEncoder() (encoder, error) {
	switch p.method {
	case Deflate:
		w, err := flate.NewWriterWindow(nil, deflateWindow)
		return deflateEncoder{w}, err
	case Zstandard:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(writtenCluster))
		return zstandardEncoder{w}, err
	}
	return nil, fault.Bugf("compression method %d", p.method)
}

type deflateEncoder struct{ *flate.Writer }

func (e deflateEncoder) encode(p []byte) ([]byte, error) {
	var b bytes.Buffer
	e.Reset(&b)
	if _, err := e.Write(p); err != nil {
		return nil, err
	}
	err := e.Close()
	return b.Bytes(), err
}

type zstandardEncoder struct{ *zstd.Encoder }

func (e zstandardEncoder) encode(p []byte) ([]byte, error) { return e.EncodeAll(p, nil), nil }

// write takes bytes of the disk.
func (p *packer) write(b []byte, off int64) (int, error) {
	if off < 0 || off > p.disk.Size()-int64(len(b)) {
		return 0, fault.Bugf("%d bytes are written at %d of a disk of %d bytes", len(b), off, p.disk.Size())
	}
	var ready []cluster
	for done := 0; done < len(b); {
		number, in := (off+int64(done))/writtenCluster, (off+int64(done))%writtenCluster
		piece := b[done:][:min(int64(len(b)-done), writtenCluster-in)]
		done += len(piece)
		place := p.disk.Place(number)
		switch {
		case uint64(place)&entryCompressed != 0:
			return 0, fault.Bugf("cluster %d is written again after it was compressed", number)
		case place != 0: // stored as it is
			if _, err := p.disk.WriteAt(piece, off+int64(done-len(piece))); err != nil {
				return 0, err
			}
		case len(piece) == writtenCluster && p.pending[number] == nil:
			ready = append(ready, cluster{number: number, data: piece})
		default:
			if c := p.collect(number, in, piece); c != nil {
				ready = append(ready, cluster{number: number, data: c.data[:]})
			}
		}
	}
	if err := p.pack(ready); err != nil {
		return 0, err
	}
	return len(b), p.evict()
}

// collect adds a piece to a cluster that is not all there, and returns the cluster once it is.
func (p *packer) collect(number, in int64, piece []byte) *pendingCluster {
	c := p.pending[number]
	if c == nil {
		if sparse.IsZero(piece) {
			return nil
		}
		c = new(pendingCluster)
		p.pending[number] = c
		p.order = append(p.order, number)
	}
	copy(c.data[in:], piece)
	end := in + int64(len(piece))
	for s := (in + hostSector - 1) / hostSector; s < end/hostSector; s++ {
		c.written[s] = true
	}
	for _, written := range c.written {
		if !written {
			return nil
		}
	}
	delete(p.pending, number)
	return c
}

// evict stores the oldest of too many clusters as they are, so that they can still be written to.
func (p *packer) evict() error {
	for len(p.pending) > maxPending {
		number := p.order[0]
		p.order = p.order[1:]
		if c := p.pending[number]; c != nil {
			delete(p.pending, number)
			if err := p.store(cluster{number: number, data: c.data[:]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish compresses what has been waiting.
func (p *packer) finish() error {
	var ready []cluster
	for _, number := range p.order {
		if c := p.pending[number]; c != nil {
			ready = append(ready, cluster{number: number, data: c.data[:]})
			delete(p.pending, number)
		}
	}
	p.order = nil
	return p.pack(ready)
}

// pack compresses clusters side by side, and writes them in their order.
func (p *packer) pack(ready []cluster) error {
	var next atomic.Int64
	var g errgroup.Group
	for range min(runtime.GOMAXPROCS(0), len(ready)) {
		g.Go(func() error {
			e, ok := p.encoders.Get().(encoder)
			if !ok {
				var err error
				if e, err = p.newEncoder(); err != nil {
					return err
				}
			}
			defer p.encoders.Put(e)
			for i := int(next.Add(1)) - 1; i < len(ready); i = int(next.Add(1)) - 1 {
				if err := ready[i].encode(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, c := range ready {
		if err := p.store(c); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) encode(e encoder) error {
	if sparse.IsZero(c.data) {
		return nil
	}
	packed, err := e.encode(c.data)
	if len(packed) <= maxPacked {
		c.packed = packed
	}
	return err
}

// store gives a cluster its place.
func (p *packer) store(c cluster) error {
	if c.packed == nil {
		off := c.number * writtenCluster
		_, err := p.disk.WriteAt(c.data[:min(writtenCluster, p.disk.Size()-off)], off)
		return err
	}
	n := int64(len(c.packed))
	if n > p.left {
		if p.next+p.left != p.disk.End() { // something else came behind
			p.next, p.left = p.disk.End(), 0
		}
		p.disk.Reserve(writtenCluster) // more than n
		p.left += writtenCluster
	}
	at := p.next
	p.next, p.left = p.next+n, p.left-n
	for host := at / writtenCluster; host <= (at+n-1)/writtenCluster; host++ {
		p.counts[host]++
	}
	sectors := (at+n-1)/hostSector - at/hostSector
	p.disk.Set(c.number, at|sectors<<packedShift|entryCompressed)
	return p.disk.Table(c.packed, at)
}

// count is the number of references of a cluster of the file.
func (p *packer) count(host int64) uint16 {
	if p != nil {
		if n := p.counts[host]; n != 0 {
			return n
		}
	}
	return 1
}
