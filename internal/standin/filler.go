package standin

import (
	"encoding/binary"
	"hash/fnv"
)

// program returns n bytes that depend on name alone and compress about as well as code does: a PE
// header's first bytes, then short phrases that repeat, mixed with bytes that do not.
func program(name string, n int) []byte {
	h := fnv.New64a()
	h.Write([]byte(name))
	state := h.Sum64()
	next := func() uint64 { // xorshift64*, Vigna 2014
		state ^= state >> 12
		state ^= state << 25
		state ^= state >> 27
		return state * 0x2545F4914F6CDD1D
	}
	b := make([]byte, 0, n+64)
	b = append(b, "MZ winbake stand-in "+name+"\x00"...)
	for len(b) < n {
		r := next()
		switch r % 4 {
		case 0: // a fresh instruction or two
			b = binary.LittleEndian.AppendUint64(b, next())
		case 1: // a call, which the E8 filter of LZX looks for
			b = append(b, 0xE8)
			b = binary.LittleEndian.AppendUint32(b, uint32(r>>8)&0xFFFFF)
		default: // something seen before
			back := 1 + int(r>>8)%min(len(b), 4000)
			for range 4 + int(r>>32)%24 {
				b = append(b, b[len(b)-back])
			}
		}
	}
	return b[:n]
}
