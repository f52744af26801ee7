package xpress

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
)

// endOfData is the symbol behind the last byte of a chunk. [MS-XCA] 2.1 and 2.2: some decoders fail if
// they do not find it, Microsoft's in WIMGAPI among them (wimlib, xpress_decompress.c).
const endOfData = 256

// How far the encoder looks for matches: values that were found by trying.
const (
	chainDepth  = 16
	niceLength  = 48   // bytes
	nearEnough  = 4096 // bytes: where a match of three bytes is still worth its offset bits
	lazyPenalty = 2    // bits: how much better the match at the next byte has to be
)

// item is a literal or a match: the byte, or the length less minMatch, above 16 bits of offset. A
// literal has offset 0.
type item uint32

// Encoder encodes one chunk after another. The zero value is ready to use; it allocates only for its
// first chunk or one longer than any before, and must not be used by two goroutines at once.
type Encoder struct {
	finder  lz.Finder
	planner huffman.Planner
	items   []item
	freqs   [numSymbols]uint32
	lengths [numSymbols]uint8
	words   [numSymbols]huffman.Word

	lengthBytes int // of long matches
}

// Encode compresses src, a chunk of at most MaxChunk bytes, into dst and returns how many bytes that
// takes. Where they would not be fewer than src has, or more than dst has, ok is false: such a chunk
// is stored raw. dst may then have been changed; it must not overlap src.
func (e *Encoder) Encode(dst, src []byte) (n int, ok bool) {
	if len(src) <= headerSize || len(src) > MaxChunk {
		return 0, false
	}
	e.parse(src)
	e.freqs[endOfData]++
	e.planner.Lengths(e.lengths[:], e.freqs[:], maxCodeLen)
	if n = e.size(); n >= len(src) || n > len(dst) {
		return 0, false
	}
	for i := range headerSize {
		dst[i] = e.lengths[2*i] | e.lengths[2*i+1]<<4
	}
	huffman.Words(e.words[:], e.lengths[:])
	e.write(dst[headerSize:n])
	return n, true
}

// parse fills items and freqs: at each byte the longest match, unless the one at the next byte is
// better.
func (e *Encoder) parse(src []byte) {
	f := &e.finder
	f.Depth, f.Nice, f.Most = chainDepth, niceLength, len(src)
	f.Reset(src)
	clear(e.freqs[:])
	if cap(e.items) < len(src) {
		e.items = make([]item, len(src))
	}
	e.items, e.lengthBytes = e.items[:0], 0
	for pos := 0; pos < len(src); {
		length, offset := e.look(pos, minMatch-1)
		if length == 0 {
			e.literal(src[pos])
			pos++
			continue
		}
		next := pos + 1 // the first byte that the finder has not seen
		for length < niceLength && next < len(src) {
			n, o := e.look(next, length-1)
			next++
			if n == 0 || worth(n, o) <= worth(length, offset)+lazyPenalty {
				break
			}
			e.literal(src[pos])
			pos, length, offset = pos+1, n, o
		}
		e.match(length, offset)
		pos += length
		f.Skip(next, pos-next)
	}
}

// look finds a match of more than least bytes, or returns length 0.
func (e *Encoder) look(pos, least int) (length, offset int) {
	length, offset = e.finder.Find(pos, least)
	if length == minMatch && offset > nearEnough {
		return 0, 0
	}
	return length, offset
}

// worth says about how many bits a match saves.
func worth(length, offset int) int { return 4*length - bits.Len(uint(offset)) }

func (e *Encoder) literal(b byte) {
	e.freqs[b]++
	e.items = append(e.items, item(b)<<16)
}

func (e *Encoder) match(length, offset int) {
	it := item(length-minMatch)<<16 | item(offset)
	e.freqs[it.symbol()]++
	e.items = append(e.items, it)
	if length >= longMatch {
		e.lengthBytes++
		if length >= longMatch+byteEscape {
			e.lengthBytes += 2
		}
	}
}

// symbol returns the symbol of a match.
func (it item) symbol() int {
	return numLiterals + it.offsetBits()<<4 + min(int(it>>16), longMatch-minMatch)
}

// offsetBits returns how many bits of a match's offset follow its leading one.
func (it item) offsetBits() int { return bits.Len16(uint16(it)) - 1 }

// size returns how many bytes the chunk takes: whole units of bits, another unit, since a decoder loads
// two ahead, and the bytes of lengths.
func (e *Encoder) size() int {
	n := 0 // bits
	for s, f := range e.freqs[:] {
		n += int(f) * int(e.lengths[s])
		if s >= numLiterals {
			n += int(f) * ((s - numLiterals) >> 4)
		}
	}
	return headerSize + (n+unitBits-1)/unitBits*2 + 2 + e.lengthBytes
}

// write writes the items, with the end of the data behind them. dst has just the room that they take.
func (e *Encoder) write(dst []byte) {
	w := newBitWriter(dst)
	for _, it := range e.items {
		if it&0xffff == 0 {
			w.put(e.words[it>>16&0xff])
			continue
		}
		w.put(e.words[it.symbol()])
		if n := int(it >> 16); n >= longMatch-minMatch {
			w.length(n)
		}
		n := it.offsetBits()
		w.bits(uint32(it)&(1<<n-1), uint(n))
	}
	w.put(e.words[endOfData])
	w.flush()
}

// bitWriter writes units of bits, and bytes between them. Units go where a decoder looks for them that
// loads two at first and one more whenever it has less than 16 bits: their places are taken before
// their bits are known, and bytes go behind.
type bitWriter struct {
	out  []byte
	at   int    // where the unit goes that the next bits fill
	then int    // where the one after it goes
	end  int    // where the next byte goes, or the next place is taken
	buf  uint32 // bits that are not in out
	n    uint   // how many; after put at most 16
}

func newBitWriter(out []byte) bitWriter { return bitWriter{out: out, then: 2, end: 4} }

// bits appends at most 16 bits.
func (w *bitWriter) bits(v uint32, n uint) {
	w.buf = w.buf<<(n&31) | v
	w.n += n
	if w.n > unitBits {
		w.n -= unitBits
		binary.LittleEndian.PutUint16(w.out[w.at:], uint16(w.buf>>(w.n&31)))
		w.at, w.then, w.end = w.then, w.end, w.end+2
	}
}

func (w *bitWriter) put(word huffman.Word) { w.bits(word.Bits(), word.Len()) }

// length appends the bytes of a length of n, less minMatch.
func (w *bitWriter) length(n int) {
	b := min(n-(longMatch-minMatch), byteEscape)
	w.out[w.end] = byte(b)
	w.end++
	if b == byteEscape {
		binary.LittleEndian.PutUint16(w.out[w.end:], uint16(n))
		w.end += 2
	}
}

// flush writes the last units.
func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint16(w.out[w.at:], uint16(w.buf<<(unitBits-w.n)))
	binary.LittleEndian.PutUint16(w.out[w.then:], 0)
}
