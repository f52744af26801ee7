package regfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestValues parses the lines below one key of a version 5.00 file, with every line end. What Windows does with
// them is known from Wine's tests, whose names are behind the lines: it takes all of these.
func TestValues(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`"a"="b"`, `"a" = 1:62000000`},
		{`"a"=""`, `"a" = 1:0000`},
		{`@="b"`, `"" = 1:62000000`},
		{`""="b"`, `"" = 1:62000000`}, // Empty string
		{`"@"="b"`, `"@" = 1:62000000`},
		{`"a\\b\"c"="\\\""`, `"a\\b\"c" = 1:5c0022000000`},
		{`"a=b"="=;#[]@"`, `"a=b" = 1:3d003b0023005b005d0040000000`},
		{`"é😀"="名"`, `"é😀" = 1:0d540000`},
		{`"a"=-`, `delete "a"`},
		{`@=-`, `delete ""`},
		{"\"a\"=  \t-\t  ", `delete "a"`}, // Wine46c
		{`"a"=- ;comment`, `delete "a"`},  // Wine46e
		{`"a"=dword:12345678`, `"a" = 4:78563412`},
		{`"a"=dword:ABCDEF`, `"a" = 4:efcdab00`},
		{`"a"=dword:1`, `"a" = 4:01000000`},                            // Wine32a
		{"\"a\"=dword:\t  8\t", `"a" = 4:08000000`},                    // Wine9b
		{`"a"=dword:1234;5678`, `"a" = 4:34120000`},                    // Wine36a
		{`"a"="#b;c" ;comment"`, `"a" = 1:` + hex16("#b;c\x00")},       // Wine26
		{`"a"="b";comment`, `"a" = 1:62000000`},                        // Wine11
		{"\t \"  a\" \t=\t \" b \" ", `"  a" = 1:` + hex16(" b \x00")}, // Wine6
		{`"a"=hex:01,fe,FF`, `"a" = 3:01feff`},
		{`"a"=hex: 01 , fe ;comment`, `"a" = 3:01fe`}, // Wine50a
		{`"a"=hex:01,`, `"a" = 3:01`},                 // Wine49
		{`"a"=hex:`, `"a" = 3:`},                      // Wine68h
		{`"a"=hex(1):`, `"a" = 1:`},                   // Wine68a
		{`"a"=hex(0):`, `"a" = 0:`},                   // Wine68i
		{`"a"=hex(4):01`, `"a" = 4:01`},
		{`"a"=hex(b):01,02,03,04,05,06,07,08`, `"a" = b:0102030405060708`},
		{`"a"=hex(7):41,00`, `"a" = 7:4100`},               // as written, although no string ends there
		{`"a"=hex(ffff0012):41,00`, `"a" = ffff0012:4100`}, // Wine47h
		{`"a"=hex(00000002):41,00`, `"a" = 2:4100`},
		{"\"a\"=hex:01,\\\n  02,\\\n03", `"a" = 3:010203`},
		{"\"a\"=hex:\\\n  01", `"a" = 3:01`},                                             // Wine52l
		{"\"a\"=hex:01,  \\\t ;comment\n\t 02", `"a" = 3:0102`},                          // Wine48, Wine53e
		{"\"a\"=hex:01,\\;comment\n \t\n\n  ;comment\n;comment\\\n  02", `"a" = 3:0102`}, // Wine60
		{"\"a\"=hex:01,;comment", `"a" = 3:01`},                                          // Wine43j
		{"\"a\"=\"b\nc\"", `"a" = 1:` + hex16("b%c\x00")},
		{"\"a\nb\"=\"c\"", `"a%b" = 1:63000000`},
		{"; \"a\"=\"b\"\n  ;\n#\"a\"=\"b\"\\\n \t \n\"a\"=-", `delete "a"`}, // Comment1
	} {
		for _, end := range []string{"\n", "\r\n", "\r"} {
			for _, last := range []string{"", end, end + end + "  "} {
				text := "Windows Registry Editor Version 5.00\n\n[" + testKey + "]\n" + c.text
				ops, err := Parse([]byte(strings.ReplaceAll(text, "\n", end) + last))
				if err != nil {
					t.Errorf("%q: %v", c.text, err)
					continue
				}
				quoted := strings.Trim(fmt.Sprintf("%q", end), `"`)
				want := strings.ReplaceAll(strings.ReplaceAll(c.want, "620025006300", hex16("b"+end+"c")), "%", quoted)
				got := strings.ReplaceAll(strings.TrimPrefix(show(ops), fmt.Sprintf("key %q\n", testKey)), fmt.Sprintf("%q ", testKey), "")
				if strings.TrimSpace(got) != want {
					t.Errorf("%q with %q: got %s want %s", c.text, end, got, want)
				}
			}
		}
	}
}

