package xpress

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
)

// fastInput is how many bytes before the end of the input decodeFast stops: two loads of eight bytes
// and the three bytes of a length.
const fastInput = 24

// decodeFast decodes from the start of dst until it meets an end of dst or src, or anything that is
// wrong, and returns how far it got. What it cannot do it leaves to step, unconsumed.
func (d *Decoder) decodeFast(dst []byte) int {
	src := d.r.src
	stop, last := len(dst)-shortMatch-lz.Slack, len(src)-fastInput
	pos, ip, buf, have := 0, d.r.pos, d.r.buf, d.r.have
	for pos < stop && ip < last {
		buf |= loadUnits(src, ip) >> (have & 63)
		ip += int(^have>>3) & 6
		have |= 3 * unitBits

		// 48 bits suffice for a literal of at most rootBits bits and a match of 15 + 15.
		e := d.table[buf>>(64-rootBits)]
		if int32(e) < 0 {
			dst[pos] = byte(e >> 8)
			pos++
			buf <<= e & 63
			have -= uint(e)
			e = d.table[buf>>(64-rootBits)]
		}
		if e&huffman.Link != 0 {
			e = d.table[huffman.Sub(e, buf<<rootBits)]
		}
		if int32(e) < 0 {
			dst[pos] = byte(e >> 8)
			pos++
			buf <<= e & 63
			have -= uint(e)
			continue
		}
		offsetBits := e >> offsetShift & offsetMask
		v := int(bits.RotateLeft64(buf, int(e)))
		off := 1<<offsetBits | v&(1<<offsetBits-1)
		if off > pos {
			break
		}
		length := int(e >> lengthShift & lengthMask)
		if e&flagLong != 0 {
			// As returnUnits does, with the codeword consumed, but not yet the offset bits.
			left := have - uint(e) + uint(offsetBits)
			keep := unitBits + left%unitBits
			at := ip - int(left&63-keep)/8
			length = longMatch + int(src[at])
			at++
			if length == longMatch+byteEscape {
				length = minMatch + (int(src[at]) | int(src[at+1])<<8)
				at += 2
			}
			if length > len(dst)-lz.Slack-pos {
				break
			}
			buf = buf << (e & 63)
			have = keep - uint(offsetBits)
			buf &= ^uint64(0) << (64 - have&63)
			ip = at
		} else {
			buf <<= e & 63
			have -= uint(e)
		}
		if off < lz.Near {
			lz.Repeat(dst, pos, off, length)
		} else {
			from := pos - off
			lz.Store(dst, pos, lz.Load(dst, from))
			if length > 8 {
				lz.Store(dst, pos+8, lz.Load(dst, from+8))
				for i := 16; i < length; i += 16 {
					lz.Store(dst, pos+i, lz.Load(dst, from+i))
					lz.Store(dst, pos+i+8, lz.Load(dst, from+i+8))
				}
			}
		}
		pos += length
	}
	d.r.pos, d.r.buf, d.r.have = ip, buf, have
	return pos
}
