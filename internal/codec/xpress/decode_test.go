package xpress

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// stream writes XPRESS streams step by step, valid or not. Where a whole byte goes is decided as
// [MS-XCA] decides it for a decoder: behind the units that are then loaded, of which two are loaded at
// first and another as soon as fewer than 16 bits are left.
type stream struct {
	header [headerSize]byte
	codes  []codectest.Code
	out    []byte
	slots  []int // where in out the units go that are loaded but not written
	unit   uint32
	n      int // bits in unit
}

// newStream begins a stream with the given codeword lengths.
func newStream(lengths map[int]uint8) *stream {
	s := &stream{}
	all := make([]uint8, numSymbols)
	for sym, n := range lengths {
		all[sym] = n
		s.header[sym/2] |= n << (4 * (sym % 2))
	}
	s.codes = codectest.Canonical(all)
	s.reserve()
	s.reserve()
	return s
}

// reserve makes room for a unit.
func (s *stream) reserve() {
	s.slots = append(s.slots, len(s.out))
	s.out = append(s.out, 0, 0)
}

// bits writes the low n bits of v. As soon as a unit begins to be used up completely, the decoder
// takes the one after the next.
func (s *stream) bits(v uint32, n int) {
	for n--; n >= 0; n-- {
		if s.n == 16 {
			s.put()
		}
		s.unit = s.unit<<1 | v>>n&1
		s.n++
		if s.n == 1 {
			s.loadAhead()
		}
	}
}

// loadAhead reserves units so that, with the first bit of the present one gone, one more follows.
func (s *stream) loadAhead() {
	for len(s.slots) < 2 {
		s.reserve()
	}
}

// put stores a whole unit in its place.
func (s *stream) put() {
	s.out[s.slots[0]], s.out[s.slots[0]+1] = byte(s.unit), byte(s.unit>>8)
	s.slots = s.slots[1:]
	s.unit, s.n = 0, 0
}

// symbol writes a codeword.
func (s *stream) symbol(sym int) { s.bits(s.codes[sym].Bits, s.codes[sym].Len) }

// literals writes literals.
func (s *stream) literals(text string) {
	for _, b := range []byte(text) {
		s.symbol(int(b))
	}
}

// matchSymbol returns the symbol of a match.
func matchSymbol(length, offset int) int {
	log := 0
	for offset>>(log+1) != 0 {
		log++
	}
	return numLiterals + log<<4 + min(length-minMatch, 15)
}

// match writes a match. extra are the bytes of its length.
func (s *stream) match(length, offset int, extra ...byte) {
	sym := matchSymbol(length, offset)
	s.symbol(sym)
	s.out = append(s.out, extra...)
	log := sym >> 4 & 15
	s.bits(uint32(offset)&(1<<log-1), log)
}

// data returns the whole stream.
func (s *stream) data() []byte {
	if s.n > 0 {
		s.unit <<= 16 - s.n
		s.put()
	}
	return append(bytes.Clone(s.header[:]), s.out...)
}

// code has literals and matches of every form, with codewords of 3 to 15 bits.
var code = map[int]uint8{
	'a': 3, 'b': 3, 'c': 3, 'd': 3, 'm': 4,
	matchSymbol(3, 1): 3, matchSymbol(18, 1): 3, matchSymbol(18, 2): 4, matchSymbol(17, 4): 4,
	matchSymbol(3, 4): 5, matchSymbol(18, 256): 6, matchSymbol(5, 32768): 7, matchSymbol(18, 32768): 8,
	'e': 9, 'f': 10, 'g': 11, 'h': 12, 'i': 13, 'j': 14, 'k': 15, 'l': 15,
}

