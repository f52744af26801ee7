package lzx

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
)

// decodeTail decodes dst[pos:end] one checked step at a time: the last bytes of a block, where a match
// could cross the end, and all of a block whose input ends early.
func (d *Decoder) decodeTail(dst []byte, pos, end int) (int, problem) {
	for pos < end {
		d.r.refill() // enough for all of a match: at most 16 + 16 + 14 + 7 bits
		e := d.mainSymbol()
		if e&flagLiteral != 0 {
			d.r.skip(e)
			dst[pos] = byte(e >> 8)
			pos++
			continue
		}
		length := d.readMatch(e)
		if uint(d.recent[0]) > uint(pos) {
			return pos, badOffset
		}
		if length > end-pos {
			return pos, badLength
		}
		lz.Copy(dst, pos, int(d.recent[0]), length)
		pos += length
	}
	return pos, fine
}

// mainSymbol looks up the next main symbol without consuming it.
func (d *Decoder) mainSymbol() uint32 {
	e := d.mainTable[d.r.buf>>(64-mainRoot)]
	if e&huffman.Link != 0 {
		e = d.mainTable[huffman.Sub(e, d.r.buf<<mainRoot)]
	}
	return e
}

// readMatch reads the rest of the match that main table entry e begins. It returns the length; the
// offset is then the latest of the recent ones.
func (d *Decoder) readMatch(e uint32) (length int) {
	length = int(e >> lengthShift & lengthMask)
	s := e >> slotShift & slotMask
	extra := uint32(slots[s].extraBits())
	if e&flagAligned != 0 {
		extra -= 3
	}
	if e&flagLong == 0 {
		e -= extra // leaves the codeword's own length
	}
	d.r.skip(e & huffman.BitsMask)
	if e&flagLong != 0 {
		length += d.readLong()
	}
	offset := uint32(0)
	if extra > 0 {
		offset = d.r.take(extra)
	}
	if e&flagAligned != 0 {
		ae := d.aligned[d.r.buf>>(64-alignedRoot)]
		d.r.skip(ae)
		offset = offset<<3 | ae>>8&7
	}
	d.use(s, slots[s].base+offset)
	return length
}

// readLong reads a length symbol.
func (d *Decoder) readLong() int {
	e := d.lengthTable[d.r.buf>>(64-lengthRoot)]
	if e&huffman.Link != 0 {
		e = d.lengthTable[huffman.Sub(e, d.r.buf<<lengthRoot)]
	}
	d.r.skip(e)
	return int(e >> 8 & 0xff)
}

// use makes the offset of slot s the latest. Slots below numRepeats exchange a recent offset with the
// latest one; any other slot's offset pushes the oldest out.
func (d *Decoder) use(s, offset uint32) {
	if s < numRepeats {
		d.recent[0], d.recent[s] = d.recent[s], d.recent[0]
		return
	}
	d.recent = [numRepeats]uint32{offset, d.recent[0], d.recent[1]}
}
