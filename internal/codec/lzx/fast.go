package lzx

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
)

// problem says why a block cannot be decoded.
type problem int

const (
	fine problem = iota
	badOffset
	badLength
)

// decodeFast decodes dst[pos:end] up to where a round, at most two literals and the longest match, could
// cross end, or the match's copy the end of dst, and returns the new position. Away from the ends, nothing but match offsets needs checking.
func (d *Decoder) decodeFast(dst []byte, pos, end int) (int, problem) {
	stop := min(end-maxMatch-1, len(dst)-maxMatch-lz.Slack)
	in := d.r.in
	ip, buf, have := d.r.pos, d.r.buf, d.r.have
	last := len(in) - inputPad/2
	bad := fine
	for pos < stop && ip < last {
		buf |= binary.BigEndian.Uint64(in[ip:ip+8]) >> (have & 63)
		ip += int(^have >> 3 & 7)
		have |= 56

		// 56 bits suffice for two literals of at most mainRoot bits and a short match: its codeword of
		// 16 bits and 17 of the offset. A length or aligned symbol refills.
		e := d.mainTable[buf>>(64-mainRoot)]
		if int32(e) < 0 {
			dst[pos] = byte(e >> 8)
			pos++
			buf <<= e & 63
			have -= uint(e)
			e = d.mainTable[buf>>(64-mainRoot)]
			if int32(e) < 0 {
				dst[pos] = byte(e >> 8)
				pos++
				buf <<= e & 63
				have -= uint(e)
				e = d.mainTable[buf>>(64-mainRoot)]
			}
		}
		if e&huffman.Link != 0 {
			e = d.mainTable[huffman.Sub(e, buf<<mainRoot)]
		}
		v := uint32(bits.RotateLeft64(buf, int(e)))
		buf <<= e & 63
		have -= uint(e)
		if int32(e) < 0 {
			dst[pos] = byte(e >> 8)
			pos++
			continue
		}
		length := int(e >> lengthShift & lengthMask)
		s := &slots[e>>slotShift&slotMask]
		if e&flagLong != 0 {
			buf |= binary.BigEndian.Uint64(in[ip:ip+8]) >> (have & 63)
			ip += int(^have >> 3 & 7)
			have |= 56
			le := d.lengthTable[buf>>(64-lengthRoot)]
			if le&huffman.Link != 0 {
				le = d.lengthTable[huffman.Sub(le, buf<<lengthRoot)]
			}
			length += int(le >> 8 & 0xff)
			buf <<= le & 63
			have -= uint(le)
			x := uint32(s.extraBits())
			if e&flagAligned != 0 {
				x -= 3
			}
			v = uint32(bits.RotateLeft64(buf, int(x)))
			buf <<= x & 63
			have -= uint(x)
		}
		if e&flagAligned != 0 {
			buf |= binary.BigEndian.Uint64(in[ip:ip+8]) >> (have & 63)
			ip += int(^have >> 3 & 7)
			have |= 56
			ae := d.aligned[buf>>(64-alignedRoot)]
			buf <<= ae & 63
			have -= uint(ae)
			v = v<<3 | ae>>8&7
		}
		offset := s.base + v&s.mask
		if slot := e >> slotShift & slotMask; slot >= numRepeats {
			d.recent[2] = d.recent[1]
			d.recent[1] = d.recent[0]
		} else {
			offset = d.recent[slot]
			d.recent[slot] = d.recent[0]
		}
		d.recent[0] = offset
		if uint(offset) > uint(pos) {
			bad = badOffset
			break
		}
		off := int(offset)
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
	return pos, bad
}
