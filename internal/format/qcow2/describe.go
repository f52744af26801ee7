package qcow2

import (
	"encoding/binary"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/sparse"
)

// Details is what the header of an image tells, whether its disk can be read here or not.
type Details struct {
	Version     int
	Size        int64
	ClusterSize int64 // 0 where the header says nonsense
	Snapshots   uint32
	// RefcountBits is the width of the reference counts.
	RefcountBits int
	LazyCounts   bool
	Dirty        bool
	Corrupt      bool
	ExtendedL2   bool
	Compression  Compression
	Backing      string // the backing file; empty for none
	Encryption   string // "AES" or "LUKS"; empty for none
	External     bool   // data lie in another file
}

// Describe reads the header of a file of size bytes. It checks what it must to read on; Open checks
// the rest.
func Describe(r io.ReaderAt, size int64) (Details, error) {
	f := sparse.NewFile(r, size)
	b := make([]byte, min(maxHeader, max(size, headerSize2)))
	if err := f.Data(b, 0); err != nil {
		return Details{}, err
	}
	be := binary.BigEndian
	if string(b[:4]) != Signature {
		return Details{}, fault.Corruptf(0, "this is no qcow2 image; one begins with %q", Signature)
	}
	const lazyBit = 1 // of the compatible features
	d := Details{
		Version: int(be.Uint32(b[4:])), Size: int64(be.Uint64(b[24:])), Snapshots: be.Uint32(b[60:]),
		Encryption: cryptNames[be.Uint32(b[32:])], RefcountBits: 16,
	}
	if n := be.Uint32(b[20:]); n >= minClusterBits && n <= maxClusterBits {
		d.ClusterSize = 1 << n
	}
	if d.Version >= 3 && len(b) >= headerSize3 {
		features := be.Uint64(b[72:])
		d.Dirty, d.Corrupt = features&featureDirty != 0, features&featureCorrupt != 0
		d.External, d.ExtendedL2 = features&featureExternalData != 0, features&featureExtendedL2 != 0
		d.LazyCounts = be.Uint64(b[80:])&lazyBit != 0
		d.RefcountBits = 1 << min(be.Uint32(b[96:]), 6)
		if be.Uint32(b[100:]) > headerSize3 && len(b) > headerSize3 {
			d.Compression = Compression(b[headerSize3])
		}
	}
	if at := int64(be.Uint64(b[8:])); at != 0 {
		name := make([]byte, min(be.Uint32(b[16:]), maxName))
		if err := f.Data(name, at); err != nil {
			return d, err
		}
		d.Backing = string(name)
	}
	return d, nil
}

// String is "deflate" or "zstd", as qemu-img names them but for the first, which it calls "zlib".
func (c Compression) String() string {
	switch c {
	case Deflate:
		return "deflate"
	case Zstandard:
		return "zstd"
	}
	return "unknown"
}
