package lzms

import (
	"encoding/binary"
	"math/bits"
)

// The x86 filter. Encoders make the operands of instructions that address memory relative to
// themselves absolute, where the data looks like machine code: where, not far before, two such
// instructions led to the same place. The decoder follows what the encoder saw and turns them back.
const (
	filterTail   = 16      // the last bytes of a chunk, in which no such instruction begins
	reach        = 1023    // how far behind a sure instruction others are believed
	callReach    = 511     // the same for calls, whose opcode is but a byte
	memory       = 1 << 16 // how far apart two that lead to the same place may be, and less
	never        = 0
	operandBytes = 4
)

// filter remembers which places instructions led to. Only the lower 16 bits of a place count.
type filter struct {
	// usage is where the last instruction ended that led to each place, counted from base, which grows
	// with every chunk: so nothing has to be cleared between chunks.
	usage [1 << 16]uint32
	base  uint32
}

// The instructions of the filter, told apart by their first three bytes: a bit each. CALL and JMP have
// but one byte before the operand, and CALL [RIP+n] has two.
const (
	lea      = 1 << iota // REX.W or REX.WR, LEA
	mov                  // REX.W, MOV
	indirect             // CALL [RIP+n]
	lock                 // LOCK ADD [RIP+n]
	call                 // CALL n
	jump                 // JMP n: not translated, nor looked into
)

// The instructions that a byte can be the first, second or third of, and what the first one tells of
// the rest: how many bytes stand before the operand, and how far behind a sure instruction this one is
// believed.
var (
	firstByte  = [256]uint8{0x48: lea | mov, 0x4c: lea, 0xff: indirect, 0xf0: lock, 0xe8: call, 0xe9: jump}
	secondByte = kinds(call|jump, func(b byte) uint8 {
		return [256]uint8{0x8d: lea, 0x8b: mov, 0x15: indirect, 0x83: lock}[b]
	})
	thirdByte = kinds(call|jump|indirect, func(b byte) (of uint8) {
		if b == 0x05 {
			of = lock
		}
		if b&0xf7 == 0x05 {
			of |= mov
		}
		// An address relative to RIP has ModRM & C7 = 05, but encoders look at three bits only.
		if b&0x07 == 0x05 {
			of |= lea
		}
		return of
	})
	before = [256]uint8{0x48: 3, 0x4c: 3, 0xff: 2, 0xf0: 3, 0xe8: 1}
	limits = [256]uint16{0x48: reach, 0x4c: reach, 0xff: reach, 0xf0: reach, 0xe8: callReach}
)

// kinds makes a table of the kinds that each byte can belong to: some, whatever it is, and others.
func kinds(always uint8, others func(byte) uint8) (all [256]uint8) {
	for i := range all {
		all[i] = always | others(byte(i))
	}
	return all
}

// undo turns the operands in a chunk back.
func (f *filter) undo(chunk []byte) {
	end := len(chunk) - filterTail
	if end <= 1 {
		return
	}
	if uint64(f.base)+uint64(len(chunk))+2*memory > 1<<32-1 || f.base == never {
		clear(f.usage[:])
		f.base = memory
	}
	base := f.base
	f.base += uint32(len(chunk)) + memory
	sure := -reach - 1 // the end of the last instruction that surely is one
	for i := next(chunk, 1); i < end; i = next(chunk, i) {
		b := chunk[i : i+8 : i+8]
		kind := firstByte[b[0]] & secondByte[b[1]] & thirdByte[b[2]]
		if kind == 0 {
			i++
			continue
		}
		if kind == jump {
			i += 1 + operandBytes
			continue
		}
		operand := b[before[b[0]]&3:][:operandBytes]
		target := binary.LittleEndian.Uint32(operand)
		if i-sure <= int(limits[b[0]]) {
			target -= uint32(i)
			binary.LittleEndian.PutUint32(operand, target)
		}
		place := &f.usage[uint16(uint32(i)+target)]
		i += int(before[b[0]]&3) + operandBytes
		last := base + uint32(i-1)
		if last-*place < memory {
			sure = i - 1
		}
		*place = last
	}
}

// The bytes of a word, all alike.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// zeros marks the bytes of x that are zero with their top bits. What is marked above the lowest of them
// may be wrong, and other bits mean nothing.
func zeros(x uint64) uint64 { return (x - ones) &^ x }

// next returns the first place from i on where an instruction may begin, or one where none begins any
// more. It looks at eight at once, each with the two bytes that follow it.
func next(chunk []byte, i int) int {
	for ; i+filterTail < len(chunk); i += 8 {
		b := chunk[i : i+10]
		w0 := binary.LittleEndian.Uint64(b)
		w1 := binary.LittleEndian.Uint64(b[1:])
		w2 := binary.LittleEndian.Uint64(b[2:])
		found := zeros(w0&(0xfe*ones)^0xe8*ones) | // CALL, JMP
			zeros((w0&(0xfb*ones)^0x48*ones)|(w1&(0xf9*ones)^0x89*ones)|(w2&(0x07*ones)^0x05*ones)) | // LEA, MOV
			zeros((w0^0xff*ones)|(w1^0x15*ones)) | // CALL [RIP+n]
			zeros((w0^0xf0*ones)|(w1^0x83*ones)) // LOCK ADD
		if found &= tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	return i
}
