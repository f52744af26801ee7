package unattend

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

var update = flag.Bool("update", false, "write the golden files anew")

var amd64 = Target{Arch: "amd64", Build: 20348}

// full are settings of every kind.
func full() Settings {
	no := false
	return Settings{
		ComputerName: "SRV-01", TimeZone: "W. Europe Standard Time",
		InputLocale: "0407:00000407; en-US", SystemLocale: "de-DE", UILanguage: "en-US", UserLocale: "de-AT",
		AdministratorPassword: `Pa<ss>&"wörd"`, ProductKey: "ABCDE-12345-FGHIJ-67890-KLMNO",
		RegisteredOwner: "Ada & Co", RegisteredOrganization: "Größe <x>",
		RunSynchronous: []Command{
			{Command: `cmd.exe /c echo "a" > C:\a.txt & exit 0`, Description: "first"},
			{Command: "reg.exe add HKLM\\Software\\x /v 日本", WillReboot: "OnRequest"},
		},
		FirstLogonCommands: []LogonCommand{{Command: "powershell -File C:\\x.ps1", Description: "logon"}},
		SkipOOBE:           true,
		OOBE:               OOBE{HideOEMRegistrationScreen: &no, ProtectYourPC: 1},
	}
}

func must(t *testing.T) func(data []byte, err error) []byte {
	return func(data []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

// golden compares with a file of testdata, which is one of ours.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s: got\n%s", name, got)
	}
}

// input reads a file of testdata.
func input(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lines is what Python sees in an answer file.
func lines(t *testing.T, data []byte) []string {
	t.Helper()
	oracle.Need(t, "python3")
	got, err := oracle.ReadXML(data)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// accepted has xmllint and Check look at an answer file.
func accepted(t *testing.T, data []byte, target Target) {
	t.Helper()
	if warnings, err := Check(data, target); err != nil || len(warnings) > 0 {
		t.Errorf("check: %q, %v", warnings, err)
	}
	oracle.JudgeXML(t, data)
}

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		settings Settings
		target   Target
	}{
		"full.xml":          {full(), amd64},
		"hostname.xml":      {Settings{ComputerName: "*"}, Target{Arch: "arm64"}},
		"skip-windows7.xml": {Settings{SkipOOBE: true}, Target{Arch: "x86", Build: 7601}},
		"skip.xml":          {Settings{SkipOOBE: true}, Target{Arch: "amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			data := must(t)(New(c.settings, c.target))
			golden(t, name, data)
			accepted(t, data, c.target)
			again := must(t)(Merge(data, c.settings, c.target))
			if string(again) != string(data) {
				t.Errorf("merged again:\n%s", again)
			}
		})
	}
}

// Python reads every text as it was set.
func TestValuesAreRead(t *testing.T) {
	s := full()
	got := lines(t, must(t)(New(s, amd64)))
	want := []string{s.ComputerName, s.TimeZone, s.InputLocale, s.SystemLocale, s.UserLocale, string(s.ProductKey), s.RegisteredOwner}
	for _, c := range s.RunSynchronous {
		want = append(want, c.Command)
	}
	for _, text := range want {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.TrimLeft(line, "\t") == pythonic(text) }) {
			t.Errorf("python does not see %q in\n%s", text, strings.Join(got, "\n"))
		}
	}
}

