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

// The instructions of the filter, told apart by their first two bytes: a bit each. All but CALL and JMP
// have one more byte to look at.
const (
	lea      = 1 << iota // REX.W or REX.WR, LEA
	mov                  // REX.W, MOV
	indirect             // CALL [RIP+n]
	lock                 // LOCK ADD [RIP+n]
	call                 // CALL n
	jump                 // JMP n: not translated, nor looked into
)

// firstByte and secondByte say which instructions a byte is the first or second of.
var (
	firstByte  = [256]uint8{0x48: lea | mov, 0x4c: lea, 0xff: indirect, 0xf0: lock, 0xe8: call, 0xe9: jump}
	secondByte = func() (all [256]uint8) {
		for i := range all {
			all[i] = call | jump
		}
		all[0x8d] |= lea
		all[0x8b] |= mov
		all[0x15] |= indirect
		all[0x83] |= lock
		return all
	}()
)

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
		w := binary.LittleEndian.Uint64(chunk[i : i+8]) // filterTail bytes follow
		kind := firstByte[uint8(w)] & secondByte[uint8(w>>8)]
		if kind == 0 {
			i++
			if firstByte[uint8(w>>8)]&secondByte[uint8(w>>16)]|firstByte[uint8(w>>16)]&secondByte[uint8(w>>24)]|
				firstByte[uint8(w>>24)]&secondByte[uint8(w>>32)]|firstByte[uint8(w>>32)]&secondByte[uint8(w>>40)] == 0 {
				i += 4
			}
			continue
		}
		n := opcode(kind, uint8(w>>16))
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

// opcode returns how many bytes stand before the operand of an instruction, whose third byte it looks at
// where that matters, or, as a number that is not positive, how many bytes to leave out.
func opcode(kind, third uint8) int {
	switch {
	case kind&call != 0:
		return 1
	case kind&jump != 0:
		return -5
	case kind&indirect != 0:
		return 2
	case kind&lock != 0 && third == 0x05,
		// An address relative to RIP has ModRM & C7 = 05, but encoders look at three bits only.
		kind&lea != 0 && third&0x07 == 0x05,
		kind&mov != 0 && third&0xf7 == 0x05:
		return 3
	}
	return -1
}
