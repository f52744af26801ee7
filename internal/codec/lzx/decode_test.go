package lzx

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Codes of the tests. The main code has literals, matches of every form, and codewords of up to 16 bits.
var (
	mainCode = map[int]uint8{
		'a': 3, 'b': 3, 'c': 3, 'd': 4, 'f': 4,
		symbol(0, 4): 4, symbol(1, 4): 4, symbol(2, 4): 4, symbol(3, 4): 4,
		symbol(0, longMatch): 4, symbol(8, longMatch): 4, symbol(4, 4): 5, symbol(5, 4): 5,
		symbol(8, 2): 5, symbol(7, 4): 6, symbol(9, 4): 7, symbol(10, 4): 8, symbol(11, 4): 9,
		symbol(12, 4): 10, symbol(13, 4): 11, symbol(14, 4): 12, symbol(15, 4): 13, symbol(16, 4): 14,
		symbol(17, 4): 15, symbol(18, 4): 16, 'e': 16,
	}
	lengthCode = map[int]uint8{0: 1, 1: 2, 100: 3, 247: 4, 248: 4}
	skewed     = []uint8{1, 2, 3, 4, 5, 6, 7, 7}
)

// streams are what no encoder would write in one piece: every feature of the format by itself.
var streams = []struct {
	name   string
	window int
	write  func(s *stream)
	want   string
}{
	{"literals", MinWindow, func(s *stream) {
		s.verbatim(6, mainCode, nil)
		s.literals("abcabc")
	}, "abcabc"},
	{"24-bit block size in a larger window", 1 << 16, func(s *stream) {
		s.verbatim(3, mainCode, nil)
		s.literals("cab")
	}, "cab"},
	{"codeword of 16 bits, behind a subtable", MinWindow, func(s *stream) {
		s.verbatim(3, mainCode, nil)
		s.literals("eae")
	}, "eae"},
	{"match that repeats itself", MinWindow, func(s *stream) {
		s.verbatim(2+4+4, mainCode, nil)
		s.literals("ab")
		s.match(4, 4, 2) // two back
		s.match(3, 4, 1) // one back
	}, "abababbbbb"},
	{"recent offsets begin as 1", MinWindow, func(s *stream) {
		s.verbatim(14, mainCode, nil)
		s.literals("ab")
		s.match(0, 4, 0)
		s.match(1, 4, 0)
		s.match(2, 4, 0)
	}, "abbbbbbbbbbbbb"},
	{"queue of recent offsets", MinWindow, func(s *stream) {
		s.verbatim(4+4*6, mainCode, nil)
		s.literals("dcba")
		s.match(5, 4, 4) // dcba        4 1 1
		s.match(4, 4, 3) // cbac        3 4 1
		s.match(1, 4, 0) // 4: cbac     4 3 1
		s.match(2, 4, 0) // 1: cccc     1 3 4: the last two exchange nothing
		s.match(2, 4, 0) // 4: cccc     4 3 1
		s.match(5, 4, 5) // 5: cccc     5 4 3
	}, "dcbadcbacbaccbaccccccccccccc"},
	{"longest match and its shorter neighbours", MinWindow, func(s *stream) {
		s.verbatim(1+9+10+109+256+257, mainCode, lengthCode)
		s.literals("a")
		for _, n := range []int{9, 10, 109, 256, 257} {
			s.match(0, n, 0)
		}
	}, strings.Repeat("a", 642)},
	{"aligned offsets", MinWindow, func(s *stream) {
		s.alignedOffsets(24+2+2+9+4+4, skewed, mainCode, lengthCode)
		s.literals("abcdabcdabcdaaaabbbbcccc") // 24
		s.match(8, 2, 15)                      // only an aligned symbol, 1
		s.match(8, 2, 21)                      // aligned symbol 7
		s.match(8, 9, 14+7)                    // with a length symbol
		s.match(4, 4, 3)                       // too few offset bits to be aligned
		s.match(10, 4, 39)                     // a plain bit 1, and aligned symbol 1
	}, alignedWant()},
	{"uncompressed, even", MinWindow, func(s *stream) {
		s.uncompressed(1, 1, 1, "no code!")
	}, "no code!"},
	{"uncompressed, odd, then another", MinWindow, func(s *stream) {
		s.uncompressed(1, 1, 1, "odd")
		s.uncompressed(1, 1, 1, "even")
	}, "oddeven"},
	{"recent offsets of an uncompressed block", MinWindow, func(s *stream) {
		s.uncompressed(3, 5, 7, "abcdcba")
		s.verbatim(12, mainCode, nil)
		s.match(2, 4, 0) // 7
		s.match(1, 4, 0) // 5
		s.match(2, 4, 0) // 3
	}, "abcdcba" + recentWant("abcdcba", 7, 5, 3)},
	{"second block's lengths as differences", MinWindow, func(s *stream) {
		s.verbatim(3, mainCode, lengthCode)
		s.literals("abc")
		s.verbatim(4, map[int]uint8{'x': 1, 'y': 2, 'z': 2}, nil)
		s.literals("xyzz")
		s.verbatim(10, map[int]uint8{'a': 1, symbol(0, longMatch): 1}, map[int]uint8{0: 1, 1: 1})
		s.literals("a")
		s.match(0, 9, 0)
	}, "abcxyzzaaaaaaaaaa"},
	{"run codes of code lengths", MinWindow, runs, "ABCDEFGHIJ"},
	{"more input than needed", MinWindow, func(s *stream) {
		s.uncompressed(1, 1, 1, "enough")
		s.Bytes(make([]byte, 100)...)
	}, "enough"},
}

