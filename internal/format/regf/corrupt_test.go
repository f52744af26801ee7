package regf

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// fileAt returns the position of a cell's content.
func fileAt(off uint32) int { return baseSize + int(off) + cellHeader }

// cellOf returns the cell of the key with that name.
func cellOf(b []byte, name string) uint32 {
	return uint32(bytes.Index(b, []byte(name)) - nodeSize - cellHeader - baseSize)
}

// newCell turns a free cell into one with a signature and returns the position of its content.
func newCell(t testing.TB, b []byte, signature string) int {
	t.Helper()
	for off := baseSize + binHeader; off < len(b); {
		n := int(int32(le.Uint32(b[off:])))
		if n >= 16 {
			le.PutUint32(b[off:], uint32(-n))
			copy(b[off+cellHeader:], signature)
			return off + cellHeader
		}
		off += max(n, -n)
	}
	t.Fatal("no free cell")
	return 0
}

// nodeAt is the key record of that name, to be changed.
func nodeAt(b []byte, name string) (p []byte, n node) {
	p = b[fileAt(cellOf(b, name)):]
	n.unmarshal(p)
	return p, n
}

// edit changes a key record.
func edit(name string, change func(n *node)) func([]byte) {
	return func(b []byte) {
		p, n := nodeAt(b, name)
		change(&n)
		n.marshal(p)
	}
}

// damage is one thing that can be wrong with a hive.
type damage struct {
	name  string
	apply func(b []byte)
	want  string // in the error
}

// corruptible returns a sound hive, and what to damage in it.
func corruptible(t testing.TB) ([]byte, []damage) {
	const class = "class of the key"
	h := New("root")
	h.Minor = 5
	k := create(t, h.Root, "victim")
	k.Class = class
	k.Set(String("value", "eight bytes and more"))
	create(t, k, "child").Set(Binary("big", pattern(20000)))
	create(t, h.Root, "other")
	return marshal(t, h), damages(t)
}

func damages(t testing.TB) []damage {
	list := func(b []byte) int { _, n := nodeAt(b, "root"); return fileAt(n.SubkeyList) }
	value := func(b []byte) int { return bytes.Index(b, []byte("value")) - valueSize }
	big := func(b []byte) int { return bytes.Index(b, []byte("big")) - valueSize }
	db := func(b []byte) int { return fileAt(le.Uint32(b[big(b)+8:])) }
	return []damage{
		{"bin signature", func(b []byte) { b[baseSize] = 'x' }, "no bin here"},
		{"bin offset", func(b []byte) { b[baseSize+4] = 8 }, "bin says it is at 0x8"},
		{"bin size", func(b []byte) { b[baseSize+8] = 1 }, "bin size"},
		{"bin too large", func(b []byte) { b[baseSize+11] = 1 }, "bin size"},
		{"cell size 0", func(b []byte) { copy(b[baseSize+binHeader:], "\x00\x00\x00\x00") }, "cell size 0"},
		{"cell size odd", func(b []byte) { b[baseSize+binHeader] ^= 4 }, "cell size"},
		{"cell size minimum", func(b []byte) { copy(b[baseSize+binHeader:], "\x00\x00\x00\x80") }, "cell size"},
		{"key signature", func(b []byte) { b[fileAt(cellOf(b, "victim"))] = 'x' }, `signature "xk", must be "nk"`},
		{"key name", edit("victim", func(n *node) { n.NameLen = 200 }), "a name of 200 bytes"},
		{"key name odd", edit("victim", func(n *node) { n.Flags &^= KeyCompName; n.NameLen = 5 }), "a UTF-16 name of 5 bytes"},
		{"class nowhere", edit("victim", func(n *node) { n.Class = 0x7FFFFFF8 }), "class name: no cell at 0x80000ff8"},
		{"class inside a cell", edit("victim", func(n *node) { n.Class += 8 }), "class name: no cell"},
		{"class shared", edit("victim", func(n *node) { n.Class = n.ValueList }), "a cell of"},
		{"class length", edit("victim", func(n *node) { n.ClassLen = 100 }), "class name: 100 bytes in a cell of"},
		{"class odd", edit("victim", func(n *node) { n.ClassLen = 3 }), "a UTF-16 class name of 3 bytes"},
		{"security", edit("victim", func(n *node) { n.Security = n.Class }), "security"},
		{"value count", edit("victim", func(n *node) { n.Values = 7 }), "28 bytes in a cell of"},
		{"value count huge", edit("victim", func(n *node) { n.Values = 0x7FFFFFFF }), "value list: 8589934588 bytes in a cell of"},
		{"value signature", func(b []byte) { b[value(b)] = 'x' }, `must be "vk"`},
		{"value name", func(b []byte) { b[value(b)+2] = 77 }, "a value name of 77 bytes"},
		{"value name odd", func(b []byte) { b[value(b)+16] = 0 }, "a UTF-16 value name of 5 bytes"},
		{"value inline", func(b []byte) { copy(b[value(b)+4:], "\x05\x00\x00\x80") }, "5 bytes of data inside"},
		{"value size", func(b []byte) { copy(b[value(b)+4:], "\xFF\x00\x00\x00") }, "255 bytes of value data in a cell"},
		{"value data", func(b []byte) { copy(b[value(b)+8:], "\x20\x00\x00\x00") }, "belongs to another record"},
		{"segments", func(b []byte) { b[db(b)+2] = 3 }, "3 segments for 20000 bytes"},
		{"segment list", func(b []byte) { b[db(b)+5] = 0xFF }, "no cell"},
		{"segment", func(b []byte) { b[fileAt(le.Uint32(b[db(b)+4:]))+1] ^= 1 }, "data segment: no cell"},
		{"list signature", func(b []byte) { b[list(b)] = 'x' }, `subkey list: signature "xh"`},
		{"list count", func(b []byte) { b[list(b)+2] = 1 }, "1 subkeys are listed, the key says 2"},
		{"list length", func(b []byte) { b[list(b)+2] = 99 }, "99 subkeys in a cell of"},
		{"list shared", edit("child", func(n *node) { n.Subkeys, n.SubkeyList = 2, 0x88 }), "subkey list"},
		{"loop", func(b []byte) { le.PutUint32(b[list(b)+4:], binHeader) }, "belongs to another record"},
		{"twice", func(b []byte) { copy(b[list(b)+12:], b[list(b)+4:list(b)+8]) }, "belongs to another record"},
		{"list of lists of lists", func(b []byte) {
			copy(b[list(b):], "ri\x01\x00")
			at := newCell(t, b, "ri\x01\x00")
			le.PutUint32(b[list(b)+4:], uint32(at-cellHeader-baseSize))
		}, `subkey list: signature "ri"`},
	}
}

