package unattend

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// passes are all that an answer file can name, and why they do not run in an applied image; those
// without a reason do.
var passes = []struct{ name, idle string }{
	{"windowsPE", "belongs to Windows Setup, which does not run"},
	{"offlineServicing", "belongs to Windows Setup and DISM, which do not run"},
	{"generalize", "belongs to sysprep, which does not run"},
	{specialize, ""},
	{"auditSystem", auditOnly},
	{"auditUser", auditOnly},
	{oobeSystem, ""},
}

const auditOnly = "runs only where Microsoft-Windows-Deployment/Reseal/Mode is Audit in oobeSystem"

// maxProblems is how many problems of one file are told.
const maxProblems = 20

// Check says whether Windows can use an answer file at the first boot of an image without Windows Setup.
//
// Errors, all of them joined: it is not well-formed or no answer file, names a pass or a component that
// does not exist, has a component in a pass that runs for another architecture only, has one twice, or has
// been worked off already. Windows ignores most of these without a word. extra are names of components
// beside the ones that Microsoft documents.
//
// Warnings are for the person at the terminal: what the file has that an applied image never runs.
func Check(data []byte, target Target, extra ...string) (warnings []string, err error) {
	if err := target.validate(); err != nil {
		return nil, err
	}
	d, err := parse(data)
	if err != nil {
		return nil, err
	}
	c := &checker{target: target, names: componentNames(extra), audit: d.audits()}
	c.document(d)
	return c.warnings, errors.Join(c.problems...)
}

// checker collects what Check finds.
type checker struct {
	target   Target
	names    map[string]string
	audit    bool
	used     int // components that an applied image runs
	warnings []string
	problems []error
}

// addf adds a problem; after maxProblems no more. No text of a setting may be among args.
func (c *checker) addf(format string, args ...any) {
	switch {
	case len(c.problems) < maxProblems:
		c.problems = append(c.problems, fault.Invalidf(format, args...))
	case len(c.problems) == maxProblems:
		c.problems = append(c.problems, fault.Invalidf("there are more problems"))
	}
}

func (c *checker) warnf(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(c.warnings) < maxProblems && !slices.Contains(c.warnings, text) {
		c.warnings = append(c.warnings, text)
	}
}

func (c *checker) document(d *document) {
	for _, e := range d.xml.Root().ChildElements() {
		switch {
		case e.NamespaceURI() != namespace: // Windows SIM and other tools keep their own things here
		case e.Tag == "settings":
			c.pass(e)
		case e.Tag == "servicing":
			c.warnf("the packages in <servicing> are ignored: they are for Windows Setup and DISM, which do not run")
		default:
			c.addf("the element %.40q is not known; below <unattend> there are settings and servicing", e.Tag)
		}
	}
	if c.used == 0 && len(c.problems) == 0 {
		c.warnf("nothing in the answer file is used: it has no component in specialize or oobeSystem")
	}
}

// pass checks one element settings.
func (c *checker) pass(settings *etree.Element) {
	name := attr(settings, "pass")
	idle, known := c.idle(name)
	components := children(settings, "component")
	switch {
	case !known:
		c.addf("the pass %.40q does not exist; there are %s", name, strings.Join(passNames(), ", "))
		return
	case idle != "" && len(components) > 0:
		c.warnf("the settings of the pass %s are ignored: it %s", name, idle)
	case idle == "":
		if isProcessed(settings) {
			c.problems = append(c.problems, processedError(name))
		}
	}
	seen := map[string]bool{}
	for _, e := range components {
		if key := identity(e); seen[key] {
			c.addf("pass %s: the component %.80q for %.10q is there twice", name, attr(e, "name"), attr(e, "processorArchitecture"))
		} else {
			seen[key] = true
		}
	}
	for _, e := range components {
		c.component(name, e, idle == "", seen)
	}
}

// idle says why a pass does not run, and whether there is such a pass.
func (c *checker) idle(name string) (why string, known bool) {
	for _, p := range passes {
		if p.name == name {
			if p.idle == auditOnly && c.audit {
				return "", true
			}
			return p.idle, true
		}
	}
	return "", false
}

