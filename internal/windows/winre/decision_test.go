package winre

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
)

const gib = 1 << 30

var (
	roomy = Request{Disk: 40 * gib, Used: 12 * gib, MinFree: 10 * gib, Image: &Info{Size: 480 * mib, Version: pe.Version{Major: 10, Build: 20348, Revision: 2201}}}
	tight = Request{Disk: 20 * gib, Used: 15 * gib, MinFree: 5 * gib, Image: roomy.Image}
	other = Parity{Name: "dr/manifest.json", Present: true, Version: "10.0.20348.2201"}
)

// with is a request like q, but changed.
func with(q Request, change func(*Request)) Request {
	change(&q)
	return q
}

// decisions has a case for each row of the table that decides, and for what each leaves to the next.
var decisions = []struct {
	name string
	q    Request
	rule string // "" for a refusal
}{
	{"include", with(roomy, func(q *Request) { q.Policy = Include }), "policy-include"},
	{"include wins over the role", with(roomy, func(q *Request) { q.Policy, q.Role, q.ImagePipeline = Include, Stateless, true }), "policy-include"},
	{"exclude", with(roomy, func(q *Request) { q.Policy = Exclude }), "policy-exclude"},
	{"exclude wins over the role", with(roomy, func(q *Request) { q.Policy, q.Role = Exclude, DomainController }), "policy-exclude"},
	{"exclude needs no room", with(tight, func(q *Request) { q.Policy = Exclude }), "policy-exclude"},
	{"exclude without anything to exclude", Request{Policy: Exclude, Absent: true}, "policy-exclude"},
	{"nothing there", Request{Absent: true}, "absent"},
	{"nothing there, whatever the role", Request{Absent: true, Role: DomainController}, "absent"},
	{"nothing there for a custom role", Request{Absent: true, Role: Custom}, "absent"},
	{"stateless", Request{Role: Stateless}, "stateless"},
	{"build agent", Request{Role: BuildAgent}, "stateless"},
	{"pipeline", Request{ImagePipeline: true}, "pipeline"},
	{"pipeline of custom servers", Request{Role: Custom, ImagePipeline: true}, "pipeline"},
	{"pipeline of domain controllers", Request{Role: DomainController, ImagePipeline: true}, "pipeline"},
	{"cluster with backups", Request{Role: HyperVCluster, ExternalRecovery: true}, "replaceable"},
	{"gateway with backups", Request{Role: RDSGateway, ExternalRecovery: true}, "replaceable"},
	{"web server with backups", Request{Role: IIS, ExternalRecovery: true}, "replaceable"},
	{"general with backups", Request{ExternalRecovery: true}, "restored"},
	{"file server with backups", Request{Role: FileServer, ExternalRecovery: true}, "restored"},
	{"database with backups", Request{Role: SQL, ExternalRecovery: true}, "restored"},
	{"custom with backups", Request{Role: Custom, ExternalRecovery: true}, "restored"},
	{"custom without anything", Request{Role: Custom}, ""},
	{"custom without anything, no room", with(tight, func(q *Request) { q.Role = Custom }), ""},
	{"no room", tight, "no-room"},
	{"no room for a domain controller's", with(tight, func(q *Request) { q.Role = DomainController }), "no-room"},
	{"no room, but nobody needs it", with(tight, func(q *Request) { q.Role, q.ExternalRecovery = IIS, true }), "replaceable"},
	{"domain controller", with(roomy, func(q *Request) { q.Role = DomainController }), "domain-controller"},
	{"domain controller with backups", with(roomy, func(q *Request) { q.Role, q.ExternalRecovery = DomainController, true }), "domain-controller"},
	{"general", roomy, "self-reliant"},
	{"nothing known", Request{}, "self-reliant"},
	{"file server", with(roomy, func(q *Request) { q.Role = FileServer }), "self-reliant"},
	{"database", with(roomy, func(q *Request) { q.Role = SQL }), "self-reliant"},
	{"cluster", with(roomy, func(q *Request) { q.Role = HyperVCluster }), "self-reliant"},
	{"gateway", with(roomy, func(q *Request) { q.Role = RDSGateway }), "self-reliant"},
	{"web server", with(roomy, func(q *Request) { q.Role = IIS }), "self-reliant"},
}

