package lzms

import "encoding/binary"

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

// looksLike says which bytes instructions of the filter begin with: REX prefixes, CALL, JMP, LOCK and
// the group FF.
var looksLike = [256]bool{0x48: true, 0x4c: true, 0xe8: true, 0xe9: true, 0xf0: true, 0xff: true}

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
	for i := 1; i < end; {
		if !looksLike[chunk[i]] {
			i++
			continue
		}
		n := opcode(chunk[i : i+3 : i+3])
		if n <= 0 {
			i -= n
			continue
		}
		limit := reach
		if n == 1 {
			limit = callReach
		}
		operand := chunk[i+n : i+n+operandBytes]
		target := binary.LittleEndian.Uint32(operand)
		if i-sure <= limit {
			target -= uint32(i)
			binary.LittleEndian.PutUint32(operand, target)
		}
		place := &f.usage[uint16(uint32(i)+target)]
		i += n + operandBytes
		last := base + uint32(i-1)
		if last-*place < memory {
			sure = i - 1
		}
		*place = last
	}
}

// opcode returns how many bytes stand before the operand of the instruction that b begins with, or, as
// a number that is not positive, how many bytes to leave out.
func opcode(b []byte) int {
	switch b[0] {
	case 0xe8: // CALL
		return 1
	case 0xe9: // JMP: not translated, nor looked into
		return -5
	case 0xff:
		if b[1] == 0x15 { // CALL [RIP+n]
			return 2
		}
	case 0xf0:
		if b[1] == 0x83 && b[2] == 0x05 { // LOCK ADD [RIP+n]
			return 3
		}
	default: // REX.W, or REX.WR: an address relative to RIP, though only three bits of ModRM are looked at
		if b[2]&0x07 == 0x05 && (b[1] == 0x8d || b[1] == 0x8b && b[0] == 0x48 && b[2]&0xf0 == 0) { // LEA, MOV
			return 3
		}
	}
	return -1
}
