package lzms

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/huffman"
)

const (
	numPowers  = 8
	maxSymbols = 1024 // more than any alphabet has, so that a masked symbol needs no check
	maxCodeLen = 15   // what the frequencies can lead to
	codeRoot   = 10   // bits
)

// code is an adaptive Huffman code. Symbols have their numbers as payloads, from bit 8 on.
type code struct {
	table    [1<<codeRoot + numOffsets<<(maxCodeLen-codeRoot)/(maxCodeLen-codeRoot+1)]uint32
	freqs    [maxSymbols]uint32
	lens     [maxSymbols]uint8
	symbols  int
	interval int // how many symbols there are between two builds
	left     int // until the next
}

// numbers are the payloads of symbols.
var numbers = func() (all [maxSymbols]uint32) {
	for i := range all {
		all[i] = uint32(i) << 8
	}
	return all
}()

// reset makes the code that a chunk begins with, in which all symbols are alike.
func (c *code) reset(p *huffman.Planner, symbols, interval int) {
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
	if err := huffman.Build(c.table[:], codeRoot, lens, numbers[:]); err != nil {
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
