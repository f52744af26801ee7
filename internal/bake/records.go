package bake

import (
	"cmp"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/bake/evidence"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// versionTag is the tag that names the image's version in the records, where the user sets it.
const versionTag = "version"

// records are what auditors and scanners get: evidence about the recovery environment, bound to the
// SHA-256 of the image. Without that there are none.
func (b *Bake) records() ([]evidence.Record, error) {
	if b.c.NoChecksums {
		return nil, nil
	}
	w := b.Windows()
	e := evidence.Bake{
		Name: b.c.Name, Time: b.c.BuildTime, Tool: cmp.Or(b.c.Tool, "winbake"), Findings: b.recovery.findings, Evidence: b.recoveryEvidence(),
		Windows: evidence.Windows{
			Name: cmp.Or(b.windows.ProductName, w.Name), Version: b.windows.Version.String(), Arch: b.windows.Arch.Processor(),
			CPE: evidence.CPE(b.windows.Version.String(), b.windows.Arch.Processor(), b.windows.Server),
		},
	}
	for _, o := range b.out.files {
		e.Files = append(e.Files, evidence.File{Name: o.name, SHA256: o.sha256})
	}
	const digits = 12 // of the hash, which no two images share
	e.Version = cmp.Or(b.c.Tags[versionTag], e.Files[0].SHA256[:digits])
	manifest := b.winRE()
	e.WinRE = evidence.WinRE{Present: manifest.Present, Version: manifest.Version}
	return evidence.Records(e)
}

// recoveryEvidence says how the bake knows whether there is a recovery environment.
func (b *Bake) recoveryEvidence() []string {
	r := b.recovery
	if r.path != "" {
		return []string{fmt.Sprintf("%s is on the %s volume.", r.path, b.winRE().Volume)}
	}
	files := len(b.tree.Nodes())
	out := []string{fmt.Sprintf("No file Winre.wim among the %d files and directories of the Windows volume.", files)}
	if b.disk.Find(layout.Recovery) == nil {
		out = append(out, fmt.Sprintf("None of the %d partitions of the disk is a recovery partition.", len(b.disk.Partitions)))
	}
	if state, err := winre.State(b.tree); err == nil && (state == nil || !state.Installed) {
		out = append(out, "ReAgent.xml: no recovery environment is installed.")
	}
	if r.decision != nil {
		out = append(out, "The boot configuration says recoveryenabled no.")
	}
	return out
}
