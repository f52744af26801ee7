package ntfs

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Where things go. The metadata stands at the volume's start, the MFT behind all else of it, then
// a gap into which the MFT can grow, then the contents in the order of the medium. Whatever fits into
// one of the free extents goes into the first that holds it. Only what is longer than each of them is
// cut: into whole extents, the longest first. Reserved files come before the contents.
//
// That is all as long as there is one extent. With bad ranges there are several, and three things
// change. The copy of the MFT's start, the log and the MFT come first, since all hangs on them.
// Attributes in pieces may need more records than the survey knew of; these have the numbers after
// all others, and when that makes the MFT longer, everything is placed once more. And attribute lists
// are placed last, when it is known what they list.

// content is a content that needs clusters.
type content struct {
	slot, file int32
	position   int64 // in the medium
	c          tree.Content
}

// metadata is something of the writer's own that needs clusters.
type metadata struct {
	slot, file int32
	size       int64
	source     source
}

// fragment is the clusters of an attribute that is not in one run.
type fragment struct {
	file    int32
	extents []extent
}

// place assigns every address.
func (p *Plan) place() error {
	if need := p.requiredFrom(p.g.size); need > p.g.size {
		return fault.Invalidf("the files need a partition of %s, and it has %s; make it larger by %d MiB at least",
			fault.Bytes(need), fault.Bytes(p.g.size), (need-p.g.size-1)>>20+1)
	}
	slices.SortStableFunc(p.data, func(a, b content) int { return cmp.Compare(a.position, b.position) })
	slices.SortStableFunc(p.reserved, func(a, b content) int { return cmp.Compare(b.c.Size(), a.c.Size()) })
	slots, nextFree := len(p.slots), p.nextFree
	for {
		if err := p.assign(); err != nil {
			return err
		}
		need := recordsFor(p.nextFree)
		if need <= p.records {
			break
		}
		p.forget(slots, nextFree)
		p.setRecords(need)
	}
	p.data = nil
	p.cutMetadata()
	return nil
}

// forget undoes assign.
func (p *Plan) forget(slots int, nextFree uint32) {
	p.slots, p.nextFree = p.slots[:slots], nextFree
	for _, m := range p.more {
		m.file.more = 0
	}
	p.fragments, p.more, p.grown, p.placements = nil, nil, nil, nil
}

// setRecords makes the MFT longer.
func (p *Plan) setRecords(n uint32) {
	p.records = n
	sizes := [2]int64{p.mftSize(), p.mftBitmapSize()}
	f := &p.files[recordMFT]
	f.system.size = sizes[0]
	for i := range f.system.list {
		switch a := &f.system.list[i]; a.typ {
		case typeData:
			a.size = sizes[0]
		case typeBitmap:
			a.size = sizes[1]
		}
	}
	for i := range p.metadata {
		if m := &p.metadata[i]; m.file == recordMFT {
			m.size = sizes[m.slot-int32(f.slots)]
		}
	}
}

// assign finds room for everything, with the MFT as long as it is.
func (p *Plan) assign() error {
	free := between(p.g.clustersFor(p.g.bootSize()), p.g.clusters(), p.bad)
	p.space = newSpace(free, 1+len(p.reserved))
	gap := min(p.g.clustersFor(p.mftSize()), (total(free)-p.wanted())/8)
	var kept span
	for i, m := range p.metadata {
		if i == p.urgent {
			if err := p.placeReserved(); err != nil {
				return err
			}
		}
		if m.file == recordBoot {
			p.slots[m.slot] = 0
			continue
		}
		at, err := p.locate(m.file, m.slot, m.size, p.unitOf(m.source))
		if err == nil && at < 0 {
			err = p.checkPieces(m)
		}
		if err != nil {
			return err
		}
		if m.isMFT() && at >= 0 {
			n := min(gap, p.space.extents[at].length())
			lcn := p.space.take(at, n)
			kept = span{lcn, lcn + n}
		}
	}
	if err := p.placeData(); err != nil {
		return err
	}
	p.space.put(kept)
	if err := p.scatter(); err != nil {
		return err
	}
	p.free, p.space = p.space.left(), nil
	return nil
}

// isMFT says whether m is the MFT itself.
func (m *metadata) isMFT() bool {
	_, ok := m.source.(recordSource)
	return ok && m.file == recordMFT
}

// wanted is the number of clusters that everything but $Boot takes.
func (p *Plan) wanted() int64 {
	n := int64(0)
	for _, list := range [][]metadata{p.metadata, p.lists} {
		for _, m := range list {
			if m.file != recordBoot {
				n += p.g.clustersFor(m.size)
			}
		}
	}
	for _, list := range [][]content{p.data, p.reserved} {
		for _, c := range list {
			n += p.g.clustersFor(c.c.Size())
		}
	}
	return n
}

