// Package ntfs writes and reads NTFS 3 volumes.
//
// NewPlan lays a volume out from a tree: every address is assigned before the first byte is written,
// every file is one contiguous run as long as no bad ranges are in the way, and the metadata can be
// produced piece by piece, by several workers, from the tree and the plan. Open reads volumes, also those of ntfs-3g and Windows, into
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
	ClusterSize int64  // bytes: a power of two up to 64 KiB; 0 means DefaultCluster
	StartLBA    uint64 // the partition's first sector; boot code adds it to every address
	Label       string // up to 32 UTF-16 units; empty for none
	Serial      uint64 // the volume's serial number
	// Time stamps the files that belong to the volume itself.
	Time filetime.Time
	// BootCode is a boot record of up to 8192 bytes: the jump, the OEM id and all from byte 0x54
	// are taken from it, the BIOS parameter block is always ours. Nil for a volume that no BIOS
	// boots from.
	BootCode []byte
	// Bad are ranges of bytes that the volume must not use. They belong to $BadClus then, as Windows
	// keeps track of bad clusters. What does not fit between them in one piece is cut.
	Bad []volume.Run
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

	files []file // the system's by record number, then the tree's nodes in the order of Seq
	links []link
	// slots are first clusters: of each attribute that has clusters, file by file, the attribute
	// list last. Negative ones stand for fragments: -1-i for fragment i.
	slots    []int64
	security *security
	system   [systemEnd]*systemFile
	records  uint32 // of the MFT
	nextFree uint32 // the first record not in use, after all that are

	bad       []span     // clusters, in order
	free      []span     // clusters, in order, once all is placed
	fragments []fragment // what is not in one run
	more      []more     // records for these

	metadata []metadata // in the order in which it is placed
	urgent   int        // the first of them, which come before reserved
	lists    []metadata // attribute lists, when they are placed last
	grown    []metadata // those of lists that keep their length, and new ones
	reserved []content
	data     []content
	space    *space // while it is laid out

	placements []placement
	pieces     []piece
	regions    []volume.Run
	zeros      []volume.Run
	regionAt   []int32 // the first piece of each region
}

// placement is volume.Placement in less memory: nearly every content is in one run.
type placement struct {
	content tree.Content
	lcn     int64 // as in Plan.slots
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

// Required returns the length in bytes of the smallest partition that holds t, as any longer one
// does. o.Size does not count. o.Bad counts in full wherever it is, but not the room that its cutting things up may take.
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

// Placements yields every content that has clusters and is not reserved, in the order of the medium;
// the copies of a content that several files have follow one another. Addresses ascend where nothing
// is in pieces.
func (p *Plan) Placements() iter.Seq[volume.Placement] {
	return func(yield func(volume.Placement) bool) {
		var runs []volume.Run
		one := make([]extent, 1)
		for _, pl := range p.placements {
			runs = runs[:0]
			for _, e := range p.extentsAt(pl.lcn, pl.content.Size(), one) {
				runs = append(runs, p.run(e))
			}
			if !yield(volume.Placement{Content: pl.content, Runs: runs}) {
				return
			}
		}
	}
}

func (p *Plan) run(e extent) volume.Run {
	return volume.Run{Offset: e.lcn * p.g.cluster, Length: e.count * p.g.cluster}
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

// Zeros are the parts of metadata that no region has because they are zero: of $Bitmap and of $SDS.
func (p *Plan) Zeros() []volume.Run { return p.zeros }

// Find returns where the unnamed data of a file of the tree is. It is not in one run (ok is false)
// when it is empty, stands in the file's MFT record, is kept compressed, or had to be cut because of
// bad ranges.
func (p *Plan) Find(n *tree.Node) (run volume.Run, ok bool) {
	for _, a := range p.prepare(&p.files[p.fileOf(n)], nil) {
		if a.typ == typeData && a.name == "" && a.outside && !a.hole && a.extents == nil {
			return p.run(extent{lcn: a.lcn, count: p.g.clustersFor(a.size)}), true
		}
	}
	return volume.Run{}, false
}

// Record returns the number of the MFT record of a file of the tree.
func (p *Plan) Record(n *tree.Node) uint32 { return p.files[p.fileOf(n)].record }

// Used is the number of bytes in clusters that are in use, or bad.
func (p *Plan) Used() int64 { return p.g.clusters()*p.g.cluster - p.Free() }

// Free is the number of bytes in clusters that are not in use.
func (p *Plan) Free() int64 { return total(p.free) * p.g.cluster }