func hex16(s string) string { return fmt.Sprintf("%x", utf16le.Encode(s)) }

// TestOrder sees every operation of a file, in order and with its line.
func TestOrder(t *testing.T) {
	ops := parse(t, []byte("  REGEDIT4\t\r\n\r\n[A]\r\n\"x\"=\"1\r\n2\"\r\n@=hex:1a,\\\r\n  2b\r\n[-B]\r\n ;\r\n [A\\C] ;[-D\r\n\"y\"=-\r\n[A]"))
	var got []string
	for _, op := range ops {
		got = append(got, fmt.Sprintf("%d %s", op.Line, show([]Op{op})))
	}
	want := `3 key "A"
4 "A" "x" = 1:31000d000a0032000000
6 "A" "" = 3:1a2b
8 delete key "B"
10 key "A\\C"
11 delete "A\\C" "y"
12 key "A"
`
	if text := strings.Join(got, ""); text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

func TestKeys(t *testing.T) {
	for text, want := range map[string]string{
		`[A]`:               `key "A"`,
		`[\]`:               `key "\\"`,
		"\t [A\\B c ]  ":    `key "A\\B c "`, // Subkey1c
		`[A\B\\]`:           `key "A\\B\\\\"`,
		`[A"b]c] ;comment`:  `key "A\"b]c"`,
		`[A\a;b/#]`:         `key "A\\a;b/#"`,
		`[-A\B]`:            `delete key "A\\B"`,
		`[A-]`:              `key "A-"`,
		`[A];[comment`:      `key "A"`,
		`[é\😀]`:             `key "é\\😀"`,
		"[A\tb]":            `key "A\tb"`,
		`[A\https://b.org]`: `key "A\\https://b.org"`,
	} {
		ops, err := Parse([]byte(header5 + "\n" + text))
		if got := strings.TrimSpace(show(ops)); err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
}

// TestRefused has what Windows passes over in silence, and what only looks right.
func TestRefused(t *testing.T) {
	const below = header5 + "\r\n\r\n[K]\r\n"
	for _, c := range []struct{ text, want string }{
		{"", "line 1, column 1: expected \"Windows Registry Editor Version 5.00\" or \"REGEDIT4\""},
		{"\nREGEDIT4\n", "line 1"},
		{"; comment\nREGEDIT4\n", "line 1"},
		{"regedit4\n", "line 1"},
		{"REGEDIT5\n", "line 1"},
		{"REGEDIT4 FOO\n", "line 1"},
		{"REGEDIT4;\n", "line 1"},
		{"Windows Registry Editor Version 4.00\n", "line 1"},
		{"WINDOWS REGISTRY EDITOR VERSION 5.00\n", "line 1"},
		{header5 + "\n\n\"a\"=\"b\"", "line 3, column 1: expected a line with [key] before the first value"},
		{header5 + "\n[-K]\n\"a\"=\"b\"", "line 3, column 1: expected a line with [key]"},
		{header5 + "\n[K\n\"a\"=\"b\"", "line 2, column 1: expected a ']'"},
		{header5 + "\n[K\\\nL]", "line 2, column 1: expected a ']'"},
		{header5 + "\n[]", "no name"},
		{header5 + "\n[-]", "no name"},
		{header5 + "\n[ K]", "begins with a blank"},
		{header5 + "\n[- K]", "begins with a blank"},
		{header5 + "\n[--K]", "begins with a blank or a '-'"},
		{header5 + "\n[K] L", "line 2, column 5: expected the end of the line"},
		{header5 + "\n[K]#", "line 2, column 4: expected the end of the line"},
		{header5 + "\n[K] ; [1]", "not clear where the key's name ends"},
		{header5 + "\nHKEY_LOCAL_MACHINE\\K]", "line 2, column 1: expected [key]"},
		{below + "a=\"b\"", "line 4, column 1: expected [key], \"name\"=data"},
		{below + "\"a=\"b\"", "line 4, column 5: expected a '='"},
		{below + "\"a\"", "line 4, column 4: expected a '='"},
		{below + "\"a\r\n\"b\"=\"c\"", "line 5, column 2: expected a '=' after the value's name: if the string that begins on line 4"},
		{below + "\"a\"=", `line 4, column 5: expected "text", dword:, hex:, hex(type): or, to delete the value, '-'`},
		{below + "\"a\"=;\"b\"", "line 4, column 5"},
		{below + "\"a\"=b", "line 4, column 5"},
		{below + "\"a\"=str:\"b\"", "line 4, column 5"},
		{below + "\"a\"=DWORD:1", "line 4, column 5"},
		{below + "\"a\"=qword:1", "line 4, column 5"},
		{below + "\"a\"=dword :1", "line 4, column 5"},
		{below + "\"a\"=-\"b\"", "line 4, column 6: expected the end of the line"},
		{below + "\"a\"=\"b", "line 4, column 5: expected a closing quote"},
		{below + "\"a\"=\"b\"c\"", "line 4, column 8: expected the end of the line, or a comment"},
		{below + "\"a\"=\"b\"#c", "line 4, column 8"},
		{below + "\"a\"=\"C:\\new\"", "line 4, column 8: expected '\\\\' or '\\\"' in a string"},
		{below + "\"a\"=\"b\\\r\nc\"", "line 4, column 7"},
		{below + "\"a\"=\"b\\", "line 4, column 7"},
		{below + "\"a\"=\"b\r\n\"b\"=\"c\"\r\n", "line 5, column 2: expected the end of the line, or a comment that begins with ';': if the string that begins on line 4"},
		{below + "\"a\"=\"b\r\n\\c\"", "line 5, column 1: expected '\\\\' or '\\\"' in a string: a backslash is written twice: if the string that begins on line 4"},
		{below + "\"a\"=dword:", "line 4, column 11: expected the number of a dword"},
		{below + "\"a\"=dword:0x1", "line 4, column 12: expected the end of the line"},
		{below + "\"a\"=dword:xyz", "line 4, column 11: expected the number of a dword in hexadecimal digits, without 0x"},
		{below + "\"a\"=dword:000000001", "at most 8 hexadecimal digits"},
		{below + "\"a\"=dword:1234 5678", "line 4, column 16"},
		{below + "\"a\"=dword:1234\\\r\n5678", "line 4, column 15"},
		{below + "\"a\"=hex(100000000):", "the type of a value in at most 8"},
		{below + "\"a\"=hex():", "the type of a value"},
		{below + "\"a\"=hex(0x2):", "expected '):'"},
		{below + "\"a\"=hex(2:00", "expected '):'"},
		{below + "\"a\"=hex(2)00", "expected '):'"},
		{below + "\"a\"=hex:1", "line 4, column 9: expected a byte in two hexadecimal digits"},
		{below + "\"a\"=hex:00,1", "two hexadecimal digits"},
		{below + "\"a\"=hex:00,123", "line 4, column 14: expected a ','"},
		{below + "\"a\"=hex:0011", "line 4, column 11: expected a ','"},
		{below + "\"a\"=hex:00 11", "line 4, column 12: expected a ','"},
		{below + "\"a\"=hex:,00", "expected a byte before the ','"},
		{below + "\"a\"=hex:00,,11", "expected a byte before the ','"},
		{below + "\"a\"=hex:00,gg", "line 4, column 12: expected the end of the line"},
		{below + "\"a\"=hex:00\\\r\n11", "line 4, column 11: expected a ',' between two bytes, also before a '\\'"},
		{below + "\"a\"=hex:00,\\ 11", "expected the end of the line after a '\\'"},
		{below + "\"a\"=hex:00,\\", "expected the bytes that the '\\'"},
		{below + "\"a\"=hex:00,\\\r\n", "line 5, column 1: expected the bytes that the '\\'"},
		{below + "\"a\"=hex:00,\\\r\n\\\r\n11", "line 5, column 1: expected the bytes"},
		{below + "\"a\"=hex:00,\\\r\n,11", "line 5, column 1: expected the bytes"},
		{below + "\"a\"=hex:00,\\\r\n#comment\r\n11", "line 5, column 1: expected the bytes"},
		{below + "\"a\"=hex:00,\\\r\n\"b\"=\"c\"", "line 5, column 1: expected the bytes"},
		{below + "\"a\"=hex:00,\r\n11", "line 5, column 1: expected [key]"},
		{below + "\"a\"=\"b\x00\"", "line 4: the line holds a NUL"},
		{below + "\"é\"=é", "line 4, column 5"},
		{below + ";\r\r\n;\n\"a\"=\"\xFF\"", "line 7: the text is not valid UTF-8"},
		{"\xEF\xBB\xBFREGEDIT4\n;\xFF", "line 2: the text is not valid UTF-8"},
		{"R\x00E\x00G\x00", "without a byte order mark"},
		{"\x00R\x00E\x00G", "without a byte order mark"},
		{"\xFF\xFER\x00E", "ends within a character"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	if _, err := Parse([]byte("REGEDIT\r\nHKEY_CLASSES_ROOT\\a = b\r\n")); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("Windows 3.1: %v", err)
	}
}

// TestErrorsKeepSecrets has a password behind every mistake that can be made near one.
func TestErrorsKeepSecrets(t *testing.T) {
	const secret = "Passw0rd"
	for _, line := range []string{
		`"DefaultPassword"=` + secret, `"DefaultPassword"="\` + secret + `"`, `"DefaultPassword"="a"` + secret,
		`"DefaultPassword"="` + secret, `"DefaultPassword" "` + secret + `"`, secret, `"DefaultPassword"=hex:` + secret,
		"\"DefaultPassword\"=\"a\xFF" + secret + `"`, "\"DefaultPassword\"=\"a\x00" + secret + `"`,
	} {
		_, err := Parse([]byte(header5 + "\r\n[K]\r\n" + line + "\r\n"))
		if err == nil || strings.Contains(err.Error(), "assw0rd") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestEncodings reads one text in every encoding.
func TestEncodings(t *testing.T) {
	const text = "\r\n\r\n[A\\\u00C9t\u00E9 \u20AC]\r\n\"na\u00EFve\"=\"\u2026\"\r\n"
	ansiText, err := textfile.ANSI.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	big := func(s string) string { return string(textfile.Swap(utf16le.Encode(s))) }
	want := show([]Op{{Kind: CreateKey, Key: "A\\\u00C9t\u00E9 \u20AC"}, {Kind: SetValue, Key: "A\\\u00C9t\u00E9 \u20AC", Name: "na\u00EFve", Type: typeSZ, Data: sz("\u2026")}})
	for name, file := range map[string]string{
		"UTF-8":                   header5 + text,
		"UTF-8 with BOM":          "\uFEFF" + header5 + text,
		"UTF-16LE":                "\xFF\xFE" + string(utf16le.Encode(header5+text)),
		"UTF-16BE":                "\xFE\xFF" + big(header5+text),
		"REGEDIT4":                header4 + ansiText,
		"REGEDIT4 after blanks":   " \t" + header4 + ansiText,
		"REGEDIT4 UTF-8":          header4 + text,
		"REGEDIT4 UTF-8 with BOM": "\uFEFF" + header4 + text,
		"REGEDIT4 UTF-16LE":       "\xFF\xFE" + string(utf16le.Encode(header4+text)),
	} {
		if got := show(parse(t, []byte(file))); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// TestANSIData has the strings in hexadecimal data, which are ANSI in REGEDIT4, whatever the file's encoding, and
// UTF-16LE in 5.00. Other types stay as they are.
func TestANSIData(t *testing.T) {
	const lines = "\n[K]\n\"1\"=hex(1):80,00\n\"2\"=hex(2):25,e9,81,25,00\n\"7\"=hex(7):61,00,62,00,00\n\"3\"=hex(3):80\n\"6\"=hex(6):80\n\"0\"=hex(2):\n"
	want4 := `key "K"
"K" "1" = 1:ac200000
"K" "2" = 2:2500e900810025000000
"K" "7" = 7:61000000620000000000
"K" "3" = 3:80
"K" "6" = 6:80
"K" "0" = 2:
`
	for _, text := range []string{header4 + lines, "\uFEFF" + header4 + lines} {
		if got := show(parse(t, []byte(text))); got != want4 {
			t.Errorf("REGEDIT4: got %s", got)
		}
	}
	if got := show(parse(t, []byte(header5+lines))); !strings.Contains(got, `"2" = 2:25e9812500`) {
		t.Errorf("5.00: got %s", got)
	}
}

// TestSurrogates keeps half a surrogate pair, which names in the registry may have.
func TestSurrogates(t *testing.T) {
	units := append(utf16.Encode([]rune(header5+"\n[K]\n\"a")), 0xD83D)
	units = append(units, utf16.Encode([]rune("\\\\b\"=\"c"))...)
	units = append(units, 0xDE00, '"')
	b := []byte{0xFF, 0xFE}
	for _, u := range units {
		b = append(b, byte(u), byte(u>>8))
	}
	ops := parse(t, b)
	if got := utf16le.Units(ops[1].Name); len(got) != 4 || got[1] != 0xD83D {
		t.Errorf("name %x", got)
	}
	if got := fmt.Sprintf("%x", ops[1].Data); got != "630000de0000" {
		t.Errorf("data %s", got)
	}
	if got := show(parse(t, marshal(t, ops))); got != show(ops) {
		t.Errorf("rewritten: %s", got)
	}
}

// TestBounds shows that long and strange files take no more than their share of time.
func TestBounds(t *testing.T) {
	if _, err := Parse(make([]byte, maxText+1)); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("a file that is too long: %v", err)
	}
	const n = 2 << 20
	below := header5 + "\n[K]\n"
	for name, text := range map[string]string{
		"one string":     below + `"a"="` + strings.Repeat("x", n) + `"`,
		"open string":    below + `"a"="` + strings.Repeat("\n", n),
		"escapes":        below + `"a"="` + strings.Repeat(`\\`, n/2) + `"`,
		"brackets":       below + "[" + strings.Repeat("]", n),
		"brackets and ;": below + "[" + strings.Repeat("] ", n/2) + ";]",
		"blanks":         below + strings.Repeat(" ", n) + "x",
		"comments":       below + strings.Repeat(";\n", n/2),
		"bytes":          below + `"a"=hex:` + strings.Repeat("00,", n/3),
		"lines of bytes": below + `"a"=hex:` + strings.Repeat("00,\\\n", n/5) + "00",
		"values":         below + strings.Repeat("@=-\n", n/4),
		"not UTF-8":      below + strings.Repeat("x", n) + "\xFF",
	} {
		start := time.Now()
		_, _ = Parse([]byte(text))
		if d := time.Since(start); d > 10*time.Second { // some 10 ms; a quadratic parser takes an hour
			t.Errorf("%s: %v", name, d)
		}
	}
	p := parser{text: "x", line: 1, ops: make([]Op, maxOps)}
	if err := p.add(Op{}); err == nil || !strings.Contains(err.Error(), "more than 4194304 keys and values") {
		t.Errorf("too many values: %v", err)
	}
}

func BenchmarkParse(b *testing.B) {
	data := marshal(b, manyValues(10_000))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		parse(b, data)
	}
}