var streams = []struct {
	name  string
	write func(s *stream)
	want  string
}{
	{"literals of all lengths", func(s *stream) { s.literals("abcdefghijklkjihgfedcba") }, "abcdefghijklkjihgfedcba"},
	{"shortest match", func(s *stream) { s.literals("ab"); s.match(3, 1) }, "abbbb"},
	{"offset bits", func(s *stream) { s.literals("abcdefg"); s.match(3, 5); s.match(17, 7) },
		expand("abcdefg", 3, 5, 17, 7)},
	{"length in a byte", func(s *stream) { s.literals("a"); s.match(18, 1, 0); s.match(18+254, 1, 254) },
		strings.Repeat("a", 1+18+272)},
	{"length in two bytes", func(s *stream) {
		s.literals("abc")
		s.match(300, 3, 255, 297&255, 297>>8)
		s.match(18, 2, 255, 15, 0) // longer than it need be
		s.literals("d")
		s.match(60000, 2, 255, 59997&255, 59997>>8)
	}, expand("abc", 300, 3, 18, 2) + expand("cd", 0, 1, 60000, 2)[1:]},
	{"bytes in every place of a unit", func(s *stream) {
		for i := range 40 {
			s.literals("abcdabcd"[:i%8])
			if i > 0 {
				s.match(18+i, 1, byte(i))
			}
		}
	}, everyPlace()},
	{"one and two bytes, with offset bits", func(s *stream) {
		s.literals(strings.Repeat("abcd", 100))
		for i := range 10 {
			s.match(18+i, 256+i, byte(i))
			s.match(300+i, 300+i, 255, byte((297+i)&255), byte((297+i)>>8))
			s.literals("e")
		}
	}, oneAndTwo()},
}

// expand appends matches, as pairs of length and offset, to history.
func expand(history string, matches ...int) string {
	b := []byte(history)
	for ; len(matches) > 0; matches = matches[2:] {
		for range matches[0] {
			b = append(b, b[len(b)-matches[1]])
		}
	}
	return string(b)
}

func everyPlace() (b string) {
	for i := range 40 {
		b += "abcdabcd"[:i%8]
		if i > 0 {
			b = expand(b, 18+i, 1)
		}
	}
	return b
}

func oneAndTwo() string {
	b := strings.Repeat("abcd", 100)
	for i := range 10 {
		b = expand(b, 18+i, 256+i, 300+i, 300+i) + "e"
	}
	return b
}

func TestStreams(t *testing.T) {
	for _, c := range streams {
		for _, pad := range []int{0, 200} { // without and with enough behind it for decodeFast
			t.Run(fmt.Sprint(c.name, pad), func(t *testing.T) {
				s := newStream(code)
				c.write(s)
				s.literals(strings.Repeat("l", pad))
				src, want := s.data(), c.want+strings.Repeat("l", pad)
				got, careful := make([]byte, len(want)), make([]byte, len(want))
				if err := new(Decoder).Decode(got, src); err != nil {
					t.Fatal(err)
				}
				if string(got) != want {
					t.Errorf("decoded %q, want %q", got, want)
				}
				if err := decodeCarefully(new(Decoder), careful, src); err != nil || string(careful) != want {
					t.Errorf("step by step: %q, %v", careful, err)
				}
			})
		}
	}
}

// TestPublished decodes the two examples of [MS-XCA] section 3.2.
func TestPublished(t *testing.T) {
	var alphabet, abc [headerSize]byte
	alphabet[48] = 0x50 // a..v have five bits, w..z and the end of the stream four
	for i := 49; i < 59; i++ {
		alphabet[i] = 0x55
	}
	alphabet[59], alphabet[60], alphabet[61], alphabet[128] = 0x45, 0x44, 0x04, 0x04
	abc[48], abc[49], abc[128], abc[143] = 0x30, 0x23, 0x02, 0x20
	for _, c := range []struct{ src, want string }{
		{string(alphabet[:]) + "\xd8\x52\x3e\xd7\x94\x11\x5b\xe9\x19\x5f\xf9\xd6\x7c\xdf\x8d\x04\x00\x00\x00\x00",
			"abcdefghijklmnopqrstuvwxyz"},
		{string(abc[:]) + "\xa8\xdc\x00\x00\xff\x26\x01", strings.Repeat("abc", 100)},
	} {
		got := make([]byte, len(c.want))
		if err := new(Decoder).Decode(got, []byte(c.src)); err != nil || string(got) != c.want {
			t.Errorf("decoded %q, %v; want %q", got, err, c.want)
		}
	}
}

