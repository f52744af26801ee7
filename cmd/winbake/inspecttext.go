package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
)

// writeInspection writes a report for people.
func writeInspection(w io.Writer, r *inspect.Report) error {
	p := &inspection{}
	for i, f := range r.Files {
		if i > 0 {
			p.line("")
		}
		p.file(f)
	}
	_, err := w.Write(p.b.Bytes())
	return err
}

// inspection is the text of a report.
type inspection struct{ outline }

func (p *inspection) file(f *inspect.File) {
	if f.Folder != nil && f.Error == "" {
		p.folder(f.Folder)
		return
	}
	if f.Key != nil && f.Error == "" {
		p.key(f.Key)
		return
	}
	p.line("%s: %s, %s", quoted(f.Path), fileKind(f), bytesOf(f.Size))
	p.in(func() {
		if f.Error != "" {
			p.line("could not be read: %s", quoted(f.Error))
		}
		p.container(f.Container)
		p.disk(f.Disk)
		p.volume(f.Volume)
		p.wim(f.WIM)
		p.iso(f.ISO)
		p.hive(f.Hive)
		p.store(f.Store)
	})
}

func fileKind(f *inspect.File) string {
	names := map[inspect.Kind]string{
		inspect.KindDisk: "disk", inspect.KindVolume: "volume", inspect.KindWIM: "WIM", inspect.KindISO: "ISO", inspect.KindHive: "registry hive",
		inspect.KindBCD: "BCD store", inspect.KindUnknown: "unknown",
	}
	if f.WIM != nil && f.WIM.Solid {
		return "ESD"
	}
	if c := f.Container; c != nil && f.Kind == inspect.KindDisk {
		return c.Format + " disk"
	}
	return names[f.Kind]
}

// bytesOf is a size for people, and in bytes.
func bytesOf(n int64) string {
	if n < 10<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%s (%d bytes)", audit.Size(n), n)
}

func (p *inspection) container(c *inspect.Container) {
	if c == nil || c.Format == "raw" {
		return // a raw disk's file has nothing to tell
	}
	p.field("container", c.Format, when(c.Version > 0, fmt.Sprintf("version %d", c.Version)), "virtual size "+bytesOf(c.VirtualSize),
		when(c.BlockSize > 0, "blocks of "+bytesOf(c.BlockSize)), when(c.LogicalSector > 0, fmt.Sprintf("sectors of %d/%d", c.LogicalSector, c.PhysicalSector)),
		when(c.Preallocated, "preallocated"), labeled("geometry", c.Geometry), when(c.Refcounts > 0, fmt.Sprintf("refcounts of %d bits", c.Refcounts)),
		labeled("compression", c.Compression), when(c.Snapshots > 0, fmt.Sprintf("%d snapshots", c.Snapshots)), labeled("encrypted:", c.Encryption))
	p.field("made", labeled("by", quoted(strings.TrimSpace(c.Creator+" "+c.CreatorHost))), c.Created)
	p.field("container id", c.ID, labeled("file", c.FileWrite), labeled("data", c.DataWrite))
	p.field("log", c.Log)
	p.field("parent", quoted(c.Parent), c.ParentID)
	p.field("flags", c.Flags...)
}

func (p *inspection) disk(d *inspect.Disk) {
	if d == nil {
		return
	}
	p.field("partition table", strings.ToUpper(d.Table), d.ID, when(d.SectorSize > 0, fmt.Sprintf("sectors of %d bytes", d.SectorSize)),
		when(d.LastUsable > 0, fmt.Sprintf("usable %d-%d", d.FirstUsable, d.LastUsable)), labeled("backup", d.Backup))
	p.field("MBR code", d.BootCode)
	for _, v := range d.Partitions {
		p.line("partition %d: %s", v.Number, strings.Join(nonEmpty(cmp.Or(v.TypeName, "type "+v.Type), when(v.Active, "active"),
			fmt.Sprintf("%s at %d", bytesOf(v.Size), v.Offset)), ", "))
		p.in(func() {
			p.field("type", v.Type, labeled("id", v.ID), labeled("name", quoted(v.Name)))
			if len(v.AttributeNames) > 0 {
				p.field("attributes", v.Attributes, strings.Join(v.AttributeNames, ", "))
			}
			p.volume(v.Volume)
		})
	}
}

