package lzx

import (
	"encoding/binary"

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
	r0, r1, r2 := d.recent[0], d.recent[1], d.recent[2]
	bad := fine
	for pos < stop && ip < last {
		buf |= binary.BigEndian.Uint64(in[ip:]) >> (have & 63)
		ip += int(^have >> 3 & 7)
		have |= 56

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
				continue
			}
			buf |= binary.BigEndian.Uint64(in[ip:]) >> (have & 63)
			ip += int(^have >> 3 & 7)
			have |= 56
		}
		if e&huffman.Link != 0 {
			e = d.mainTable[huffman.Sub(e, buf<<mainRoot)]
			if int32(e) < 0 {
				dst[pos] = byte(e >> 8)
				pos++
				buf <<= e & 63
				have -= uint(e)
				continue
			}
		}
		length := int(e >> lengthShift & lengthMask)
		s := slots[e>>slotShift&slotMask]
		saved := buf
		shift := e & 63
		buf <<= shift
		have -= uint(shift)
		if e&flagLong != 0 {
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
			saved = buf
			x := uint32(s.extraBits())
			if e&flagAligned != 0 {
				x -= 3
			}
			buf <<= x & 63
			have -= uint(x)
			shift = x
		}
		v := uint32(saved >> 1 >> (63 - shift&63))
		offset := s.base
		if e&flagAligned != 0 {
			ae := d.aligned[buf>>(64-alignedRoot)]
			if ae&huffman.Empty != 0 {
				bad = badSymbol
				break
			}
			buf <<= ae & 63
			have -= uint(ae)
			offset += v<<3&s.mask + ae>>8&7
		} else {
			offset += v & s.mask
		}
		switch e >> slotShift & slotMask {
		case 0:
			offset = r0
		case 1:
			offset = r1
			r1 = r0
		case 2:
			offset = r2
			r2 = r0
		default:
			r2 = r1
			r1 = r0
		}
		r0 = offset
		off := int(offset)
		from := pos - off
		if from < 0 {
			bad = badOffset
			break
		}
		w := binary.LittleEndian.Uint64(dst[from:])
		step := 8
		if off < 8 {
			p := &patterns[off&7]
			w = w & p.keep * p.repeat
			step = p.step
		}
		binary.LittleEndian.PutUint64(dst[pos:], w)
		if length > step {
			if off < 8 {
				for i := step; i < length; i += step {
					binary.LittleEndian.PutUint64(dst[pos+i:], w)
				}
			} else {
				for i := 8; i < length; i += 8 {
					binary.LittleEndian.PutUint64(dst[pos+i:], binary.LittleEndian.Uint64(dst[from+i:]))
				}
			}
		}
		pos += length
	}
	d.r.pos, d.r.buf, d.r.have = ip, buf, have
	d.recent = [numRepeats]uint32{r0, r1, r2}
	return pos, bad
}
