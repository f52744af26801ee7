package lzx

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
)

// blockKind is the three-bit type of a block.
type blockKind uint32

const (
	verbatim       blockKind = 1
	alignedOffsets blockKind = 2
	uncompressed   blockKind = 3
)

// block is what a block's header says.
type block struct {
	kind blockKind
	size int // uncompressed bytes
}

// readBlockHeader reads a block's header, including its codes or recent offsets, and leaves the
// reader at the block's data. room is how many bytes the chunk still lacks.
func (d *Decoder) readBlockHeader(room int) (block, error) {
	d.r.refill()
	b := block{kind: blockKind(d.r.take(3)), size: defaultBlockSize}
	if d.r.take(1) == 0 {
		b.size = d.readBlockSize()
	}
	if b.size == 0 || b.size > room {
		return b, d.corrupt("block of %d bytes, where the chunk lacks %d", b.size, room)
	}
	switch b.kind {
	case verbatim, alignedOffsets:
		return b, d.readCodes(b.kind)
	case uncompressed:
		return b, d.readRecent()
	}
	return b, d.corrupt("block type %d", b.kind)
}

// readBlockSize reads the long form of a block's size: 16 bits, or 24 where the window exceeds 32 KiB.
func (d *Decoder) readBlockSize() int {
	size := d.r.take(16)
	if d.window > MinWindow {
		size = size<<8 | d.r.take(8)
	}
	return int(size)
}

// readRecent reads the recent offsets of an uncompressed block. They begin at the next unit; a
// header that ends exactly with a unit is followed by an empty one.
func (d *Decoder) readRecent() error {
	at := (d.r.consumed()/16 + 1) * 2
	if at+4*numRepeats > len(d.src) {
		return d.truncated()
	}
	d.r.seek(at)
	for i := range d.recent {
		d.recent[i] = binary.LittleEndian.Uint32(d.src[at+4*i:])
		if d.recent[i] == 0 {
			return d.corrupt("recent offset %d is zero", i)
		}
	}
	d.r.seek(at + 4*numRepeats)
	return nil
}

// readCodes reads the codes of a verbatim or aligned block and builds their tables.
func (d *Decoder) readCodes(kind blockKind) error {
	if kind == alignedOffsets {
		if err := d.readAlignedCode(); err != nil {
			return err
		}
	}
	if err := d.readLengths(d.mainLens[:], numLiterals); err != nil {
		return err
	}
	if err := d.readLengths(d.mainLens[numLiterals:], d.mainSyms-numLiterals); err != nil {
		return err
	}
	if err := d.buildMain(kind); err != nil {
		return err
	}
	if err := d.readLengths(d.lengthLens[:], numLengthSyms); err != nil {
		return err
	}
	if err := huffman.Build(d.lengthTable[:], lengthRoot, d.lengthLens[:numLengthSyms], lengthPayload); err != nil {
		return d.corrupt("length code: %v", err)
	}
	return nil
}

// readAlignedCode reads the code of the low three offset bits: eight lengths of three bits.
func (d *Decoder) readAlignedCode() error {
	d.r.refill()
	var lens [numAlignedSyms]uint8
	for i := range lens {
		lens[i] = uint8(d.r.take(3))
	}
	if err := huffman.Build(d.aligned[:], alignedRoot, lens[:], plainPayload); err != nil {
		return d.corrupt("aligned offset code: %v", err)
	}
	return nil
}

// Symbols of the code that codes the code lengths. Those below preZeros are differences.
const (
	preZeros     = 17 // a run of 4..19 zeros, four bits
	preManyZeros = 18 // a run of 20..51 zeros, five bits
	preSame      = 19 // a run of 4 or 5 equal lengths, one bit, then their difference
)

// readLengths updates the first n code lengths from the previous block's to this one's. Their own code
// comes first, as twenty lengths of four bits. A run may go beyond n, into what lens has room for.
func (d *Decoder) readLengths(lens []uint8, n int) error {
	var pre [numPreSyms]uint8
	for i := range pre {
		if i%10 == 0 {
			d.r.refill()
		}
		pre[i] = uint8(d.r.take(4))
	}
	if err := huffman.Build(d.preTable[:], preRoot, pre[:], plainPayload); err != nil {
		return d.corrupt("code of the code lengths: %v", err)
	}
	for i := 0; i < n; {
		run, err := d.readRun(lens[i:])
		if err != nil {
			return err
		}
		i += run
	}
	return nil
}

// readRun updates the first one or more of lens and returns how many.
func (d *Decoder) readRun(lens []uint8) (int, error) {
	d.r.refill() // at most 15 + 5, or 15 + 1 + 15 bits
	sym := d.preSymbol()
	if sym < preZeros {
		lens[0] = lessMod17(lens[0], sym)
		return 1, nil
	}
	var n int
	var l uint8
	switch sym {
	case preZeros:
		n = 4 + int(d.r.take(4))
	case preManyZeros:
		n = 20 + int(d.r.take(5))
	default:
		n = 4 + int(d.r.take(1))
		if sym = d.preSymbol(); sym > 17 { // 17 is the same as 0
			return 0, d.corrupt("run of code lengths with difference %d", sym)
		}
		l = lessMod17(lens[0], sym)
	}
	for i := range lens[:n] {
		lens[i] = l
	}
	return n, nil
}

// preSymbol reads a symbol of the code of the code lengths. It consumes up to 15 bits.
func (d *Decoder) preSymbol() uint32 {
	e := d.preTable[d.r.buf>>(64-preRoot)]
	if e&huffman.Link != 0 {
		e = d.preTable[huffman.Sub(e, d.r.buf<<preRoot)]
	}
	d.r.skip(e)
	return e >> 8 & 0xff
}

// lessMod17 subtracts a difference from a code length. A length is 0 to 16.
func lessMod17(l uint8, diff uint32) uint8 {
	n := int(l) - int(diff)
	if n < 0 {
		n += 17
	}
	return uint8(n)
}
