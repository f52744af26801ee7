package lzx

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/codec/lz"
)

// How far the encoder looks for matches, and what it thinks that they are worth: values that were found
// by trying.
const (
	chainDepth  = 24
	niceLength  = 64 // bytes
	literalBits = 6  // of a byte that is not in a match
	repeatBits  = 6  // of a match with a recent offset
	matchBits   = 7  // of a match, without its offset's extra bits
	longBits    = 3  // of a length symbol, more than the literals that it stands for
	lazyPenalty = 1  // how much better the match at the next byte has to be
)

// parser divides chunks into literals and matches.
type parser struct {
	finder lz.Finder
	items  []item
	recent [numRepeats]int // offsets, latest first
	n      int             // bytes of the chunk
}

// choice is a match, or none: length 0.
type choice struct {
	length int
	repeat int // which recent offset, or numRepeats
	offset int
	gain   int // bits, compared with literals
}

// parse returns the items of a chunk, whose calls it translates: at each byte the best match, unless
// the one at the next byte is better.
func (p *parser) parse(src []byte) []item {
	f := &p.finder
	f.Depth, f.Nice, f.Most = chainDepth, niceLength, maxMatch
	data := f.Reset(src)
	translateCalls(data)
	p.recent, p.n = [numRepeats]int{1, 1, 1}, len(data)
	if cap(p.items) < len(data) {
		p.items = make([]item, len(data))
	}
	items := p.items[:0]
	for pos := 0; pos < len(data); {
		c := p.look(pos)
		if c.length == 0 {
			items = append(items, item(data[pos]))
			pos++
			continue
		}
		next := pos + 1 // the first byte that the finder has not seen
		for c.length < niceLength && next < len(data) {
			d := p.look(next)
			next++
			if d.gain <= c.gain+lazyPenalty {
				break
			}
			items = append(items, item(data[pos]))
			pos, c = pos+1, d
		}
		items = append(items, p.use(c))
		pos += c.length
		f.Skip(next, pos-next)
	}
	p.items = items
	return items
}

// look returns the best match at pos.
func (p *parser) look(pos int) (best choice) {
	most := min(p.n-pos, maxMatch)
	length, offset := p.finder.Find(pos, 2)
	if length > 0 {
		gain := length*literalBits - matchBits - max(bits.Len(uint(offset+offsetAdjust))-2, 0)
		if length >= longMatch {
			gain -= longBits
		}
		if gain > 0 {
			best = choice{length, numRepeats, offset, gain}
		}
	}
	if n, i := p.finder.Repeated(pos, p.recent[:], most); n > 0 {
		gain := n*literalBits - repeatBits
		if n >= longMatch {
			gain -= longBits
		}
		if gain > best.gain {
			best = choice{n, i, p.recent[i], gain}
		}
	}
	return best
}

// use makes the match's offset the latest and returns its item.
func (p *parser) use(c choice) item {
	coded := c.repeat
	if c.repeat == numRepeats {
		coded = c.offset + offsetAdjust
		p.recent[2], p.recent[1] = p.recent[1], p.recent[0]
	} else {
		p.recent[c.repeat] = p.recent[0]
	}
	p.recent[0] = c.offset
	return item(c.length)<<lengthBit | item(coded)
}
