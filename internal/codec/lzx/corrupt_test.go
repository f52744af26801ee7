package lzx

import (
	"fmt"
	"strings"
	"testing"
)

// broken are streams with one thing wrong each, in the first block. The tests run each also with a
// pad, so that decodeFast meets what decodeTail meets otherwise.
var broken = []struct {
	name  string
	size  int // of the chunk
	write func(s *stream)
	error string
}{
	{"nothing at all", 1, func(s *stream) {}, "ends too early"},
	{"block type 0", 1, func(s *stream) { s.header(0, 1); s.Bits(0, 16) }, "block type 0"},
	{"block type 4", 1, func(s *stream) { s.header(4, 1); s.Bits(0, 16) }, "block type 4"},
	{"block type 7", 1, func(s *stream) { s.header(7, 1); s.Bits(0, 16) }, "block type 7"},
	{"empty block", 1, func(s *stream) { s.uncompressed(1, 1, 1, "") }, "block of 0 bytes"},
	{"block larger than the chunk", 3, func(s *stream) { s.uncompressed(1, 1, 1, "four") }, "block of 4 bytes, where the chunk lacks 3"},
	{"recent offset of zero", 2, func(s *stream) { s.uncompressed(1, 0, 1, "ab") }, "recent offset 1 is zero"},
	{"no recent offsets", 2, func(s *stream) { s.header(uncompressed, 2); s.Flush(); s.Bytes(1, 0, 0, 0, 1, 0) }, "ends too early"},
	{"uncompressed bytes missing", 9, func(s *stream) {
		s.header(uncompressed, 9)
		s.Flush()
		s.Bytes(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 'a', 'b')
	}, "ends too early"},

	{"one codeword for the code lengths", 1, func(s *stream) {
		s.header(verbatim, 1)
		s.pre([]uint8{1, 19: 0})
		s.Bits(0, 32)
	}, "code of the code lengths: code lengths leave"},
	{"too many codewords for the code lengths", 1, func(s *stream) {
		s.header(verbatim, 1)
		s.pre([]uint8{1, 1, 1, 19: 0})
		s.Bits(0, 32)
	}, "code of the code lengths: code lengths are oversubscribed"},

	{"run with a run as its difference", 1, func(s *stream) {
		s.header(verbatim, 1)
		pre := s.pre(plainPre)
		s.Code(pre[preSame])
		s.Bits(0, 1)
		s.Code(pre[preManyZeros])
		s.Bits(0, 32)
	}, "difference 18"},
	{"main code of one symbol", 1, func(s *stream) { s.verbatim(1, map[int]uint8{'a': 1}, nil) }, "main code: code lengths leave"},
	{"main code too large", 1, func(s *stream) {
		s.verbatim(1, map[int]uint8{'a': 1, 'b': 1, 'c': 16}, nil)
	}, "main code: code lengths are oversubscribed"},
	{"length code incomplete", 1, func(s *stream) {
		s.verbatim(1, mainCode, map[int]uint8{5: 1})
		s.literals("a")
	}, "length code: code lengths leave"},
	{"aligned code incomplete", 1, func(s *stream) {
		s.alignedOffsets(1, []uint8{1, 7: 0}, mainCode, nil)
	}, "aligned offset code: code lengths leave"},
	{"aligned code oversubscribed", 1, func(s *stream) {
		s.alignedOffsets(1, []uint8{1, 1, 1, 7: 0}, mainCode, nil)
	}, "aligned offset code: code lengths are oversubscribed"},

	{"match at the very start", 4, func(s *stream) {
		s.verbatim(4, mainCode, nil)
		s.match(0, 4, 0)
	}, "match at output byte 0 reaches back 1 bytes"},
	{"offset one byte before the chunk", 6, func(s *stream) {
		s.verbatim(6, mainCode, nil)
		s.literals("ab")
		s.match(4, 4, 3)
	}, "match at output byte 2 reaches back 3 bytes"},
	{"recent offset of an earlier block before the chunk", 6, func(s *stream) {
		s.uncompressed(1, 1, 0xffffffff, "ab")
		s.verbatim(4, mainCode, nil)
		s.match(2, 4, 0)
	}, "match at output byte 2 reaches back 4294967295 bytes"},
}

func TestBroken(t *testing.T) {
	for _, c := range broken {
		t.Run(c.name, func(t *testing.T) {
			s := newStream(MinWindow)
			c.write(s)
			d := newDecoder(t, MinWindow)
			wantCorrupt(t, d.Decode(make([]byte, c.size), s.Data()), c.error)
			if !s.open {
				return // not an error in a compressed block
			}
			s = newStream(MinWindow)
			s.pad = 600
			c.write(s)
			s.Flush()
			s.Bytes(make([]byte, 300)...) // for the pad, which the decoder does not reach
			wantCorrupt(t, d.Decode(make([]byte, s.size), s.Data()), c.error)
		})
	}
}

func TestMatchAcrossBlockEnd(t *testing.T) {
	s := newStream(MinWindow)
	s.verbatim(4, mainCode, nil)
	s.literals("a")
	s.match(0, 4, 0) // one byte too many, though the chunk has room
	s.uncompressed(1, 1, 1, "more")
	err := newDecoder(t, MinWindow).Decode(make([]byte, 8), s.done())
	wantCorrupt(t, err, "match at output byte 1 crosses the end of its block at 4")
}

// TestLongMatchAcrossBlockEnd has the longest match end a byte behind its block, wherever in a round of
// decodeFast it comes.
func TestLongMatchAcrossBlockEnd(t *testing.T) {
	for n := 1; n < 12; n++ {
		s := newStream(MinWindow)
		s.verbatim(n+maxMatch-1, mainCode, lengthCode)
		s.literals(strings.Repeat("a", n))
		s.match(0, maxMatch, 0)
		s.uncompressed(1, 1, 1, strings.Repeat("more", 100))
		err := newDecoder(t, MinWindow).Decode(make([]byte, s.size), s.done())
		wantCorrupt(t, err, fmt.Sprintf("match at output byte %d crosses the end of its block at %d", n, n+maxMatch-1))
	}
}

// TestTruncatedStream cuts a stream with every kind of block at every byte.
func TestTruncatedStream(t *testing.T) {
	s := newStream(MinWindow)
	s.alignedOffsets(26, skewed, mainCode, lengthCode)
	s.literals("abcdabcdabcdaaaabbbb")
	s.match(0, 4, 0)
	s.match(8, 2, 15)
	s.verbatim(12, mainCode, lengthCode)
	s.match(4, 4, 2)
	s.literals("abcdabcd")
	s.uncompressed(1, 1, 1, "the end.")
	src := s.done()
	got := make([]byte, s.size)
	if err := newDecoder(t, MinWindow).Decode(got, src); err != nil {
		t.Fatalf("whole stream: %v", err)
	}
	for n := range src {
		wantCorrupt(t, newDecoder(t, MinWindow).Decode(got, src[:n:n]), "")
	}
}
