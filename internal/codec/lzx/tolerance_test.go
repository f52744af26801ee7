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
		s.header(verbatim, 1)
		s.pre(make([]uint8, numPreSyms))
		s.Bits(0, 32)
	}, "\x00"},
	{"run of zeros beyond the alphabet", func(s *stream) {
		s.header(verbatim, 1)
		pre := s.pre(plainPre)
		for range 6 { // of at most 51
			s.Code(pre[preManyZeros])
			s.Bits(31, 5)
		}
	}, "\x00"},
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
		s.header(verbatim, 1)
		pre := s.pre(plainPre)
		s.Code(pre[preSame])
		s.Bits(0, 1)
		s.Code(pre[preZeros])
		s.Bits(0, 32)
	}, "\x00"},
	{"empty main code", func(s *stream) { s.verbatim(1, nil, nil) }, "\x00"},
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
