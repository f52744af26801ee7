package winre

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
)

func builtIn(t testing.TB) []Advisory {
	t.Helper()
	list, err := Advisories()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAdvisories(t *testing.T) {
	var got []string
	for _, a := range builtIn(t) {
		for _, f := range a.Fixes {
			got = append(got, fmt.Sprintf("%s %v %v %v %s", a.ID, f.Builds, f.KBs, f.Fixed, f.Certainty))
		}
	}
	want := []string{
		"CVE-2024-20666 [19044 19045] [KB5034441 KB5042320 KB5048239] 10.0.19041.3920 documented",
		"CVE-2024-20666 [20348] [KB5034439 KB5042322] 10.0.20348.2201 reported",
		"CVE-2024-20666 [22000] [KB5034440 KB5042321] 10.0.22000.2710 reported",
		"CVE-2024-20666 [14393] [KB5034119] 10.0.14393.6614 inferred",
		"CVE-2024-20666 [17763] [KB5034127] 10.0.17763.5329 inferred",
		"CVE-2024-20666 [22621 22631] [KB5034123] 10.0.22621.3007 inferred",
		"CVE-2024-20666 [25398] [KB5034130] 10.0.25398.643 inferred",
		"CVE-2024-38163 [19044 19045] [KB5042320 KB5048239] 10.0.19041.3920 reported",
		"CVE-2024-38163 [20348] [KB5042322] 10.0.20348.2201 reported",
		"CVE-2024-38163 [22000] [KB5042321] 10.0.22000.2710 reported",
		"KB5046399 [20348] [KB5046399] 10.0.20348.2751 documented",
		"KB5046916 [20348] [KB5046916] 10.0.20348.2846 documented",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// another is an advisory that nobody has published.
const another = `
- id: CVE-2030-12345
  cve: CVE-2030-12345
  title: Something new
  source: [https://example.com/new]
  fixes:
    - windows: Windows Server 2022
      builds: [20348]
      kbs: [KB5999999]
      fixed: 10.0.20348.9000
      certainty: documented
`

// TestNewAdvisory shows that an advisory is one entry, and nothing else.
func TestNewAdvisory(t *testing.T) {
	list, err := ParseAdvisories(append(bytes.Clone(advisoriesYAML), another...))
	if err != nil || len(list) != len(builtIn(t))+1 {
		t.Fatal(len(list), err)
	}
	findings := Judge(list, 20348, true, pe.Version{Major: 10, Build: 20348, Revision: 2846})
	last := findings[len(findings)-1]
	if last.Advisory.CVE != "CVE-2030-12345" || last.Status != Affected || !strings.Contains(last.Reason, "KB5999999 brings it") {
		t.Errorf("%+v", last)
	}
}

func TestAdvisoryMistakes(t *testing.T) {
	const last = "10.0.20348.9000"
	for _, test := range []struct{ old, new, want string }{
		{another, "", "line 1: expected a list of advisories"},
		{another, "id: CVE-2030-12345", "line 1: expected a list of advisories"},
		{another, "- id: [", "is no YAML: line 2"},
		{another, "- 5", "line 1: expected an advisory: a list of fields"},
		{another, "\t- id", "is no YAML"},
		{another, another + another, "line 13: a second advisory CVE-2030-12345; the first is in line 2"},
		{another, strings.Repeat("#", maxAdvisories+1), "1048577 bytes"},
		{"cve: ", "cvss: ", `line 3: an advisory has no field "cvss"; it can have cve, fixes, id, source, title`},
		{"title: Something new", "id: CVE-2030-12345", "line 4: an advisory has the field id twice"},
		{"  title: Something new\n", "", "line 2: an advisory lacks the field title"},
		{"title: Something new", "title: ''", "line 4: expected a text"},
		{"title: Something new", "title: [a]", "line 4: expected a text"},
		{"id: CVE-2030-12345\n", "id: 2030-12345\n", `line 2: "2030-12345" is not an identifier such as`},
		{"\n  cve: CVE-2030-12345", "\n  cve: CVE-2030-12346", "line 2: id is CVE-2030-12345, but cve is CVE-2030-12346"},
		{"\n  cve: CVE-2030-12345", "\n  cve: KB5034439", `line 3: "KB5034439" is not a CVE`},
		{"https://example.com/new", "http://example.com/new", "line 5: \"http://example.com/new\" is not a web address"},
		{"example.com/new", "example.com/" + strings.Repeat("a", maxURL), "line 5: a web address of 2020 bytes"},
		{"[https://example.com/new]", "https://example.com/new", "line 5: expected a list: web addresses"},
		{"[20348]", "[]", "line 8: expected a list: the builds"},
		{"[20348]", "[20348, 20349.5]", `line 8: "20349.5" is not the number of a build`},
		{"[20348]", "[99999]", "line 8: 99999 is not the number of a build"},
		{"[20348]", "[20348, 20348]", "build 20348 is under"},
		{"KB5999999", "5999999", `line 9: "5999999" is not an update such as KB5034439`},
		{last, "10.0.20348", `line 10: "10.0.20348" is not a version such as 10.0.20348.2201`},
		{last, "10.0.20348.90000", "line 7: fixed: \"10.0.20348.90000\" is not a version: each of the four numbers is at most 65535"},
		{"certainty: documented", "certainty: sure", `line 7: certainty "sure" is none of documented, reported, inferred`},
		{"certainty: documented", "certainty: reported", "line 7: a fix whose certainty is reported needs a note"},
		{"certainty: documented", "certainty: reported\n      note: *nowhere", "nowhere"},
	} {
		text := strings.Replace(another, test.old, test.new, 1)
		if text == another {
			t.Errorf("%q is not there", test.old)
		}
		_, err := ParseAdvisories([]byte(text))
		refused(t, err, test.want)
	}
}

func TestJudge(t *testing.T) {
	v := func(build, revision uint16) pe.Version {
		return pe.Version{Major: 10, Build: build, Revision: revision}
	}
	for _, test := range []struct {
		build   uint16
		present bool
		version pe.Version
		want    []Status
		reason  string // of the first
	}{
		{20348, true, v(20348, 587), []Status{Affected, Affected, Affected, Affected}, "version 10.0.20348.587, which is older than 10.0.20348.2201, where CVE-2024-20666 is settled for Windows Server 2022 (reported). KB5034439 or KB5042322 brings it."},
		{20348, true, v(20348, 2200), []Status{Affected, Affected, Affected, Affected}, "is older"},
		{20348, true, v(20348, 2201), []Status{Fixed, Fixed, Affected, Affected}, "is not older than 10.0.20348.2201"},
		{20348, true, v(20348, 2751), []Status{Fixed, Fixed, Fixed, Affected}, ""},
		{20348, true, v(20348, 2846), []Status{Fixed, Fixed, Fixed, Fixed}, ""},
		{20348, false, pe.Version{}, []Status{NotAffected, NotAffected, NotAffected, NotAffected}, "carries no recovery environment"},
		{20348, false, v(20348, 1), []Status{NotAffected, NotAffected, NotAffected, NotAffected}, ""},
		{20348, true, pe.Version{}, []Status{UnderInvestigation, UnderInvestigation, UnderInvestigation, UnderInvestigation}, "is not known; CVE-2024-20666 is settled in 10.0.20348.2201."},
		{19045, true, v(19041, 3920), []Status{Fixed, Fixed, NotApplicable, NotApplicable}, ""},
		{19045, true, v(19045, 3919), []Status{Affected, Affected, NotApplicable, NotApplicable}, ""},
		{17763, true, v(17763, 5329), []Status{Fixed, NotApplicable, NotApplicable, NotApplicable}, "(inferred)"},
		{20348, true, v(22000, 2710), []Status{Fixed, Fixed, UnderInvestigation, UnderInvestigation}, "settled for Windows 11 21H2"},
		{20348, true, v(26100, 1), []Status{UnderInvestigation, UnderInvestigation, UnderInvestigation, UnderInvestigation}, "that of another Windows"},
		{20348, true, pe.Version{Major: 6, Minor: 3, Build: 20348, Revision: 9}, []Status{UnderInvestigation, UnderInvestigation, UnderInvestigation, UnderInvestigation}, ""},
		{9600, true, v(9600, 1), []Status{NotApplicable, NotApplicable, NotApplicable, NotApplicable}, "is for Windows 10 21H2 and 22H2, Windows Server 2022, Windows 11 21H2"},
	} {
		var got []Status
		findings := Judge(builtIn(t), test.build, test.present, test.version)
		for _, f := range findings {
			got = append(got, f.Status)
			if !strings.HasSuffix(f.Reason, ".") || strings.Contains(f.Reason, "%!") || (f.Fix == nil) != (f.Status == NotApplicable) {
				t.Errorf("%+v", f)
			}
		}
		if !slices.Equal(got, test.want) || !strings.Contains(findings[0].Reason, test.reason) {
			t.Errorf("%d, %t, %v: %q, %s", test.build, test.present, test.version, got, findings[0].Reason)
		}
	}
}

func FuzzParseAdvisories(f *testing.F) {
	f.Add(advisoriesYAML)
	f.Add([]byte(another))
	f.Add([]byte("- &a [*a]\n- {id: *a}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseAdvisories(data)
		if err != nil {
			return
		}
		for _, a := range list {
			if a.ID == "" || a.Title == "" || len(a.Fixes) == 0 || len(a.Source) == 0 {
				t.Errorf("%+v", a)
			}
		}
		Judge(list, 20348, true, pe.Version{Major: 10, Build: 20348, Revision: 2201})
	})
}

func TestParseVersion(t *testing.T) {
	v, err := ParseVersion("10.0.20348.2201")
	if err != nil || v.String() != "10.0.20348.2201" {
		t.Error(v, err)
	}
	for _, s := range []string{"", "10.0.20348", "10.0.20348.2201 ", "v10.0.20348.2201", "10.0.65536.1"} {
		_, err := ParseVersion(s)
		refused(t, err, "is not a version")
	}
}

// seeds are the files of a folder of testdata.
func seeds(f testing.TB, pattern string) [][]byte {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	var all [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}
