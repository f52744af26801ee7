package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// state says what the findings so far come to, and notes where the parts contradict one another.
func (a *auditor) state() {
	w, r := &a.image.WinRE, a.image.ReAgent
	enabled := r != nil && r.Enabled
	switch {
	case enabled && r.Target == TargetOK:
		w.State = Enabled
	case enabled && r.Target == TargetUnchecked:
		w.State = Unseen
		a.image.find("winre-unseen", Info, fmt.Sprintf("Windows has WinRE enabled at %s of a partition that was not given with this %s.", r.Path, a.image.Kind),
			"Audit the whole disk to see the recovery partition.")
	case enabled:
		w.State = Broken
	case a.staged() != nil && len(w.Locations) == 1:
		w.State = Staged
	case len(w.Locations) > 0:
		w.State = Disabled
		a.image.find("winre-disabled", Warning, "There is a Winre.wim, and Windows has WinRE switched off.",
			"Run \"reagentc /enable\" in Windows; or bake the image anew with WinRE excluded, if it is not wanted.")
	}
	w.Present = w.State != Absent && w.State != Broken || len(w.Locations) > 0
	if a.image.Recovery != nil && !a.image.Recovery.WIM && w.State != Staged {
		a.image.find("recovery-partition-empty", Warning, fmt.Sprintf("The recovery partition, %d, holds no Winre.wim.", a.image.Recovery.Partition),
			"Copy the Winre.wim of install media of the same build to C:\\Windows\\System32\\Recovery and run \"reagentc /enable\"; or leave the partition out of the image.")
	}
	a.agree(enabled)
}

// agree compares the boot configuration with ReAgent.xml.
func (a *auditor) agree(enabled bool) {
	const next = "Run \"reagentc /disable\" and \"reagentc /enable\" in Windows, or bake the image anew."
	for i := range a.image.Boot {
		b := &a.image.Boot[i]
		if b.Problem != "" {
			continue
		}
		who := b.Store
		if !enabled {
			if b.Sequence != "" && b.Target != TargetOK && b.Target != TargetUnchecked {
				a.complain("bcd", who, b.Target, b.TargetPart)
			}
			continue
		}
		switch {
		case b.Sequence == "":
			a.image.find("bcd-no-recovery", Warning, who+" has no entry for WinRE: Windows does not go there when it cannot start.", next)
			continue
		case !b.Recovery && (b.Enabled == nil || !*b.Enabled):
			a.image.find("bcd-recovery-off", Warning, who+" has recoveryenabled switched off: Windows does not go to WinRE by itself.",
				"Run \"bcdedit /set {default} recoveryenabled yes\" in Windows, if that is not on purpose.")
		}
		a.complain("bcd", who, b.Target, b.TargetPart)
		r := a.image.ReAgent
		if b.Target == TargetOK && r.Target == TargetOK && b.TargetPart != r.Partition {
			a.image.find("bcd-reagent-differ", Warning, fmt.Sprintf("%s starts WinRE from partition %d, ReAgent.xml says partition %d: updates change one and start the other.", who, b.TargetPart, r.Partition), next)
		}
		if r.loader != zeroID && b.sequence != r.loader {
			a.image.find("bcd-reagent-differ", Warning, fmt.Sprintf("%s names the entry %s for WinRE, ReAgent.xml names %s.", who, b.Sequence, r.Loader), next)
		}
	}
}

func (a *auditor) staged() *Place { return a.find(a.windows, stagedFile) }

