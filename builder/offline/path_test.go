package offline

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func TestParsePath(t *testing.T) {
	for path, want := range map[string]string{
		"C:/Tools/agent.exe":                "Tools/agent.exe",
		`c:\Tools`:                          "Tools",
		`C:\\Tools\\x`:                      "Tools/x",
		"/Tools/":                           "Tools",
		"/":                                 "",
		"C:":                                "",
		`C:\`:                               "",
		"C:/a/./b/../c":                     "a/c",
		"//?/C:/long":                       "long",
		`\\?\c:\long\name`:                  "long/name",
		`\Windows\System32`:                 "Windows/System32",
		"C:/100% sure.txt":                  "100% sure.txt",
		"C:/$Recycle.Bin":                   "$Recycle.Bin",
		"C:/Program Files (x86)/Acme/ä.txt": "Program Files (x86)/Acme/ä.txt",
	} {
		got, err := parsePath(path)
		if err != nil || got.String() != want {
			t.Errorf("parsePath(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestParsePathMistakes(t *testing.T) {
	for path, want := range map[string]string{
		"D:/data":             "there is no drive D:",
		`z:\x`:                "there is no drive Z:",
		`\\server\share\x`:    "network path",
		"agent.exe":           `write "C:/agent.exe"`,
		"./agent.exe":         `write "C:/agent.exe"`,
		"C:agent.exe":         `write "C:/agent.exe"`,
		"":                    `write "C:/"`,
		"C:/a/../../b":        "above the root",
		"%TEMP%/x":            "%TEMP% cannot be expanded",
		`C:\x\%ProgramW6432%`: "cannot be expanded",
		"$env:TEMP/x":         "$env:TEMP cannot be expanded",
	} {
		_, err := parsePath(path)
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("parsePath(%q): %v, want an invalid value with %q", path, err, want)
		}
	}
}

// A path never leads out of the tree, and reading its Windows spelling again gives the same path.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"C:/Tools/agent.exe", `..\..\x`, "//?/C:/", "C:", "%x%", "/a/./../b//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePath(s)
		if err != nil {
			return
		}
		for _, name := range p.names {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
				t.Fatalf("parsePath(%q) has the name %q", s, name)
			}
		}
		again, err := parsePath(p.windows())
		if err != nil || again.String() != p.String() {
			t.Fatalf("parsePath(%q) = %q, again %q, %v", s, p, again, err)
		}
	})
}
