package lzx

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
)

// item is a literal or a match. A match is its length, from bit lengthBit on, and its offset plus
// offsetAdjust; below that are the recent offsets. A literal is its byte, with length 0.
type item uint32

const lengthBit = 22

// length returns a match's length, 0 for a literal.
func (it item) length() int { return int(it >> lengthBit) }

// coded returns a match's adjusted offset.
func (it item) coded() uint32 { return uint32(it) & (1<<lengthBit - 1) }

// slotOf returns the slot of an adjusted offset: two slots for each number of extra bits up to 17,
// from where on the slots have the same size.
func slotOf(coded uint32) uint32 {
	if coded < 4 {
		return coded
	}
	if coded >= 1<<18 {
		return 34 + coded>>17
	}
	log := uint32(bits.Len32(coded)) - 1
	return 2*log + coded>>(log-1)&1
}

// frequencies counts the symbols of a block.
type frequencies struct {
	main    [maxMainSyms]uint32
	length  [numLengthSyms]uint32
	aligned [numAlignedSyms]uint32
}

// count adds an item.
func (f *frequencies) count(it item) {
	length := it.length()
	if length == 0 {
		f.main[it&0xff]++
		return
	}
	coded := it.coded()
	slot := slotOf(coded)
	f.main[mainSymbol(slot, length)]++
	if length >= longMatch {
		f.length[length-longMatch]++
	}
	if slot >= firstAligned {
		f.aligned[coded&7]++
	}
}

// firstAligned is the first slot with three extra bits.
const firstAligned = 8

// mainSymbol returns the main symbol of a match.
func mainSymbol(slot uint32, length int) uint32 {
	return numLiterals + slot*numHeaders + uint32(min(length-minMatch, numHeaders-1))
}

// code is a code as an encoder has it.
type code struct {
	lengths []uint8
	words   []huffman.Word
}

func newCode(symbols int) code {
	return code{make([]uint8, symbols), make([]huffman.Word, symbols)}
}

// make makes the code for the given frequencies and returns how many bits they take.
func (c *code) make(p *huffman.Planner, freqs []uint32, maxLen int) (n int) {
	p.Lengths(c.lengths, freqs, maxLen)
	huffman.Words(c.words, c.lengths)
	for s, l := range c.lengths {
		n += int(freqs[s]) * int(l)
	}
	return n
}

// Encoder encodes one chunk after another. It allocates only for its first chunk or one longer than any
// before, and must not be used by two goroutines at once.
type Encoder struct {
	window   int
	mainSyms int
	parser   parser
	planner  huffman.Planner
	freqs    frequencies

	main, length, aligned code
	oldMain, oldLength    []uint8 // of the block before, which the next one's differ from
	runs                  runList
	out                   bitWriter
}

// NewEncoder returns an encoder for chunks of at most windowSize bytes; see NewDecoder.
func NewEncoder(windowSize int) (*Encoder, error) {
	if err := checkWindow(windowSize); err != nil {
		return nil, err
	}
	e := &Encoder{window: windowSize, mainSyms: numLiterals + numHeaders*numSlots(windowSize)}
	e.main, e.oldMain = newCode(e.mainSyms), make([]uint8, e.mainSyms)
	e.length, e.oldLength = newCode(numLengthSyms), make([]uint8, numLengthSyms)
	e.aligned = newCode(numAlignedSyms)
	return e, nil
}

// Encode compresses src, a chunk of at most the window size, into dst and returns how many bytes that
// takes. Where they would not be fewer than src has, or more than dst has, ok is false: such a chunk
// is stored raw. dst may then have been changed; it must not overlap src.
func (e *Encoder) Encode(dst, src []byte) (n int, ok bool) {
	if len(src) == 0 || len(src) > e.window {
		return 0, false
	}
	items := e.parser.parse(src)
	e.out.reset(len(src))
	clear(e.oldMain)
	clear(e.oldLength)
	for len(items) > 0 {
		n, size := e.blockEnd(items)
		if !e.writeBlock(items[:n], size, len(src)) {
			return 0, false
		}
		items = items[n:]
	}
	out := e.out.flush()
	if len(out) >= len(src) || len(out) > len(dst) {
		return 0, false
	}
	return copy(dst, out), true
}

// maxBlock is the most uncompressed bytes that a block has: more of them would hardly share a code.
const maxBlock = 1 << 16

// blockEnd returns how many items the next block takes, and how many bytes they are. It counts their
// symbols.
func (e *Encoder) blockEnd(items []item) (n, size int) {
	e.freqs = frequencies{}
	for n < len(items) && size < maxBlock {
		e.freqs.count(items[n])
		size += max(items[n].length(), 1)
		n++
	}
	return n, size
}

// writeBlock writes a block of size bytes, unless the output becomes longer than limit bytes.
func (e *Encoder) writeBlock(items []item, size, limit int) bool {
	n := e.main.make(&e.planner, e.freqs.main[:e.mainSyms], maxCodeLen)
	n += e.length.make(&e.planner, e.freqs.length[:], maxCodeLen)
	kind := verbatim
	plain := 0 // low three bits of offsets
	for _, f := range e.freqs.aligned {
		plain += 3 * int(f)
	}
	if coded := 3*numAlignedSyms + e.aligned.make(&e.planner, e.freqs.aligned[:], maxAlignedLen); coded < plain {
		kind = alignedOffsets
		n += coded - plain
	}
	for slot := range numSlots(e.window) {
		extra := slots[slot].extraBits()
		for _, f := range e.freqs.main[numLiterals+slot*numHeaders:][:numHeaders] {
			n += int(f) * extra
		}
	}
	if e.out.len()+n/8 > limit {
		return false
	}
	e.writeHeader(kind, size)
	e.writeItems(items, kind == alignedOffsets)
	copy(e.oldMain, e.main.lengths)
	copy(e.oldLength, e.length.lengths)
	return true
}

// writeHeader writes a block's header with its codes.
func (e *Encoder) writeHeader(kind blockKind, size int) {
	w := &e.out
	w.bits(uint32(kind), 3)
	switch {
	case size == defaultBlockSize:
		w.bits(1, 1)
	case e.window > MinWindow:
		w.bits(uint32(size), 25)
	default:
		w.bits(uint32(size), 17)
	}
	if kind == alignedOffsets {
		for _, l := range e.aligned.lengths {
			w.bits(uint32(l), 3)
		}
	}
	e.writeLengths(e.oldMain[:numLiterals], e.main.lengths[:numLiterals])
	e.writeLengths(e.oldMain[numLiterals:], e.main.lengths[numLiterals:])
	e.writeLengths(e.oldLength, e.length.lengths)
}

// writeItems writes the items of a block. In an aligned block the lowest bits of the larger offsets
// have a code of their own.
func (e *Encoder) writeItems(items []item, aligned bool) {
	w := &e.out
	for _, it := range items {
		length := it.length()
		if length == 0 {
			w.word(e.main.words[it&0xff])
			continue
		}
		coded := it.coded()
		slot := slotOf(coded)
		w.word(e.main.words[mainSymbol(slot, length)])
		if length >= longMatch {
			w.word(e.length.words[length-longMatch])
		}
		s := &slots[slot&slotMask]
		if !aligned || slot < firstAligned {
			w.bits(coded&s.mask, uint(s.extraBits()))
			continue
		}
		w.bits(coded&s.mask>>3, uint(s.extraBits()-3))
		w.word(e.aligned.words[coded&7])
	}
}
