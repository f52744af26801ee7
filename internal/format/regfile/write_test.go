package regfile

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestLayout compares with what "reg export" of Windows writes for the same values, as Wine's test of it knows
// (programs/reg/tests/export.c), and shows where winbake deliberately writes something else.
func TestLayout(t *testing.T) {
	const key = `HKEY_CURRENT_USER\Software\Wine`
	multi := append(append(append(sz("Line1"), sz("Line2")...), sz("Line3")...), 0, 0)
	set := func(name string, typ uint32, data []byte) Op {
		return Op{Kind: SetValue, Key: key, Name: name, Type: typ, Data: data}
	}
	for _, c := range []struct {
		op   Op
		want string
	}{
		{set("DWORD", 4, []byte{0, 1, 0, 0}), `"DWORD"=dword:00000100`},
		{set("", 4, []byte{0x78, 0x56, 0x34, 0x12}), `@=dword:12345678`},
		{set("String", 1, sz("Your text here...")), `"String"="Your text here..."`},
		{set("Binary", 3, []byte{0x11, 0x22, 0x33, 0x44}), `"Binary"=hex:11,22,33,44`},
		{set("Undefined hex", 0x100, []byte("%PATH%\x00")), `"Undefined hex"=hex(100):25,50,41,54,48,25,00`},
		{set("double\"quote", 1, sz("\"Hello, World!\"")), `"double\"quote"="\"Hello, World!\""`},
		{set("Multiple strings", 7, multi), "\"Multiple strings\"=hex(7):4c,00,69,00,6e,00,65,00,31,00,00,00,4c,00,69,00,6e,\\\r\n" +
			"  00,65,00,32,00,00,00,4c,00,69,00,6e,00,65,00,33,00,00,00,00,00"},
		{set("Backslash", 1, sz(`Use \\ to escape a backslash`)), `"Backslash"="Use \\\\ to escape a backslash"`},
		{set("String expansion", 2, sz(`%HOME%\%PATH%`)), "\"String expansion\"=hex(2):25,00,48,00,4f,00,4d,00,45,00,25,00,5c,00,25,00,50,\\\r\n" +
			"  00,41,00,54,00,48,00,25,00,00,00"},
		{set("43981", 0xABCD, []byte("Value\x00")), `"43981"=hex(abcd):56,61,6c,75,65,00`},
		{set("Wine1a", 0, nil), `"Wine1a"=hex(0):`},
		{set("Wine1d", 3, nil), `"Wine1d"=hex:`},
		{set("Wine1e", 4, nil), `"Wine1e"=hex(4):`},
		{set(`\foo\bar`, 1, sz("")), `"\\foo\\bar"=""`},
		// Regedit writes "" and "abc" for these, and loses the rest.
		{set("Wine1b", 1, nil), `"Wine1b"=hex(1):`},
		{set("Wine4h", 1, sz("abc\x00de")), `"Wine4h"=hex(1):61,00,62,00,63,00,00,00,64,00,65,00,00,00`},
		{set("open", 1, []byte("a\x00b\x00")), `"open"=hex(1):61,00,62,00`},
		{set("odd", 1, []byte("a\x00\x00\x00\x00")), `"odd"=hex(1):61,00,00,00,00`},
		{set("lines", 1, sz("a\r\nb")), `"lines"=hex(1):61,00,0d,00,0a,00,62,00,00,00`},
		{set("long dword", 4, make([]byte, 5)), `"long dword"=hex(4):00,00,00,00,00`},
		{set("full line", 3, make([]byte, 20)), `"full line"=hex:` + strings.Repeat("00,", 19) + "00"},
		{set("full line", 3, make([]byte, 21)), `"full line"=hex:` + strings.Repeat("00,", 20) + "00"},
		{set("full line", 3, make([]byte, 22)), `"full line"=hex:` + strings.Repeat("00,", 21) + "\\\r\n  00"},
		{Op{Kind: DeleteValue, Key: key, Name: "x"}, `"x"=-`},
		{Op{Kind: DeleteValue, Key: key}, `@=-`},
	} {
		got := string(utf8Text(marshal(t, []Op{{Kind: CreateKey, Key: key}, c.op})))
		want := "Windows Registry Editor Version 5.00\r\n\r\n[" + key + "]\r\n" + c.want + "\r\n\r\n"
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// TestKeyLines shows when a key's line is written, and that an empty list is a file.
func TestKeyLines(t *testing.T) {
	got := string(utf8Text(marshal(t, []Op{
		{Kind: DeleteValue, Key: "A"},
		{Kind: CreateKey, Key: "A"},
		{Kind: DeleteKey, Key: "B"},
		{Kind: DeleteValue, Key: "A"},
		{Kind: DeleteValue, Key: "A", Name: "a"},
		{Kind: DeleteValue, Key: "B", Name: "b"},
	})))
	want := header5 + "\r\n\r\n[A]\r\n@=-\r\n\r\n[A]\r\n\r\n[-B]\r\n\r\n[A]\r\n@=-\r\n\"a\"=-\r\n\r\n[B]\r\n\"b\"=-\r\n\r\n"
	if got != want {
		t.Errorf("got %q", got)
	}
	if ops := parse(t, marshal(t, nil)); len(ops) != 0 {
		t.Errorf("empty: %v", ops)
	}
}

// TestUnwritable has the names that the format cannot express. Reading refuses the same keys.
func TestUnwritable(t *testing.T) {
	for _, op := range []Op{
		{Kind: CreateKey}, {Kind: CreateKey, Key: " A"}, {Kind: CreateKey, Key: "-A"}, {Kind: DeleteKey, Key: "-A"},
		{Kind: CreateKey, Key: "A\nB"}, {Kind: CreateKey, Key: "A\x00"}, {Kind: CreateKey, Key: "A] ;"},
		{Kind: SetValue, Key: "A", Name: "a\x00"}, {Kind: DeleteValue, Key: "A", Name: "a\x00"}, {Kind: SetValue},
	} {
		if _, err := Marshal([]Op{op}); !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("%+v: %v", op, err)
		}
	}
	if _, err := Marshal([]Op{{Key: "A"}}); !errors.Is(err, fault.ErrBug) {
		t.Errorf("no kind: %v", err)
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, errors.New("full")
	}
	f.room -= len(p)
	return len(p), nil
}

func TestWriteError(t *testing.T) {
	ops := manyValues(2000)
	for _, room := range []int{0, 100_000} {
		if err := Write(&full{room}, ops); err == nil || err.Error() != "full" {
			t.Errorf("%d bytes: %v", room, err)
		}
	}
}

// TestRandom writes what is made up of awkward pieces and reads it back.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	pieces := []string{`\`, `"`, "]", "[", ";", "-", "=", "@", " ", "\t", "é", "😀", "\xED\xA0\xBD", "a", "#", ",", "\u0085", "\uFEFF"}
	word := func(more ...string) string {
		var b strings.Builder
		all := append(more, pieces...)
		for range r.IntN(8) {
			b.WriteString(all[r.IntN(len(all))])
		}
		return b.String()
	}
	for range 300 {
		var ops []Op
		for range r.IntN(20) {
			key := word()
			if keyFault(key) != "" {
				key = "K"
			}
			ops = append(ops, Op{Kind: CreateKey + Kind(r.IntN(2)), Key: key})
			if ops[len(ops)-1].Kind == DeleteKey {
				continue
			}
			for range r.IntN(10) {
				data := utf16le.Encode(word("\x00", "\r\n", "\n", "x") + "\x00")
				op := Op{Kind: SetValue, Key: key, Name: word("\n", "\r"), Type: uint32(r.IntN(9)), Data: data[:len(data)-r.IntN(2)*r.IntN(2)]}
				if r.IntN(10) == 0 {
					op = Op{Kind: DeleteValue, Key: key, Name: op.Name}
				}
				ops = append(ops, op)
			}
		}
		if got := show(parse(t, marshal(t, ops))); got != show(ops) {
			t.Fatalf("got\n%s\nwant\n%s", got, show(ops))
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	ops := manyValues(10_000)
	b.SetBytes(int64(len(marshal(b, ops))))
	b.ReportAllocs()
	for b.Loop() {
		marshal(b, ops)
	}
}
