// Package lzms decodes LZMS as Windows Imaging files use it: every chunk stands alone. The chunks of an
// install.esd have 64 MiB.
//
// LZMS is LZ77 with two streams in one chunk. One runs forwards from its start and is the input of a
// range decoder, whose bits say what comes next: a literal, a match, or a delta match, which repeats
// differences instead of bytes. The other runs backwards from the end and holds the literals, offsets
// and lengths in Huffman codes, which both sides build anew after every few hundred symbols from how
// often each occurred. Both consist of 16-bit little-endian units, most significant bit first. At last
// the targets of x86 instructions, which the encoder made absolute, become relative again.
//
// Microsoft has not published the format; what is known of it is what wimlib found out. Nothing is
// encoded here. The container of the Windows Compression API is not read, only what is inside it.
//
// The decoder takes what libwim's takes, since the contents of a WIM are judged by their hash: zeros
// follow either stream, and the two may overlap. It never reads or writes outside the slices it is
// given, whatever they hold.
package lzms

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The chunk sizes of the format are powers of two between these.
const (
	MinChunk = 1 << 15
	MaxChunk = 1 << 30
)

// Decoder decodes one chunk after another. It allocates nothing after NewDecoder, and must not be
// used by two goroutines at once. It takes about half a megabyte, whatever the size of the chunks.
type Decoder struct {
	in
	chunk int // bytes

	main, match, lz, delta decision
	lzRepeat, deltaRepeat  [numRepeats - 1]decision

	literals, offsets, lengths, powers, deltaOffsets code
	planner                                          huffman.Planner

	// The recent sources of matches, latest first. The last match's own is the first of them, but the
	// match that follows it cannot refer to it: see recall.
	recentLZ    [numRepeats + 1]uint32
	recentDelta [numRepeats + 1]source
	last        item

	filter filter
}

// item is a kind of what a chunk consists of.
type item uint8

const (
	literalItem item = iota
	lzItem
	deltaItem
)

// numRepeats is how many recent sources a match can name.
const numRepeats = 3

// source is what a delta match refers to.
type source struct {
	power  uint32 // log2 of the distance of the bytes whose difference repeats
	offset uint32 // in units of that distance
}

// NewDecoder returns a decoder for chunks of at most chunkSize bytes, a power of two from MinChunk to
// MaxChunk.
func NewDecoder(chunkSize int) (*Decoder, error) {
	if chunkSize < MinChunk || chunkSize > MaxChunk || bits.OnesCount(uint(chunkSize)) != 1 {
		return nil, fault.Unsupportedf(fault.NoOffset,
			"LZMS chunks of %d bytes: want a power of two from %d to %d", chunkSize, MinChunk, MaxChunk)
	}
	return &Decoder{chunk: chunkSize}, nil
}

// Decode fills dst, one chunk's uncompressed size, from the compressed chunk src. A chunk that was
// stored raw, which a WIM shows by equal sizes, is not for Decode.
//
// An error is of class fault.ErrCorrupt with the offset in src; dst then holds garbage.
func (d *Decoder) Decode(dst, src []byte) error {
	if len(dst) > d.chunk {
		return fault.Bugf("LZMS chunk of %d bytes where they have %d", len(dst), d.chunk)
	}
	if len(src) < 4 || len(src)%2 != 0 {
		return fault.Corruptf(int64(len(src)), "LZMS: %d bytes of input: want an even number from 4", len(src))
	}
	dst = dst[:len(dst):len(dst)] // what a slice expression cannot reach, no mistake can
	d.start(src, len(dst))
	pos, bad := d.items(dst)
	d.src = nil
	switch bad {
	case badOffset:
		return fault.Corruptf(d.offset(), "LZMS: the match at output byte %d reaches back before the first", pos)
	case badLength:
		return fault.Corruptf(d.offset(), "LZMS: the match at output byte %d goes beyond the last, %d", pos, len(dst))
	}
	d.filter.undo(dst)
	return nil
}

// start makes everything as it is at the start of a chunk that becomes size bytes.
func (d *Decoder) start(src []byte, size int) {
	d.in = in{
		src: src, fore: 4, back: len(src), span: 1<<32 - 1,
		code: uint32(binary.LittleEndian.Uint16(src))<<16 | uint32(binary.LittleEndian.Uint16(src[2:])),
	}
	d.main.reset(mainStates)
	d.match.reset(matchStates)
	for _, b := range []*decision{&d.lz, &d.delta, &d.lzRepeat[0], &d.lzRepeat[1], &d.deltaRepeat[0], &d.deltaRepeat[1]} {
		b.reset(otherStates)
	}
	slots := numSlots(size)
	d.literals.reset(&d.planner, plainPayload, 256, 1024)
	d.offsets.reset(&d.planner, offsetPayload, slots, 1024)
	d.lengths.reset(&d.planner, lengthPayload, numLengths, 512)
	d.deltaOffsets.reset(&d.planner, offsetPayload, slots, 1024)
	d.powers.reset(&d.planner, plainPayload, numPowers, 512)
	d.recentLZ = [...]uint32{1, 2, 3, 4}
	d.recentDelta = [...]source{{0, 1}, {0, 2}, {0, 3}, {0, 4}}
	d.last = literalItem
}
