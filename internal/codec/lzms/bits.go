package lzms

import "encoding/binary"

// in are the two streams of a chunk and the state of the range decoder. Decoding loops keep them in
// variables.
type in struct {
	src []byte

	// The forward stream.
	fore int    // the next byte to load
	span uint32 // how much of the number line is left
	code uint32 // where on it the input is

	// The backward stream. As units are little endian and begin with their uppermost bit, it is just
	// the bytes of src from the last to the first.
	back int    // the end of what is still to load; negative where zeros were added
	buf  uint64 // bits not consumed yet, left aligned
	have uint   // how many; only the low six bits count
}

// offset returns where in the input the backward stream is, for messages.
func (r *in) offset() int64 { return int64(max(r.back, 0)) }

// tail returns the eight bytes before back, which is less than eight, with zeros before the first.
func tail(src []byte, back int) (x uint64) {
	for _, b := range src[:max(back, 0)] {
		x = x>>8 | uint64(b)<<56
	}
	return x
}

// shift moves the next unit into a range decoder whose span is used up.
func shift(src []byte, fore int, span, code uint32) (newFore int, newSpan, newCode uint32) {
	code <<= 16
	if fore+2 <= len(src) {
		code |= uint32(binary.LittleEndian.Uint16(src[fore:]))
		fore += 2
	}
	return fore, span << 16, code
}

// The numbers of states of the decisions: how many of its last bits are the context of the next.
const (
	mainStates  = 16
	matchStates = 32
	otherStates = 64
	maxStates   = otherStates
)

// usedUp is the span at which the range decoder needs the next unit.
const usedUp = 1 << 16

// decision is one of those that the range decoder makes, with its memory.
type decision struct {
	state  uint32 // the last bits
	mask   uint32 // the number of states, less one
	chance [maxStates]chance
}

// chance is how probable a zero is: as many in 64 as of the last 64 bits in the same state were zeros.
type chance struct {
	recent uint64
	zeros  uint32
}

// reset forgets what was. A chunk begins with 48 zeros.
func (b *decision) reset(states uint32) {
	b.state, b.mask = 0, states-1
	for i := range b.chance[:states] {
		b.chance[i] = chance{0x55555555, 48}
	}
}

// part is the part of a span that stands for zero. No bit is ever certain.
func (c *chance) part(span uint32) uint32 { return span >> 6 * min(max(c.zeros, 1), 63) }

func (c *chance) zero() {
	c.zeros += uint32(c.recent >> 63)
	c.recent <<= 1
}

func (c *chance) one() {
	c.zeros += uint32(c.recent>>63) - 1
	c.recent = c.recent<<1 | 1
}

// decide decodes one bit.
func (r *in) decide(b *decision) bool {
	if r.span < usedUp {
		r.fore, r.span, r.code = shift(r.src, r.fore, r.span, r.code)
	}
	c := &b.chance[b.state&(maxStates-1)]
	part := c.part(r.span)
	if r.code < part {
		r.span = part
		c.zero()
		b.state = b.state << 1 & b.mask
		return false
	}
	r.span -= part
	r.code -= part
	c.one()
	b.state = (b.state<<1 | 1) & b.mask
	return true
}

// refill tops the buffer up to at least 56 bits.
func (r *in) refill() {
	var x uint64
	if r.back >= 8 {
		x = binary.LittleEndian.Uint64(r.src[r.back-8:])
	} else {
		x = tail(r.src, r.back)
	}
	r.buf |= x >> (r.have & 63)
	r.back -= int(^r.have >> 3 & 7)
	r.have |= 56
}
