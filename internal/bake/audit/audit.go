// Package audit reports on the Windows Recovery Environment of images that are finished: of disks,
// volumes and folders, whoever made them. It says where Winre.wim is, which version, whether
// ReAgent.xml and the boot configuration point to it, whether there is room to update it, and which
// advisories it answers; and what logs of a running Windows tell about it.
//
// It only reads. An image that is damaged gives an error in its part of the report, and the others
// are audited all the same.
package audit

import (
	"errors"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// Options say how to audit.
type Options struct {
	Tool string // name and version, for the report
	// Advisories are what WinRE is judged by; nil takes those that winbake comes with.
	Advisories []winre.Advisory
}

// Run audits every path and reads every log. What cannot be read is in the report; the error is
// winbake's own, such as advisories that cannot be used.
func Run(paths, logs []string, o Options) (*Report, error) {
	if o.Advisories == nil {
		var err error
		if o.Advisories, err = winre.Advisories(); err != nil {
			return nil, err
		}
	}
	r := &Report{SchemaVersion: SchemaVersion, Tool: o.Tool, Verdict: OK, Images: []*Image{}, Logs: []*Log{}}
	for _, path := range paths {
		for _, i := range inspectPath(path, o.Advisories) {
			r.Images = append(r.Images, i)
			r.Verdict = r.Verdict.Worse(i.Verdict)
		}
	}
	kbs := updates(o.Advisories)
	for _, path := range logs {
		l := readLog(path, kbs)
		r.Logs = append(r.Logs, l)
		r.Verdict = r.Verdict.Worse(l.Verdict)
	}
	compareLogs(r)
	return r, nil
}

// Compare audits two paths, of which each may be the manifest.json of a bake, and compares their
// recovery environments. A path with several Windows, or with none, is an error in the report.
func Compare(a, b string, o Options) (*Report, error) {
	r, err := Run([]string{a, b}, nil, o)
	if err != nil {
		return nil, err
	}
	r.Parity = compare(r.Images, a, b)
	if !r.Parity.Equal {
		r.Verdict = r.Verdict.Worse(Findings)
	}
	return r, nil
}

// updates lists the KBs of all advisories.
func updates(advisories []winre.Advisory) []string {
	var out []string
	for _, a := range advisories {
		for _, f := range a.Fixes {
			out = append(out, f.KBs...)
		}
	}
	return out
}

// newImage returns the report of an image about which nothing is known yet.
func newImage(path string, kind Kind) *Image {
	return &Image{
		Path: path, Kind: kind, Verdict: OK, Partitions: []Partition{}, Boot: []Boot{}, Advisories: []Advisory{},
		Findings: []Finding{}, Next: []string{}, WinRE: WinRE{State: Absent, Locations: []Place{}},
	}
}

// fail notes that the image could not be read.
func (i *Image) fail(err error) *Image {
	i.Verdict = Unreadable
	i.Error = err.Error()
	i.Summary = "It could not be read: " + i.Error + "."
	if errors.Is(err, fault.ErrCorrupt) {
		i.Next = append(i.Next, "Copy the image again, or attach it to a Windows and run chkdsk.")
	}
	return i
}

// find notes a finding.
func (i *Image) find(id string, s Severity, text, next string) {
	i.Findings = append(i.Findings, Finding{ID: id, Severity: s, Text: text, Next: next})
	if s == Warning {
		i.Verdict = i.Verdict.Worse(Findings)
	}
}

// windowsPath is a '/' path as Windows writes it.
func windowsPath(path string) string { return `\` + strings.ReplaceAll(path, "/", `\`) }