// pythonic is ascii() of a text.
func pythonic(text string) string {
	quote := "'"
	if strings.Contains(text, "'") {
		quote = `"`
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return quote + b.String() + quote
}

// The vector is Microsoft's, from the reference of AdministratorPassword: the password "pw".
func TestPassword(t *testing.T) {
	const vector = "cAB3AEEAZABtAGkAbgBpAHMAdAByAGEAdABvAHIAUABhAHMAcwB3AG8AcgBkAA=="
	if got := encodePassword("pw", "AdministratorPassword"); got != vector {
		t.Errorf("%s", got)
	}
	oracle.Need(t, "python3")
	s := full()
	password := string(s.AdministratorPassword)
	const decode = `import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.argv[1], validate=True).decode("utf-16-le").encode())`
	out := oracle.Run(t, "python3", "-c", decode, encodePassword(password, "AdministratorPassword"))
	if out != password+"AdministratorPassword" {
		t.Errorf("python reads %q", out)
	}
	if raw, _ := base64.StdEncoding.DecodeString(vector); utf16le.Decode(raw) != "pwAdministratorPassword" {
		t.Error("the vector itself")
	}
}

// Merge changes what is set, in both passes where both have it, and leaves every other line as it is.
func TestMergeKeeps(t *testing.T) {
	original := input(t, "given.xml")
	merged := must(t)(Merge(original, Settings{ComputerName: "NEW", TimeZone: "UTC", AdministratorPassword: "x", SkipOOBE: true, OOBE: OOBE{NetworkLocation: "Work"}}, amd64))
	golden(t, "given-merged.xml", merged)
	oracle.JudgeXML(t, merged)
	before, after := lines(t, original), lines(t, merged)
	added, removed := difference(after, before), difference(before, after)
	for _, line := range removed {
		if text := strings.TrimSpace(line); text != "'OLD'" && text != "'Pacific Standard Time'" && text != "'secret'" && text != "'true'" {
			t.Errorf("lost: %s", line)
		}
	}
	if n := strings.Count(strings.Join(added, "\n"), "'UTC'"); n != 2 {
		t.Errorf("the time zone is set in %d passes", n)
	}
	again := must(t)(Merge(merged, Settings{ComputerName: "NEW"}, amd64))
	if string(again) != string(merged) {
		t.Errorf("merging what is there changed the file:\n%s", again)
	}
}

// difference returns the lines of a that are not in b, as often as they are there more often.
func difference(a, b []string) []string {
	count := map[string]int{}
	for _, line := range b {
		count[line]++
	}
	var more []string
	for _, line := range a {
		if count[line]--; count[line] < 0 {
			more = append(more, line)
		}
	}
	return more
}

// A file may bind the namespaces to other prefixes, or to none.
func TestMergePrefixes(t *testing.T) {
	const file = `<u:unattend xmlns:u="urn:schemas-microsoft-com:unattend"><u:settings pass="specialize">` +
		`<u:component name="microsoft-windows-deployment" processorArchitecture="AMD64" publicKeyToken="31bf3856ad364e35">` +
		`<RunSynchronous xmlns="urn:other"/></u:component></u:settings></u:unattend>`
	s := Settings{RunSynchronous: []Command{{Command: "a"}}}
	merged := must(t)(Merge([]byte(file), s, amd64))
	accepted(t, merged, amd64)
	text := string(merged)
	if strings.Count(text, "component ") != 1 || !strings.Contains(text, `<RunSynchronous xmlns="urn:other"/>`) {
		t.Errorf("%s", text)
	}
	want := "{urn:schemas-microsoft-com:unattend}RunSynchronousCommand {http://schemas.microsoft.com/WMIConfig/2002/State}action='add'"
	if got := strings.Join(lines(t, merged), "\n"); !strings.Contains(got, want) {
		t.Errorf("%s", got)
	}
}

// A list is replaced as a whole.
func TestMergeList(t *testing.T) {
	first := must(t)(New(Settings{RunSynchronous: []Command{{Command: "a"}, {Command: "b"}}}, amd64))
	second := must(t)(Merge(first, Settings{RunSynchronous: []Command{{Command: "c"}}}, amd64))
	want := must(t)(New(Settings{RunSynchronous: []Command{{Command: "c"}}}, amd64))
	if string(second) != string(want) {
		t.Errorf("%s", second)
	}
}

// The settings of an image's architecture are not those of another one.
func TestMergeArchitecture(t *testing.T) {
	data := must(t)(New(Settings{ComputerName: "A"}, amd64))
	both := must(t)(Merge(data, Settings{ComputerName: "B"}, Target{Arch: "arm64"}))
	for _, target := range []Target{amd64, {Arch: "arm64"}} {
		accepted(t, both, target)
	}
	if text := string(both); strings.Count(text, "<ComputerName>") != 2 || !strings.Contains(text, ">A<") {
		t.Errorf("%s", text)
	}
}

func TestMergeRefuses(t *testing.T) {
	_, err := Merge(input(t, "processed.xml"), Settings{ComputerName: "A"}, amd64)
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "wasPassProcessed") {
		t.Errorf("%v", err)
	}
	if _, err := New(Settings{}, amd64); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := New(Settings{ComputerName: "A"}, Target{Arch: "mips"}); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	yes := true
	_, err = New(Settings{OOBE: OOBE{HideLocalAccountScreen: &yes}}, Target{Arch: "amd64", Build: 7601})
	if !errors.Is(err, fault.ErrUnsupported) || !strings.HasPrefix(err.Error(), "oobe.hide_local_account_screen: ") {
		t.Errorf("%v", err)
	}
}
