package lzms

import (
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// TestNext compares what is found eight bytes at a time with what each place by itself says: nothing may
// be left out, and what is found is an instruction, or nearly so.
func TestNext(t *testing.T) {
	opcodes := []byte{0x48, 0x4c, 0xff, 0xf0, 0xe8, 0xe9, 0x8d, 0x8b, 0x15, 0x83, 0x05, 0x0d, 0x49, 0x47, 0xfe}
	random := codectest.Noise(200_000, 3)
	for i := range random[:100_000] { // the second half stays as it is
		random[i] = opcodes[int(random[i])%len(opcodes)]
	}
	for _, chunk := range [][]byte{random, codectest.Machine(50_000, 7)} {
		end := len(chunk) - filterTail
		for i, stop := 1, 0; i < end; i++ {
			b := chunk[i : i+3]
			if i >= stop {
				stop = next(chunk, i)
			}
			kind := firstByte[b[0]] & secondByte[b[1]] & thirdByte[b[2]]
			if i < stop && kind != 0 {
				t.Fatalf("% x at %d is left out", b, i)
			}
			if i == stop && firstByte[b[0]] == 0 {
				t.Fatalf("% x at %d is found", b, i)
			}
		}
	}
}
