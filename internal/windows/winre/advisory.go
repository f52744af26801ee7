package winre

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
)

// Advisory is one security advisory, or one update without a published CVE, that a recovery environment
// is judged by.
type Advisory struct {
	ID     string // unique among the advisories: the CVE, or the update's KB where there is none
	CVE    string // "CVE-2024-20666"; empty for an update that Microsoft calls an improvement only
	Title  string // what it is about, in a few words
	Fixes  []Fix  // one for each Windows that it is for
	Source []string
}

// Fix is the recovery environment of one Windows in which an advisory is settled.
type Fix struct {
	Windows   string     // "Windows Server 2022"
	Builds    []uint16   // of the operating system; several share one recovery environment
	KBs       []string   // the updates that bring it, the oldest first
	Fixed     pe.Version // the least version of WinRE that has it
	Certainty Certainty
	Note      string   // a sentence on what is uncertain, or empty
	Source    []string // URLs, besides those of the advisory
}

// Certainty is how well a version is known.
type Certainty string

// The certainties.
const (
	Documented Certainty = "documented" // Microsoft says so
	Reported   Certainty = "reported"   // others say so, such as a scanner's rules
	Inferred   Certainty = "inferred"   // it follows from what is known
)

// certainties are the accepted values.
var certainties = []Certainty{Documented, Reported, Inferred}

//go:embed advisories.yaml
var advisoriesYAML []byte

// Advisories returns the advisories that winbake comes with, from advisories.yaml, in its order.
func Advisories() ([]Advisory, error) {
	list, err := ParseAdvisories(advisoriesYAML)
	return list, fault.In("advisories.yaml", err)
}

// Bounds of an advisory file. The one that winbake comes with has some KiB.
const (
	maxAdvisories = 1 << 20
	maxURL        = 2000
)

// ParseAdvisories reads advisories: a YAML list of entries as in advisories.yaml. A mistake, such as a field
// that there is not, is an error that names its line.
func ParseAdvisories(data []byte) ([]Advisory, error) {
	if len(data) > maxAdvisories {
		return nil, fault.Invalidf("%d bytes of advisories; at most %d are read", len(data), maxAdvisories)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fault.Invalidf("is no YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.SequenceNode {
		return nil, fault.Invalidf("line %d: expected a list of advisories, each beginning with \"- id:\"", max(1, root.Line))
	}
	var r advisoryReader
	var advisories []Advisory
	lines := map[string]int{}
	for _, n := range root.Content[0].Content {
		a := r.advisory(n)
		if r.err != nil {
			return nil, r.err
		}
		if first, ok := lines[a.ID]; ok {
			return nil, fault.Invalidf("line %d: a second advisory %s; the first is in line %d", n.Line, a.ID, first)
		}
		lines[a.ID] = n.Line
		advisories = append(advisories, a)
	}
	return advisories, nil
}

// advisoryReader turns YAML nodes into advisories, and keeps the first mistake.
type advisoryReader struct{ err error }

func (r *advisoryReader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = fault.Invalidf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
	}
}

// fields calls the function for the value of each field of a mapping; required ones must be there.
func (r *advisoryReader) fields(n *yaml.Node, what string, required []string, known map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "expected %s: a list of fields", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		set, ok := known[key.Value]
		switch {
		case !ok:
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.fail(key, "%s has no field %.40q; it can have %s", what, key.Value, strings.Join(names, ", "))
		case seen[key.Value]:
			r.fail(key, "%s has the field %s twice", what, key.Value)
		case r.err == nil:
			set(value)
		}
		seen[key.Value] = true
	}
	for _, name := range required {
		if !seen[name] {
			r.fail(n, "%s lacks the field %s", what, name)
		}
	}
}

func (r *advisoryReader) advisory(n *yaml.Node) (a Advisory) {
	r.fields(n, "an advisory", []string{"id", "title", "fixes", "source"}, map[string]func(*yaml.Node){
		"id":     r.pattern(&a.ID, idPattern, "an identifier such as CVE-2024-20666 or KB5046399"),
		"cve":    r.pattern(&a.CVE, cvePattern, "a CVE such as CVE-2024-20666"),
		"title":  r.text(&a.Title),
		"source": func(n *yaml.Node) { a.Source = r.urls(n) },
		"fixes": func(n *yaml.Node) {
			for _, f := range r.items(n, "a fix for each Windows") {
				a.Fixes = append(a.Fixes, r.fix(f))
			}
		},
	})
	if a.CVE != "" && a.CVE != a.ID && r.err == nil {
		r.fail(n, "id is %s, but cve is %s; an advisory with a CVE has it as its id", a.ID, a.CVE)
	}
	seen := map[uint16]string{}
	for _, f := range a.Fixes {
		for _, b := range f.Builds {
			if other, ok := seen[b]; ok {
				r.fail(n, "%s: build %d is under %q and under %q", a.ID, b, other, f.Windows)
			}
			seen[b] = f.Windows
		}
	}
	return a
}

