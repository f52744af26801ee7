package lzms

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
)

const (
	numPowers  = 8
	maxSymbols = 1024 // more than any alphabet has, so that a masked symbol needs no check
	maxCodeLen = 15   // what the frequencies can lead to
	codeRoot   = 10   // bits
)

// code is an adaptive Huffman code. The payload of a symbol is its number, from bit 8 on, and the number
// of bits that follow its codeword, so that an entry of the table tells all that a symbol takes.
type code struct {
	payload  *[maxSymbols]uint32
	table    [1<<codeRoot + numOffsets<<(maxCodeLen-codeRoot)/(maxCodeLen-codeRoot+1)]uint32
	freqs    [maxSymbols]uint32
	lens     [maxSymbols]uint8
	symbols  int
	interval int // how many symbols there are between two builds
	left     int // until the next
}

// The payloads of symbols that no bits follow, of offsets and of lengths.
var (
	plainPayload  = payload(&[maxSymbols]slot{})
	offsetPayload = payload(offsetSlots)
	lengthPayload = payload(lengthSlots)
)

func payload(slots *[maxSymbols]slot) *[maxSymbols]uint32 {
	all := new([maxSymbols]uint32)
	for i, s := range slots {
		all[i] = uint32(i)<<8 + uint32(bits.Len32(s.mask))
	}
	return all
}

// reset makes the code that a chunk begins with, in which all symbols are alike.
func (c *code) reset(p *huffman.Planner, payload *[maxSymbols]uint32, symbols, interval int) {
	c.payload = payload
	c.symbols, c.interval = symbols, interval
	for i := range c.freqs[:symbols] {
		c.freqs[i] = 1
	}
	c.build(p)
}

// build makes a code from how often each symbol occurred. The result is the one that Huffman's method
// gives when it prefers symbols to what it has joined, and earlier symbols to later ones.
func (c *code) build(p *huffman.Planner) {
	lens := c.lens[:c.symbols]
	p.Lengths(lens, c.freqs[:c.symbols], maxCodeLen)
	if err := huffman.Build(c.table[:], codeRoot, lens, c.payload[:]); err != nil {
		panic("lzms: " + err.Error()) // a Planner's codes are complete
	}
	c.left = c.interval
}

// rebuild makes the next code; what was long ago counts half.
func (c *code) rebuild(p *huffman.Planner) {
	c.build(p)
	for i, n := range c.freqs[:c.symbols] {
		c.freqs[i] = n>>1 + 1
	}
}

// symbol reads a symbol. It consumes up to 15 of the bits that refill has provided.
func (d *Decoder) symbol(c *code) uint32 {
	e := c.table[d.buf>>(64-codeRoot)]
	if e&huffman.Link != 0 {
		e = c.table[huffman.Sub(e, d.buf<<codeRoot)]
	}
	d.buf <<= e & 63
	d.have -= uint(e & 63)
	s := e >> 8 & (maxSymbols - 1)
	c.freqs[s]++
	if c.left--; c.left == 0 {
		c.rebuild(&d.planner)
	}
	return s
}
