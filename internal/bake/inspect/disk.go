package inspect

import (
	"fmt"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/bake/volumes"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
)

// reportDisk describes a disk, or a volume without one.
func (s *source) reportDisk(depth int) {
	w := &walker{disk: s.disk, seen: map[ref]bool{}, depth: depth}
	if s.disk.Identity == nil {
		s.file.Volume = w.volume(s.disk.Volumes[0])
		w.follow()
		return
	}
	d := &Disk{
		Table: "gpt", ID: s.table.ID.String(), SectorSize: s.table.SectorSize, BootCode: bootcode.IdentifyMBR(s.table.Code),
		FirstUsable: s.table.FirstUsable, LastUsable: s.table.LastUsable, Backup: "ok", Partitions: []*Partition{},
	}
	if s.table.Backup != nil {
		d.Backup = s.table.Backup.Error()
	}
	if !s.table.GPT {
		d.Table, d.ID, d.Backup = "mbr", fmt.Sprintf("%08x", s.table.Signature), ""
	}
	for _, v := range s.disk.Volumes {
		p := describePartition(&v.Partition)
		p.Volume = w.volume(v)
		d.Partitions = append(d.Partitions, p)
	}
	w.follow()
	s.file.Disk = d
}

func describePartition(p *disk.Partition) *Partition {
	out := &Partition{Number: p.Number, Name: p.Name, TypeName: p.TypeName(), Offset: p.Offset, Size: p.Size, Active: p.Active}
	if p.Type.IsZero() {
		out.Type = fmt.Sprintf("%02x", p.MBRType)
		return out
	}
	out.Type, out.ID = p.Type.String(), p.ID.String()
	out.Attributes, out.AttributeNames = fmt.Sprintf("%016x", p.Attributes), p.AttributeNames()
	return out
}

// walker goes through the volumes of a disk, and notes the files that they name.
type walker struct {
	disk  *volumes.Disk
	depth int
	refs  []ref // in the order in which they were found
	seen  map[ref]bool
	// reports are where the volumes' reports are.
	reports map[*volumes.Volume]*Volume
}

// ref is a file on a volume.
type ref struct {
	on   *volumes.Volume
	path string // with '/', as the volume spells it
}

// maxRefs is how many files of a disk are looked into; a boot menu has a handful.
const maxRefs = 16

// note remembers a file that is to be looked into.
func (w *walker) note(on *volumes.Volume, path string) {
	f, err := on.Lookup(path)
	if err != nil || f.Dir || len(w.refs) == maxRefs {
		return
	}
	if r := (ref{on, f.Path}); !w.seen[r] {
		w.seen[r] = true
		w.refs = append(w.refs, r)
	}
}

// follow looks into the files that were noted.
func (w *walker) follow() {
	if w.depth == maxDepth {
		return
	}
	for _, r := range w.refs {
		report := w.reports[r.on]
		c, err := r.on.Content(r.path)
		if err != nil {
			report.problem(r.path, err)
			continue
		}
		report.Files = append(report.Files, inside(r.path, io.NewSectionReader(c, 0, c.Size()), c.Size(), w.depth+1))
	}
}
