package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
)

// TestJSONTerminal prints names that would move a terminal's cursor or turn its text.
func TestJSONTerminal(t *testing.T) {
	for _, name := range []string{"\x1b[31m", "\u009b31m\u0085", "\x7f", "\u202egnp.exe", "a\U000E0001b", "plain 漢 😀 <&>", "lone \xed\xa0\x80 surrogate"} {
		var b bytes.Buffer
		if err := writeJSON(&b, &verify.Report{Files: []*verify.File{{Path: name}}}); err != nil {
			t.Fatal(err)
		}
		if text := b.String(); !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%q", text)
		}
		var back verify.Report
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Files[0].Path != strings.ToValidUTF8(strings.ReplaceAll(name, "\xed\xa0\x80", "\ufffd\ufffd\ufffd"), "") {
			t.Errorf("%q: %q, %v", name, back.Files[0].Path, err)
		}
	}
}