func (r *advisoryReader) fix(n *yaml.Node) (f Fix) {
	var fixed, certainty string
	r.fields(n, "a fix", []string{"windows", "builds", "kbs", "fixed", "certainty"}, map[string]func(*yaml.Node){
		"windows":   r.text(&f.Windows),
		"fixed":     r.pattern(&fixed, versionPattern, "a version such as 10.0.20348.2201"),
		"certainty": r.text(&certainty),
		"note":      r.text(&f.Note),
		"source":    func(n *yaml.Node) { f.Source = r.urls(n) },
		"builds": func(n *yaml.Node) {
			for _, b := range r.items(n, "the builds") {
				f.Builds = append(f.Builds, r.build(b))
			}
		},
		"kbs": func(n *yaml.Node) {
			for _, kb := range r.items(n, "the updates") {
				var s string
				r.pattern(&s, kbPattern, "an update such as KB5034439")(kb)
				f.KBs = append(f.KBs, s)
			}
		},
	})
	if r.err != nil {
		return f
	}
	f.Certainty = Certainty(certainty)
	if !slices.Contains(certainties, f.Certainty) {
		r.fail(n, "certainty %.40q is none of %s", certainty, list(certainties))
	}
	if f.Certainty != Documented && f.Note == "" {
		r.fail(n, "a fix whose certainty is %s needs a note that says why", certainty)
	}
	var err error
	if f.Fixed, err = ParseVersion(fixed); err != nil {
		r.fail(n, "fixed: %v", err)
	}
	return f
}

var (
	idPattern      = regexp.MustCompile(`^(CVE-\d{4}-\d{4,7}|KB\d{6,8})$`)
	cvePattern     = regexp.MustCompile(`^CVE-\d{4}-\d{4,7}$`)
	kbPattern      = regexp.MustCompile(`^KB\d{6,8}$`)
	versionPattern = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
	buildPattern   = regexp.MustCompile(`^[1-9]\d{3,4}$`)
	urlPattern     = regexp.MustCompile(`^https://[^\s"<>]+$`)
)

// text returns what takes a text that is not empty. Only a text may be an alias of another: aliases of lists
// could make a short file very long.
func (r *advisoryReader) text(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
			r.fail(n, "expected a text")
			return
		}
		*to = n.Value
	}
}

func (r *advisoryReader) pattern(to *string, p *regexp.Regexp, what string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || !p.MatchString(n.Value) {
			r.fail(n, "%.60q is not %s", n.Value, what)
			return
		}
		*to = n.Value
	}
}

// items are those of a list that is not empty.
func (r *advisoryReader) items(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.fail(n, "expected a list: %s", what)
		return nil
	}
	return n.Content
}

func (r *advisoryReader) urls(n *yaml.Node) (urls []string) {
	for _, u := range r.items(n, "web addresses") {
		var s string
		r.pattern(&s, urlPattern, "a web address (https://...)")(u)
		if len(s) > maxURL {
			r.fail(u, "a web address of %d bytes; at most %d are read", len(s), maxURL)
		}
		urls = append(urls, s)
	}
	return urls
}

func (r *advisoryReader) build(n *yaml.Node) (b uint16) {
	var s string
	r.pattern(&s, buildPattern, "the number of a build, such as 20348")(n)
	if _, err := fmt.Sscan(s, &b); err != nil && s != "" {
		r.fail(n, "%s is not the number of a build, such as 20348", s)
	}
	return b
}

// ParseVersion reads "10.0.20348.2201": what pe.Version prints, and Windows keeps in the registry value
// WinREVersion.
func ParseVersion(s string) (pe.Version, error) {
	var v pe.Version
	if !versionPattern.MatchString(s) {
		return v, fault.Invalidf("%.60q is not a version such as 10.0.20348.2201", s)
	}
	if _, err := fmt.Sscanf(s, "%d.%d.%d.%d", &v.Major, &v.Minor, &v.Build, &v.Revision); err != nil {
		return pe.Version{}, fault.Invalidf("%.60q is not a version: each of the four numbers is at most 65535", s)
	}
	return v, nil
}