// TestCorrupt damages one thing after the other in a sound hive.
func TestCorrupt(t *testing.T) {
	sound, all := corruptible(t)
	parse(t, sound)
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(sound)
			c.apply(b)
			_, err := Parse(b)
			if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCorruptNamesTheKey(t *testing.T) {
	h := New("root")
	create(t, h.Root, `a\b\target`).Set(String("v", "some text"))
	b := marshal(t, h)
	at := bytes.Index(b, []byte("vk"))
	b[at] = 'x'
	_, err := Parse(b)
	var f *fault.Error
	if !errors.As(err, &f) || f.Where != `key a\b\target` || f.Offset != int64(at-cellHeader) {
		t.Errorf("%v: %+v", err, f)
	}
}

func TestHeader(t *testing.T) {
	sound := marshal(t, New("root"))
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		class  error
		want   string
	}{
		{"empty", func(b []byte) []byte { return nil }, fault.ErrCorrupt, "no regf signature"},
		{"other file", func(b []byte) []byte { return []byte("MZ\x00\x00") }, fault.ErrCorrupt, "no regf signature"},
		{"short", func(b []byte) []byte { return b[:4095] }, fault.ErrCorrupt, "ends inside its header"},
		{"no bins", func(b []byte) []byte { return b[:baseSize] }, fault.ErrCorrupt, "hive ends early"},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, fault.ErrCorrupt, "hive ends early"},
		{"log", set(0x1C, 6), fault.ErrUnsupported, "a transaction log"},
		{"major", set(0x14, 2), fault.ErrUnsupported, "version 2.3"},
		{"minor", set(0x18, 7), fault.ErrUnsupported, "version 1.7"},
		{"NT 3.1", set(0x18, 1), fault.ErrUnsupported, "version 1.1"},
		{"format", set(0x20, 0), fault.ErrUnsupported, "format 0"},
		{"bins size", set(0x28, 4095), fault.ErrCorrupt, "size of the bins 0xfff"},
		{"no bins size", set(0x28, 0), fault.ErrCorrupt, "size of the bins 0x0"},
		{"root", set(0x24, 0x28), fault.ErrCorrupt, "root key: no cell"},
		{"no root", set(0x24, noCell), fault.ErrCorrupt, "root key: no cell"},
		{"checksum", func(b []byte) []byte { b[40] ^= 1; return b }, fault.ErrCorrupt, "checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.damage(bytes.Clone(sound)))
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// set changes a word of the header and keeps the checksum right.
func set(off int, v uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		le.PutUint32(b[off:], v)
		le.PutUint32(b[checksumOffset:], checksum(b))
		return b
	}
}

func TestDirty(t *testing.T) {
	h := New("root")
	h.FileName = `\SystemRoot\System32\Config\SAM`
	_, err := Parse(set(4, 7)(marshal(t, h)))
	if !errors.Is(err, ErrDirty) || !errors.Is(err, fault.ErrUnsupported) || errors.Is(err, fault.ErrCorrupt) {
		t.Fatal(err)
	}
	for _, want := range []string{"7 and 1", ".LOG1 and .LOG2", `Config\SAM`, "shut Windows down"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// TestPadding appends what Windows leaves behind the last bin, down to whole bins that the hive had
// when it was larger. None of it is read, nor taken for something to salvage.
func TestPadding(t *testing.T) {
	h := richHive(t, 3)
	bins := marshal(t, New("gone"))[baseSize:]
	le.PutUint32(bins[4:], le.Uint32(marshal(t, h)[0x28:])) // where the bin says it is
	for _, padding := range [][]byte{make([]byte, 4096), bytes.Repeat([]byte{0xFF}, 999), []byte("hbin"), bins} {
		b := append(marshal(t, h), padding...)
		sameHive(t, parse(t, b), h)
		saved, problems := checkSalvage(t, b)
		if len(problems) != 0 {
			t.Error(problems)
		}
		sameHive(t, saved, h)
	}
}

// TestVolatile ignores volatile subkeys, which have no meaning in a file.
func TestVolatile(t *testing.T) {
	b := marshal(t, New("root"))
	p, _ := nodeAt(b, "root")
	le.PutUint32(p[0x18:], 5)
	le.PutUint32(p[0x20:], 0x80000020)
	sameHive(t, parse(t, b), New("root"))
}

// TestChecksum has the two values that are replaced.
func TestChecksum(t *testing.T) {
	p := make([]byte, baseSize)
	if got := checksum(p); got != 1 {
		t.Errorf("%#x", got)
	}
	le.PutUint32(p[100:], 0xFFFFFFFF)
	if got := checksum(p); got != 0xFFFFFFFE {
		t.Errorf("%#x", got)
	}
}
