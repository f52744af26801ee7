package audit

import (
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// maxState bounds ReAgent.xml, which has 1 KiB.
const maxState = 1 << 20

// reagent reads ReAgent.xml and says whether it points to a Winre.wim.
func (a *auditor) reagent() {
	b, err := a.windows.read(winre.StateFile, maxState)
	if missing(err) {
		a.image.find("reagent-missing", Info, fmt.Sprintf("There is no %s: Windows makes a new one when it needs it.", windowsPath(winre.StateFile)), "")
		return
	}
	var r *winre.ReAgent
	if err == nil {
		r, err = winre.ParseReAgent(b)
	}
	if err != nil {
		a.image.find("reagent-unreadable", Warning, fmt.Sprintf("%s cannot be read: %v.", windowsPath(winre.StateFile), err),
			"Delete it and run \"reagentc /enable\" in Windows, or bake the image anew.")
		return
	}
	out := &ReAgent{
		Version: r.Version, Enabled: r.Installed, Staged: r.Staged, Path: r.Location.Path, Offset: r.Location.Offset, loader: r.BCD,
		Disk: diskName(r.Location.Disk),
	}
	if !r.BCD.IsZero() {
		out.Loader = r.BCD.String()
	}
	out.Target, out.Partition = a.target(r.Location)
	a.image.ReAgent = out
	if r.Installed {
		a.complain("reagent", "ReAgent.xml", out.Target, out.Partition)
	}
}

func diskName(d winre.Disk) string {
	switch {
	case !d.GUID.IsZero():
		return d.GUID.String()
	case d.Signature != 0:
		return signature(d.Signature)
	}
	return ""
}

// target finds the partition that ReAgent.xml points to.
func (a *auditor) target(l winre.Location) (Target, int) {
	if l.Path == "" {
		return TargetNone, 0
	}
	if a.identity == nil {
		if v := a.windows; a.find(v, hostPath(l.Path)+"/Winre.wim") != nil {
			return TargetOK, v.Number // it cannot be told from another partition's, and this one is there
		}
		return TargetUnchecked, 0
	}
	if a.identity.GPT && l.Disk.GUID != a.identity.ID || !a.identity.GPT && l.Disk.Signature != a.identity.Signature {
		return TargetDisk, 0
	}
	for _, v := range a.volumes {
		if v.Offset != l.Offset {
			continue
		}
		if a.find(v, hostPath(l.Path)+"/Winre.wim") == nil {
			return TargetImage, v.Number
		}
		return TargetOK, v.Number
	}
	return TargetPartition, 0
}

// complain notes a configuration that points to where no Winre.wim is.
func (a *auditor) complain(id, who string, t Target, partition int) {
	const next = "Run \"reagentc /disable\" and \"reagentc /enable\" in Windows, or bake the image anew: winbake writes both consistently."
	switch t {
	case TargetNone:
		a.image.find(id+"-no-target", Warning, who+" says that WinRE is enabled, and not where it is.", next)
	case TargetDisk:
		a.image.find(id+"-other-disk", Warning, who+" points to another disk than this: the disk was copied under a new identifier, or the file was.", next)
	case TargetPartition:
		a.image.find(id+"-no-partition", Warning, who+" points to a place on this disk where no partition begins.", next)
	case TargetImage:
		a.image.find(id+"-no-image", Warning, fmt.Sprintf("%s points to partition %d, and there is no Winre.wim at that place of it.", who, partition), next)
	case TargetEntry:
		a.image.find(id+"-no-entry", Warning, who+" names an entry for WinRE that is not there.", next)
	case TargetUnknownKind:
		a.image.find(id+"-no-wim", Warning, who+" has an entry for WinRE that does not load a WIM from a partition.", next)
	case TargetOK, TargetUnchecked:
	}
}

// equalPath compares a path of Windows with a '/' path, as Windows compares names.
func equalPath(a, b string) bool {
	return strings.EqualFold(strings.Join(tree.Split(hostPath(a)), "/"), strings.Join(tree.Split(hostPath(b)), "/"))
}