// alignedWant follows the stream "aligned offsets" step by step.
func alignedWant() string {
	b := []byte("abcdabcdabcdaaaabbbbcccc")
	for _, m := range [][2]int{{2, 15}, {2, 21}, {9, 21}, {4, 3}, {4, 39}} {
		for range m[0] {
			b = append(b, b[len(b)-m[1]])
		}
	}
	return string(b)
}

// recentWant returns what matches of four bytes at the given offsets append to history.
func recentWant(history string, offsets ...int) string {
	b := []byte(history)
	for _, off := range offsets {
		for range 4 {
			b = append(b, b[len(b)-off])
		}
	}
	return string(b[len(history):])
}

// runs writes a block with sixteen literals A to P of four bits, whose lengths use every run symbol:
// 65 zeros, 16 fours, 175 zeros.
func runs(s *stream) {
	s.header(verbatim, 10)
	pre := s.pre(plainPre)
	s.Code(pre[preManyZeros])
	s.Bits(31, 5) // 20 + 31 zeros
	s.Code(pre[preZeros])
	s.Bits(10, 4) // 4 + 10 zeros: 65
	s.Code(pre[preSame])
	s.Bits(1, 1)    // 4 + 1 equal ones
	s.Code(pre[13]) // 0 - 13 = 4 modulo 17
	for range 2 {
		s.Code(pre[preSame])
		s.Bits(0, 1)
		s.Code(pre[13])
	}
	for range 3 {
		s.Code(pre[13])
	}
	for range 3 {
		s.Code(pre[preManyZeros])
		s.Bits(31, 5) // 153
	}
	s.Code(pre[preManyZeros])
	s.Bits(2, 5) // 22: 175
	none := make([]uint8, numLengthSyms)
	s.lens(s.mainLens[numLiterals:], none[:len(s.mainLens)-numLiterals])
	s.lens(s.lengthLens, none)
	for sym := 'A'; sym <= 'P'; sym++ {
		s.mainLens[sym] = 4
	}
	s.main = codectest.Canonical(s.mainLens)
	s.literals("ABCDEFGHIJ")
}

func TestStreams(t *testing.T) {
	for _, c := range streams {
		t.Run(c.name, func(t *testing.T) {
			s := newStream(c.window)
			c.write(s)
			if got := decode(t, c.window, s); got != c.want {
				t.Fatalf("decoded %q, want %q", got, c.want)
			}
			s = newStream(c.window)
			s.pad = 600
			c.write(s)
			decode(t, c.window, s)
		})
	}
}

// decode decodes a whole stream and checks that decodeFast and decodeTail agree on it.
func decode(t *testing.T, window int, s *stream) string {
	t.Helper()
	src := s.done()
	got, careful := make([]byte, s.size), make([]byte, s.size)
	if err := newDecoder(t, window).Decode(got, src); err != nil {
		t.Fatal(err)
	}
	if err := decodeCarefully(newDecoder(t, window), careful, src); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, careful) {
		t.Errorf("decodeFast made %q, decodeTail %q", got, careful)
	}
	return string(got)
}

// TestUncompressedAtUnitEnd has the header of an uncompressed block end with a unit: an empty one follows.
func TestUncompressedAtUnitEnd(t *testing.T) {
	for n := range 16 {
		s := newStream(1 << 16)
		s.verbatim(n+1, map[int]uint8{'x': 1, 'y': 1}, nil)
		s.literals(strings.Repeat("x", n+1))
		at := s.Used()
		s.uncompressed(1, 1, 1, "z")
		if got, want := decode(t, 1<<16, s), strings.Repeat("x", n+1)+"z"; got != want {
			t.Errorf("header after %d bits of a unit: decoded %q, want %q", at, got, want)
		}
	}
}

func TestUnpaddedOddBlock(t *testing.T) {
	s := newStream(MinWindow)
	s.uncompressed(1, 1, 1, "odd")
	src := s.done()
	got := make([]byte, 3)
	if err := newDecoder(t, MinWindow).Decode(got, src[:len(src)-1]); err != nil || string(got) != "odd" {
		t.Errorf("last block without its padding: %q, %v", got, err)
	}
}

func TestShortBlockSize(t *testing.T) {
	s := newStream(MinWindow)
	s.Bits(uint32(uncompressed), 3)
	s.Bits(1, 1) // 32768
	s.Flush()
	s.Bytes(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
	want := codectest.Noise(defaultBlockSize, 1)
	s.Bytes(want...)
	got := make([]byte, len(want))
	if err := newDecoder(t, MinWindow).Decode(got, s.Data()); err != nil {
		t.Fatal(err)
	}
	undoCalls(want)
	if !bytes.Equal(got, want) {
		t.Error("decoded to something else")
	}
}

func TestNewDecoder(t *testing.T) {
	for _, n := range []int{-1, 0, 1 << 14, 1 << 22, 40000, MinWindow + 1} {
		if _, err := NewDecoder(n); !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("window of %d bytes: %v", n, err)
		}
	}
	if err := newDecoder(t, MinWindow).Decode(make([]byte, MinWindow+1), nil); !errors.Is(err, fault.ErrBug) {
		t.Errorf("chunk larger than the window: %v", err)
	}
	if err := newDecoder(t, MinWindow).Decode(nil, nil); err != nil {
		t.Errorf("empty chunk: %v", err)
	}
}

// TestNumSlots compares with the table in the CAB SDK's document and, for windows below that, the
// number of slots whose offsets fit.
func TestNumSlots(t *testing.T) {
	want := map[int]int{15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
	for order, n := range want {
		if got := numSlots(1 << order); got != n {
			t.Errorf("window of 2^%d bytes has %d offset slots, want %d", order, got, n)
		}
	}
}
