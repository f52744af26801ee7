// Package huffman builds lookup tables for canonical prefix codes read most significant bit first,
// as LZX and XPRESS use them, and for encoders the codes themselves. A code is given as one length
// per symbol; shorter codewords come before longer ones, and codewords of the same length are in
// symbol order.
//
// A table has two levels: a root indexed by the next rootBits bits, and behind it one subtable for
// every root slot that longer codewords share. What an entry says about a symbol is up to the
// caller, so that a decoder's inner loop finds a match's length, offset slot and bit counts in the
// one word it has to load anyway.
package huffman

import (
	"encoding/binary"
	"errors"
)

// MaxLen is the longest codeword of any code this package builds, in bits.
const MaxLen = 16

// MaxSymbols is the largest alphabet this package builds a code for.
const MaxSymbols = 1024

// The parts of a table entry. An entry of a symbol is its payload plus its codeword's length: the
// low six bits of the payload are therefore added to the length, which lets a payload count bits
// that follow the codeword. Bit 30 of a payload must be clear.
const (
	// BitsMask selects the bits to consume.
	BitsMask = 0x3f
	// Link marks a root entry that leads to a subtable; see Sub.
	Link = 1 << 30

	linkShift = 8
)

// The ways in which code lengths fail to describe a code.
var (
	// ErrOversubscribed: the codewords do not fit into the code space.
	ErrOversubscribed = errors.New("code lengths are oversubscribed")
	// ErrIncomplete: there are codewords, but they leave part of the code space unused.
	ErrIncomplete = errors.New("code lengths leave part of the code space unused")
)

// TableSize returns a table length that suffices for any code of n symbols, with codewords of at
// most maxLen bits, behind a root of rootBits bits.
//
// A subtable of k bits exists only where some codeword is k bits longer than the root's index. The
// code is complete, so at least k+1 codewords share such a subtable: at most 2^k/(k+1) entries per
// codeword, which is worst for the deepest.
func TableSize(n, rootBits, maxLen int) int {
	k := maxLen - rootBits
	if k <= 0 {
		return 1 << rootBits
	}
	return 1<<rootBits + n<<k/(k+1)
}

// Sub returns the subtable index that a Link entry leads to, given the bits after the root's, left
// aligned.
func Sub(link uint32, rest uint64) uint32 {
	return link>>linkShift&0xffff + uint32(rest>>1>>(63-link&BitsMask))
}

// Build fills table for the code with the given lengths, at most MaxLen each. payload holds, per
// symbol, what its entries carry; it must be at least as long as lengths. The table must have the
// room that TableSize asks for.
//
// A code without any symbol is legal, as the formats use it for alphabets that a block does not
// need; see Empty. A decoder that meets it nevertheless reads symbol 0 without a codeword. Any other
// incomplete code is not legal.
func Build(table []uint32, rootBits int, lengths []uint8, payload []uint32) error {
	var b builder
	if err := b.sort(lengths); err != nil {
		return err
	}
	root := table[:1<<rootBits]
	if b.used == 0 {
		for i := range root {
			root[i] = payload[0]
		}
		return nil
	}
	payload = payload[:len(lengths)]
	first := b.fillRoot(root, rootBits, payload)
	b.fillSubs(table, rootBits, first, payload)
	return nil
}

// Empty reports whether a table that Build made is that of a code without symbols. Payload 0 must count
// no bits.
func Empty(table []uint32) bool { return table[0]&BitsMask == 0 }

// builder holds the symbols of a code in the order of their codewords.
type builder struct {
	count  [MaxLen + 1]int // codewords per length
	sorted [MaxSymbols]uint16
	used   int // symbols that have a codeword
}

