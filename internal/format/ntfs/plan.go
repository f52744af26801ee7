package ntfs

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// metadata is something of the writer's own that needs clusters.
type metadata struct {
	slot   int
	size   int64
	source source
}

// content is a content that needs clusters.
type content struct {
	slot     int
	position int64 // in the medium
	c        tree.Content
}

// survey finds out everything about the volume but the addresses.
func survey(t *tree.Tree, o Options) (*Plan, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	g, err := newGeometry(&o)
	if err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	nodes := t.Nodes()
	p := &Plan{t: t, o: o, g: g, files: make([]file, systemEnd+len(nodes)-1), nextFree: firstUser}
	for _, n := range nodes {
		f := &p.files[p.fileOf(n)]
		f.node, f.sequence = n, 1
	}
	p.defineSystem()
	if err := p.nameAll(nodes); err != nil {
		return nil, err
	}
	if err := p.secureAll(nodes); err != nil {
		return nil, err
	}
	if err := p.planNodes(nodes); err != nil {
		return nil, err
	}
	return p, p.planSystem()
}

// planNodes gives every node of the tree its records, and lists what needs clusters.
func (p *Plan) planNodes(nodes []*tree.Node) error {
	var scratch []attribute
	for _, n := range nodes {
		f := &p.files[p.fileOf(n)]
		var err error
		if err = checkNode(n); err == nil {
			scratch, err = p.planFile(f, scratch, &p.middle)
		}
		if err != nil {
			return fault.In(pathOf(n), err)
		}
	}
	return nil
}

func pathOf(n *tree.Node) string {
	if path := n.Path(); path != "" {
		return path
	}
	return "the root directory"
}

// planFile gives a file its records and lists what of it needs clusters: metadata in into, contents
// in p.data. It returns scratch, maybe grown.
func (p *Plan) planFile(f *file, scratch []attribute, into *[]metadata) ([]attribute, error) {
	scratch = p.growIndex(f, scratch)
	list, records, err := p.arrange(p.describe(f, scratch[:0]))
	if err != nil {
		return scratch, err
	}
	if err := checkLinks(list); err != nil {
		return scratch, err
	}
	p.takeRecords(f, records)
	f.slots = uint32(len(p.slots))
	for i := range list {
		a := &list[i]
		if a.typ == typeData && a.name == "" {
			f.inside = !a.outside
		}
		if !a.outside || a.hole {
			continue
		}
		slot := len(p.slots)
		p.slots = append(p.slots, 0)
		switch {
		case a.content != nil:
			p.data = append(p.data, content{slot, tree.Position(a.content), a.content})
		case a.source != nil:
			*into = append(*into, metadata{slot, a.size, a.source})
		default:
			*into = append(*into, metadata{slot, a.size, &valueSource{f, a.typ, a.name}})
		}
	}
	return list, nil
}

// growIndex gives a directory's index blocks if it does not fit into the record.
func (p *Plan) growIndex(f *file, scratch []attribute) []attribute {
	if f.index == nil {
		return scratch
	}
	scratch = p.moveOutside(p.describe(f, scratch[:0]))
	for i := range scratch {
		if a := &scratch[i]; a.typ == typeIndexRoot && a.outside {
			f.index.grow(p.g.block)
			break
		}
	}
	return scratch
}

// takeRecords gives a file its place in the MFT: the next records, or for a file of the system its
// own and the next for what does not fit there.
func (p *Plan) takeRecords(f *file, records int) {
	if f.system == nil && f.node != p.t.Root {
		f.record = p.nextFree
		p.nextFree++
	}
	f.extra = p.nextFree
	f.records = uint16(records)
	p.nextFree += uint32(records - 1)
}

// The MFT has some records more than the files need, so that Windows can make its first files
// without growing it.
const (
	spareRecords = 64
	recordUnit   = 64 // and a multiple of this many
)

