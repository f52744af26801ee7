package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
)

func (p *inspection) wim(w *inspect.WIM) {
	if w == nil {
		return
	}
	p.field("WIM", w.ID, "version "+w.Version, w.Compression, when(w.ChunkSize > 0, fmt.Sprintf("chunks of %d", w.ChunkSize)), when(w.Solid, "solid"),
		when(w.Parts > 1, fmt.Sprintf("%d parts", w.Parts)), when(w.Integrity, "integrity table"), strings.Join(w.Flags, ", "))
	p.field("contents", fmt.Sprintf("%d blobs", w.Blobs), bytesOf(w.BlobBytes), when(w.BootIndex > 0, fmt.Sprintf("boots image %d", w.BootIndex)))
	p.list(len(w.Images), func(i int) { p.image(&w.Images[i]) })
}

func (p *inspection) image(i *inspect.WIMImage) {
	p.line("image %d: %s", i.Index, quoted(i.Name))
	p.in(func() {
		if i.Description != i.Name {
			p.field("description", quoted(i.Description))
		}
		if i.DisplayName != "" || i.DisplayDescription != "" {
			p.field("display name", quoted(i.DisplayName), quoted(i.DisplayDescription))
		}
		p.field("Windows", quoted(i.Product), labeled("edition", quoted(cmp.Or(i.Edition, i.Flags))), when(i.Edition != "", labeled("flags", quoted(i.Flags))),
			quoted(i.Installation), i.Version, when(i.ServicePack > 0, fmt.Sprintf("SP %d", i.ServicePack)), quoted(i.Architecture), labeled("branch", quoted(i.Branch)))
		p.field("product", quoted(i.ProductType), quoted(i.ProductSuite), labeled("HAL", quoted(i.HAL)), labeled("root", quoted(i.SystemRoot)), quoted(i.State))
		p.field("languages", quoted(strings.Join(i.Languages, " ")), labeled("default", quoted(i.DefaultLanguage)))
		p.field("contents", fmt.Sprintf("%d files", i.Files), fmt.Sprintf("%d folders", i.Directories), bytesOf(int64(i.TotalBytes)),
			fmt.Sprintf("%d bytes in hard links", i.HardLinkBytes), when(i.WIMBoot, "WIMBoot"))
		p.field("times", labeled("created", i.Created), labeled("modified", i.Modified))
		if i.WinRE != nil {
			p.winre(i.WinRE)
		}
		if i.Problem != "" {
			p.field("unreadable", quoted(i.Problem))
		}
	})
}

func (p *inspection) iso(i *inspect.ISO) {
	if i == nil {
		return
	}
	p.field("disc", i.FileSystem, labeled("label", quoted(i.Label)), labeled("created", i.Created))
	p.field("made", labeled("by", quoted(i.Publisher)), labeled("with", quoted(i.Application)), labeled("for", quoted(i.System)))
	for _, b := range i.Boot {
		p.field("boots", b.Platform, b.Media, fmt.Sprintf("%d sectors at block %d", b.Sectors, b.Block), when(!b.Bootable, "not bootable"))
	}
	p.field("root folder", quoted(strings.Join(i.Root, "  ")))
	for _, problem := range i.Problems {
		p.field("unreadable", quoted(problem))
	}
	for _, s := range i.Stores {
		p.store(s)
	}
	for _, f := range i.Files {
		p.file(f)
	}
}

func (p *inspection) hive(h *inspect.Hive) {
	if h == nil {
		return
	}
	state := "clean"
	if h.Dirty {
		state = strings.TrimRight("dirty, logs "+h.Logs, " ")
	}
	p.field("hive", "version "+h.Version, fmt.Sprintf("sequence %d/%d", h.Sequence[0], h.Sequence[1]), state, labeled("written", h.LastWritten), labeled("name", quoted(h.FileName)))
	p.field("root key", quoted(h.Name), fmt.Sprintf("%d keys", h.Keys), fmt.Sprintf("%d values", h.Values), bytesOf(h.BinsSize)+" of bins")
	p.list(len(h.Subkeys), func(i int) { p.field("key", quoted(h.Subkeys[i])) })
}

func (p *inspection) key(k *inspect.Key) {
	p.line("%s", quoted(k.Path))
	p.in(func() {
		p.field("written", k.LastWritten, labeled("class", quoted(k.Class)))
		p.list(len(k.Values), func(i int) {
			v := &k.Values[i]
			p.line("%s  %s  %s", cmp.Or(quoted(v.Name), "(Default)"), v.Type, valueText(v))
		})
		p.list(len(k.Subkeys), func(i int) { p.line(`%s\`, quoted(k.Subkeys[i])) })
	})
}

// valueText is the data of a value as its type has it.
func valueText(v *inspect.Value) string {
	const longest = 256 // bytes in hexadecimal
	switch {
	case v.Text != nil:
		return quoted(*v.Text)
	case v.Strings != nil:
		items := make([]string, len(v.Strings))
		for i, s := range v.Strings {
			items[i] = quoted(s)
		}
		if len(items) > most {
			items = append(items[:most:most], "...")
		}
		return "[" + strings.Join(items, " | ") + "]"
	case v.Number != nil:
		return fmt.Sprintf("%d (%#x)", *v.Number, *v.Number)
	}
	if len(v.Data) > 2*longest || 2*v.Size > len(v.Data) {
		return fmt.Sprintf("%s... (%d bytes)", v.Data[:min(len(v.Data), 2*longest)], v.Size)
	}
	return v.Data
}

// mostEntries is how many names of a folder are shown: more than WinSxS has.
const mostEntries = 100_000

func (p *inspection) folder(f *inspect.Folder) {
	for i := range f.Entries[:min(len(f.Entries), mostEntries)] {
		e := &f.Entries[i]
		size := fmt.Sprint(e.Size)
		if e.Directory {
			size = "<DIR>"
		}
		text := quoted(e.Name)
		if e.Reparse != "" {
			text += "  [" + e.Reparse + labeled(":", quoted(e.Target)) + "]"
		}
		if e.Links > 0 {
			text += fmt.Sprintf("  (%d names)", e.Links)
		}
		p.line("%-20s %-8s %14s  %s", e.Modified, e.Attributes, size, text)
		for _, s := range e.Streams[:min(len(e.Streams), most)] {
			p.line("%-20s %-8s %14d  %s:%s", "", "", s.Size, quoted(e.Name), quoted(s.Name))
		}
	}
	if len(f.Entries) > mostEntries {
		p.line("... and %d more, which --json shows", len(f.Entries)-mostEntries)
	}
}
