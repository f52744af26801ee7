package unattend

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// component is one of a pass; attributes are added to it, or replace its own.
func component(name, arch, inside string) string {
	return fmt.Sprintf(`<component name="%s" processorArchitecture="%s" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">%s</component>`, name, arch, inside)
}

func pass(name string, components ...string) string {
	return fmt.Sprintf(`<settings pass="%s">%s</settings>`, name, strings.Join(components, ""))
}

func file(settings ...string) string {
	return `<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<unattend xmlns="urn:schemas-microsoft-com:unattend">` + strings.Join(settings, "\n") + "</unattend>\n"
}

var named = component(shellSetup, "amd64", "<ComputerName>X</ComputerName>")

// Real files of several origins have nothing wrong in them, and say what Windows will ignore.
func TestSamples(t *testing.T) {
	dir := filepath.Join(oracle.SamplesDir(), "unattend")
	found := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".xml" {
			return err
		}
		found++
		name, _ := filepath.Rel(oracle.SamplesDir(), path)
		data := oracle.Sample(t, filepath.ToSlash(name))
		warnings, err := Check(data, amd64)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, w := range warnings {
			if !strings.Contains(w, "which does not run") && !strings.Contains(w, "which do not run") {
				t.Errorf("%s: %s", name, w)
			}
		}
		if _, err := Check(data, Target{Arch: "arm64"}); err == nil {
			t.Errorf("%s: passes for another architecture", name)
		}
		sample(t, name, data)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) || found == 0 {
		t.Skip("no samples")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sample writes a file again, and sets something in it.
func sample(t *testing.T, name string, data []byte) {
	t.Helper()
	same := must(t)(Merge(data, Settings{}, amd64))
	if before, after := lines(t, data), lines(t, same); strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("%s: python sees another document after writing", name)
	}
	merged := must(t)(Merge(data, full(), amd64))
	if _, err := Check(merged, amd64); err != nil {
		t.Errorf("%s: merged: %v", name, err)
	}
	oracle.JudgeXML(t, merged)
	if again := must(t)(Merge(merged, full(), amd64)); string(again) != string(merged) {
		t.Errorf("%s: merging twice is not merging once", name)
	}
}

// wrong files, and what their errors must say.
func wrong() map[string]string {
	long := strings.Repeat("x", 200)
	return map[string]string{
		"": "no root element", "x": "outside of the root", "<unattend": "ends in the middle",
		"<a/>":                         "is no answer file",
		`<unattend/>`:                  "is no answer file",
		`<unattend xmlns="urn:x"/>`:    "is no answer file",
		file() + "<b/>":                "second root element",
		file() + "text":                "outside of the root",
		"<!-- c -->\n" + file():        "XML declaration must be the first",
		"\n" + file():                  "XML declaration must be the first",
		`<!DOCTYPE unattend>` + "<a/>": "document type",
		`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><unattend xmlns="urn:schemas-microsoft-com:unattend">&e;</unattend>`: "document type",
		file(pass("specialise", named)): `the pass "specialise" does not exist`,
		file(pass("", named)):           `the pass "" does not exist`,
		file("<setting/>"):              `"setting" is not known`,
		file(pass("specialize", component("Microsoft-Windows-Shel-Setup", "amd64", ""))):                                 "did you mean Microsoft-Windows-Shell-Setup?",
		file(pass("specialize", component("Shell-Setup", "amd64", ""))):                                                  "did you mean Microsoft-Windows-Shell-Setup?",
		file(pass("windowsPE", component("Frobnicator", "amd64", ""))):                                                   "list it as an extra component",
		file(pass("specialize", component("", "amd64", ""))):                                                             "not one that Microsoft documents",
		file(pass("specialize", component(long, "amd64", ""))):                                                           "not one that Microsoft documents",
		file(pass("specialize", component(shellSetup, "x86", ""))):                                                       "the image is amd64",
		file(pass("specialize", component(shellSetup, "arm64", ""))):                                                     "the image is amd64",
		file(pass("specialize", component("Microsoft-Windows-TCPIP", "arm64", ""))):                                      "the image is amd64",
		file(pass("specialize", component(shellSetup, "x64", ""))):                                                       "known are amd64, arm64",
		file(pass("specialize", named, named)):                                                                           "is there twice",
		`<?xml version="1.0" encoding="utf-16"?><unattend xmlns="urn:schemas-microsoft-com:unattend"/>`:                  "save it as UTF-8",
		`<?xml version="1.0" encoding="windows-1252"?><unattend xmlns="urn:schemas-microsoft-com:unattend">ü</unattend>`: "save it as UTF-8",
		"\xFF\xFE" + string(utf16le.Encode(file())):                                                                      "save it as UTF-8",
		string(utf16le.Encode("<unattend/>")):                                                                            "byte order mark",
		"\xFF\xFE<\x00a":                                                                                                 "odd number",
		file(pass("specialize", named) + "\xFF"):                                                                         "not valid",
		strings.Repeat(" ", maxSize) + "<a/>":                                                                            "bytes long",
		strings.Repeat("<a>", 200):                                                                                       "nested more than",
		"<a " + manyAttributes(65) + "/>":                                                                                "more than 64 attributes",
		file(`<x:y/>`):                                                                                                   "not declared",
		file(`<settings x:pass="a"/>`):                                                                                   "not declared",
		file(`<settings pass="a" pass="b"/>`):                                                                            "twice",
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `a%d="" `, i)
	}
	return b.String()
}

