package xpress

import (
	"encoding/binary"
	"math/bits"
)

// unitBits is the width of the units of the bit stream.
const unitBits = 16

// bitReader reads the bit stream, and the bytes between its units.
type bitReader struct {
	src  []byte
	pos  int    // the next byte of src to load; may exceed its length once bits are past the end
	buf  uint64 // bits not consumed yet, left aligned
	have uint   // how many; only the low six bits count
	past bool   // units or bytes behind the input have been taken
}

// loadUnits returns the four units at b[i:], the first one uppermost.
func loadUnits(b []byte, i int) uint64 {
	const low = 0x0000ffff0000ffff
	x := bits.RotateLeft64(binary.LittleEndian.Uint64(b[i:i+8]), 32)
	return x>>16&low | x&low<<16
}

// refill tops the buffer up to at least 48 bits. Behind the last whole unit it adds zeros.
func (r *bitReader) refill() {
	if r.pos+8 <= len(r.src) {
		r.buf |= loadUnits(r.src, r.pos) >> (r.have & 63)
	} else if r.pos < len(r.src) {
		var last [8]byte
		copy(last[:], r.src[r.pos:r.end()])
		r.buf |= loadUnits(last[:], 0) >> (r.have & 63)
	}
	r.pos += int(^r.have>>3) & 6
	r.have |= 3 * unitBits
}

// skip consumes n bits that refill has provided.
func (r *bitReader) skip(n uint32) {
	r.buf <<= n & 63
	r.have -= uint(n)
}

// take returns and consumes the next n bits, n < 32, that refill has provided.
func (r *bitReader) take(n uint32) uint32 {
	v := uint32(bits.RotateLeft64(r.buf, int(n))) & (1<<n - 1)
	r.skip(n)
	return v
}

// returnUnits gives back the units that a decoder which takes one unit at a time, when it has fewer
// than 16 bits, would not have taken yet. It needs at least 16 bits.
func (r *bitReader) returnUnits() {
	have := unitBits + r.have%unitBits
	r.pos = r.pos - int(r.have&63-have)/8
	if r.pos > r.end() {
		r.pos, r.past = r.end(), true
	}
	r.buf &= ^uint64(0) << (64 - have)
	r.have = have
}

// takeByte takes a byte from behind the last unit. Behind the input is a zero.
func (r *bitReader) takeByte() int {
	if r.pos >= len(r.src) {
		r.past = true
		return 0
	}
	r.pos++
	return int(r.src[r.pos-1])
}

// takeTwo takes two bytes. If there are not two, it takes none, and they are zeros.
func (r *bitReader) takeTwo() int {
	if r.pos+2 > len(r.src) {
		r.past = true
		return 0
	}
	r.pos += 2
	return int(binary.LittleEndian.Uint16(r.src[r.pos-2:]))
}

// end returns where the last whole unit of the input ends.
func (r *bitReader) end() int { return len(r.src) - (len(r.src)-r.pos)&1 }

// overrun reports whether bits were consumed that the input does not have.
func (r *bitReader) overrun() bool { return r.past || r.pos*8-int(r.have&63) > r.end()*8 }

// offset returns about where the next bit is, for messages.
func (r *bitReader) offset() int64 { return int64(min(r.pos-int(r.have&63)/8, len(r.src))) }
