package fat32

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// maxRegion bounds a region, so that a large FAT is produced in pieces.
const maxRegion = 1 << 20

// Regions lists the pieces of metadata.
func (p *Plan) Regions() []volume.Run { return p.regions }

// listRegions is the reserved sectors, the directories, and the used part of both FATs in pieces.
func (p *Plan) listRegions() []volume.Run {
	start := reservedSectors * p.g.sector
	regions := []volume.Run{{Offset: 0, Length: start}}
	for _, d := range p.dirs {
		regions = append(regions, volume.Run{Offset: p.offset(d.first), Length: d.clusters * p.g.cluster})
	}
	used := p.usedFAT()
	for fat := range int64(fatCount) {
		base := start + fat*p.g.fatSectors*p.g.sector
		for off := int64(0); off < used; off += maxRegion {
			regions = append(regions, volume.Run{Offset: base + off, Length: min(used-off, maxRegion)})
		}
	}
	return regions
}

// usedFAT is how many bytes of a FAT have an entry, in whole sectors.
func (p *Plan) usedFAT() int64 { return (p.next*4 + p.g.sector - 1) / p.g.sector * p.g.sector }

// Zeros are the unused parts of both FATs.
func (p *Plan) Zeros() (runs []volume.Run) {
	used, length := p.usedFAT(), p.g.fatSectors*p.g.sector
	for fat := range int64(fatCount) {
		if used < length {
			runs = append(runs, volume.Run{Offset: reservedSectors*p.g.sector + fat*length + used, Length: length - used})
		}
	}
	return runs
}

// Emit fills buf with region i.
func (p *Plan) Emit(i int, buf []byte) error {
	if i < 0 || i >= len(p.regions) || int64(len(buf)) != p.regions[i].Length {
		return fault.Bugf("FAT32 region %d asked for with %d bytes", i, len(buf))
	}
	clear(buf)
	fats := 1 + len(p.dirs)
	switch {
	case i == 0:
		return p.emitReserved(buf)
	case i < fats:
		p.emitDirectory(p.dirs[i-1], buf)
	default:
		piece := (i - fats) % ((len(p.regions) - fats) / fatCount)
		p.emitFAT(int64(piece)*maxRegion/4, buf)
	}
	return nil
}

func (p *Plan) emitReserved(buf []byte) error {
	sector := buf[:p.g.sector]
	bootSector(sector, p.g, p.o)
	info := buf[fsInfoSector*p.g.sector : (fsInfoSector+1)*p.g.sector]
	clear(info)
	fsInfo(info, uint32(p.g.clusters-(p.next-rootCluster)), uint32(p.next))
	copy(buf[backupSector*p.g.sector:], buf[:2*p.g.sector])
	// The third sector of the trio closes both sets (specification, "backup boot sector").
	for _, s := range []int64{2, backupSector + 2} {
		third := buf[s*p.g.sector : (s+1)*p.g.sector]
		third[0x1FE], third[0x1FF] = 0x55, 0xAA
	}
	if p.o.InstallBoot == nil {
		return nil
	}
	return p.o.InstallBoot(buf)
}

// emitFAT writes the entries of the clusters from first on. Everything is contiguous, so that a
// chain counts up to its end.
func (p *Plan) emitFAT(first int64, buf []byte) {
	end := first + int64(len(buf)/4)
	put := func(cluster int64, value uint32) {
		if cluster >= first && cluster < end {
			binary.LittleEndian.PutUint32(buf[(cluster-first)*4:], value)
		}
	}
	put(0, 0x0FFFFF00|mediaFixed)
	put(1, endOfChain)
	chain := func(start, clusters int64) {
		last := start + clusters - 1
		for c := max(start, first); c < min(last, end); c++ {
			put(c, uint32(c+1))
		}
		put(last, endOfChain)
	}
	for _, d := range p.dirs {
		chain(d.first, d.clusters)
	}
	for _, f := range p.files {
		chain(f.first, f.clusters)
	}
}

func (p *Plan) emitDirectory(d *directory, buf []byte) {
	out := buf[:0]
	if d.parent == nil {
		out = p.appendLabel(out)
	} else {
		out = appendShort(out, p.dotEntry(d, "."))
		out = appendShort(out, p.dotEntry(d, ".."))
	}
	for i := range d.entries {
		e := &d.entries[i]
		if e.needLong {
			out = appendLongName(out, e.entry.Name, e.short)
		}
		out = appendShort(out, p.entryOf(e))
	}
}

func appendShort(b []byte, e shortEntry) []byte {
	n := len(b)
	b = b[:n+entrySize]
	e.marshal(b[n:])
	return b
}

func (p *Plan) appendLabel(b []byte) []byte {
	if p.o.Label == "" {
		return b
	}
	e := shortEntry{attr: attrVolumeID, modified: p.o.Time, created: p.o.Time, accessed: p.o.Time}
	copy(e.name[:], padded(labelOr(p.o.Label, ""), 11))
	return appendShort(b, e)
}

// dotEntry is "." or "..". A parent that is the root is written as cluster 0 (specification).
func (p *Plan) dotEntry(d *directory, name string) shortEntry {
	e := shortEntry{attr: attrDirectory, created: d.node.Created, accessed: d.node.Accessed, modified: d.node.Modified, cluster: uint32(d.first)}
	if name == ".." {
		e.cluster = 0
		if d.parent.parent != nil {
			e.cluster = uint32(d.parent.first)
		}
	}
	copy(e.name[:], padded(name, 11))
	return e
}

func (p *Plan) entryOf(e *dirEntry) shortEntry {
	n := e.entry.Node
	s := shortEntry{
		name: e.short, attr: byte(n.Attributes) & (attrReadOnly | attrHidden | attrSystem | attrArchive),
		created: n.Created, accessed: n.Accessed, modified: n.Modified,
	}
	if e.dir != nil {
		s.attr |= attrDirectory
		s.cluster = uint32(e.dir.first)
		return s
	}
	s.size = uint32(tree.SizeOf(n.Data))
	s.cluster = uint32(e.first)
	return s
}
