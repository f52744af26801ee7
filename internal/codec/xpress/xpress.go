// Package xpress decodes and encodes XPRESS with Huffman coding, "LZ77+Huffman" in [MS-XCA] sections
// 2.1 and 2.2, as Windows Imaging files and compressed NTFS files use it: chunks of 4 to 64 KiB, each
// with one Huffman code of its own. The plain LZ77 variant, and chains of several codes in one stream,
// are not here: those formats do not have them.
//
// A chunk begins with the lengths of 512 codewords, four bits each, the even symbol in the low half.
// Symbols below 256 are literals. The others are matches: bits 0..3 of the symbol give the length
// less 3, bits 4..7 how many bits of the offset follow its implied leading one. Bits come in 16-bit
// little-endian units, the most significant first. Lengths from 18 on continue in whole bytes that
// lie between those units, at the place that a decoder has reached which always holds at least 16
// bits and takes another unit as soon as it does not.
//
// Contents are judged by their hash, so the decoder takes what libwim's takes: zeros follow the input, a
// match may have its length in the long form although it is short, and a code without symbols stands for
// zero bytes. The package never reads or writes outside the slices it is given, whatever they hold.
package xpress

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// MaxChunk is the largest chunk in bytes: no offset reaches further back.
const MaxChunk = 1 << 16

// Numbers of the format; names follow [MS-XCA].
const (
	numSymbols  = 512
	numLiterals = 256
	headerSize  = numSymbols / 2 // bytes of codeword lengths
	maxCodeLen  = 15             // bits
	minMatch    = 3              // bytes
	shortMatch  = 17             // bytes: the longest match that its symbol describes completely
	longMatch   = 18             // bytes: the shortest match with a length in bytes
	byteEscape  = 255            // in the length byte: the length, less minMatch, is in the next two bytes
)

// rootBits is the root width of the decoding table: nearly every symbol is decoded at once, and
// building the table does not outweigh decoding a chunk of 4 KiB.
const rootBits = 11

// A table entry below the flag that package huffman owns (bit 30):
//
//	bits  0..5   bits to consume: the codeword and the offset bits
//	bits  8..15  a literal's byte
//	bits  8..11  a match's number of offset bits
//	bits 16..20  a match's length
const (
	flagLiteral = 1 << 31 // the sign bit: the cheapest test for the commonest case
	flagLong    = 1 << 28 // the length continues in bytes

	offsetShift = 8
	offsetMask  = 0xf
	lengthShift = 16
	lengthMask  = 0x1f
)

// payload is what package huffman enters into the table, per symbol.
var payload = makePayload()

func makePayload() []uint32 {
	t := make([]uint32, numSymbols)
	for s := range uint32(numLiterals) {
		t[s] = flagLiteral | s<<8
		offsetBits, length := s>>4, s&15+minMatch
		t[numLiterals+s] = offsetBits | offsetBits<<offsetShift | length<<lengthShift
		if length == longMatch {
			t[numLiterals+s] |= flagLong
		}
	}
	return t
}

// Decoder decodes one chunk after another. The zero value is ready to use; it allocates nothing, and
// must not be used by two goroutines at once.
type Decoder struct {
	r       bitReader
	lengths [numSymbols]uint8
	table   [1<<rootBits + numSymbols<<(maxCodeLen-rootBits)/(maxCodeLen-rootBits+1)]uint32
}

// Decode fills dst, one chunk's uncompressed size and at most MaxChunk, from the compressed chunk
// src. Bytes of src that are not needed are ignored, and so is the end-of-stream symbol in them. A
// chunk that was stored raw, which a WIM shows by equal sizes, is not for Decode.
//
// An error is of class fault.ErrCorrupt with the offset in src; dst then holds garbage.
func (d *Decoder) Decode(dst, src []byte) error {
	if len(dst) > MaxChunk {
		return fault.Bugf("XPRESS chunk of %d bytes", len(dst))
	}
	dst = dst[:len(dst):len(dst)] // what a slice expression cannot reach, no mistake can
	if err := d.readCode(src); err != nil {
		return err
	}
	d.r = bitReader{src: src, pos: headerSize}
	for pos := d.decodeFast(dst); pos < len(dst); {
		n, err := d.step(dst, pos)
		if err != nil {
			return err
		}
		pos += n
	}
	return nil
}

// readCode reads the codeword lengths and builds the table.
func (d *Decoder) readCode(src []byte) error {
	if len(src) < headerSize {
		return fault.Corruptf(int64(len(src)), "XPRESS: %d bytes are too few for the codeword lengths", len(src))
	}
	for i := 0; i < headerSize; i += 4 { // four bytes become eight lengths
		x := uint64(binary.LittleEndian.Uint32(src[i : i+4]))
		x = (x | x<<16) & 0x0000ffff0000ffff
		x = (x | x<<8) & 0x00ff00ff00ff00ff
		x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
		binary.LittleEndian.PutUint64(d.lengths[2*i:2*i+8], x)
	}
	if err := huffman.Build(d.table[:], rootBits, d.lengths[:], payload); err != nil {
		return fault.Corruptf(0, "XPRESS: %v", err)
	}
	return nil
}

// step decodes one literal or match at dst[pos:], checking everything, and returns its length.
func (d *Decoder) step(dst []byte, pos int) (int, error) {
	d.r.refill()
	e := d.table[d.r.buf>>(64-rootBits)]
	if e&huffman.Link != 0 {
		e = d.table[huffman.Sub(e, d.r.buf<<rootBits)]
	}
	if e&flagLiteral != 0 {
		d.r.skip(e)
		dst[pos] = byte(e >> 8)
		return 1, nil
	}
	offsetBits := e >> offsetShift & offsetMask
	d.r.skip(e&huffman.BitsMask - offsetBits)
	length := int(e >> lengthShift & lengthMask)
	if e&flagLong != 0 {
		length = d.readLength()
	}
	off := 1<<offsetBits | int(d.r.take(offsetBits))
	if off > pos {
		return 0, d.corrupt("match at output byte %d reaches back %d bytes", pos, off)
	}
	if length > len(dst)-pos {
		return 0, d.corrupt("match of %d bytes at output byte %d of %d", length, pos, len(dst))
	}
	lz.Copy(dst, pos, off, length)
	return length, nil
}

// readLength reads the length of a long match from the bytes between the units.
func (d *Decoder) readLength() int {
	d.r.returnUnits()
	if b := d.r.takeByte(); b < byteEscape {
		return longMatch + b
	}
	return minMatch + d.r.takeTwo()
}

// corrupt reports corrupt input at the present position. Where the input has ended, whatever else went
// wrong came of that.
func (d *Decoder) corrupt(format string, args ...any) error {
	if d.r.overrun() {
		return fault.Corruptf(int64(len(d.r.src)), "XPRESS: compressed data ends too early")
	}
	return fault.Corruptf(d.r.offset(), "XPRESS: "+format, args...)
}