func TestBroken(t *testing.T) {
	half := map[int]uint8{'a': 1, 'b': 2}
	for _, c := range []struct {
		name  string
		code  map[int]uint8
		write func(s *stream)
		error string
	}{
		{"one symbol", map[int]uint8{'a': 1}, func(s *stream) {}, "leave part of the code space unused"},
		{"incomplete", half, func(s *stream) {}, "leave part of the code space unused"},
		{"oversubscribed", map[int]uint8{'a': 1, 'b': 1, 'c': 15}, func(s *stream) {}, "oversubscribed"},
		{"match at the very start", code, func(s *stream) { s.match(3, 1) }, "match at output byte 0 reaches back 1 bytes"},
		{"offset one byte before the chunk", code, func(s *stream) {
			s.literals("abc")
			s.match(3, 4)
		}, "match at output byte 3 reaches back 4 bytes"},
		{"largest offset", code, func(s *stream) { s.literals("abc"); s.match(5, 65535) }, "reaches back 65535 bytes"},
		{"match beyond the end", code, func(s *stream) {
			s.literals("a")
			s.match(18, 1, 255, 255, 255)
		}, "match of 65538 bytes at output byte 1 of 1000"},
		{"match beyond the end of the input", code, func(s *stream) {
			s.literals("a")
			s.match(18, 2)
		}, "ends too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStream(c.code)
			c.write(s)
			src := s.data()
			dst := make([]byte, 1000)
			wantCorrupt(t, new(Decoder).Decode(dst, src), c.error)
			if !strings.Contains(c.error, "early") {
				wantCorrupt(t, new(Decoder).Decode(dst, append(src, make([]byte, 100)...)), c.error)
			}
		})
	}
	wantCorrupt(t, new(Decoder).Decode(make([]byte, 9), make([]byte, headerSize-1)), "too few")
	if err := new(Decoder).Decode(make([]byte, MaxChunk+1), nil); !errors.Is(err, fault.ErrBug) {
		t.Errorf("chunk of more than 64 KiB: %v", err)
	}
}

// TestMatchBeyondEnd has a short match cross the end of the chunk.
func TestMatchBeyondEnd(t *testing.T) {
	s := newStream(code)
	s.literals("ab")
	s.match(3, 1)
	wantCorrupt(t, new(Decoder).Decode(make([]byte, 4), s.data()), "match of 3 bytes at output byte 2 of 4")
}

// decodeCarefully is Decode without decodeFast: an independent path to the same bytes.
func decodeCarefully(d *Decoder, dst, src []byte) error {
	if err := d.readCode(src); err != nil {
		return err
	}
	d.r = bitReader{src: src, pos: headerSize}
	for pos := 0; pos < len(dst); {
		n, err := d.step(dst, pos)
		if err != nil {
			return err
		}
		pos += n
	}
	return nil
}

// FuzzDecode decodes anything, and compares: a used decoder with a new one, decodeFast with step. What
// lies behind dst must stay as it is.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors[:4] {
		f.Add(v.Load(f, "XPRESS", false)[:800], uint16(len(v.Want)))
	}
	for _, c := range streams {
		s := newStream(code)
		c.write(s)
		f.Add(s.data(), uint16(len(c.want)))
	}
	used := new(Decoder)
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		n := int(size)
		room := bytes.Repeat([]byte{0xa5}, n+64)
		err := used.Decode(room[:n], src)
		if err != nil {
			wantCorrupt(t, err, "")
		}
		if bytes.Trim(room[n:], "\xa5") != nil {
			t.Fatal("wrote behind the end")
		}
		again := make([]byte, n)
		err2 := decodeCarefully(new(Decoder), again, src)
		if fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("Decode: %v, but step by step: %v", err, err2)
		}
		if err == nil && !bytes.Equal(room[:n], again) {
			t.Fatal("decodeFast and step disagree")
		}
	})
}
