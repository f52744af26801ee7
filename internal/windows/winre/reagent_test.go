package winre

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	loaderID = guid.MustParse("{0f1e2d3c-4b5a-4697-8877-665544332211}")
	gpt      = Disk{GUID: guid.MustParse("11223344-5566-4778-899a-abbccddeeff0")}
	mbr      = Disk{Signature: 0xDF4645AE}
)

const lab = "20348.1.amd64fre.standin.210507-1500"

// states are the golden files.
var states = map[string]*ReAgent{
	"enabled-gpt.xml":  Enabled(loaderID, gpt, 41943040000, lab, true),
	"enabled-mbr.xml":  Enabled(loaderID, mbr, 41943040000, "", true),
	"disabled.xml":     Disabled(false),
	"windows8.xml":     {Version: version1, AutoRepair: true, Scheduled: 4},
	"escaped.xml":      Enabled(loaderID, gpt, 1, `a "quoted" <build> & more`, false),
	"staged-setup.xml": {Version: version2, Staged: true, Server: true},
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGolden(t *testing.T) {
	for name, state := range states {
		data, err := state.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := golden(t, name); !bytes.Equal(data, want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, data, want)
		}
		parsed, err := ParseReAgent(data)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parsed.Marshal(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: written anew:\n%s, %v", name, again, err)
		}
		parsed.found = nil
		if !reflect.DeepEqual(parsed, state) {
			t.Errorf("%s: %+v", name, parsed)
		}
	}
}

