package xpress

import (
	"bytes"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// tolerated are streams that break a rule and that libwim decodes, so that we do.
var tolerated = []struct {
	name  string
	code  map[int]uint8
	write func(s *stream)
	want  string
}{
	{"no code", nil, func(s *stream) {}, strings.Repeat("\x00", 100)},
	{"long form of a short length", code, func(s *stream) {
		s.literals("a")
		s.match(18, 1, 255, 14, 0)
		s.match(18, 1, 255, 0, 0)
		s.literals("bcdefghijklmabcd")
	}, strings.Repeat("a", 1+17+3) + "bcdefghijklmabcd"},
	{"input ends", code, func(s *stream) { s.literals("dcb") }, "dcb" + strings.Repeat("a", 50)},
	{"input ends before a length", code, func(s *stream) {
		s.literals("cb")
		s.match(18, 1)
	}, "c" + strings.Repeat("b", 19) + "aaaaaaa"},
	{"input ends within a length", code, func(s *stream) {
		s.literals("cb")
		s.match(18, 1, 255, 7) // the one byte left does not count
	}, "cbbbbaaaaaa"},
}

func TestTolerated(t *testing.T) {
	var chunks []codectest.WIMChunk
	for _, c := range tolerated {
		s := newStream(c.code)
		c.write(s)
		src := s.data()
		chunks = append(chunks, codectest.WIMChunk{Data: src, Size: len(c.want)})
		got := make([]byte, len(c.want))
		if err := new(Decoder).Decode(got, src); err != nil || string(got) != c.want {
			t.Errorf("%s: decoded %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	if n := codectest.CompareWithWimlib(t, new(Decoder), "XPRESS", MaxChunk, chunks); n != len(chunks) {
		t.Errorf("libwim takes %d of %d", n, len(chunks))
	}
}

// TestMutated damages chunks: we and libwim refuse the same ones, and make the same of the others.
func TestMutated(t *testing.T) {
	var chunks []codectest.WIMChunk
	for _, v := range vectors {
		chunks = append(chunks, codectest.WIMChunk{Data: v.Load(t, "XPRESS", false), Size: len(v.Want)})
	}
	for _, c := range streams {
		s := newStream(code)
		c.write(s)
		chunks = append(chunks, codectest.WIMChunk{Data: s.data(), Size: len(c.want)})
	}
	e, dst := new(Encoder), make([]byte, MaxChunk)
	for _, m := range codectest.Materials() {
		m = m[:min(len(m), 20_000)]
		if n, ok := e.Encode(dst, m); ok {
			chunks = append(chunks, codectest.WIMChunk{Data: bytes.Clone(dst[:n]), Size: len(m)})
		}
	}
	damaged := codectest.Mutate(chunks, 3000, 1)
	n := codectest.CompareWithWimlib(t, new(Decoder), "XPRESS", MaxChunk, damaged)
	t.Logf("%d of %d damaged chunks decode", n, len(damaged))
	if n == 0 || n == len(damaged) {
		t.Error("all or none decode")
	}
}
