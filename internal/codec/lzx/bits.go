package lzx

import (
	"encoding/binary"
	"math/bits"
)

// inputPad is how many zero bytes follow the input in a bitReader's copy: enough for every load of
// eight bytes that begins within one round of the decoding loop after the last real bit.
const inputPad = 64

// bitReader reads the bit stream: 16-bit little-endian units, most significant bit first.
//
// It works on a copy of the input in which the two bytes of every unit have changed places. In that
// copy the bits are in plain big-endian order, so that a refill is one load at any byte position
// instead of a shuffle of units. The copy costs about one part in a hundred of the decoding time.
type bitReader struct {
	in   []byte // the swapped input and inputPad zero bytes
	end  int    // input bytes in whole units; bits beyond are an error, but read as zeros
	pos  int    // the next byte of in to load
	buf  uint64 // bits not consumed yet, left aligned
	have uint   // how many; only the low six bits count
}

// reset starts reading src, which the reader copies. It allocates only when src is longer than any
// input before.
func (r *bitReader) reset(src []byte) {
	r.grow(len(src))
	r.end = len(src) &^ 1
	swapPairs(r.in, src[:r.end])
	clear(r.in[r.end:])
	r.seek(0)
}

// grow makes room for an input of n bytes.
func (r *bitReader) grow(n int) {
	need := n&^1 + inputPad
	if cap(r.in) < need {
		r.in = make([]byte, need)
	}
	r.in = r.in[:need]
}

// seek continues at an even byte position of the input.
func (r *bitReader) seek(pos int) {
	r.pos, r.buf, r.have = pos, 0, 0
}

// swapPairs copies src, of even length, to dst with the bytes of every pair exchanged.
func swapPairs(dst, src []byte) {
	const even = 0x00ff00ff00ff00ff
	for len(src) >= 8 && len(dst) >= 8 {
		x := binary.LittleEndian.Uint64(src)
		binary.LittleEndian.PutUint64(dst, x>>8&even|x&even<<8)
		src, dst = src[8:], dst[8:]
	}
	for len(src) >= 2 && len(dst) >= 2 {
		dst[0], dst[1] = src[1], src[0]
		src, dst = src[2:], dst[2:]
	}
}

// refill tops the buffer up to at least 56 bits. Past the end it adds zeros, but stays in place.
func (r *bitReader) refill() {
	pos := min(r.pos, len(r.in)-8)
	r.buf |= binary.BigEndian.Uint64(r.in[pos:]) >> (r.have & 63)
	r.pos = pos + int(^r.have>>3&7)
	r.have |= 56
}

// skip consumes n bits that refill has provided.
func (r *bitReader) skip(n uint32) {
	r.buf <<= n & 63
	r.have -= uint(n)
}

// take returns and consumes the next n bits, 1 <= n <= 32, that refill has provided.
func (r *bitReader) take(n uint32) uint32 {
	v := uint32(bits.RotateLeft64(r.buf, int(n))) & (1<<n - 1)
	r.skip(n)
	return v
}

// consumed returns how many bits have been consumed, from the start of the input.
func (r *bitReader) consumed() int { return r.pos*8 - int(r.have&63) }

// overrun reports whether bits were consumed that the input does not have.
func (r *bitReader) overrun() bool { return r.consumed() > r.end*8 }

// offset returns the byte offset of the unit that holds the next bit, for messages.
func (r *bitReader) offset() int64 { return int64(min(r.consumed()/8&^1, r.end)) }
