package wof_test

import (
	"bytes"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
)

func TestReparse(t *testing.T) {
	want := []byte{1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}
	if got := wof.LZX.Reparse(); !bytes.Equal(got, want) {
		t.Errorf("% x", got)
	}
	for _, c := range []struct {
		tag   uint32
		data  []byte
		a     wof.Algorithm
		place wof.Place
	}{
		{wof.Tag, want, wof.LZX, wof.InStream},
		{wof.Tag, want[:12], 4, wof.InStream},
		{wof.Tag, []byte{1, 0, 0, 0, 1, 0, 0, 0}, 0, wof.InWIM},
		{wof.Tag, []byte{2, 0, 0, 0, 2, 0, 0, 0}, 0, wof.Unknown},
		{wof.Tag, nil, 0, wof.Unknown},
		{0xA000000C, want, 0, wof.Unknown},
	} {
		if a, place := wof.ParseReparse(c.tag, c.data); a != c.a || place != c.place {
			t.Errorf("%#x % x: %v, %v", c.tag, c.data, a, place)
		}
	}
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		l                    wof.Layout
		chunks, table, entry int64
		last                 int64
	}{
		{wof.Layout{Algorithm: wof.XPRESS4K, Size: 1}, 1, 0, 4, 1},
		{wof.Layout{Algorithm: wof.XPRESS4K, Size: 8192}, 2, 4, 4, 4096},
		{wof.Layout{Algorithm: wof.LZX, Size: 32769}, 2, 4, 4, 1},
		{wof.Layout{Algorithm: wof.XPRESS16K, Size: 1<<32 - 1}, 1 << 18, (1<<18 - 1) * 4, 4, 16383},
		{wof.Layout{Algorithm: wof.XPRESS8K, Size: 1 << 32}, 1 << 19, (1<<19 - 1) * 8, 8, 8192},
		{wof.Layout{Algorithm: wof.LZX}, 0, 0, 4, 0},
	} {
		if c.l.Chunks() != c.chunks || c.l.TableSize() != c.table || c.l.EntrySize() != c.entry {
			t.Errorf("%+v: %d chunks, table %d, entries of %d", c.l, c.l.Chunks(), c.l.TableSize(), c.l.EntrySize())
		}
		if c.chunks > 0 && c.l.ChunkLen(c.chunks-1) != c.last {
			t.Errorf("%+v: the last chunk has %d bytes", c.l, c.l.ChunkLen(c.chunks-1))
		}
		if b := c.l.AppendEntry(nil, 77); int64(len(b)) != c.entry || c.l.Entry(b) != 77 {
			t.Errorf("%+v: entry % x", c.l, b)
		}
	}
}