// used is the Winre.wim that counts: the one that Windows has set up, or would.
func (a *auditor) used() *Place {
	list := a.image.WinRE.Locations
	if r := a.image.ReAgent; r != nil && r.Target == TargetOK {
		if v := a.at(r.Partition); v != nil {
			if p := a.find(v, hostPath(r.Path)+"/Winre.wim"); p != nil {
				return p
			}
		}
	}
	for _, place := range []string{placeRecovery, placeWindows, placeStaged, placeOther} {
		if i := slices.IndexFunc(list, func(p Place) bool { return p.Place == place }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// room says whether an update of WinRE fits where it is, or where the first start will put it.
func (a *auditor) room() {
	p := a.used()
	if p == nil {
		return
	}
	v, after := a.at(p.Partition), int64(0)
	if p.Place == placeStaged {
		after = p.Size
		if r := a.image.Recovery; r != nil {
			v = a.at(r.Partition)
		} else {
			after = 0 // it stays on the Windows volume
		}
	}
	if v == nil || v.Free == nil {
		return
	}
	free := *v.Free - after
	a.image.Room = &Room{Partition: v.Number, Needed: winre.FreeForUpdates, Free: max(free, 0), Enough: free >= winre.FreeForUpdates}
	if a.image.Room.Enough {
		return
	}
	where := fmt.Sprintf("On %s, %s are free", v.name(), Size(*v.Free))
	if after > 0 {
		where = fmt.Sprintf("On %s, %s will be free once Winre.wim is there", v.name(), Size(max(free, 0)))
	}
	next := "Bake the image anew with a larger recovery partition (winbake computes it), or resize it as KB5028997 describes."
	if v == a.windows {
		next = "Make the disk larger."
	}
	a.image.find("recovery-room", Warning,
		fmt.Sprintf("%s: updates of WinRE want %s and fail with 0x80070643 where they do not find it.", where, Size(winre.FreeForUpdates)), next)
}

// versions decides which version WinRE has.
func (a *auditor) versions() {
	w := &a.image.WinRE
	p := a.used()
	if p == nil {
		if w.Present {
			w.Version = w.Registry
		}
		return
	}
	w.Version = p.Version
	for _, note := range p.info.Notes {
		a.image.find("winre-version-unsure", Info, note, "")
	}
	if w.Registry != "" && p.Version != "" && w.Registry != p.Version {
		a.image.find("winre-version-registry", Info, fmt.Sprintf("The registry's WinREVersion is %s, Winre.wim is %s: Windows Update and scanners go by the registry.", w.Registry, p.Version),
			"Set WinREVersion to the version of Winre.wim, or leave it out.")
	}
}

// conclude writes the verdict in a sentence, and gathers what to do.
func (a *auditor) conclude() {
	i := a.image
	for _, f := range i.Findings {
		if f.Severity == Warning && f.Next != "" && !slices.Contains(i.Next, f.Next) {
			i.Next = append(i.Next, f.Next)
		}
	}
	n := 0
	for _, f := range i.Findings {
		if f.Severity == Warning {
			n++
		}
	}
	i.Summary = a.sentence()
	switch n {
	case 0:
		i.Summary += " Nothing is to be done."
	case 1:
		i.Summary += " There is one finding."
	default:
		i.Summary += fmt.Sprintf(" There are %d findings.", n)
	}
}

// sentence describes the recovery environment.
func (a *auditor) sentence() string {
	w := &a.image.WinRE
	named := "WinRE " + cmp.Or(w.Version, "of an unknown version")
	switch w.State {
	case Absent:
		return a.absent()
	case Staged:
		return named + " waits in System32\\Recovery until the first start sets it up."
	case Disabled:
		return named + " is there, but switched off."
	case Broken:
		return "Windows believes WinRE to be set up, and does not find it where it says."
	case Unseen:
		return named + " is set up on a partition that was not given."
	case Enabled:
	}
	if r := a.image.Room; r != nil && a.at(r.Partition) != nil {
		return fmt.Sprintf("%s is set up on %s, with %s free.", named, a.at(r.Partition).name(), Size(r.Free))
	}
	return named + " is set up."
}

// absent says what it means that there is no recovery environment, for the update that everybody asks
// about.
func (a *auditor) absent() string {
	const text = "The image carries no WinRE."
	for _, f := range a.image.Advisories {
		if f.Status == winre.NotAffected && len(f.KBs) > 0 {
			return fmt.Sprintf("%s %s does not apply to it; where Windows Update offers it all the same, it fails with 0x800F081F or 0x80242016: hide it.", text, f.KBs[0])
		}
	}
	return text
}

// Size is a number of bytes as people read it.
func Size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// upper begins a sentence.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