func TestEachRowDecides(t *testing.T) {
	decided := map[string]bool{}
	for _, test := range decisions {
		t.Run(test.name, func(t *testing.T) {
			d, err := Decide(test.q)
			if test.rule == "" {
				decided["custom"] = true
				refused(t, err, "role = custom", "external_recovery", "policy")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			decided[d.Rule] = true
			i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == test.rule })
			if d.Rule != test.rule || d.Include != (rules[i].Outcome == Included) || !slices.Contains(d.Reasons, rules[i].Sentence) {
				t.Errorf("%+v, want rule %s", d, test.rule)
			}
			if d.Include != (d.PartitionSize >= MinPartition) || d.PartitionSize%mib != 0 {
				t.Errorf("include %t, partition of %d bytes", d.Include, d.PartitionSize)
			}
			sentences(t, d)
		})
	}
	for _, r := range rules {
		if !decided[r.ID] {
			t.Errorf("no test decides by row %s", r.ID)
		}
	}
}

// refused checks that an error is one about a value, and says what is wanted.
func refused(t *testing.T, err error, wants ...string) {
	t.Helper()
	if !errors.Is(err, fault.ErrInvalid) {
		t.Fatalf("%v", err)
	}
	for _, w := range wants {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// sentences checks that reasons and warnings are sentences.
func sentences(t *testing.T, d Decision) {
	t.Helper()
	for _, s := range append(slices.Clone(d.Reasons), d.Warnings...) {
		if !strings.HasSuffix(s, ".") || strings.Contains(s, "ROLE") || strings.Contains(s, "%!") {
			t.Errorf("%q", s)
		}
	}
}

func TestContradictions(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range []struct {
		check string
		q     Request
		wants []string
	}{
		{"include-absent", Request{Policy: Include, Absent: true}, []string{"policy = include", "no Winre.wim"}},
		{
			"include-no-room", with(tight, func(q *Request) { q.Policy = Include }),
			[]string{"policy = include", "share 20480 MiB", "Windows takes 15360 MiB", "min_free asks for 5120 MiB", "takes 766 MiB", "766 MiB are missing"},
		},
		{
			"include-no-room", Request{Policy: Include, Disk: 8 * gib, MinFree: 8 * gib},
			[]string{"what Windows takes is not known yet", "takes 750 MiB", "750 MiB are missing"},
		},
		{"parity", Request{Policy: Exclude, Parity: &other}, []string{"policy = exclude leaves", "dr/manifest.json carries one", "policy = include here"}},
		{"parity", Request{Policy: Include, Parity: &Parity{Name: "p.json"}}, []string{"policy = include includes", "p.json carries none", "policy = exclude here"}},
		{"parity", Request{Role: IIS, ExternalRecovery: true, Parity: &other}, []string{"policy = auto (role = iis, external_recovery = true", "rule replaceable", "dr/manifest.json carries one"}},
		{"parity", with(tight, func(q *Request) { q.Parity = &other }), []string{"rule no-room", "dr/manifest.json"}},
		{"parity", Request{Absent: true, Parity: &other}, []string{"rule absent", "dr/manifest.json carries one", "media that have a Winre.wim"}},
		{"parity", Request{Parity: &Parity{Name: "p.json"}}, []string{"rule self-reliant", "p.json carries none"}},
	} {
		d, err := Decide(test.q)
		if err == nil {
			t.Fatalf("%s: %+v", test.check, d)
		}
		refused(t, err, test.wants...)
		seen[test.check] = true
	}
	for _, k := range checks {
		if !seen[k.ID] {
			t.Errorf("no test contradicts by row %s", k.ID)
		}
	}
}

func TestWarnings(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range []struct {
		q     Request
		wants []string // the rows that warn
	}{
		{roomy, nil},
		{Request{Role: Stateless}, nil},
		{with(tight, func(q *Request) {}), []string{"no-room-excluded", "no-way-back", "bitlocker"}},
		{Request{Policy: Exclude}, []string{"no-way-back", "bitlocker"}},
		{Request{Policy: Exclude, ExternalRecovery: true}, []string{"bitlocker"}},
		{Request{Policy: Exclude, Role: BuildAgent}, nil},
		{Request{ImagePipeline: true, Role: DomainController}, []string{"bitlocker", "directory-snapshots"}},
		{Request{ImagePipeline: true, Role: SQL}, []string{"bitlocker", "state"}},
		{Request{ImagePipeline: true, Role: FileServer}, []string{"bitlocker", "state"}},
		{Request{Policy: Include, Role: BuildAgent}, []string{"needless"}},
		{Request{Policy: Include, ImagePipeline: true}, []string{"needless"}},
		{Request{Role: Stateless, PartitionSize: gib}, []string{"size-unused"}},
		{Request{Role: Stateless, PartitionSize: mib}, []string{"size-unused"}},
		{with(roomy, func(q *Request) { q.Parity = &Parity{"p.json", true, "10.0.20348.587"} }), []string{"parity-version"}},
		{with(roomy, func(q *Request) { q.Parity = &other }), nil},
		{with(roomy, func(q *Request) { q.Parity = &Parity{"p.json", true, ""} }), nil},
	} {
		d, err := Decide(test.q)
		if err != nil {
			t.Errorf("%+v: %v", test.q, err)
			continue
		}
		sentences(t, d)
		if len(d.Warnings) != len(test.wants) {
			t.Errorf("%+v: %q, want %q", test.q, d.Warnings, test.wants)
			continue
		}
		for i, id := range test.wants {
			at := slices.IndexFunc(warnings, func(k check) bool { return k.ID == id })
			if k := &warnings[at]; k.say == nil && d.Warnings[i] != k.Sentence {
				t.Errorf("%q, want %s", d.Warnings[i], id)
			}
			seen[id] = true
		}
	}
	for _, k := range warnings {
		if !seen[k.ID] {
			t.Errorf("no test warns by row %s", k.ID)
		}
	}
}

func TestReasonsNameTheSize(t *testing.T) {
	for want, q := range map[string]Request{
		"at least 750 MiB": {},
		"gets 750 MiB, the least that is sensible; Winre.wim has 300 MiB": {Image: &Info{Size: 300 * mib}},
		"gets 766 MiB: 480 MiB for Winre.wim, 250 MiB":                    {Image: roomy.Image},
		"gets 1024 MiB, as partition_size asks":                           {Image: roomy.Image, PartitionSize: gib},
		"dr/manifest.json has a recovery environment, too":                {Parity: &other},
		"p.json does without a recovery environment, too":                 {Role: Stateless, Parity: &Parity{Name: "p.json"}},
	} {
		d, err := Decide(q)
		if err != nil || !strings.Contains(strings.Join(d.Reasons, "\n"), want) {
			t.Errorf("%q, %v, want %q", d.Reasons, err, want)
		}
	}
}

func TestValuesThatCannotBe(t *testing.T) {
	for want, q := range map[string]Request{
		`policy "maybe" is none of include, exclude, auto`: {Policy: "maybe"},
		`role "mail" is none of general, domain`:           {Role: "mail"},
		"disk: -1 bytes":                                   {Disk: -1},
		"min_free: 9223372036854775807 bytes":              {MinFree: 1<<63 - 1},
		"min_free: -1 bytes":                               {MinFree: -1},
		"used: -1 bytes":                                   {Used: -1},
		"partition_size: -1 bytes":                         {PartitionSize: -1},
		"partition_size: 100 MiB are too few":              {PartitionSize: 100 * mib},
		"0x80070643":                                       with(roomy, func(q *Request) { q.PartitionSize = 760 * mib }),
		"Winre.wim: -5 bytes cannot be":                    {Image: &Info{Size: -5}},
	} {
		_, err := Decide(q)
		refused(t, err, want)
	}
}

// TestDocumentation holds docs/winre.md to the table.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../../docs/winre.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(data)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) == 4 && strings.HasPrefix(cells[2], "**") {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, r := range Rules() {
		want = append(want, fmt.Sprintf("| `%s` | %s | **%s** | %s |", r.ID, r.When, r.Outcome, strings.ReplaceAll(r.Sentence, "ROLE", "custom")))
	}
	if !slices.Equal(documented, want) {
		t.Errorf("docs/winre.md must have these rows:\n%s\n\nit has:\n%s", strings.Join(want, "\n"), strings.Join(documented, "\n"))
	}
}
