package lzx

import (
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// tolerated are streams that break a rule and that libwim decodes, so that we do.
var tolerated = []struct {
	name  string
	write func(s *stream)
	want  string
}{
	{"no code for the code lengths: none changes", func(s *stream) {
		s.verbatim(1, map[int]uint8{'a': 1, 'b': 1}, nil)
		s.literals("b")
		s.header(verbatim, 2)
		for range 3 { // literals, matches, lengths
			s.pre(make([]uint8, numPreSyms))
		}
		s.literals("ab")
	}, "bab"},
	{"run of zeros beyond the alphabet", func(s *stream) {
		s.header(verbatim, 2)
		pre := s.pre(plainPre)
		s.Code(pre[16]) // literals 0 and 1 have one bit: 0 - 16 = 1 modulo 17
		s.Code(pre[16])
		for range 5 { // 255 zeros more
			s.Code(pre[preManyZeros])
			s.Bits(31, 5)
		}
		zeros := make([]uint8, numPreSyms)
		zeros[preZeros], zeros[preManyZeros] = 1, 1
		for range 2 {
			pre = s.pre(zeros)
			for range 5 { // 255 again, where there are 240 and 249
				s.Code(pre[preManyZeros])
				s.Bits(31, 5)
			}
		}
		s.Bits(2, 2)
	}, "\x01\x00"},
	{"run from the literals into the matches", func(s *stream) {
		s.header(verbatim, 6)
		pre := s.pre(plainPre)
		for range 5 {
			s.Code(pre[preManyZeros])
			s.Bits(31, 5)
		}
		s.Code(pre[preSame]) // four times 0 - 15 = 2 modulo 17: literal 255 and three matches
		s.Bits(0, 1)
		s.Code(pre[15])
		pre = s.pre(plainPre)
		for range 3 {
			s.Code(pre[0])
		}
		for range 4 {
			s.Code(pre[preManyZeros])
			s.Bits(31, 5)
		}
		s.Code(pre[preManyZeros])
		s.Bits(13, 5)
		s.lens(s.lengthLens, make([]uint8, numLengthSyms))
		s.Bits(0, 2) // 255
		s.Bits(3, 2) // four bytes from one back
		s.Bits(0, 2) // 255
	}, "\xff\xff\xff\xff\xff\xff"},
	{"17 as the difference of a run is 0", func(s *stream) {
		s.header(verbatim, 2)
		pre := s.pre(plainPre)
		s.Code(pre[preSame]) // literals 0 to 3
		s.Bits(0, 1)
		s.Code(pre[preZeros])
		s.Code(pre[16])
		s.Code(pre[16])
		for range 4 { // literals 4 and 5 have one bit; 204 zeros, then 46
			s.Code(pre[preManyZeros])
			s.Bits(31, 5)
		}
		s.Code(pre[preManyZeros])
		s.Bits(26, 5)
		s.lens(s.mainLens[numLiterals:], make([]uint8, len(s.mainLens)-numLiterals))
		s.lens(s.lengthLens, make([]uint8, numLengthSyms))
		s.Bits(2, 2)
	}, "\x05\x04"},
	{"length symbol of an empty code", func(s *stream) {
		s.verbatim(12, mainCode, nil)
		s.literals("a")
		s.Code(s.main[symbol(0, longMatch)])
		s.Bits(0, 32)
	}, strings.Repeat("a", 12)},
	{"aligned symbol of an empty code", func(s *stream) {
		s.alignedOffsets(26, make([]uint8, numAlignedSyms), mainCode, nil)
		s.literals("abcdabcdabcdabcdabcdabcd")
		s.Code(s.main[symbol(8, 2)])
		s.Bits(0, 32)
	}, "abcdabcdabcdabcdabcdabcdcd"},
	{"input ends in a block", func(s *stream) {
		s.verbatim(40, mainCode, nil)
		s.literals("dcb")
	}, "dcb" + strings.Repeat("a", 37)},
	{"a byte is left over", func(s *stream) {
		s.verbatim(40, mainCode, nil)
		s.literals("dcb")
		s.Flush()
		s.Bytes(0xff)
	}, "dcb" + strings.Repeat("a", 37)},
}

// TestTolerated decodes them in a chunk of their own and, for decodeFast, before a long tail.
func TestTolerated(t *testing.T) {
	for _, pad := range []int{0, 600} {
		var chunks []codectest.WIMChunk
		for _, c := range tolerated {
			if pad > 0 && !strings.Contains(c.name, "of an empty code") {
				continue
			}
			s := newStream(MinWindow)
			s.pad = pad
			c.write(s)
			chunks = append(chunks, codectest.WIMChunk{Data: s.Data(), Size: s.size})
			got := make([]byte, s.size)
			if err := newDecoder(t, MinWindow).Decode(got, s.Data()); err != nil || string(got[:len(c.want)]) != c.want {
				t.Errorf("%s: decoded %q, %v; want %q", c.name, got, err, c.want)
			}
		}
		if n := codectest.CompareWithWimlib(t, newDecoder(t, MinWindow), "LZX", MinWindow, chunks); n != len(chunks) {
			t.Errorf("libwim takes %d of %d", n, len(chunks))
		}
	}
}

// TestBrokenForWimlib has libwim refuse what TestBroken has us refuse.
func TestBrokenForWimlib(t *testing.T) {
	var chunks []codectest.WIMChunk
	for _, c := range broken {
		s := newStream(MinWindow)
		c.write(s)
		chunks = append(chunks, codectest.WIMChunk{Data: s.Data(), Size: c.size})
	}
	if n := codectest.CompareWithWimlib(t, newDecoder(t, MinWindow), "LZX", MinWindow, chunks); n != 0 {
		t.Errorf("libwim takes %d of %d", n, len(chunks))
	}
}

// TestNoMainCode has a main code without symbols, which only libwim takes.
func TestNoMainCode(t *testing.T) {
	s := newStream(MinWindow)
	s.verbatim(1, nil, nil)
	wantCorrupt(t, newDecoder(t, MinWindow).Decode(make([]byte, 1), s.done()), "the main code has no symbols")
}

// TestMutated damages chunks: we and libwim refuse the same ones, and make the same of the others.
func TestMutated(t *testing.T) {
	var chunks []codectest.WIMChunk
	for _, v := range vectors {
		if v.ChunkSize == MinWindow {
			chunks = append(chunks, codectest.WIMChunk{Data: v.Load(t, "LZX", false), Size: len(v.Want)})
		}
	}
	for _, c := range streams {
		if s := newStream(c.window); c.window == MinWindow {
			c.write(s)
			chunks = append(chunks, codectest.WIMChunk{Data: s.done(), Size: s.size})
		}
	}
	e, dst := newEncoder(t, MinWindow), make([]byte, MinWindow)
	for _, m := range codectest.Materials() {
		m = m[:min(len(m), MinWindow)]
		if n, ok := e.Encode(dst, m); ok {
			chunks = append(chunks, codectest.WIMChunk{Data: append([]byte(nil), dst[:n]...), Size: len(m)})
		}
	}
	damaged := codectest.Mutate(chunks, 3000, 1)
	n := codectest.CompareWithWimlib(t, newDecoder(t, MinWindow), "LZX", MinWindow, damaged)
	t.Logf("%d of %d damaged chunks decode", n, len(damaged))
	if n == 0 || n == len(damaged) {
		t.Error("all or none decode")
	}
}
