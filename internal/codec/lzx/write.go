package lzx

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
)

// bitWriter writes units of 16 bits, in little-endian order, the most significant bit first.
type bitWriter struct {
	out []byte // with room for a chunk that does not become shorter, and a header
	at  int    // bytes written
	buf uint64 // bits not written yet
	n   uint   // how many: fewer than 32
}

// headerRoom is more than the header of a block takes: its codes of at most 656 and 249 lengths, less
// than sixteen bits each, and their own.
const headerRoom = 2048

// reset begins the encoding of a chunk of n bytes.
func (w *bitWriter) reset(n int) {
	if len(w.out) < n+headerRoom {
		w.out = make([]byte, n+headerRoom)
	}
	w.at, w.buf, w.n = 0, 0, 0
}

// len returns how many whole bytes there are.
func (w *bitWriter) len() int { return w.at + int(w.n/8) }

// bits appends at most 32 bits.
func (w *bitWriter) bits(v uint32, n uint) {
	w.buf = w.buf<<(n&63) | uint64(v)
	w.n += n
	if w.n >= 32 {
		w.n -= 32
		two := uint32(w.buf >> (w.n & 31))
		binary.LittleEndian.PutUint32(w.out[w.at:], bits.RotateLeft32(two, 16))
		w.at += 4
	}
}

func (w *bitWriter) word(word huffman.Word) { w.bits(word.Bits(), word.Len()) }

// flush fills the last unit with zeros and returns the output.
func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		two := uint32(w.buf << (32 - w.n))
		binary.LittleEndian.PutUint32(w.out[w.at:], bits.RotateLeft32(two, 16))
		w.at += int(w.n+15) / 16 * 2
	}
	return w.out[:w.at]
}

// run is a symbol of the code of the code lengths, with what follows it.
type run struct {
	symbol uint8
	extra  uint8 // of a run: how many lengths above its least
	diff   uint8 // behind preSame
}

// runList is what a series of code lengths is encoded in.
type runList struct {
	list    []run
	freqs   [numPreSyms]uint32
	lengths [numPreSyms]uint8
	words   [numPreSyms]huffman.Word
}

// writeLengths writes code lengths, as their differences from those of the block before.
func (e *Encoder) writeLengths(old, lengths []uint8) {
	r, w := &e.runs, &e.out
	r.find(old, lengths)
	e.planner.Lengths(r.lengths[:], r.freqs[:], maxPreLen)
	huffman.Words(r.words[:], r.lengths[:])
	for _, l := range r.lengths {
		w.bits(uint32(l), 4)
	}
	for _, x := range r.list {
		w.word(r.words[x.symbol])
		switch x.symbol {
		case preZeros:
			w.bits(uint32(x.extra), 4)
		case preManyZeros:
			w.bits(uint32(x.extra), 5)
		case preSame:
			w.bits(uint32(x.extra), 1)
			w.word(r.words[x.diff])
		}
	}
}

// find fills list and freqs.
func (r *runList) find(old, lengths []uint8) {
	r.list, r.freqs = r.list[:0], [numPreSyms]uint32{}
	for i := 0; i < len(lengths); {
		n := 1
		for i+n < len(lengths) && lengths[i+n] == lengths[i] {
			n++
		}
		diff := uint8((int(old[i]) - int(lengths[i]) + 17) % 17)
		var x run
		switch {
		case lengths[i] == 0 && n >= 20:
			n = min(n, 51)
			x = run{symbol: preManyZeros, extra: uint8(n - 20)}
		case lengths[i] == 0 && n >= 4:
			n = min(n, 19)
			x = run{symbol: preZeros, extra: uint8(n - 4)}
		case n >= 4:
			n = min(n, 5)
			x = run{symbol: preSame, extra: uint8(n - 4), diff: diff}
			r.freqs[diff]++
		default:
			n = 1
			x = run{symbol: diff}
		}
		r.list = append(r.list, x)
		r.freqs[x.symbol]++
		i += n
	}
}