// TestOthersRead has libxml2 and expat read the files.
func TestOthersRead(t *testing.T) {
	oracle.Need(t, "xmllint", "python3")
	for name := range states {
		oracle.JudgeXML(t, golden(t, name))
	}
	lines, err := oracle.ReadXML(golden(t, "enabled-gpt.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"WindowsRE version='2.0'",
		"\tWinreBCD id='{0f1e2d3c-4b5a-4697-8877-665544332211}'",
		`	WinreLocation guid='{11223344-5566-4778-899a-abbccddeeff0}' id='0' offset='41943040000' path='\\Recovery\\WindowsRE'`,
		"\tInstallState state='1'",
		"\tIsAutoRepairOn state='1'",
		"\tOsBuildVersion path='" + lab + "'",
		"\tIsServer state='1'",
		"\tWinREStaged state='0'",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	lines, err = oracle.ReadXML(golden(t, "enabled-mbr.xml"))
	if want := `	WinreLocation guid='{00000000-0000-0000-0000-000000000000}' id='3745924526' offset='41943040000' path='\\Recovery\\WindowsRE'`; err != nil || !slices.Contains(lines, want) {
		t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	lines, err = oracle.ReadXML(golden(t, "escaped.xml"))
	if want := `	OsBuildVersion path='a "quoted" <build> & more'`; err != nil || !slices.Contains(lines, want) {
		t.Errorf("%v\n%s", err, strings.Join(lines, "\n"))
	}
}

// TestOrder holds the elements to the order in which Windows 10 and 11 write them (facts of public files).
func TestOrder(t *testing.T) {
	var names []string
	for _, e := range Disabled(true).elements() {
		names = append(names, e.name)
	}
	want := "WinreBCD WinreLocation ImageLocation PBRImageLocation PBRCustomImageLocation InstallState OsInstallAvailable CustomImageAvailable IsAutoRepairOn WinREStaged OperationParam OperationPermanent OsBuildVersion OemTool IsServer DownlevelWinreLocation IsWimBoot NarratorScheduled ScheduledOperation"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s", got)
	}
}

// older is a file as Windows 10 1607 has it, without the elements of later ones, and with one of somebody else's.
const older = "<?xml version='1.0' encoding='utf-8'?>\n\n<WindowsRE version=\"2.0\">\n" +
	"  <WinreBCD id=\"\"/>\n  <WinreLocation path=\"\" id=\"0\" offset=\"0\" note=\"kept\"/>\n  <InstallState state=\"0\"/>\n" +
	"  <!-- not kept --><IsAutoRepairOn state=\"1\"></IsAutoRepairOn>\n  <Vendor tool=\"7\"/>\n  <ScheduledOperation state=\"5\"/>\n</WindowsRE>\n"

func TestWhatIsNotKnownStays(t *testing.T) {
	r, err := ParseReAgent([]byte(older))
	if err != nil {
		t.Fatal(err)
	}
	if !r.AutoRepair || r.Scheduled != 5 || r.Installed {
		t.Errorf("%+v", r)
	}
	data, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<Vendor tool="7"/>`, `<WinreBCD id=""/>`, `<WinreLocation path="" id="0" offset="0" note="kept"/>`, `<ScheduledOperation state="5"/>`, `<OemTool state="0"/>`} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
	for _, lacking := range []string{"OperationPermanent", "NarratorScheduled", "not kept"} {
		if bytes.Contains(data, []byte(lacking)) {
			t.Errorf("%s in\n%s", lacking, data)
		}
	}
	r.Enable(loaderID, gpt, 1<<30, lab)
	data, err = r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<WinreBCD id="{0f1e2d3c-4b5a-4697-8877-665544332211}"/>`, `<InstallState state="1"/>`, `<ScheduledOperation state="5"/>`,
		`<WinreLocation path="\Recovery\WindowsRE" id="0" offset="1073741824" note="kept" guid="{11223344-5566-4778-899a-abbccddeeff0}"/>`,
	} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
	r.Disable()
	if r.Installed || r.Location != (Location{}) || !r.BCD.IsZero() || !r.AutoRepair || r.OSBuild != lab {
		t.Errorf("%+v", r)
	}
}

func TestEncodings(t *testing.T) {
	text := "\ufeff" + older
	le := utf16le.Encode(text)
	be := bytes.Clone(le)
	for i := 0; i < len(be); i += 2 {
		be[i], be[i+1] = be[i+1], be[i]
	}
	for name, data := range map[string][]byte{"UTF-8": []byte(older), "marked UTF-8": []byte(text), "UTF-16": le, "big-endian UTF-16": be} {
		if r, err := ParseReAgent(data); err != nil || r.Version != version2 || !r.AutoRepair {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestReAgentMistakes(t *testing.T) {
	root := func(s string) string { return "<WindowsRE version=\"2.0\">\n" + s + "</WindowsRE>" }
	for _, test := range []struct {
		in    string
		class error
		want  string
	}{
		{"", fault.ErrCorrupt, "there is no element WindowsRE"},
		{strings.Repeat(" ", maxReAgent+1), fault.ErrCorrupt, "65537 bytes"},
		{"\xFF\xFEa", fault.ErrCorrupt, "half a character"},
		{"\xFF", fault.ErrCorrupt, "neither UTF-8 nor UTF-16"},
		{"<WindowsRE", fault.ErrCorrupt, "line 1: not well-formed XML: unexpected EOF"},
		{"<WindowsRE version=\"2.0\">\n<a></b>", fault.ErrCorrupt, "line 2: not well-formed XML"},
		{`<?xml version="1.1"?><WindowsRE/>`, fault.ErrCorrupt, "not well-formed XML"},
		{"<unattend/>", fault.ErrCorrupt, `the root element is "unattend", expected WindowsRE`},
		{`<WindowsRE version="3.0"/>`, fault.ErrUnsupported, `WindowsRE of version "3.0"; 1.0 and 2.0 are known`},
		{root("") + "<WindowsRE/>", fault.ErrCorrupt, "line 2: a second root element"},
		{root("<a>text</a>"), fault.ErrUnsupported, "line 2: text between the elements"},
		{root("<a><b/></a>"), fault.ErrUnsupported, `line 2: an element within another, "b"`},
		{root("<a/>\n<a/>"), fault.ErrCorrupt, `line 3: a second "a"`},
		{root(`<a b="1" b="2"/>`), fault.ErrCorrupt, `"a" has the attribute "b" twice`},
		{root(`<a x:b="1"/>`), fault.ErrUnsupported, "attribute in a namespace"},
		{root(`<a b:="1"/>`), fault.ErrUnsupported, "attribute in a namespace"},
		{root(`<a xmlns="urn:a"/>`), fault.ErrUnsupported, "in a namespace"},
		{root(`<x:a/>`), fault.ErrUnsupported, "in a namespace"},
		{"<!DOCTYPE WindowsRE>" + root(""), fault.ErrUnsupported, "line 1: a document type"},
		{root("<a" + attributes(maxAttributes+1) + "/>"), fault.ErrCorrupt, `"a" has 21 attributes`},
		{root(elements(maxElements + 1)), fault.ErrCorrupt, "more than 200 elements"},
		{root(`<WinreBCD id="x"/>`), fault.ErrCorrupt, `line 2: WinreBCD has id="x", which is not a GUID`},
		{root(`<WinreLocation id="-1"/>`), fault.ErrCorrupt, `WinreLocation has id="-1", which is not a number`},
		{root(`<WinreLocation offset="9223372036854775808"/>`), fault.ErrCorrupt, "offset=\"9223372036854775808\", which is not a number"},
		{root(`<WinreLocation guid="1"/>`), fault.ErrCorrupt, "guid=\"1\", which is not a GUID"},
		{root(`<InstallState state="on"/>`), fault.ErrCorrupt, "InstallState has state=\"on\""},
		{root(`<WinREStaged state="on"/>`), fault.ErrCorrupt, "WinREStaged"},
		{root(`<IsAutoRepairOn state="on"/>`), fault.ErrCorrupt, "IsAutoRepairOn"},
		{root(`<IsServer state="on"/>`), fault.ErrCorrupt, "IsServer"},
		{root(`<ScheduledOperation state="4294967296"/>`), fault.ErrCorrupt, "ScheduledOperation"},
	} {
		_, err := ParseReAgent([]byte(test.in))
		if !errors.Is(err, test.class) || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%.80q: %v, want %q", test.in, err, test.want)
		}
	}
}

func attributes(n int) (s string) {
	for i := range n {
		s += fmt.Sprintf(" a%d=\"\"", i)
	}
	return s
}

func elements(n int) (s string) {
	for i := range n {
		s += fmt.Sprintf("<a%d/>", i)
	}
	return s
}

func TestMarshalBugs(t *testing.T) {
	for _, r := range []*ReAgent{{}, {Version: "3.0"}, {Version: version2, Location: Location{Offset: -1}}} {
		if _, err := r.Marshal(); !errors.Is(err, fault.ErrBug) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func FuzzParseReAgent(f *testing.F) {
	for _, data := range seeds(f, "*.xml") {
		f.Add(data)
	}
	f.Add([]byte(older))
	f.Add(utf16le.Encode("\ufeff" + older))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseReAgent(data)
		if err != nil {
			return
		}
		first, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseReAgent(first)
		if err != nil {
			t.Fatalf("%v:\n%s", err, first)
		}
		second, err := again.Marshal()
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%v\n%s\n%s", err, first, second)
		}
		r.found, again.found = nil, nil
		if !reflect.DeepEqual(r, again) {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}
