package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// writeText writes a report for people.
func writeText(w io.Writer, r *audit.Report) error {
	p := &page{}
	for _, i := range r.Images {
		p.image(i)
	}
	for _, l := range r.Logs {
		p.log(l)
	}
	if r.Parity != nil {
		p.parity(r.Parity)
	}
	_, err := w.Write(p.b.Bytes())
	return err
}

// page is a report under way.
type page struct {
	b bytes.Buffer
	t *tabwriter.Writer // of the table that is open
}

// line writes a line. Names come from images and logs, so that nothing in it may move a terminal's
// cursor.
func (p *page) line(format string, args ...any) {
	p.b.WriteString(printable(fmt.Sprintf(format, args...)) + "\n")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// row writes a row of a table of two columns or more.
func (p *page) row(cells ...string) {
	if p.t == nil {
		p.t = tabwriter.NewWriter(&p.b, 0, 0, 2, ' ', 0)
	}
	for i, c := range cells {
		cells[i] = printable(c)
	}
	fmt.Fprintln(p.t, strings.TrimRight("  "+strings.Join(cells, "\t"), "\t "))
}

// end ends a table.
func (p *page) end() {
	if p.t != nil {
		p.t.Flush() //nolint:errcheck // it writes to memory
		p.t = nil
	}
}

func (p *page) image(i *audit.Image) {
	format := i.Format
	if i.Inside != nil {
		format = i.Inside.Format
		p.line("%s: %s", i.Path, i.Inside)
	} else {
		p.line("%s", i.Path)
	}
	if w := i.Windows; w != nil {
		p.row("Windows", fmt.Sprintf("%s, %s (%s) %s%s", cmp.Or(w.Product, w.Name), w.Version, w.Architecture, w.Installation, on(w.Partition)))
	}
	if d := i.Disk; d != nil {
		p.row("Disk", fmt.Sprintf("%s, %s, %s %s", audit.Size(d.Size), format, strings.ToUpper(d.Table), d.ID))
	}
	if r := i.Recovery; r != nil {
		p.row("Recovery partition", fmt.Sprintf("%d: %s, %s free", r.Partition, audit.Size(r.Size), sizeOr(r.Free)))
	} else if i.Disk != nil {
		p.row("Recovery partition", "none")
	}
	if i.Windows != nil {
		p.winRE(i)
	}
	p.end()
	p.partitions(i.Partitions)
	p.advisories(i.Advisories)
	p.findings(i.Findings)
	p.line("  => %s", i.Summary)
	p.line("")
}

func (p *page) winRE(i *audit.Image) {
	w := &i.WinRE
	p.row("WinRE", strings.TrimSpace(fmt.Sprintf("%s %s", cmp.Or(string(w.State), "not known"), w.Version)))
	for _, l := range w.Locations {
		p.row("Winre.wim", strings.TrimSpace(fmt.Sprintf("%s%s, %s, %s", l.Path, on(l.Partition), audit.Size(l.Size), cmp.Or(l.Version, "version not known"))))
	}
	if w.Registry != "" {
		p.row("WinREVersion", w.Registry)
	}
	if r := i.ReAgent; r != nil {
		p.row("ReAgent.xml", pointer(enabled(&r.Enabled), r.Target, r.Partition))
	} else if i.Kind != audit.KindManifest {
		p.row("ReAgent.xml", "none")
	}
	for _, b := range i.Boot {
		state := "recovery " + enabled(b.Enabled)
		if b.Recovery {
			state = "WinRE's own store"
		}
		where := on(b.Partition)
		if b.Around {
			where += " of the disk around it"
		}
		p.row("BCD", b.Store+where+": "+pointer(state, b.Target, b.TargetPart))
	}
	if r := i.Room; r != nil {
		p.row("Room for updates", fmt.Sprintf("%s free%s, %s wanted", audit.Size(r.Free), on(r.Partition), audit.Size(r.Needed)))
	}
}

func on(partition int) string {
	if partition == 0 {
		return ""
	}
	return fmt.Sprintf(" on partition %d", partition)
}

func enabled(b *bool) string {
	switch {
	case b == nil:
		return "not set"
	case *b:
		return "enabled"
	}
	return "disabled"
}

// pointer says where a configuration points to.
func pointer(state string, t audit.Target, partition int) string {
	says := map[audit.Target]string{
		audit.TargetOK: fmt.Sprintf("points to partition %d", partition), audit.TargetNone: "points nowhere",
		audit.TargetDisk: "points to another disk", audit.TargetPartition: "points to no partition",
		audit.TargetImage: fmt.Sprintf("points to partition %d, where no Winre.wim is", partition), audit.TargetUnchecked: "where it points to cannot be seen",
		audit.TargetEntry: "names an entry that is not there", audit.TargetUnknownKind: "its entry loads no WIM",
	}[t]
	if t == audit.TargetOK && partition == 0 {
		says = "points to this volume"
	}
	return state + ", " + cmp.Or(says, "cannot be read")
}

func sizeOr(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return audit.Size(*n)
}

func (p *page) partitions(list []audit.Partition) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.row("#", "ROLE", "TYPE", "SIZE", "FREE", "FILE SYSTEM", "LABEL")
	for _, v := range list {
		free := ""
		if v.Free != nil {
			free = audit.Size(*v.Free)
		}
		p.row(fmt.Sprint(v.Number), v.Role, v.Type, audit.Size(v.Size), free, v.FileSystem, cmp.Or(v.Label, v.Name))
	}
	p.end()
}

func (p *page) advisories(list []audit.Advisory) {
	shown := false
	for _, a := range list {
		if a.Status == winre.NotApplicable {
			continue
		}
		if !shown {
			p.line("")
			p.row("ADVISORY", "STATUS", "FIXED IN", "KB")
			shown = true
		}
		p.row(a.ID, string(a.Status), a.Fixed, strings.Join(a.KBs, " "))
	}
	p.end()
}

func (p *page) findings(list []audit.Finding) {
	p.line("")
	for _, f := range list {
		p.line("  %s: %s", f.Severity, f.Text)
		if f.Next != "" {
			p.line("    -> %s", f.Next)
		}
	}
}

func (p *page) log(l *audit.Log) {
	p.line("%s (%s, %d lines)", l.Path, l.Kind, l.Lines)
	if l.Error != "" {
		p.line("  could not be read: %s", l.Error)
	}
	if r := l.ReAgent; r != nil {
		p.row("WinRE", fmt.Sprintf("%s, %s", enabled(&r.Enabled), cmp.Or(r.Location, "no location")))
		p.row("Boot entry", strings.TrimSpace(r.Loader+" "+r.Version))
	}
	if b := l.Boot; b != nil {
		p.row("recoveryenabled", enabled(b.Enabled))
		p.row("recoverysequence", cmp.Or(b.Sequence, "none"))
		if b.Device != "" {
			p.row("device", b.Device)
		}
	}
	p.end()
	for _, f := range l.Failures {
		p.line("  %s %s, %d times, first in line %d: %s", f.Code, f.Name, f.Count, f.First, f.Text)
		p.line("    %s", f.Meaning)
		p.line("    -> %s", f.Next)
	}
	p.findings(l.Findings)
}

func (p *page) parity(c *audit.Parity) {
	if c.Equal {
		p.line("Parity: both carry the same recovery environment.")
		return
	}
	p.line("Parity: the two differ.")
	p.row("", c.A, c.B)
	for _, d := range c.Differences {
		p.row(d.Field, d.A, d.B)
	}
	p.end()
}
