package evidence

import (
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// What is pasted into a scanner's configuration has to look like this, so that it needs no escaping there.
var (
	cveID = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)
	kbID  = regexp.MustCompile(`^KB[0-9]{4,}$`)
)

// validate tells what the records cannot be made of. All of it is the caller's doing, but names, versions
// and advisories come from the user.
func (b *Bake) validate() error {
	switch {
	case b.Name == "" || strings.ContainsAny(b.Name, `/\`):
		return fault.Invalidf("%q is not a name for an image: it must be the name of a file, without a folder", b.Name)
	case b.Tool == "":
		return fault.Bugf("evidence without the tool's name")
	case b.Time.IsZero():
		return fault.Bugf("evidence without the time of the bake")
	case len(b.Files) == 0:
		return fault.Bugf("evidence without a file that it is about")
	}
	for _, f := range b.Files {
		if digits, err := hex.DecodeString(f.SHA256); err != nil || len(digits) != 32 {
			return fault.Invalidf("file %s has no SHA-256 (%q), and a statement that is bound to no file can be used for any: switch checksums on, or evidence off", f.Name, f.SHA256)
		}
	}
	return b.validateFindings()
}

func (b *Bake) validateFindings() error {
	seen := map[string]bool{}
	for i := range b.Findings {
		f := &b.Findings[i]
		if err := b.validateFinding(f); err != nil {
			return fault.In(f.Advisory.ID, err)
		}
		if f.Status == winre.NotApplicable {
			continue
		}
		name := vulnerability(f)
		if seen[name] {
			return fault.Invalidf("two advisories are about %s: a document can say one thing about it. Make them one advisory", name)
		}
		seen[name] = true
	}
	return nil
}

func (b *Bake) validateFinding(f *winre.Finding) error {
	if f.Advisory.CVE != "" && !cveID.MatchString(f.Advisory.CVE) {
		return fault.Invalidf("%q is not a CVE: it should look like CVE-2024-20666", f.Advisory.CVE)
	}
	if vulnerability(f) == "" {
		return fault.Invalidf("an advisory has neither an id nor a CVE")
	}
	for _, kb := range kbs(f) {
		if !kbID.MatchString(kb) {
			return fault.Invalidf("%q is not an update: it should look like KB5034439", kb)
		}
	}
	switch f.Status {
	case winre.NotApplicable:
	case winre.NotAffected:
		if len(b.Evidence) == 0 {
			return fault.Bugf("the status is not_affected, and nothing says how that is known")
		}
	case winre.Fixed, winre.Affected, winre.UnderInvestigation:
		if !b.WinRE.Present {
			return fault.Bugf("the status is %s, but the image has no WinRE", f.Status)
		}
	default:
		return fault.Bugf("the status is %q", f.Status)
	}
	return nil
}
