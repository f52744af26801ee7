package winre

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
)

// Status is what an advisory means for an image. The values are those of OpenVEX, but for NotApplicable.
type Status string

// The statuses.
const (
	Fixed              Status = "fixed"               // WinRE is there, in the version that settles it or a later one
	Affected           Status = "affected"            // WinRE is there, in an older version
	NotAffected        Status = "not_affected"        // there is no WinRE
	UnderInvestigation Status = "under_investigation" // WinRE is there, and its version does not compare
	NotApplicable      Status = "not_applicable"      // the advisory is for another Windows
)

// Finding is what one advisory means for an image.
type Finding struct {
	Advisory Advisory
	Fix      *Fix // the part of the advisory for the image's Windows, or for that of its WinRE; nil if NotApplicable
	Status   Status
	Reason   string // a whole sentence
}

// Judge compares the recovery environment of an image of Windows build osBuild with the advisories. If
// present is false the image carries none, and version is not looked at; the zero version is one that is
// not known. There is one finding for each advisory, in their order.
func Judge(advisories []Advisory, osBuild uint16, present bool, version pe.Version) []Finding {
	findings := make([]Finding, 0, len(advisories))
	for _, a := range advisories {
		findings = append(findings, a.judge(osBuild, present, version))
	}
	return findings
}

func (a Advisory) judge(osBuild uint16, present bool, version pe.Version) Finding {
	f := Finding{Advisory: a, Fix: a.fix(osBuild)}
	switch {
	case f.Fix == nil:
		f.Status = NotApplicable
		f.Reason = fmt.Sprintf("%s is for %s; the image is build %d.", a.ID, a.windows(), osBuild)
	case !present:
		f.Status = NotAffected
		f.Reason = fmt.Sprintf("The image carries no recovery environment, which is what %s is about.", a.ID)
	case version == pe.Version{}:
		f.Status = UnderInvestigation
		f.Reason = fmt.Sprintf("The version of the recovery environment is not known; %s is settled in %v.", a.ID, f.Fix.Fixed)
	default:
		f.compare(version)
	}
	return f
}

// fix is the part of an advisory for a build of Windows, or nil.
func (a Advisory) fix(build uint16) *Fix {
	i := slices.IndexFunc(a.Fixes, func(f Fix) bool { return f.is(build) })
	if i < 0 {
		return nil
	}
	return &a.Fixes[i]
}

// is says whether a recovery environment of a build compares with the fix: one that was built from media
// with an enablement package counts its builds as Windows does, 19045 for 19041.
func (f Fix) is(build uint16) bool {
	return build == f.Fixed.Build || slices.Contains(f.Builds, build)
}

func (a Advisory) windows() string {
	names := make([]string, len(a.Fixes))
	for i, f := range a.Fixes {
		names[i] = f.Windows
	}
	return strings.Join(names, ", ")
}

// compare compares a version with the fix, or, if the recovery environment is that of another Windows than
// the image's, with the fix for that.
func (f *Finding) compare(version pe.Version) {
	fix := f.Fix
	if !fix.is(version.Build) {
		fix = f.Advisory.fix(version.Build)
	}
	if fix == nil || fix.Fixed.Major != version.Major || fix.Fixed.Minor != version.Minor {
		f.Status = UnderInvestigation
		f.Reason = fmt.Sprintf("The recovery environment has version %v, which is that of another Windows; %s says nothing of it.", version, f.Advisory.ID)
		return
	}
	f.Fix, f.Status = fix, Affected
	relation := "is older than"
	if version.Revision >= f.Fix.Fixed.Revision {
		f.Status, relation = Fixed, "is not older than"
	}
	f.Reason = fmt.Sprintf("The recovery environment has version %v, which %s %v, where %s is settled for %s (%s).",
		version, relation, f.Fix.Fixed, f.Advisory.ID, f.Fix.Windows, f.Fix.Certainty)
	if f.Status == Affected {
		f.Reason += " " + strings.Join(f.Fix.KBs, " or ") + " brings it."
	}
}
