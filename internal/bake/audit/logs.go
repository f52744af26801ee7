package audit

import (
	"fmt"
	"os"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/cbslog"
)

// readLog reads one log. kbs are updates for the recovery environment.
func readLog(path string, kbs []string) *Log {
	out := &Log{Path: path, Kind: string(cbslog.Text), Verdict: OK, Failures: []LogFailure{}, Space: []LogSpace{}, Findings: []Finding{}}
	l, err := parseLog(path, kbs)
	if err != nil {
		out.Verdict, out.Error = Unreadable, err.Error()
		return out
	}
	out.Kind, out.Lines = string(l.Kind), l.Lines
	for _, f := range l.Failures {
		out.Failures = append(out.Failures, LogFailure{
			Code: f.Code, Name: f.Name, WinRE: f.WinRE, Count: f.Count, First: f.First, Last: f.Last,
			KBs: append([]string{}, f.KBs...), Text: f.Text, Meaning: f.Meaning, Next: f.Next,
		})
		out.Verdict = Findings
	}
	out.space(l)
	out.reagent(l)
	out.boot(l)
	return out
}

func parseLog(path string, kbs []string) (*cbslog.Log, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.Invalidf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := cbslog.Parse(f, kbs...)
	return l, fault.In(path, err)
}

func (l *Log) find(id string, s Severity, text, next string) {
	l.Findings = append(l.Findings, Finding{ID: id, Severity: s, Text: text, Next: next})
	if s == Warning {
		l.Verdict = l.Verdict.Worse(Findings)
	}
}

func (l *Log) space(in *cbslog.Log) {
	for _, s := range in.Space {
		l.Space = append(l.Space, LogSpace{Line: s.Line, Needed: s.Needed, Free: s.Free, Text: s.Text})
		if s.Short() {
			l.find("log-space", Warning, fmt.Sprintf("Line %d: Setup wanted %s for Winre.wim and found %s.", s.Line, Size(s.Needed), Size(s.Free)),
				"Resize the recovery partition as KB5028997 describes, or bake the image anew with a larger one.")
		}
	}
}

func (l *Log) reagent(in *cbslog.Log) {
	r := in.ReAgent
	if r == nil {
		return
	}
	l.ReAgent = &LogReAgent{Enabled: r.Enabled, Status: r.Status, Location: r.Location, Disk: r.Disk, Partition: r.Partition, Version: r.Version}
	if !r.BCD.IsZero() {
		l.ReAgent.Loader = r.BCD.String()
	}
	if !r.Enabled {
		l.find("reagentc-disabled", Info, "reagentc says that WinRE is not enabled: updates for it have nothing to change.",
			"If WinRE is wanted, run \"reagentc /enable\"; if it is not, hide the updates for it.")
	}
}

func (l *Log) boot(in *cbslog.Log) {
	r, ok := in.Recovery()
	if !ok {
		return
	}
	l.Boot = &LogBoot{Loader: r.Loader, Sequence: r.Sequence, Device: r.Device}
	if r.Set {
		l.Boot.Enabled = &r.Enabled
	}
	const next = "Run \"reagentc /disable\" and \"reagentc /enable\"."
	switch {
	case r.Set && r.Enabled && r.Sequence == "":
		l.find("bcdedit-no-recovery", Warning, "The default entry has recoveryenabled, and no recoverysequence: there is no WinRE to go to.", next)
	case r.Set && !r.Enabled && r.Sequence != "":
		l.find("bcdedit-recovery-off", Warning, "The default entry names a WinRE and has recoveryenabled switched off.",
			"Run \"bcdedit /set {default} recoveryenabled yes\", if that is not on purpose.")
	}
}

// compareLogs notes where the logs of one report contradict one another.
func compareLogs(r *Report) {
	for _, l := range r.Logs {
		for _, other := range r.Logs {
			if l.Boot == nil || other.ReAgent == nil {
				continue
			}
			if other.ReAgent.Enabled && l.Boot.Sequence != "" && !sameEntry(l.Boot.Sequence, other.ReAgent.Loader) {
				l.find("bcdedit-reagentc-differ", Warning,
					fmt.Sprintf("bcdedit names the entry %s for WinRE, reagentc (%s) names %s.", l.Boot.Sequence, other.Path, other.ReAgent.Loader),
					"Run \"reagentc /disable\" and \"reagentc /enable\".")
				r.Verdict = r.Verdict.Worse(l.Verdict)
			}
		}
	}
}

func sameEntry(bcdedit, reagentc string) bool {
	g, err := guid.Parse(reagentc)
	return err == nil && cbslog.SameID(bcdedit, g)
}
