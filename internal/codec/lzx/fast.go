package lzx

import (
	"encoding/binary"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
)

// problem says why a block cannot be decoded.
type problem int

const (
	fine problem = iota
	badOffset
	badLength
	badSymbol
)

// copyPad is how far a match copy of decodeFast may write past the match's end.
const copyPad = 16

// pattern says how to repeat a match's source where the offset is less than the eight bytes that a
// copy moves at once: the bytes to keep, the factor that repeats them, and how far a store of eight
// then advances the period.
var patterns = [8]struct {
	keep, repeat uint64
	step         int
}{
	{0, 0, 8},
	{1<<8 - 1, 1 | 1<<8 | 1<<16 | 1<<24 | 1<<32 | 1<<40 | 1<<48 | 1<<56, 8},
	{1<<16 - 1, 1 | 1<<16 | 1<<32 | 1<<48, 8},
	{1<<24 - 1, 1 | 1<<24 | 1<<48, 6},
	{1<<32 - 1, 1 | 1<<32, 8},
	{1<<40 - 1, 1 | 1<<40, 5},
	{1<<48 - 1, 1 | 1<<48, 6},
	{1<<56 - 1, 1 | 1<<56, 7},
}

// decodeFast decodes dst[pos:end] up to where the longest match could cross end, or its copy the end
// of dst, and returns the new position. Away from the ends, nothing but match offsets needs checking.
func (d *Decoder) decodeFast(dst []byte, pos, end int) (int, problem) {
	stop := min(end-maxMatch, len(dst)-maxMatch-copyPad)
	in := d.r.in
	ip, buf, have := d.r.pos, d.r.buf, d.r.have
	last := len(in) - inputPad/2
	bad := fine
	for pos < stop && ip < last {
		buf |= binary.BigEndian.Uint64(in[ip:ip+8]) >> (have & 63)
		ip += int(^have >> 3 & 7)
		have |= 56

		e := d.mainTable[buf>>(64-mainRoot)]
		if int32(e) < 0 {
			dst[pos] = byte(e >> 8)
			pos++
			buf <<= e & 63
			have -= uint(e)
			e = d.mainTable[buf>>(64-mainRoot)]
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
				if le&huffman.Empty != 0 {
					bad = badSymbol
					break
				}
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
			ae := d.aligned[buf>>(64-alignedRoot)]
			if ae&huffman.Empty != 0 {
				bad = badSymbol
				break
			}
			buf <<= ae & 63
			have -= uint(ae)
			v = v<<3 | ae>>8&7
		}
		offset := s.base + v&s.mask
		switch e >> slotShift & slotMask {
		case 0:
			offset = d.recent[0]
		case 1:
			offset = d.recent[1]
			d.recent[1] = d.recent[0]
		case 2:
			offset = d.recent[2]
			d.recent[2] = d.recent[0]
		default:
			d.recent[2] = d.recent[1]
			d.recent[1] = d.recent[0]
		}
		d.recent[0] = offset
		off := int(offset)
		from := pos - off
		if from < 0 {
			bad = badOffset
			break
		}
		if off < 8 {
			repeat(dst, pos, off, length)
		} else {
			put(dst, pos, get(dst, from))
			if length > 8 {
				put(dst, pos+8, get(dst, from+8))
				for i := 16; i < length; i += 16 {
					put(dst, pos+i, get(dst, from+i))
					put(dst, pos+i+8, get(dst, from+i+8))
				}
			}
		}
		pos += length
	}
	d.r.pos, d.r.buf, d.r.have = ip, buf, have
	return pos, bad
}

func get(b []byte, i int) uint64    { return binary.LittleEndian.Uint64(b[i : i+8]) }
func put(b []byte, i int, x uint64) { binary.LittleEndian.PutUint64(b[i:i+8], x) }

// repeat copies a match whose offset is below eight.
func repeat(dst []byte, pos, off, length int) {
	p := &patterns[off&7]
	w := get(dst, pos-off) & p.keep * p.repeat
	for i := 0; i < length; i += p.step {
		put(dst, pos+i, w)
	}
}
