// Package fat32 plans FAT32 volumes: EFI system partitions and the like, from a tree. It reads files
// of volumes, too.
//
// Layout after Microsoft's "FAT32 File System Specification" 1.03: boot sector, FSInfo and their
// backups in 32 reserved sectors, two FATs, directories, then the files in the order of the medium.
// Every directory and file is one contiguous run. Long names are always written where the short
// name differs. What FAT cannot hold (descriptors, streams, links) is left out, as Windows does
// when it copies to FAT; a reparse point is refused, since a copy of its target is not what was
// asked for. FAT12, FAT16 and exFAT are not written.
//
// Open reads single files of a volume, FAT16 included: what the boot configuration of a disk is
// looked up with.
package fat32

import (
	"cmp"
	"iter"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// Options describe the volume.
type Options struct {
	Size       int64  // bytes, a multiple of the sector size
	SectorSize int64  // 512 or 4096 bytes; 0 means 512
	StartLBA   uint64 // the partition's first sector, for BPB_HiddSec
	Label      string // up to 11 ASCII characters; empty for none
	Serial     uint32
	Time       filetime.Time // of the volume label
	// InstallBoot puts a boot record into the reserved sectors, whose BIOS parameter block and
	// FSInfo are set, as bootcode.InstallFAT32 does; nil for a volume that no BIOS boots from.
	InstallBoot func(reserved []byte) error
}

// geometry is where the parts of the volume lie; sectors count from the volume's start.
type geometry struct {
	sector, cluster int64
	sectors         int64
	fatSectors      int64
	dataStart       int64 // first sector of cluster 2
	clusters        int64
}

// Plan is a FAT32 volume with every cluster assigned. It implements volume.Plan.
type Plan struct {
	o       Options
	g       geometry
	dirs    []*directory
	files   []*dirEntry // those with content, by cluster
	next    int64       // first free cluster
	regions []volume.Run
}

type directory struct {
	node            *tree.Node
	parent          *directory
	entries         []dirEntry
	size            int64
	first, clusters int64
}

type dirEntry struct {
	entry    *tree.Entry
	short    [11]byte
	needLong bool
	dir      *directory // nil for a file

	first, clusters int64 // of a file's content; zero for an empty one
}

var _ volume.Plan = (*Plan)(nil)

// NewPlan places the tree's files on a volume. It reads nothing and writes nothing.
func NewPlan(t *tree.Tree, o Options) (*Plan, error) {
	if o.SectorSize == 0 {
		o.SectorSize = 512
	}
	g, err := newGeometry(o)
	if err != nil {
		return nil, err
	}
	if len(o.Label) > 11 {
		return nil, fault.Invalidf("volume label %q is longer than FAT's 11 characters", o.Label)
	}
	p := &Plan{o: o, g: g, next: rootCluster}
	if _, err := p.addDirectory(t, t.Root, nil); err != nil {
		return nil, err
	}
	if err := p.allocate(); err != nil {
		return nil, err
	}
	p.regions = p.listRegions()
	return p, nil
}

// newGeometry picks the cluster size of Microsoft's table for FAT32 (specification, "FAT Type
// Determination"; KB140365) and sizes the FATs.
func newGeometry(o Options) (geometry, error) {
	const mib, gib = 1 << 20, 1 << 30
	cluster := int64(32 << 10)
	for _, step := range []struct{ below, cluster int64 }{{260 * mib, 512}, {8 * gib, 4 << 10}, {16 * gib, 8 << 10}, {32 * gib, 16 << 10}} {
		if o.Size <= step.below {
			cluster = step.cluster
			break
		}
	}
	cluster = max(cluster, o.SectorSize)
	if o.SectorSize != 512 && o.SectorSize != 4096 || o.Size%o.SectorSize != 0 || o.Size/o.SectorSize > 1<<32-1 {
		return geometry{}, fault.Invalidf("a FAT32 volume of %d bytes with %d-byte sectors is not possible", o.Size, o.SectorSize)
	}
	g := geometry{sector: o.SectorSize, cluster: cluster, sectors: o.Size / o.SectorSize}
	spc := cluster / o.SectorSize
	// The smallest FAT that can describe the clusters that remain beside it.
	perFATSector := o.SectorSize / 4
	data := g.sectors - reservedSectors + 2*spc
	g.fatSectors = (data + spc*perFATSector + fatCount - 1) / (spc*perFATSector + fatCount)
	g.dataStart = reservedSectors + fatCount*g.fatSectors
	g.clusters = (g.sectors - g.dataStart) / spc
	if g.clusters < minClusters || g.clusters > maxClusters {
		return geometry{}, fault.Invalidf("a FAT32 volume of %d bytes has %d clusters of %d bytes; FAT32 needs %d to %d",
			o.Size, g.clusters, cluster, minClusters, maxClusters)
	}
	return g, nil
}

// addDirectory lists a directory and everything below it, and assigns short names.
func (p *Plan) addDirectory(t *tree.Tree, node *tree.Node, parent *directory) (*directory, error) {
	d := &directory{node: node, parent: parent}
	p.dirs = append(p.dirs, d)
	short := shortNameSet{}
	d.size = 2 * entrySize // "." and "..", or the volume label
	for _, e := range t.Entries(node) {
		de, err := p.newEntry(t, e, d, short)
		if err != nil {
			return nil, err
		}
		d.entries = append(d.entries, de)
		d.size += entrySize
		if de.needLong {
			d.size += int64(slots(e.Name)) * entrySize
		}
	}
	if d.size > maxDirectory {
		return nil, fault.Invalidf("directory %q has too many entries for FAT32", node.Path())
	}
	return d, nil
}

func (p *Plan) newEntry(t *tree.Tree, e *tree.Entry, parent *directory, short shortNameSet) (dirEntry, error) {
	de := dirEntry{entry: e}
	if e.Node.Reparse() != nil {
		return de, fault.Unsupportedf(fault.NoOffset, "%q is a reparse point, which FAT32 cannot hold", e.Node.Path())
	}
	if size := tree.SizeOf(e.Node.Data); size > maxFileSize {
		return de, fault.Invalidf("%q has %d bytes; a file on FAT32 has at most %d", e.Node.Path(), size, int64(maxFileSize))
	}
	var err error
	if de.short, de.needLong, err = short.shortName(e.Name); err != nil {
		return de, err
	}
	if e.Node.IsDir() {
		de.dir, err = p.addDirectory(t, e.Node, parent)
	}
	return de, err
}

// allocate gives clusters to the directories, the root first, then to the files in the order in
// which the medium holds them.
func (p *Plan) allocate() error {
	for _, d := range p.dirs {
		d.first, d.clusters = p.take(d.size)
	}
	for _, d := range p.dirs {
		for i := range d.entries {
			if e := &d.entries[i]; e.dir == nil && tree.SizeOf(e.entry.Node.Data) > 0 {
				p.files = append(p.files, e)
			}
		}
	}
	slices.SortStableFunc(p.files, func(a, b *dirEntry) int {
		return cmp.Compare(tree.Position(a.entry.Node.Data), tree.Position(b.entry.Node.Data))
	})
	for _, f := range p.files {
		f.first, f.clusters = p.take(f.entry.Node.Data.Size())
	}
	if used := p.next - rootCluster; used > p.g.clusters {
		return fault.Invalidf("the system partition needs %d bytes, but only %d fit into its %d bytes",
			used*p.g.cluster, p.g.clusters*p.g.cluster, p.o.Size)
	}
	return nil
}

func (p *Plan) take(size int64) (first, clusters int64) {
	clusters = (size + p.g.cluster - 1) / p.g.cluster
	first = p.next
	p.next += clusters
	return first, clusters
}

// offset is the byte offset of a cluster.
func (p *Plan) offset(cluster int64) int64 {
	return p.g.dataStart*p.g.sector + (cluster-rootCluster)*p.g.cluster
}

// Size is the volume's size in bytes.
func (p *Plan) Size() int64 { return p.o.Size }

// Placements yields the files' contents in the order of their clusters.
func (p *Plan) Placements() iter.Seq[volume.Placement] {
	return func(yield func(volume.Placement) bool) {
		runs := make([]volume.Run, 1)
		for _, f := range p.files {
			runs[0] = volume.Run{Offset: p.offset(f.first), Length: f.clusters * p.g.cluster}
			if !yield(volume.Placement{Content: f.entry.Node.Data, Runs: runs}) {
				return
			}
		}
	}
}
