package lzx

import "math/bits"

// Numbers of the format; names follow [MS-PATCH] section 2 and the CAB SDK's LZX document.
const (
	MinWindow = 1 << 15 // bytes; the smallest window and WIM chunk
	MaxWindow = 1 << 21 // bytes; the largest

	numLiterals  = 256
	numHeaders   = 8   // match length headers per offset slot: lengths 2..8, and "longer"
	minMatch     = 2   // bytes
	maxMatch     = 257 // bytes: longMatch + numLengthSyms - 1
	longMatch    = minMatch + numHeaders - 1
	numRepeats   = 3 // offset slots 0..2 repeat a recent offset
	offsetAdjust = 2 // a coded offset is the real one plus this, to make room for the repeats

	numLengthSyms  = 249
	numAlignedSyms = 8
	numPreSyms     = 20
	maxSlots       = 50 // offset slots of a 2 MiB window
	maxMainSyms    = numLiterals + numHeaders*maxSlots

	maxCodeLen    = 16 // bits, main and length code
	maxPreLen     = 15 // bits: the lengths have four bits each
	maxAlignedLen = 7  // bits: three bits each

	maxRun = 51 // code lengths: the longest run, which may begin with an alphabet's last

	defaultBlockSize = 32768 // bytes; what the one-bit short form of the size means in a WIM
)

// Root widths of the decoding tables. The main table has to stay in the level-one cache next to
// the input and output; eleven bits resolve nearly every symbol at once.
const (
	mainRoot    = 11
	lengthRoot  = 10
	preRoot     = 7
	alignedRoot = maxAlignedLen
)

// A main table entry below the flag that package huffman owns (bit 30):
//
//	bits  0..5   bits to consume: the codeword, and for a short match its extra offset bits
//	bits  8..15  a literal's byte
//	bits  8..13  a match's offset slot
//	bits 16..19  a match's length; for flagLong the base to add the length symbol to
//
// A length table entry holds the length symbol from bit 8 on.
const (
	flagLiteral = 1 << 31 // the sign bit: the cheapest test for the commonest case
	flagLong    = 1 << 28 // a length symbol follows, so the extra bits are not counted in bits 0..5
	flagAligned = 1 << 27 // the low three offset bits are an aligned symbol, not counted either

	slotShift   = 8
	slotMask    = 0x3f
	lengthShift = 16
	lengthMask  = 0xf
)

// slot describes one offset slot: the offsets base .. base+mask.
type slot struct {
	base uint32
	mask uint32
}

// extraBits returns how many offset bits follow a symbol of the slot.
func (s slot) extraBits() int { return bits.Len32(s.mask) }

// slots has a power of two of entries so that a masked index needs no bounds check.
var slots = makeSlots()

// makeSlots lays the slots out: two of each number of extra bits, growing by one bit up to 17 bits,
// after which all have 17.
func makeSlots() (t [slotMask + 1]slot) {
	next := uint32(0)
	for i := range maxSlots {
		extra := min(max(i/2-1, 0), 17)
		t[i] = slot{base: next - offsetAdjust, mask: 1<<extra - 1}
		next += 1 << extra
	}
	return t
}

// numSlots returns how many offset slots a window of the given size has.
func numSlots(window int) int {
	n := 0
	for n < maxSlots && int(slots[n].base+offsetAdjust) < window {
		n++
	}
	return n
}

// Payloads of the four codes, see package huffman.
var (
	verbatimPayload = makeMainPayload(false)
	alignedPayload  = makeMainPayload(true)
	lengthPayload   = makePlainPayload(numLengthSyms)
	plainPayload    = makePlainPayload(numPreSyms)
)

// makeMainPayload lists the main table's entries without their codewords.
func makeMainPayload(aligned bool) []uint32 {
	t := make([]uint32, maxMainSyms)
	for s := range numLiterals {
		t[s] = flagLiteral | uint32(s)<<8
	}
	for s := range numHeaders * maxSlots {
		t[numLiterals+s] = matchPayload(s/numHeaders, s%numHeaders, aligned)
	}
	return t
}

// matchPayload is the entry of a match symbol without its codeword.
func matchPayload(slot, header int, aligned bool) uint32 {
	e := uint32(slot)<<slotShift | uint32(minMatch+header)<<lengthShift
	extra := slots[slot].extraBits()
	if aligned && extra >= 3 {
		e |= flagAligned
		extra -= 3
	}
	if header == numHeaders-1 {
		return e | flagLong
	}
	return e + uint32(extra)
}

// makePlainPayload lists entries that hold just the symbol.
func makePlainPayload(n int) []uint32 {
	t := make([]uint32, n)
	for s := range t {
		t[s] = uint32(s) << 8
	}
	return t
}
