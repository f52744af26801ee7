package audit

import (
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// judge compares with the advisories.
func (a *auditor) judge() {
	w := &a.image.WinRE
	v, _ := winre.ParseVersion(w.Version) // one that is none is not known
	var open, behind, unsure []winre.Finding
	for _, f := range winre.Judge(a.advisories, uint16(a.image.Windows.Build), w.Present, v) {
		out := Advisory{ID: f.Advisory.ID, CVE: f.Advisory.CVE, Title: f.Advisory.Title, KBs: []string{}, Status: f.Status, Reason: f.Reason}
		if f.Fix != nil {
			out.KBs, out.Fixed, out.Certainty = f.Fix.KBs, f.Fix.Fixed.String(), f.Fix.Certainty
		}
		a.image.Advisories = append(a.image.Advisories, out)
		switch {
		case f.Status == winre.UnderInvestigation:
			unsure = append(unsure, f)
		case f.Status == winre.Affected && f.Advisory.CVE != "":
			open = append(open, f)
		case f.Status == winre.Affected:
			behind = append(behind, f)
		}
	}
	a.affected("advisory-affected", Warning, "settles", open, behind)
	if len(open) == 0 {
		a.affected("update-missing", Info, "brings", behind, nil)
	}
	if len(unsure) > 0 {
		a.image.find("advisory-unknown", Warning, fmt.Sprintf("Whether WinRE settles %s cannot be told: %s", names(unsure), unsure[0].Reason),
			"Find out the version: \"reagentc /info\" prints it on newer builds.")
	}
}

// affected notes advisories that WinRE is too old for. more are others that the same update settles.
func (a *auditor) affected(id string, s Severity, verb string, list, more []winre.Finding) {
	if len(list) == 0 {
		return
	}
	newest := list[0].Fix
	for _, f := range append(list[1:len(list):len(list)], more...) {
		if older(newest.Fixed, f.Fix.Fixed) {
			newest = f.Fix
		}
	}
	text := fmt.Sprintf("WinRE %s is older than what %s %s.", a.image.WinRE.Version, verb, names(list))
	update := newest.KBs[len(newest.KBs)-1]
	next := fmt.Sprintf("Bring Winre.wim to %s or later: install %s, or add the Safe OS dynamic update of that month to Winre.wim with DISM.", newest.Fixed, update)
	if r := a.image.Room; r != nil && !r.Enough {
		next = fmt.Sprintf("Make room first, then bring Winre.wim to %s or later: install %s; or bake the image anew with a newer Winre.wim.", newest.Fixed, update)
	}
	a.image.find(id, s, text, next)
}

func names(list []winre.Finding) string {
	var out []string
	for _, f := range list {
		out = append(out, f.Advisory.ID)
	}
	return strings.Join(out, ", ")
}

func older(a, b pe.Version) bool {
	x, y := [...]uint16{a.Major, a.Minor, a.Build, a.Revision}, [...]uint16{b.Major, b.Minor, b.Build, b.Revision}
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
