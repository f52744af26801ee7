package regf

import "math/bits"

// Halves of the Marvin32 seed that log entries are hashed with.
const (
	marvinLow  = 0x7A4E55C5
	marvinHigh = 0x82EF4D88
)

// marvin is the Marvin32 hash of p under the seed of transaction logs
// (https://github.com/msuhanov/regf, "Log entries").
func marvin(p []byte) uint64 {
	lo, hi := uint32(marvinLow), uint32(marvinHigh)
	for ; len(p) >= 4; p = p[4:] {
		lo, hi = marvinMix(lo+le.Uint32(p), hi)
	}
	last := uint32(0x80) // the end of the text is marked in the byte behind it
	for i := len(p) - 1; i >= 0; i-- {
		last = last<<8 | uint32(p[i])
	}
	lo, hi = marvinMix(lo+last, hi)
	lo, hi = marvinMix(lo, hi)
	return uint64(hi)<<32 | uint64(lo)
}

func marvinMix(lo, hi uint32) (uint32, uint32) {
	hi ^= lo
	lo = bits.RotateLeft32(lo, 20) + hi
	hi = bits.RotateLeft32(hi, 9) ^ lo
	lo = bits.RotateLeft32(lo, 27) + hi
	return lo, bits.RotateLeft32(hi, 19)
}
