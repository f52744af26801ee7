package inf

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func parse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSyntax(t *testing.T) {
	const strs = "\n[Strings]\nname = \"A, B\"\n\"semi;colon\" = x\npath = \"C:\\\"\nself = %name%\n"
	for _, c := range []struct {
		text string
		key  string
		want []string
	}{
		{"a=b", "a", []string{"b"}},
		{"  a  =  b , c\t,d  ", "a", []string{"b", "c", "d"}},
		{"a=", "a", []string{""}},
		{"a=,,x", "a", []string{"", "", "x"}},
		{"a=b,", "a", []string{"b", ""}},
		{"just,a,list", "", []string{"just", "a", "list"}},
		{"HKR,,x,,a=b", "", []string{"HKR", "", "x", "", "a=b"}},
		{"a=b=c", "a", []string{"b=c"}},
		{`a="b;c" ; comment`, "a", []string{"b;c"}},
		{"a=b;c", "a", []string{"b"}},
		{`a=" b "`, "a", []string{" b "}},
		{`a=x" b "y`, "a", []string{"x b y"}},
		{`a="say ""hi"""`, "a", []string{`say "hi"`}},
		{`a="not closed, x`, "a", []string{"not closed, x"}},
		{"a=\"c\\\"\\ ; comment\n,d", "a", []string{`c\`, "d"}},
		{"a=b,\\\n  c,\\ \r\n  d\n", "a", []string{"b", "c", "d"}},
		{`a=b\c\d`, "a", []string{`b\c\d`}},
		{"a=%name%,x", "a", []string{"A, B", "x"}},
		{`a="%name%!"`, "a", []string{"A, B!"}},
		{"a=%SEMI;colon%", "a", []string{"x"}},
		{"a=50% ; and 20%", "a", []string{"50%"}},
		{"a=100%%,%%SystemRoot%%", "a", []string{"100%", "%SystemRoot%"}},
		{"a=%unknown%", "a", []string{"%unknown%"}},
		{`a=%12%\x.sys`, "a", []string{`%12%\x.sys`}},
		{"a=%self%", "a", []string{"%name%"}},
		{`%name%=x`, "A, B", []string{"x"}},
		{`"a=b"=c`, "a=b", []string{"c"}},
		{"a=b\x1A\n[junk", "a", []string{"b"}},
		{"a=b\rc=d", "a", []string{"b"}},
	} {
		text := "[Test]\n" + c.text
		if !strings.Contains(text, "\x1A") {
			text += strs
		}
		f := parse(t, text)
		l := f.Section("TEST").Lines[0]
		var got []string
		for _, v := range l.Values {
			got = append(got, f.Text(v))
		}
		if f.Text(l.Key) != c.key || l.HasKey != (c.key != "") || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: key %q, values %q, want %q, %q", c.text, f.Text(l.Key), got, c.key, c.want)
		}
	}
}

func TestSections(t *testing.T) {
	f := parse(t, "; head\n\n[ One ] ; c\na=1\n[two]\nb=2\n[ONE]\nc=\\\n3\nd=4\n")
	one := f.Section("one")
	if len(f.Sections()) != 2 || one.Name != "One" || len(one.Lines) != 3 {
		t.Fatalf("%+v", f.Sections())
	}
	for i, number := range []int{4, 8, 10} {
		if one.Lines[i].Number != number {
			t.Errorf("line %d has number %d, want %d", i, one.Lines[i].Number, number)
		}
	}
	if f.Section("three") != nil {
		t.Error("a section from nowhere")
	}
}

func TestEncodings(t *testing.T) {
	text := "[Version]\r\nProvider=\"Müller – GmbH\"\r\n"
	le := utf16le.Encode(text)
	be := make([]byte, len(le))
	for i := range le {
		be[i] = le[i^1]
	}
	for name, data := range map[string][]byte{
		"UTF-16LE":      append([]byte{0xFF, 0xFE}, le...),
		"UTF-16BE":      append([]byte{0xFE, 0xFF}, be...),
		"UTF-16 no BOM": le,
		"UTF-8":         []byte(text),
		"UTF-8 BOM":     append([]byte{0xEF, 0xBB, 0xBF}, text...),
		"Windows-1252":  []byte("[Version]\r\nProvider=\"M\xFCller \x96 GmbH\"\r\n"),
	} {
		f, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := f.value("Version", "Provider"); got != "Müller – GmbH" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestLanguages(t *testing.T) {
	f := parse(t, "[Strings]\na=one\n[Strings.0407]\na=eins\nb=zwei\n[Strings.0409]\nA=other\nc=three\n")
	for _, c := range []struct{ field, want string }{{"%a%", "one"}, {"%b%", "%b%"}, {"%c%", "three"}} {
		if got := f.Text(c.field); got != c.want {
			t.Errorf("%s: %q, want %q", c.field, got, c.want)
		}
	}
	f.UseLanguage(0x0407)
	if got := f.Text("%a% %B% %c%"); got != "eins zwei three" {
		t.Errorf("German: %q", got)
	}
	if got := f.Tokens("%A% %12% %x% %c%"); !reflect.DeepEqual(got, []string{"a", "c"}) {
		t.Errorf("tokens %q", got)
	}
}

func TestExpand(t *testing.T) {
	f := parse(t, "[Strings]\n12=mine\n")
	dir := func(id string) (string, bool) { return "D" + id, id != "99" }
	for field, want := range map[string]string{
		`%11%\x`: `D11\x`, `%12%`: "mine", `%99%`: "%99%", `%%11%%`: "%11%", `a%`: "a%", `%%`: "%", "%%%": "%%",
	} {
		if got := f.Expand(field, dir); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

// A small file must not become a large text.
func TestExpandIsBounded(t *testing.T) {
	f := parse(t, "[Strings]\na=\""+strings.Repeat("ä", maxField)+"\"\n")
	if got := f.Text(strings.Repeat("%a%", 1000)); len(got) != 2*maxField {
		t.Errorf("%d bytes", len(got))
	}
}

func TestErrors(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	for text, want := range map[string]string{
		"hello":                              "line 1: text before the first [section]",
		";\n[a":                              "line 2: a section's name has no closing ]",
		"[" + strings.Repeat("n", 256) + "]": "at most 255",
		"[a]\nb=" + long:                     "line 2: a field of more than 4095",
		"[a]\n\n[Strings]\nb=" + strings.Repeat("x", maxField) + "\n": "",
	} {
		_, err := Parse([]byte(text))
		if want == "" && err == nil {
			continue
		}
		if err == nil || !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
	if _, err := Parse(make([]byte, maxSize+1)); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("too large: %v", err)
	}
}

func TestVersion(t *testing.T) {
	f := parse(t, `[Version]
Signature = "$Windows NT$"
Class = SCSIAdapter
ClassGuid = {4D36E97B-E325-11CE-BFC1-08002BE10318}
Provider = %me%
DriverVer = 07/21/2023, 100.93.104.24000
CatalogFile = all.cat
CatalogFile.NTamd64 = x64.cat
CatalogFile.nt = nt.cat
PnpLockdown = 1
[Strings]
me = "Me, Inc."`)
	for arch, cat := range map[Arch]string{AMD64: "x64.cat", X86: "nt.cat"} {
		v, err := f.Version(arch)
		if err != nil || v.Catalog != cat {
			t.Errorf("%s: catalog %q, error %v", arch, v.Catalog, err)
		}
		if v.Provider != "Me, Inc." || v.Class != "SCSIAdapter" || !v.Lockdown || v.ClassGUID.Braced() != "{4d36e97b-e325-11ce-bfc1-08002be10318}" {
			t.Errorf("%+v", v)
		}
		if v.Number.String() != "100.93.104.24000" || v.Date.Time().Format("2006-01-02") != "2023-07-21" {
			t.Errorf("%v %v", v.Number, v.Date.Time())
		}
	}
}

func TestVersionErrors(t *testing.T) {
	const good = "[Version]\nSignature=$CHICAGO$\n"
	for text, want := range map[string]string{
		"":                                    "no [Version] section",
		"[Version]\nSignature=x":              `Signature="x"`,
		good + "ClassGuid={1}":                "line 3: ClassGuid={1} is no GUID",
		good + "DriverVer=yesterday":          `line 3: DriverVer has the date "yesterday"`,
		good + "DriverVer=1/2/2006,1.2.3.x":   "must be four numbers",
		good + "DriverVer=1/2/2006,1.70000":   "must be four numbers",
		good + "DriverVer=1/2/2006,1.2.3.4.5": "more than four parts",
		good + "DriverVer=13-01-2006":         "must be mm/dd/yyyy",
	} {
		_, err := parse(t, text).Version(AMD64)
		if err == nil || !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if v, err := parse(t, good+"DriverVer=6-7-2019").Version(X86); err != nil || v.Number != (Number{}) || v.Date == 0 {
		t.Errorf("date alone: %v %v", v, err)
	}
}
