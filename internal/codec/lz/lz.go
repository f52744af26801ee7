// Package lz is what LZ77 codecs have in common. For decoders it copies matches: bytes that repeat the
// output of some distance back, where a match longer than its distance repeats itself. For encoders it
// finds them.
package lz

import "encoding/binary"

// Slack is how many bytes behind a match Repeat, and a decoder's own copy by Load and Store, may
// overwrite. A decoder keeps that distance from the end of its output, or uses Copy.
const Slack = 16

// Near is the distance from which on copying eight bytes at a time is right for any length.
const Near = 8

// Load returns the eight bytes at b[i:].
func Load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i : i+8]) }

// Store writes eight bytes at b[i:].
func Store(b []byte, i int, x uint64) { binary.LittleEndian.PutUint64(b[i:i+8], x) }

// pattern says how to make eight bytes of a period below eight: the bytes to keep, the factor that
// repeats them, and how far to go after storing eight bytes to meet the same phase.
type pattern struct {
	keep, factor uint64
	step         int
}

var patterns = [Near]pattern{
	{},
	{1<<8 - 1, 1<<56 | 1<<48 | 1<<40 | 1<<32 | 1<<24 | 1<<16 | 1<<8 | 1, 8},
	{1<<16 - 1, 1<<48 | 1<<32 | 1<<16 | 1, 8},
	{1<<24 - 1, 1<<48 | 1<<24 | 1, 6},
	{1<<32 - 1, 1<<32 | 1, 8},
	{1<<40 - 1, 1<<40 | 1, 5},
	{1<<48 - 1, 1<<48 | 1, 6},
	{1<<56 - 1, 1<<56 | 1, 7},
}

// Repeat copies a match of a distance below Near, 1 <= off <= pos, to dst[pos:pos+length]. It may
// write up to Slack bytes more.
func Repeat(dst []byte, pos, off, length int) {
	p := &patterns[off&(Near-1)]
	w := Load(dst, pos-off) & p.keep * p.factor
	for end := pos + length; pos < end; pos += p.step {
		Store(dst, pos, w)
	}
}

// Copy copies a match of any distance, 1 <= off <= pos, to dst[pos:pos+length] and nowhere else.
func Copy(dst []byte, pos, off, length int) {
	from, end := pos-off, pos+length
	for pos < end { // what is there doubles with each round
		pos += copy(dst[pos:end], dst[from:pos])
	}
}