func nonEmpty(list ...string) (out []string) {
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (p *inspection) volume(v *inspect.Volume) {
	if v == nil {
		return
	}
	free := ""
	if v.Free != nil {
		free = bytesOf(*v.Free) + " free"
	}
	p.field("volume", cmp.Or(v.FileSystem, "no file system that is known"), labeled("label", quoted(v.Label)), labeled("serial", v.Serial),
		when(v.ClusterSize > 0, fmt.Sprintf("clusters of %d", v.ClusterSize)), when(v.Size > 0, bytesOf(v.Size)), free, when(v.Dirty, "dirty"))
	for _, w := range v.Warnings {
		p.field("warning", quoted(w))
	}
	for _, w := range v.Problems {
		p.field("unreadable", quoted(w))
	}
	p.field("boot record", v.BootCode)
	p.windows(v.Windows)
	for _, f := range v.BootFiles {
		p.field("boot file", quoted(f.Path), bytesOf(f.Size), f.Version, f.Arch)
	}
	for _, w := range v.WinRE {
		p.winre(w)
	}
	for _, s := range v.Stores {
		p.store(s)
	}
	for _, f := range v.Files {
		p.file(f)
	}
}

func (p *inspection) winre(w *inspect.WinRE) {
	p.field("Winre.wim", quoted(w.Path), bytesOf(w.Size), w.Version, w.Arch, labeled("could not be read:", quoted(w.Problem)))
}

func (p *inspection) windows(w *inspect.Windows) {
	if w == nil {
		return
	}
	p.field("Windows", quoted(cmp.Or(w.Product, w.Name)), quoted(w.Edition), quoted(w.Installation), w.Version, w.Architecture, quoted(w.Locale))
	p.in(func() {
		for _, problem := range w.Problems {
			p.field("unreadable", quoted(problem))
		}
		if r := w.ReAgent; r != nil {
			state := "disabled"
			if r.Enabled {
				state = "enabled"
			}
			p.field("WinRE", state, when(r.Staged, "staged"), quoted(r.Location), when(r.Partition > 0, fmt.Sprintf("on partition %d", r.Partition)), labeled("entry", r.Loader))
		}
		for i := range w.Settings {
			s := &w.Settings[i]
			p.field("setting", quoted(s.Key+`\`+s.Value.Name)+" = "+valueText(&s.Value))
		}
		for _, s := range w.Services {
			p.field("boot driver", s.Name, "Start "+number(s.Start), labeled("Group", quoted(s.Group)), labeled("BootFlags", numberOr(s.BootFlags)))
		}
	})
}

func number(n *uint64) string { return cmp.Or(numberOr(n), "missing") }

func numberOr(n *uint64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func (p *inspection) store(s *inspect.Store) {
	if s == nil {
		return
	}
	p.line("%s", strings.TrimSpace("BCD store "+quoted(s.Path)))
	p.in(func() {
		if s.Problem != "" {
			p.field("unreadable", quoted(s.Problem))
		}
		p.list(len(s.Objects), func(i int) { p.object(&s.Objects[i]) })
	})
}

func (p *inspection) object(o *inspect.Object) {
	id := o.ID
	if o.Alias != "" {
		id += " " + o.Alias
	}
	p.line("%s %s", o.Title, id)
	p.in(func() {
		p.list(len(o.Elements), func(i int) {
			e := &o.Elements[i]
			values := e.Values
			if len(values) > most {
				values = append(values[:most:most], "...")
			}
			text := quoted(strings.Join(values, " "))
			if e.Problem != "" {
				text = "(" + quoted(e.Problem) + ")"
			}
			if e.Means != "" && e.Means != text {
				text = fmt.Sprintf("%s  (%s)", quoted(e.Means), text)
			}
			p.line("%-8s %-24s %s", e.ID, e.Name, text)
		})
	})
}