func TestWrongFiles(t *testing.T) {
	for text, want := range wrong() {
		_, err := Check([]byte(text), amd64)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120q: %v, want %q", text, err, want)
			continue
		}
		if !errors.Is(err, fault.ErrInvalid) && !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("%.120q: class of %v", text, err)
		}
		if len(err.Error()) > 1000 {
			t.Errorf("%.120q: an error of %d characters", text, len(err.Error()))
		}
	}
}

// What xmllint rejects does not pass here either.
func TestWrongForXmllint(t *testing.T) {
	oracle.Need(t, "xmllint")
	for text, want := range wrong() {
		err := oracle.Xmllint([]byte(text))
		_, ours := parse([]byte(text))
		if err != nil && ours == nil {
			t.Errorf("xmllint rejects %.120q (%s), parse does not", text, want)
		}
	}
}

// However broken a file is, no error repeats what is in a setting.
func TestErrorsTellNoSecret(t *testing.T) {
	password := func(text string) string {
		return file(pass("oobeSystem", component(shellSetup, "amd64", "<UserAccounts><AdministratorPassword><Value>"+text+"</Value></AdministratorPassword></UserAccounts>")))
	}
	for _, text := range []string{
		"a&" + secret + ";b", "&" + secret, "a<" + secret, "a<" + secret + ">b", "<" + secret + "></x>", "</" + secret + ">",
		"<x:" + secret + "/>", "<x x:" + secret + "='1'/>", "<x " + secret + "='1' " + secret + "='2'/>", "<!--" + secret + "--x-->",
		"<" + secret + " a=<>", "<![CDATA[" + secret, "<?" + secret, "<!" + secret + ">", secret + "\x01", secret + "\xFF", "]]>" + secret, "<" + secret + "/",
	} {
		_, err := Check([]byte(password(text)), amd64)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := Merge([]byte(password(text)), Settings{ComputerName: "A"}, amd64); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, data := range []string{password(secret), file(pass("specialize", component(shellSetup, "x86", secret)), pass("oops", component("x", "amd64", secret)))} {
		warnings, err := Check([]byte(data), Target{Arch: "arm64"})
		if err == nil || strings.Contains(err.Error()+strings.Join(warnings, ""), secret) {
			t.Errorf("%v %q", err, warnings)
		}
	}
}

func TestLineOfError(t *testing.T) {
	for text, want := range map[string]string{
		"<a>\n<b>\n&x;</b></a>":   "line 3: '&' begins no known entity",
		"<a>\n<b></a>":            "line 2: an element is closed",
		"<a>\n<b c='<'/></a>":     "line 2: '<' in the value",
		"<a>\n\n\x01</a>":         "line 3: holds a character",
		"<a>":                     "ends in the middle",
		"<a b></a>":               "line 1: is not well-formed",
		"<a>\n</a>\n\n<!DOCTYPE>": "line 4: a document type",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAccepted(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		target  Target
		extra   []string
		warning string
	}{
		"plain":       {file(pass("specialize", named)), amd64, nil, ""},
		"comment":     {file(pass("specialize", named)) + "<!-- the end -->\n", amd64, nil, ""},
		"bom":         {"\xEF\xBB\xBF" + file(pass("specialize", named)), amd64, nil, ""},
		"latin ascii": {strings.Replace(file(pass("specialize", named)), "utf-8", "iso-8859-1", 1), amd64, nil, ""},
		"utf-16":      {"\xFF\xFE" + string(utf16le.Encode(strings.Replace(file(pass("specialize", named)), "utf-8", "utf-16", 1))), amd64, nil, ""},
		"big-endian":  {"\xFE\xFF" + string(textfile.Swap(utf16le.Encode(strings.Replace(file(pass("specialize", named)), "utf-8", "UTF-16", 1)))), amd64, nil, ""},
		"extra":       {file(pass("specialize", component("Contoso-Thing", "amd64", ""))), amd64, []string{"contoso-thing"}, ""},
		"case":        {file(pass("specialize", component("microsoft-windows-SHELL-setup", "AMD64", ""))), amd64, nil, ""},
		"both": {file(pass("specialize", named, component(shellSetup, "arm64", ""), component(shellSetup, "x86", ""))),
			Target{Arch: "arm64"}, nil, ""},
		"wow64":     {file(pass("specialize", component("Microsoft-Windows-TCPIP", "wow64", ""))), amd64, nil, ""},
		"half":      {file(pass("oobeSystem", named, component("Microsoft-Windows-ehome-reg-inf", "x86", ""))), amd64, nil, "may ignore it"},
		"idle":      {file(pass("windowsPE", component("Microsoft-Windows-Setup", "x86", "")), pass("specialize", named)), amd64, nil, "pass windowsPE are ignored"},
		"unused":    {file(pass("generalize", named)), amd64, nil, "nothing in the answer file is used"},
		"servicing": {file("<servicing/>", pass("specialize", named)), amd64, nil, "<servicing>"},
		"token":     {strings.Replace(file(pass("specialize", named)), microsoft, "0000", 1), amd64, nil, "publicKeyToken"},
		"no audit":  {file(pass("auditUser", named), pass("specialize", named)), amd64, nil, "Reseal/Mode is Audit"},
		"audit": {file(pass("auditUser", named), pass("oobeSystem", component(deployment, "amd64", "<Reseal><Mode>Audit</Mode></Reseal>"))),
			amd64, nil, ""},
		"others": {file(pass("specialize", named), `<x xmlns="urn:other"><unknown/></x>`), amd64, nil, ""},
	} {
		warnings, err := Check([]byte(c.text), c.target, c.extra...)
		if got := strings.Join(warnings, "\n"); err != nil || (c.warning == "") != (got == "") || !strings.Contains(got, c.warning) {
			t.Errorf("%s: %q, %v", name, warnings, err)
		}
		if name == "utf-16" || name == "big-endian" {
			merged := must(t)(Merge([]byte(c.text), Settings{TimeZone: "UTC"}, amd64))
			accepted(t, merged, amd64)
		}
	}
}

func TestProcessed(t *testing.T) {
	if _, err := Check(input(t, "processed.xml"), amd64); err == nil || !strings.Contains(err.Error(), "pass specialize") {
		t.Errorf("%v", err)
	}
}

// Every component that is listed is found, once, and has a name that Windows could have.
func TestComponentList(t *testing.T) {
	names := componentNames(nil)
	count := 0
	for line := range strings.Lines(componentList) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		count++
		if names[strings.ToLower(line)] != line || strings.ContainsAny(line, " _.") || strings.Count(line, "-") < 2 {
			t.Errorf("%q", line)
		}
	}
	if count != len(names) || count < 80 {
		t.Errorf("%d lines, %d names", count, len(names))
	}
	for _, name := range []string{shellSetup, international, deployment} {
		if names[strings.ToLower(name)] != name {
			t.Errorf("%s is not listed", name)
		}
	}
}

// The worst files of the allowed size take no more than a moment.
func TestHostileSize(t *testing.T) {
	unknown := component(strings.Repeat("q", 90), "amd64", "")
	for name, text := range map[string]string{
		"many elements":    "<unattend xmlns='urn:schemas-microsoft-com:unattend'>" + strings.Repeat("<a/>", 250000) + "</unattend>",
		"many components":  file(pass("specialize", strings.Repeat(unknown, maxSize/len(unknown)-2))),
		"many settings":    file(strings.Repeat("<settings pass='specialize'/>", 30000)),
		"many prefixes":    "<unattend xmlns='urn:schemas-microsoft-com:unattend'>" + nested(90) + strings.Repeat("<p0:a/>", 90000) + strings.Repeat("</a>", 90) + "</unattend>",
		"long name":        file(pass("specialize", component(strings.Repeat("q", maxSize-1000), "amd64", ""))),
		"long declaration": "<?xml " + strings.Repeat("x ", maxSize/2-100) + "?><a/>",
		"many comments":    file(strings.Repeat("<!---->", 140000)),
	} {
		start := time.Now()
		_, err := Check([]byte(text), amd64)
		_, _ = Merge([]byte(text), full(), amd64)
		t.Logf("%s: %v", name, time.Since(start))
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s: %v (%v)", name, d, err)
		}
		if err != nil && len(err.Error()) > 20*500 {
			t.Errorf("%s: an error of %d characters", name, len(err.Error()))
		}
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString("<a")
		for k := range 60 {
			fmt.Fprintf(&b, ` xmlns:p%d="u"`, i*60+k)
		}
		b.WriteString(">")
	}
	return b.String()
}
