// Package ntfs writes and reads NTFS 3 volumes.
//
// NewPlan lays a volume out from a tree: every address is assigned before the first byte is written,
// every file is one contiguous run, and the metadata can be produced piece by piece, by several
// workers, from the tree and the plan. Open reads volumes, also those of ntfs-3g and Windows, into
// a tree whose contents stay on the volume until they are needed, and checks them.
//
// Microsoft publishes little of NTFS. The facts come from the libfsntfs and linux-ntfs
// documentation, from what mkntfs considers necessary, and from volumes that Windows 10 formatted.
//
// What a volume holds is all files of the tree with names of both kinds, hard links, named streams,
// security descriptors (in $Secure), reparse points, object ids and extended attributes; and the
// files that mkntfs makes. $LogFile is empty in the form that Windows accepts after a clean
// shutdown. Windows adds $RmMetadata and the change journal when it mounts the volume. Data is
// written as it is, or for a tree.Packed in the compressed form of the Windows Overlay Filter. The
// attribute bits that say that a file was compressed, sparse or encrypted are dropped; an encrypted
// file is refused.
//
// What is read is more: fragmented and sparse files, files compressed with LZNT1 or by the Windows
// Overlay Filter. The log is not replayed, nothing is repaired, and encrypted contents cannot be
// read.
package ntfs

import (
	"iter"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// Options describe the volume.
type Options struct {
	Size        int64  // of the partition in bytes, a multiple of the sector size
	SectorSize  int64  // bytes: 512 or 4096; 0 means 512
	ClusterSize int64  // bytes: a power of two up to 64 KiB; 0 means 4096, the most that BIOS boot code reads
	StartLBA    uint64 // the partition's first sector; boot code adds it to every address
	Label       string // up to 32 UTF-16 units; empty for none
	Serial      uint64 // the volume's serial number
	// Time stamps the files that belong to the volume itself.
	Time filetime.Time
	// BootCode is a boot record of up to 8192 bytes: the jump, the OEM id and all from byte 0x54
	// are taken from it, the BIOS parameter block is always ours. Nil for a volume that no BIOS
	// boots from.
	BootCode []byte
	// ReadResident returns all of a content that is kept inside an MFT record, of which Emit asks
	// for each once. It must check what it reads. Nil means tree.ReadAll: good where small contents
	// can be read one by one; a solid medium is better read once, in its order (see Residents).
	ReadResident func(tree.Content) ([]byte, error)
}

const maxLabel = 32

func (o *Options) check() error {
	if n := utf16le.Len(o.Label); n > maxLabel {
		return fault.Invalidf("volume label %q has %d characters, NTFS allows %d", o.Label, n, maxLabel)
	}
	if o.BootCode == nil {
		return nil
	}
	if len(o.BootCode) < sectorStride || len(o.BootCode) > bootBytes {
		return fault.Invalidf("NTFS boot code of %d bytes: a boot record has %d to %d", len(o.BootCode), sectorStride, bootBytes)
	}
	if string(o.BootCode[3:bpbStart]) != oemID {
		return fault.Invalidf("boot code is for %q, not for %q", o.BootCode[3:bpbStart], oemID)
	}
	return nil
}

// Plan is an NTFS volume with every cluster assigned. It implements volume.Plan. The tree must not
// change while the plan is in use.
type Plan struct {
	t *tree.Tree
	o Options
	g geometry

	files    []file // the system's by record number, then the tree's nodes in the order of Seq
	links    []link
	slots    []int64 // first clusters: of each attribute that has clusters, file by file
	security *security
	system   [systemEnd]*systemFile
	records  uint32 // of the MFT
	nextFree uint32 // the first record not in use, after all that are

	front, middle, back []metadata // what metadata needs clusters, in the order of the volume
	data                []content
	layout              layout

	placements []placement
	pieces     []piece
	regions    []volume.Run
	regionAt   []int32 // the first piece of each region
}

// layout is how the volume's clusters are used: metadata up to metaEnd, then a gap in which the MFT
// can grow without being split, then the data.
type layout struct {
	metaEnd, dataStart, dataEnd int64
}

// placement is volume.Placement in less memory: a content is never in more than one run.
type placement struct {
	content tree.Content
	lcn     int64
}

// NewPlan lays out a volume that holds t. It reads nothing but the tree. Contents are laid out in
// the order in which the medium holds them (tree.Blob.Position), contents that are not from a medium
// after these. A tree that does not fit is an ErrInvalid that says how much room it needs.
func NewPlan(t *tree.Tree, o Options) (*Plan, error) {
	p, err := survey(t, o)
	if err != nil {
		return nil, fault.In("NTFS volume", err)
	}
	if err := p.place(); err != nil {
		return nil, fault.In("NTFS volume", err)
	}
	return p, nil
}

// Required returns the length in bytes of the smallest partition that holds t. o.Size does not
// count.
func Required(t *tree.Tree, o Options) (int64, error) {
	o.Size = 1 << 40 // any that is surely allowed: what depends on it is counted again below
	p, err := survey(t, o)
	if err != nil {
		return 0, fault.In("NTFS volume", err)
	}
	return p.required(), nil
}

// Size is the length of the partition in bytes.
func (p *Plan) Size() int64 { return p.g.size }

// Placements yields every content that has clusters, by ascending address. That is also the order
// of the medium; the copies of a content that several files have follow one another.
func (p *Plan) Placements() iter.Seq[volume.Placement] {
	return func(yield func(volume.Placement) bool) {
		var run [1]volume.Run
		for _, pl := range p.placements {
			size := pl.content.Size()
			run[0] = volume.Run{Offset: pl.lcn * p.g.cluster, Length: p.g.clustersFor(size) * p.g.cluster}
			if !yield(volume.Placement{Content: pl.content, Runs: run[:]}) {
				return
			}
		}
	}
}

// Residents yields the contents that Emit puts into MFT records, in the order of the records.
func (p *Plan) Residents() iter.Seq[tree.Content] {
	return func(yield func(tree.Content) bool) {
		var list []attribute
		for i := range p.files {
			if p.files[i].node == nil {
				continue
			}
			list = p.prepare(&p.files[i], list[:0])
			for k := range list {
				a := &list[k]
				if a.typ == typeData && !a.outside && a.size > 0 && !yield(a.content) {
					return
				}
			}
		}
	}
}

// Regions are the pieces of metadata, by ascending address, each at most 1 MiB. What they leave out
// between them is placements or stays zero.
func (p *Plan) Regions() []volume.Run { return p.regions }

// Find returns where the unnamed data of a file of the tree is. It has no run when it is empty,
// stands in the file's MFT record, or is kept compressed.
func (p *Plan) Find(n *tree.Node) (run volume.Run, ok bool) {
	for _, a := range p.prepare(&p.files[p.fileOf(n)], nil) {
		if a.typ == typeData && a.name == "" && a.outside && !a.hole {
			return volume.Run{Offset: a.lcn * p.g.cluster, Length: p.g.clustersFor(a.size) * p.g.cluster}, true
		}
	}
	return volume.Run{}, false
}

// Record returns the number of the MFT record of a file of the tree.
func (p *Plan) Record(n *tree.Node) uint32 { return p.files[p.fileOf(n)].record }

// Used is the number of bytes in clusters that are in use.
func (p *Plan) Used() int64 {
	l := &p.layout
	return (l.metaEnd + l.dataEnd - l.dataStart) * p.g.cluster
}

// Free is the number of bytes in clusters that are not in use.
func (p *Plan) Free() int64 { return p.g.clusters()*p.g.cluster - p.Used() }
