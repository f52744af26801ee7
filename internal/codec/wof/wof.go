// Package wof is the form in which the Windows Overlay Filter keeps a compressed file on NTFS, as
// "compact /exe" and CompactOS make it: the file's reparse point names an algorithm, and the stream
// WofCompressedData holds a table of offsets and the compressed chunks.
//
// The stream is laid out like a compressed resource of a WIM file: the offset of every chunk but
// the first, counted from the end of the table, as 32-bit numbers, or 64-bit ones for contents from
// 4 GiB on; then the chunks. A chunk that does not become shorter is stored as it is. Sources:
// [MS-FSCC] 2.1.2.1 for tag and provider, wimlib and ntfs-3g-system-compression for the stream.
package wof

import (
	"encoding/binary"
	"fmt"
)

// Tag is the reparse point's tag, and StreamName the stream's name.
const (
	Tag        = 0x80000017
	StreamName = "WofCompressedData"
)

// Algorithm is FILE_PROVIDER_EXTERNAL_INFO_V1.Algorithm: how the chunks are compressed, and how long
// they are.
type Algorithm uint32

// The algorithms.
const (
	XPRESS4K Algorithm = iota
	LZX
	XPRESS8K
	XPRESS16K
	algorithmEnd
)

// Providers: who has the content.
const (
	providerWIM  = 1 // a WIM file elsewhere
	providerFile = 2 // the file's own stream
)

const (
	version     = 1  // of both structures below
	reparseSize = 16 // WOF_EXTERNAL_INFO, then FILE_PROVIDER_EXTERNAL_INFO_V1
)

var le = binary.LittleEndian

// Known says whether the algorithm is one of those above.
func (a Algorithm) Known() bool { return a < algorithmEnd }

// String is the name that Windows' compact command has for it.
func (a Algorithm) String() string {
	if !a.Known() {
		return fmt.Sprintf("algorithm %d", uint32(a))
	}
	return [algorithmEnd]string{"XPRESS4K", "LZX", "XPRESS8K", "XPRESS16K"}[a]
}

// ChunkSize is the number of uncompressed bytes in a chunk; 0 for an algorithm that is not known.
func (a Algorithm) ChunkSize() int64 {
	if !a.Known() {
		return 0
	}
	return [algorithmEnd]int64{4 << 10, 32 << 10, 8 << 10, 16 << 10}[a]
}

// Reparse is the data of the reparse point of a file that its own stream holds.
func (a Algorithm) Reparse() []byte {
	b := make([]byte, reparseSize)
	le.PutUint32(b, version)
	le.PutUint32(b[4:], providerFile)
	le.PutUint32(b[8:], version)
	le.PutUint32(b[12:], uint32(a))
	return b
}

// Place is where a reparse point says that the content is.
type Place int

// The places.
const (
	Unknown  Place = iota // not a reparse point of the filter, or one that nobody knows
	InStream              // in the stream of the file
	InWIM                 // in a WIM elsewhere (WIMBoot)
)

// ParseReparse reads a reparse point, its tag and the data after the header. The algorithm, which may
// be one that is not known, counts for InStream.
func ParseReparse(tag uint32, data []byte) (Algorithm, Place) {
	if tag != Tag || len(data) < 8 || le.Uint32(data) != version {
		return 0, Unknown
	}
	switch le.Uint32(data[4:]) {
	case providerWIM:
		return 0, InWIM
	case providerFile:
		if len(data) >= reparseSize {
			return Algorithm(le.Uint32(data[12:])), InStream
		}
		return algorithmEnd, InStream
	}
	return 0, Unknown
}

// Layout is the shape of the stream of a content.
type Layout struct {
	Algorithm Algorithm
	Size      int64 // of the uncompressed content in bytes
}

// Chunks is the number of chunks.
func (l Layout) Chunks() int64 {
	chunk := l.Algorithm.ChunkSize()
	return l.Size/chunk + min(l.Size%chunk, 1)
}

// ChunkLen is the number of uncompressed bytes of chunk i.
func (l Layout) ChunkLen(i int64) int64 {
	chunk := l.Algorithm.ChunkSize()
	return min(chunk, l.Size-i*chunk)
}

// EntrySize is the length of an entry of the table in bytes.
func (l Layout) EntrySize() int64 {
	if l.Size >= 1<<32 {
		return 8
	}
	return 4
}

// TableSize is the length of the table in bytes.
func (l Layout) TableSize() int64 { return max(l.Chunks()-1, 0) * l.EntrySize() }

// AppendEntry appends the entry of a chunk that starts at offset, counted from the end of the table,
// to a table.
func (l Layout) AppendEntry(table []byte, offset int64) []byte {
	if l.EntrySize() == 8 {
		return le.AppendUint64(table, uint64(offset))
	}
	return le.AppendUint32(table, uint32(offset))
}

// Entry reads an entry, the whole of b.
func (l Layout) Entry(b []byte) int64 {
	if l.EntrySize() == 8 {
		return int64(le.Uint64(b))
	}
	return int64(le.Uint32(b))
}