// planSystem plans the volume's own files, once all others are known.
func (p *Plan) planSystem() error {
	p.records = (p.nextFree + spareRecords + recordUnit - 1) / recordUnit * recordUnit
	if err := p.describeSystem(); err != nil {
		return err
	}
	for _, r := range []uint32{recordBoot, recordMirror, recordAttrDef, recordUpCase, recordBitmap, recordSecure,
		recordQuota, recordObjID, recordReparse, recordLog} {
		if err := p.planSystemFile(r, &p.front); err != nil {
			return err
		}
	}
	for r := range uint32(systemEnd) {
		if p.system[r] == nil || p.files[r].records > 0 {
			continue
		}
		if err := p.planSystemFile(r, &p.back); err != nil {
			return err
		}
	}
	slices.Reverse(p.back) // the MFT itself comes last, with free space behind it
	return nil
}

func (p *Plan) planSystemFile(r uint32, into *[]metadata) error {
	if _, err := p.planFile(&p.files[r], nil, into); err != nil {
		return err
	}
	if n := p.files[r].records; n != 1 {
		return fault.Bugf("record %d of the volume's own files needs %d records", r, n)
	}
	return nil
}

// required returns the length in bytes of the smallest partition that holds what was surveyed.
func (p *Plan) required() int64 {
	fixed := int64(0)
	for _, list := range [][]metadata{p.front, p.middle, p.back} {
		for _, m := range list {
			switch m.source.(type) {
			case clusterBitmapSource, onesSource: // depend on the size of the volume
			default:
				fixed += p.g.clustersFor(m.size)
			}
		}
	}
	for _, c := range p.data {
		fixed += p.g.clustersFor(c.c.Size())
	}
	g := p.g
	for clusters := fixed; ; {
		g.size = clusters*g.cluster + g.sector
		need := fixed + g.clustersFor(g.bitmapSize()) + g.clustersFor(g.logSize())
		if need <= clusters {
			return g.size
		}
		clusters = need
	}
}

// place assigns every address.
func (p *Plan) place() error {
	if need := p.required(); need > p.g.size {
		return fault.Invalidf("the files need a partition of %d bytes, %d are available", need, p.g.size)
	}
	p.divide()
	lcn := p.placeMetadata(0, p.front)
	lcn = p.placeMetadata(lcn, p.middle)
	if lcn = p.placeMetadata(lcn, p.back); lcn != p.layout.metaEnd {
		return fault.Bugf("metadata ends at cluster %d, planned was %d", lcn, p.layout.metaEnd)
	}
	p.placeData()
	p.placeBackup()
	p.cutRegions()
	return nil
}

// divide decides which clusters are metadata and which are data. After the MFT, which is the last of
// the metadata, some stay free for it to grow into: as many as it has now, but no more than an
// eighth of what is free.
func (p *Plan) divide() {
	l := &p.layout
	for _, list := range [][]metadata{p.front, p.middle, p.back} {
		for _, m := range list {
			l.metaEnd += p.g.clustersFor(m.size)
		}
	}
	data := int64(0)
	for _, c := range p.data {
		data += p.g.clustersFor(c.c.Size())
	}
	gap := min(p.g.clustersFor(int64(p.records)*p.g.record), (p.g.clusters()-l.metaEnd-data)/8)
	l.dataStart = l.metaEnd + gap
	l.dataEnd = l.dataStart + data
}

func (p *Plan) placeMetadata(lcn int64, list []metadata) int64 {
	for _, m := range list {
		p.slots[m.slot] = lcn
		p.addPieces(m, lcn*p.g.cluster)
		lcn += p.g.clustersFor(m.size)
	}
	return lcn
}

// placeData lays the contents out in the order of the medium.
func (p *Plan) placeData() {
	slices.SortStableFunc(p.data, func(a, b content) int { return cmp.Compare(a.position, b.position) })
	lcn := p.layout.dataStart
	p.placements = make([]placement, len(p.data))
	for i, c := range p.data {
		p.slots[c.slot] = lcn
		p.placements[i] = placement{c.c, lcn}
		lcn += p.g.clustersFor(c.c.Size())
	}
	p.data = nil
}