func passNames() []string {
	names := make([]string, len(passes))
	for i, p := range passes {
		names[i] = p.name
	}
	return names
}

// identity is what Windows tells components of a pass apart by.
func identity(component *etree.Element) string {
	return identityOf(attr(component, "name"), attr(component, "processorArchitecture"))
}

func identityOf(name, arch string) string { return strings.ToLower(name + "/" + arch) }

// component checks one component. all are the identities of its pass.
func (c *checker) component(pass string, e *etree.Element, runs bool, all map[string]bool) {
	name, arch := attr(e, "name"), attr(e, "processorArchitecture")
	if _, known := c.names[strings.ToLower(name)]; !known && len(c.problems) <= maxProblems {
		c.addf("pass %s: the component %.80q is not one that Microsoft documents%s", pass, name, c.suggestion(name))
	}
	if !slices.Contains(architectures, strings.ToLower(arch)) {
		c.addf("pass %s: the component %.80q has the processorArchitecture %.20q; known are %s", pass, name, arch, strings.Join(architectures, ", "))
		return
	}
	if runs && c.reads(arch) {
		c.used++
	}
	if runs && !c.reads(arch) && !all[identityOf(name, c.target.Arch)] {
		c.otherArch(pass, name, arch)
	}
	if token := attr(e, "publicKeyToken"); runs && !strings.EqualFold(token, microsoft) {
		c.warnf("pass %s: the component %.80q has the publicKeyToken %.40q; that of Windows' own is %s, and Windows looks for components by it", pass, name, token, microsoft)
	}
}

// reads says whether the target's Windows uses components of an architecture.
func (c *checker) reads(arch string) bool {
	return strings.EqualFold(arch, c.target.Arch) || strings.EqualFold(arch, "wow64") && c.target.Arch != "x86"
}

// otherArch reports a component that is for another architecture only.
func (c *checker) otherArch(pass, name, arch string) {
	core := slices.Contains([]string{strings.ToLower(shellSetup), strings.ToLower(international), strings.ToLower(deployment)}, strings.ToLower(name))
	if strings.EqualFold(arch, "x86") && !core {
		// A 64-bit Windows has some of these for its 32-bit half, and generators write them.
		c.warnf("pass %s: the component %.80q is for x86, the image is %s, and Windows may ignore it", pass, name, c.target.Arch)
		return
	}
	c.addf("pass %s: the component %.80q is for %s, the image is %s, and Windows would ignore it without a word; set processorArchitecture=%q",
		pass, name, arch, c.target.Arch, c.target.Arch)
}

// audits says whether the file sends Windows into audit mode, whose passes run then.
func (d *document) audits() bool {
	for _, settings := range d.settings() {
		for _, c := range children(settings, "component") {
			if strings.EqualFold(attr(c, "name"), deployment) && attr(settings, "pass") == oobeSystem {
				if r := child(c, "Reseal"); r != nil {
					if m := child(r, "Mode"); m != nil && strings.EqualFold(strings.TrimSpace(m.Text()), "Audit") {
						return true
					}
				}
			}
		}
	}
	return false
}

// processed returns the first pass that runs at the first boot and that Windows has annotated as worked
// off, or "".
func (d *document) processed() string {
	for _, settings := range d.settings() {
		if pass := attr(settings, "pass"); (pass == specialize || pass == oobeSystem) && isProcessed(settings) {
			return pass
		}
	}
	return ""
}

// isProcessed looks for the annotation that Windows leaves in its copy of an answer file.
func isProcessed(settings *etree.Element) bool {
	return strings.EqualFold(attr(settings, "wasPassProcessed"), "true")
}

func processedError(pass string) error {
	return fault.Invalidf("Windows has worked off the pass %s of this answer file already (wasPassProcessed) and would not do it again; start from the original file, not from Windows' copy in Panther", pass)
}
