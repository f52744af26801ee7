package regf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestConstructors(t *testing.T) {
	for _, c := range []struct {
		v    Value
		typ  string
		data string
	}{
		{String("n", "aЖ"), "REG_SZ", "610016040000"},
		{String("n", ""), "REG_SZ", "0000"},
		{ExpandString("n", "%"), "REG_EXPAND_SZ", "25000000"},
		{MultiString("n", "a", "b"), "REG_MULTI_SZ", "61000000620000000000"},
		{MultiString("n"), "REG_MULTI_SZ", "0000"},
		{DWord("n", 0x01020304), "REG_DWORD", "04030201"},
		{QWord("n", 0x0102030405060708), "REG_QWORD", "0807060504030201"},
		{Binary("n", []byte{1, 2}), "REG_BINARY", "0102"},
		{LinkTarget("n"), "REG_LINK", "6e00"},
		{Value{Type: 0xFFFF0012}, "type 0xffff0012", ""},
	} {
		if got := hex.EncodeToString(c.v.Data); c.v.Type.String() != c.typ || got != c.data {
			t.Errorf("%v %s, want %s %s", c.v.Type, got, c.typ, c.data)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"a\x00\x00\x00", "a"},
		{"a\x00", "a"},
		{"a\x00b", "a"},
		{"a\x00\x00\x00b\x00", "a"},
		{"", ""},
	} {
		for _, typ := range []Type{REG_SZ, REG_EXPAND_SZ, REG_LINK} {
			if got, err := (Value{Type: typ, Data: []byte(c.data)}).Text(); err != nil || got != c.want {
				t.Errorf("%q: %q, %v", c.data, got, err)
			}
		}
	}
}

func TestStrings(t *testing.T) {
	for _, items := range [][]string{nil, {"a"}, {"one", "two 😀", "three"}} {
		v := MultiString("n", items...)
		for _, data := range [][]byte{v.Data, bytes.TrimSuffix(v.Data, []byte("\x00\x00"))} {
			v.Data = data
			if got, err := v.Strings(); err != nil || !slices.Equal(got, items) {
				t.Errorf("%q: %q, %v", items, got, err)
			}
		}
	}
	if got, _ := MultiString("n", "a", "", "b").Strings(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("behind an empty item: %q", got)
	}
}

func TestInteger(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want uint64
	}{
		{DWord("", 0xFFFFFFFE), 0xFFFFFFFE},
		{QWord("", 1<<63+5), 1<<63 + 5},
		{Value{Type: REG_DWORD_BIG_ENDIAN, Data: []byte{1, 2, 3, 4}}, 0x01020304},
	} {
		if got, err := c.v.Integer(); err != nil || got != c.want {
			t.Errorf("%v: %#x, %v", c.v.Type, got, err)
		}
		c.v.Data = c.v.Data[1:]
		if _, err := c.v.Integer(); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%v of %d bytes: %v", c.v.Type, len(c.v.Data), err)
		}
	}
}

func TestTypeChecks(t *testing.T) {
	b := Binary("n", []byte{1})
	_, text := b.Text()
	_, list := b.Strings()
	_, number := b.Integer()
	_, listOfText := String("n", "x").Strings()
	for _, err := range []error{text, list, number, listOfText} {
		if !errors.Is(err, ErrType) || !errors.Is(err, fault.ErrInvalid) {
			t.Error(err)
		}
	}
}
