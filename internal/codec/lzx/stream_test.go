package lzx

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// stream writes LZX streams step by step, valid or not, so that a test can say what each bit is for.
type stream struct {
	codectest.BitWriter
	window     int
	mainLens   []uint8 // as the decoder has them: the next block codes the difference
	lengthLens []uint8
	main       []codectest.Code // of the present block
	length     []codectest.Code
	aligned    []codectest.Code // nil outside aligned blocks

	// pad is how many literals end every compressed block beyond what the test writes. With enough of
	// them decodeFast sees what decodeTail sees without.
	pad  int
	open bool // a compressed block lacks its pad
	size int  // bytes of all blocks, pads included
}

func newStream(window int) *stream {
	return &stream{
		window:     window,
		mainLens:   make([]uint8, numLiterals+numHeaders*numSlots(window)),
		lengthLens: make([]uint8, numLengthSyms),
	}
}

// header writes a block's type and size, in the long form.
func (s *stream) header(kind blockKind, size int) {
	s.finish()
	if s.open = kind != uncompressed; s.open {
		size += s.pad
	}
	s.size += size
	s.Bits(uint32(kind), 3)
	s.Bits(0, 1)
	if s.window > MinWindow {
		s.Bits(uint32(size), 24)
	} else {
		s.Bits(uint32(size), 16)
	}
}

// finish writes the pad of a compressed block.
func (s *stream) finish() {
	for i := 0; s.open && i < s.pad; {
		for sym, c := range s.main[:numLiterals] {
			if c.Len > 0 && i < s.pad {
				s.literals(string(rune(sym)))
				i++
			}
		}
	}
	s.open = false
}

// done returns the whole stream.
func (s *stream) done() []byte {
	s.finish()
	return s.Data()
}

// plainPre is a complete code over the symbols of the code of the code lengths.
var plainPre = []uint8{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5}

// pre writes the code that the next code lengths are in, and returns its codewords.
func (s *stream) pre(lens []uint8) []codectest.Code {
	for _, l := range lens {
		s.Bits(uint32(l), 4)
	}
	return codectest.Canonical(lens)
}

// lens writes new code lengths over old, one difference each.
func (s *stream) lens(old, lens []uint8) {
	pre := s.pre(plainPre)
	for i := range old {
		s.Code(pre[(int(old[i])-int(lens[i])+17)%17])
	}
	copy(old, lens)
}

// codes writes the main and the length code.
func (s *stream) codes(main, length map[int]uint8) {
	m, l := make([]uint8, len(s.mainLens)), make([]uint8, numLengthSyms)
	for sym, n := range main {
		m[sym] = n
	}
	for sym, n := range length {
		l[sym] = n
	}
	s.lens(s.mainLens[:numLiterals], m[:numLiterals])
	s.lens(s.mainLens[numLiterals:], m[numLiterals:])
	s.main, s.length = codectest.Canonical(m), codectest.Canonical(l)
	s.lens(s.lengthLens, l)
}

// verbatim begins a verbatim block.
func (s *stream) verbatim(size int, main, length map[int]uint8) {
	s.header(verbatim, size)
	s.aligned = nil
	s.codes(main, length)
}

// alignedOffsets begins an aligned block.
func (s *stream) alignedOffsets(size int, aligned []uint8, main, length map[int]uint8) {
	s.header(alignedOffsets, size)
	for _, l := range aligned {
		s.Bits(uint32(l), 3)
	}
	s.aligned = codectest.Canonical(aligned)
	s.codes(main, length)
}

// uncompressed writes an uncompressed block.
func (s *stream) uncompressed(r0, r1, r2 uint32, data string) {
	s.header(uncompressed, len(data))
	if s.Used() == 0 {
		s.Bits(0, 16)
	}
	s.Flush()
	for _, r := range []uint32{r0, r1, r2} {
		s.Bytes(binary.LittleEndian.AppendUint32(nil, r)...)
	}
	s.Bytes([]byte(data)...)
	if len(data)%2 != 0 {
		s.Bytes(0)
	}
}

// literals writes literals.
func (s *stream) literals(text string) {
	for _, b := range []byte(text) {
		s.Code(s.main[b])
	}
}

// symbol returns the main symbol of a match of the given length and offset slot.
func symbol(slot, length int) int {
	return numLiterals + slot*numHeaders + min(length-minMatch, numHeaders-1)
}

// match writes a match; offset is the real one, or for slots 0 to 2 of no meaning.
func (s *stream) match(slot, length int, offset uint32) {
	s.Code(s.main[symbol(slot, length)])
	if length >= longMatch {
		s.Code(s.length[length-longMatch])
	}
	s.offset(slot, offset)
}

// offset writes the bits of an offset that its slot does not imply.
func (s *stream) offset(slot int, offset uint32) {
	extra, rest := slots[slot].extraBits(), offset-slots[slot].base
	if slot < numRepeats {
		return
	}
	if s.aligned != nil && extra >= 3 {
		s.Bits(rest>>3, extra-3)
		s.Code(s.aligned[rest&7])
		return
	}
	s.Bits(rest, extra)
}