// unitOf is how many clusters of a metadata attribute must stay together: records and index blocks
// are not cut.
func (p *Plan) unitOf(s source) int64 {
	switch s.(type) {
	case recordSource:
		return p.g.clustersFor(p.g.record)
	case *index:
		return p.g.clustersFor(p.g.block)
	}
	return 1
}

// locate finds room for an attribute of a file. It returns the extent of p.space that it was in, or
// -1 when it is in several.
func (p *Plan) locate(file, slot int32, size, unit int64) (at int, err error) {
	n := p.g.clustersFor(size)
	if at = p.space.find(n); at >= 0 {
		p.slots[slot] = p.space.take(at, n)
		return at, nil
	}
	list := p.space.pieces(n, unit)
	if list == nil {
		return -1, p.of(file, fault.Invalidf("no room for %d bytes: the partition is too small for the bad ranges in it", size))
	}
	if file != recordMFT { // which has its longest piece first; others are read in their order on the disk
		inOrder(list)
	}
	p.slots[slot] = -1 - int64(len(p.fragments))
	p.fragments = append(p.fragments, fragment{file, list})
	return -1, nil
}

// inOrder sorts a run list by address.
func inOrder(list []extent) {
	slices.SortFunc(list, func(a, b extent) int { return cmp.Compare(a.lcn, b.lcn) })
	vcn := int64(0)
	for i := range list {
		list[i].vcn = vcn
		vcn += list[i].count
	}
}

// checkPieces refuses pieces where others look for one run: of $MFTMirr, which boot code and Windows
// know by its start only, and at the start of the MFT. Who reads the MFT must find all that is known
// of its other pieces in the first.
func (p *Plan) checkPieces(m metadata) error {
	first := p.fragments[len(p.fragments)-1].extents[0].count * p.g.cluster
	switch need := firstUser * p.g.record; {
	case m.file == recordMirror:
		return fault.Invalidf("no room for $MFTMirr, %d bytes in one piece, between the bad ranges", m.size)
	case m.isMFT() && first < need:
		return fault.Invalidf("no room for the start of $MFT, %d bytes in one piece, between the bad ranges: the longest has %d", need, first)
	}
	return nil
}

// of says which file an error is about.
func (p *Plan) of(file int32, err error) error {
	if n := p.files[file].node; n != nil {
		return fault.In(pathOf(n), err)
	}
	return fault.In(p.files[file].system.name, err)
}

// placeReserved gives reserved files their extents, the longest file first.
func (p *Plan) placeReserved() error {
	for _, c := range p.reserved {
		n := p.g.clustersFor(c.c.Size())
		align := max(1, p.g.clustersFor(c.c.(*tree.Reserved).Align()))
		lcn, ok := p.space.reserve(n, align)
		if !ok {
			return p.of(c.file, fault.Invalidf("%d bytes are to be reserved in one piece, aligned to %d; the longest free piece has %d",
				c.c.Size(), align*p.g.cluster, p.space.longest[1]*p.g.cluster))
		}
		p.slots[c.slot] = lcn
	}
	return nil
}

// placeData lays the contents out in the order of the medium.
func (p *Plan) placeData() error {
	p.placements = make([]placement, len(p.data))
	for i, c := range p.data {
		if _, err := p.locate(c.file, c.slot, c.c.Size(), 1); err != nil {
			return err
		}
		p.placements[i] = placement{c.c, p.slots[c.slot]}
	}
	return nil
}

// extents returns the run list of size bytes in a slot. The slice one is used for it when it is one
// run.
func (p *Plan) extents(slot int32, size int64, one []extent) []extent {
	return p.extentsAt(p.slots[slot], size, one)
}

func (p *Plan) extentsAt(lcn, size int64, one []extent) []extent {
	if lcn < 0 {
		return p.fragments[-1-lcn].extents
	}
	one[0] = extent{lcn: lcn, count: p.g.clustersFor(size)}
	return one
}

// cutMetadata cuts the metadata into pieces and regions.
func (p *Plan) cutMetadata() {
	for _, list := range [][]metadata{p.metadata, p.grown} {
		for _, m := range list {
			p.addPieces(m)
		}
	}
	p.metadata, p.lists, p.grown = nil, nil, nil
	p.placeBackup()
	slices.SortFunc(p.pieces, func(a, b piece) int { return cmp.Compare(a.offset, b.offset) })
	p.cutRegions()
}
