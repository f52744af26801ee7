package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// claim is what the bake says about one vulnerability, before it is put into a format's words.
type claim struct {
	id      string // the CVE; the advisory's id if there is none
	cve     string // empty for an update that closes no published vulnerability: VEX does not speak of it
	title   string
	kbs     []string
	sources []string
	status  winre.Status
	grounds string // why: whole sentences, the evidence last
	action  string // what to do about it; only if affected
}

// claims are the findings that are about this Windows, in their order.
func (b *Bake) claims() []claim {
	var claims []claim
	for i := range b.Findings {
		f := &b.Findings[i]
		if f.Status == winre.NotApplicable {
			continue
		}
		c := claim{
			id: vulnerability(f), cve: f.Advisory.CVE, title: oneLine(f.Advisory.Title), kbs: kbs(f), sources: sources(f),
			status: f.Status, grounds: b.grounds(f),
		}
		if f.Status == winre.Affected {
			c.action = action(f)
		}
		claims = append(claims, c)
	}
	return claims
}

// vulnerabilities are the claims that a VEX format can make.
func vulnerabilities(claims []claim) []claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return c.cve == "" })
}

// vulnerability is the name that formats call a finding's vulnerability by.
func vulnerability(f *winre.Finding) string {
	if f.Advisory.CVE != "" {
		return f.Advisory.CVE
	}
	return f.Advisory.ID
}

func kbs(f *winre.Finding) []string {
	if f.Fix == nil {
		return nil
	}
	return f.Fix.KBs
}

// sources are the pages of the advisory, then those of its part for this Windows.
func sources(f *winre.Finding) []string {
	s := f.Advisory.Source
	if f.Fix != nil {
		s = append(s[:len(s):len(s)], f.Fix.Source...)
	}
	return s
}

// grounds are why the status is what it is.
func (b *Bake) grounds(f *winre.Finding) string {
	var s []string
	if f.Reason != "" {
		s = append(s, sentence(f.Reason))
	}
	if compared := f.Status == winre.Fixed || f.Status == winre.Affected; compared && f.Fix != nil && f.Fix.Note != "" {
		s = append(s, sentence(f.Fix.Note))
	}
	if len(b.Evidence) > 0 {
		found := make([]string, len(b.Evidence))
		for i, e := range b.Evidence {
			found[i] = strings.TrimRight(oneLine(e), ".;")
		}
		s = append(s, "Checked when the image was made: "+strings.Join(found, "; ")+".")
	}
	return strings.Join(s, " ")
}

// action is what to do about a WinRE that is affected.
func action(f *winre.Finding) string {
	updates, version := "", "a version that is not affected"
	if f.Fix != nil {
		version = "version " + f.Fix.Fixed.String() + " or later"
		if len(f.Fix.KBs) > 0 {
			updates = " (" + strings.Join(f.Fix.KBs, ", ") + ")"
		}
	}
	return fmt.Sprintf("Bake the image again with a Winre.wim of %s%s, or without WinRE. "+
		"On machines that were made from the image, update WinRE or disable it with reagentc /disable.", version, updates)
}

// sentence ends s with a full stop if nothing ends it.
func sentence(s string) string {
	s = oneLine(s)
	if s != "" && !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

// oneLine makes s fit into a comment: no line breaks, no control characters.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7F || r == 0x85 || r == 0x2028 || r == 0x2029 }), " ")
}
