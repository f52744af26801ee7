package lzms

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
)

// problem says why a chunk cannot be decoded.
type problem uint8

const (
	fine problem = iota
	badOffset
	badLength
)

// items fills dst. It returns where it stopped.
func (d *Decoder) items(dst []byte) (pos int, bad problem) {
	for {
		if pos = d.literalRun(dst, pos); pos >= len(dst) {
			return pos, fine
		}
		if d.decide(&d.match) {
			pos, bad = d.deltaMatch(dst, pos)
		} else {
			pos, bad = d.lzMatch(dst, pos)
		}
		if bad != fine || pos >= len(dst) {
			return pos, bad
		}
	}
}

// literalRun decodes literals up to the end of dst or the decision for a match.
func (d *Decoder) literalRun(dst []byte, pos int) int {
	src, fore, span, code := d.src, d.fore, d.span, d.code
	back, buf, have := d.back, d.buf, d.have
	c := &d.literals
	state := d.main.state
	start := pos
	for pos < len(dst) {
		if span < usedUp {
			fore, span, code = shift(src, fore, span, code)
		}
		p := &d.main.chance[state&(mainStates-1)]
		part := p.part(span)
		if code >= part {
			span -= part
			code -= part
			p.one()
			state = state<<1 | 1
			break
		}
		span = part
		p.zero()
		state <<= 1

		var x uint64
		if back >= 8 {
			x = binary.LittleEndian.Uint64(src[back-8 : back])
		} else {
			x = tail(src, back)
		}
		buf |= x >> (have & 63)
		back -= int(^have >> 3 & 7)
		have |= 56
		e := c.table[buf>>(64-codeRoot)]
		if e&huffman.Link != 0 {
			e = c.table[huffman.Sub(e, buf<<codeRoot)]
		}
		buf <<= e & 63
		have -= uint(e)
		dst[pos] = byte(e >> 8)
		pos++
		c.freqs[e>>8&0xff]++
		if c.left--; c.left == 0 {
			c.rebuild(&d.planner)
		}
	}
	d.fore, d.span, d.code = fore, span, code
	d.back, d.buf, d.have = back, buf, have
	d.main.state = state & (mainStates - 1)
	if pos > start {
		d.last = literalItem
	}
	return pos
}

// lzMatch decodes a match at pos and returns where it ends.
func (d *Decoder) lzMatch(dst []byte, pos int) (int, problem) {
	var offset uint32
	if d.decide(&d.lz) {
		offset = recall(&d.recentLZ, d.repeat(&d.lzRepeat), d.last == lzItem)
	} else {
		offset = d.slotted(&d.offsets, offsetSlots)
		remember(&d.recentLZ, offset)
	}
	d.last = lzItem
	length := int(d.slotted(&d.lengths, lengthSlots))
	switch {
	case uint64(offset) > uint64(pos):
		return pos, badOffset
	case length > len(dst)-pos:
		return pos, badLength
	}
	end := pos + length
	off := int(offset)
	switch {
	case end+lz.Slack > len(dst):
		lz.Copy(dst, pos, off, length)
	case off < lz.Near:
		lz.Repeat(dst, pos, off, length)
	case length > 64 && off >= length:
		copy(dst[pos:end], dst[pos-off:])
	default:
		lz.Store(dst, pos, lz.Load(dst, pos-off))
		for length -= 8; length > 0; length -= 16 {
			lz.Store(dst, pos+8, lz.Load(dst, pos+8-off))
			lz.Store(dst, pos+16, lz.Load(dst, pos+16-off))
			pos += 16
		}
	}
	return end, fine
}

// deltaMatch decodes a delta match at pos and returns where it ends.
func (d *Decoder) deltaMatch(dst []byte, pos int) (int, problem) {
	var from source
	if d.decide(&d.delta) {
		from = recall(&d.recentDelta, d.repeat(&d.deltaRepeat), d.last == deltaItem)
	} else {
		d.refill()
		from.power = d.symbol(&d.powers)
		from.offset = d.slotted(&d.deltaOffsets, offsetSlots)
		remember(&d.recentDelta, from)
	}
	d.last = deltaItem
	length := int(d.slotted(&d.lengths, lengthSlots))
	gap := 1 << (from.power & (numPowers - 1))
	offset := uint64(from.offset) << (from.power & (numPowers - 1))
	switch {
	case offset+uint64(gap) > uint64(pos):
		return pos, badOffset
	case length > len(dst)-pos:
		return pos, badLength
	}
	off := int(offset)
	for end := pos + length; pos < end; pos++ {
		dst[pos] = dst[pos-off] + dst[pos-gap] - dst[pos-off-gap]
	}
	return pos, fine
}

// slotted reads a number: the symbol of its slot, and the bits that follow. Together they are at most
// 45, which one refill provides.
func (d *Decoder) slotted(c *code, slots *[maxSymbols]slot) uint32 {
	buf, have := d.buf, d.have&63
	if have < maxCodeLen+30 {
		d.refill()
		buf, have = d.buf, d.have
	}
	e := c.table[buf>>(64-codeRoot)]
	if e&huffman.Link != 0 {
		e = c.table[huffman.Sub(e, buf<<codeRoot)]
	}
	number := e >> 8 & (maxSymbols - 1)
	s := slots[number]
	v := s.base + uint32(buf>>(-e&63))&s.mask
	d.buf = buf << (e & 63)
	d.have = have - uint(e&63)
	c.freqs[number]++
	if c.left--; c.left == 0 {
		c.rebuild(&d.planner)
	}
	return v
}

// repeat decodes which of the recent sources a match has.
func (d *Decoder) repeat(bits *[numRepeats - 1]decision) int {
	for i := range bits {
		if !d.decide(&bits[i]) {
			return i
		}
	}
	return len(bits)
}

// remember puts a new source before the recent ones.
func remember[T any](recent *[numRepeats + 1]T, x T) {
	recent[3] = recent[2]
	recent[2] = recent[1]
	recent[1] = recent[0]
	recent[0] = x
}

// recall moves a recent source to the front and returns it. Directly after a match of the same kind
// that match's own source does not count: it would have been a longer match.
func recall[T any](recent *[numRepeats + 1]T, i int, again bool) T {
	if again {
		i++
	}
	x := recent[i&3]
	for ; i > 0; i-- {
		recent[i&3] = recent[(i-1)&3]
	}
	recent[0] = x
	return x
}