// sort counts the lengths, checks that they describe a code, and orders the symbols.
func (b *builder) sort(lengths []uint8) error {
	b.countLengths(lengths)
	b.used = len(lengths) - b.count[0]
	if b.used == 0 {
		return nil
	}
	space := 1
	var next [MaxLen + 16]int // as in countLengths
	for l, at := 1, 0; l <= MaxLen; l++ {
		space = space<<1 - b.count[l]
		if space < 0 {
			return ErrOversubscribed
		}
		next[l] = at
		at += b.count[l]
	}
	if space != 0 {
		return ErrIncomplete
	}
	next[0] = b.used // those without a codeword go behind the others, which nobody reads
	for s := 0; s < len(lengths); s += 8 {
		n := min(8, len(lengths)-s)
		if n == 8 && binary.LittleEndian.Uint64(lengths[s:s+8]) == 0 {
			continue
		}
		for i, l := range lengths[s : s+n] {
			at := &next[l&31]
			b.sorted[*at&(MaxSymbols-1)] = uint16(s + i)
			*at++
		}
	}
	return nil
}

// countLengths counts in four places: most lengths are zeros, and adding to one number takes its time.
func (b *builder) countLengths(lengths []uint8) {
	var n [4][MaxLen + 16]uint16 // more than MaxLen+1, so that a masked length needs no check
	for ; len(lengths) >= 4; lengths = lengths[4:] {
		n[0][lengths[0]&31]++
		n[1][lengths[1]&31]++
		n[2][lengths[2]&31]++
		n[3][lengths[3]&31]++
	}
	for _, l := range lengths {
		n[0][l&31]++
	}
	for l := range b.count {
		b.count[l] = int(n[0][l] + n[1][l] + n[2][l] + n[3][l])
	}
}

// fillRoot enters the codewords that fit the root, which are its first entries, and returns how
// many there are.
func (b *builder) fillRoot(root []uint32, rootBits int, payload []uint32) (symbols int) {
	at := 0
	for l := 1; l <= rootBits-3; l++ {
		span := 1 << (rootBits - l)
		for _, s := range b.sorted[symbols : symbols+b.count[l]] {
			e := payload[s] + uint32(l)
			for run := root[at : at+span]; len(run) >= 8; run = run[8:] {
				run[0], run[1], run[2], run[3], run[4], run[5], run[6], run[7] = e, e, e, e, e, e, e, e
			}
			at += span
		}
		symbols += b.count[l]
	}
	for l := max(rootBits-2, 1); l <= rootBits; l++ { // most codewords, with few entries each
		span := 1 << (rootBits - l)
		for _, s := range b.sorted[symbols : symbols+b.count[l]] {
			e := payload[s] + uint32(l)
			root[at], root[at+span/2] = e, e
			if span == 4 {
				root[at+1], root[at+3] = e, e
			}
			at += span
		}
		symbols += b.count[l]
	}
	return symbols
}

// fillSubs enters the codewords longer than the root's index, of which first is the first in order.
func (b *builder) fillSubs(table []uint32, rootBits, first int, payload []uint32) {
	if first == b.used {
		return
	}
	prefix := 0 // the first root entry that no short codeword has taken
	for _, n := range b.count[1 : rootBits+1] {
		prefix = prefix<<1 + n
	}
	left, l := b.count, rootBits+1
	at := 1 << rootBits
	for i := first; i < b.used; {
		for left[l] == 0 {
			l++
		}
		bits := subBits(&left, rootBits, l)
		table[prefix] = Link | uint32(at)<<linkShift | uint32(bits)
		prefix++
		for end := at + 1<<bits; at < end; i++ {
			for left[l] == 0 {
				l++
			}
			left[l]--
			e := payload[b.sorted[i]] + uint32(l)
			span := 1 << (bits - (l - rootBits))
			for j := range table[at : at+span] {
				table[at+j] = e
			}
			at += span
		}
	}
}

// subBits returns the index width of the subtable that begins with a codeword of length l: the
// smallest one that the remaining codewords, taken in order, fill.
func subBits(left *[MaxLen + 1]int, rootBits, l int) int {
	bits := l - rootBits
	for space := 1 << bits; ; {
		space -= left[rootBits+bits]
		if space <= 0 || rootBits+bits == MaxLen {
			return bits
		}
		bits++
		space <<= 1
	}
}
