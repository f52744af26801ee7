package ntfs

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

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
	bad, err := g.badClusters(o.Bad)
	if err != nil {
		return nil, err
	}
	nodes := t.Nodes()
	p := &Plan{t: t, o: o, g: g, bad: bad, files: make([]file, systemEnd+len(nodes)-1), nextFree: firstUser}
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
		err := checkNode(n)
		if err == nil {
			scratch, err = p.planFile(p.fileOf(n), scratch, &p.metadata)
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
func (p *Plan) planFile(number int32, scratch []attribute, into *[]metadata) ([]attribute, error) {
	f := &p.files[number]
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
	listed := -1
	for i := range list {
		a := &list[i]
		if a.typ == typeData && a.name == "" {
			f.inside = !a.outside
		}
		if !a.outside || a.hole {
			continue
		}
		if a.typ == typeAttributeList { // has the last of the slots
			listed = len(*into)
			*into = append(*into, metadata{0, number, a.size, &valueSource{f, a.typ, a.name}})
			continue
		}
		p.need(number, f, a, into)
	}
	if listed >= 0 {
		(*into)[listed].slot = p.newSlot()
	}
	return list, nil
}

// need lists an attribute that needs clusters.
func (p *Plan) need(number int32, f *file, a *attribute, into *[]metadata) {
	slot := p.newSlot()
	switch _, reserved := a.content.(*tree.Reserved); {
	case reserved:
		p.reserved = append(p.reserved, content{slot, number, 0, a.content})
	case a.content != nil:
		p.data = append(p.data, content{slot, number, tree.Position(a.content), a.content})
	case a.source != nil:
		*into = append(*into, metadata{slot, number, a.size, a.source})
	default:
		*into = append(*into, metadata{slot, number, a.size, &valueSource{f, a.typ, a.name}})
	}
}

// newSlot makes room for one more address.
func (p *Plan) newSlot() int32 {
	p.slots = append(p.slots, 0)
	return int32(len(p.slots) - 1)
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

// recordsFor is how long an MFT is in which the records up to next are in use.
func recordsFor(next uint32) uint32 {
	return (next + spareRecords + recordUnit - 1) / recordUnit * recordUnit
}

// planSystem plans the volume's own files, once all others are known.
func (p *Plan) planSystem() error {
	p.records = recordsFor(p.nextFree)
	if err := p.describeSystem(); err != nil {
		return err
	}
	var front, back []metadata
	for _, r := range []uint32{recordBoot, recordMirror, recordAttrDef, recordUpCase, recordBitmap, recordSecure,
		recordQuota, recordObjID, recordReparse, recordLog} {
		if err := p.planSystemFile(r, &front); err != nil {
			return err
		}
	}
	for r := range uint32(systemEnd) {
		if p.system[r] == nil || p.files[r].records > 0 {
			continue
		}
		if err := p.planSystemFile(r, &back); err != nil {
			return err
		}
	}
	slices.Reverse(back) // the MFT itself comes last, with free space behind it
	p.metadata = slices.Concat(front, p.metadata, back)
	if len(p.bad)+len(p.reserved) > 0 {
		p.orderInPieces()
	}
	return nil
}

// orderInPieces changes the order for a volume whose free space is in pieces: what must not be cut,
// or not often, comes first, attribute lists come last. The log comes before the MFT unless it must
// be cut: its pieces could take what the MFT's start needs.
func (p *Plan) orderInPieces() {
	longest := int64(0)
	for _, s := range between(p.g.clustersFor(p.g.bootSize()), p.g.clusters(), p.bad) {
		longest = max(longest, s.length())
	}
	whole := longest > p.g.clustersFor(p.g.mirrorSize())+p.g.clustersFor(p.g.logSize())
	turn := func(m metadata) int { return m.turn(whole) }
	slices.SortStableFunc(p.metadata, func(a, b metadata) int { return cmp.Compare(turn(a), turn(b)) })
	lists := len(p.metadata)
	for lists > 0 && turn(p.metadata[lists-1]) == lastTurn {
		lists--
	}
	p.metadata, p.lists = p.metadata[:lists], p.metadata[lists:]
	for turn(p.metadata[p.urgent]) < usualTurn {
		p.urgent++
	}
}

const (
	usualTurn = 4
	lastTurn  = 5
)

// turn says when m is placed on a volume whose free space is in pieces.
func (m *metadata) turn(logFirst bool) int {
	switch v, ok := m.source.(*valueSource); {
	case m.file == recordMirror:
		return 0
	case m.file == recordLog && logFirst:
		return 1
	case m.isMFT():
		return 2
	case m.file == recordLog:
		return 3
	case ok && v.typ == typeAttributeList:
		return lastTurn
	}
	return usualTurn
}

func (p *Plan) planSystemFile(r uint32, into *[]metadata) error {
	if _, err := p.planFile(int32(r), nil, into); err != nil {
		return err
	}
	if n := p.files[r].records; n != 1 {
		return fault.Bugf("record %d of the volume's own files needs %d records", r, n)
	}
	return nil
}

// required returns the length in bytes of the smallest partition that holds what was surveyed, such
// that any longer one does too: from some sizes on the log is longer by more than the size is.
func (p *Plan) required() int64 {
	size := p.requiredFrom(0)
	for _, step := range logSteps {
		at := (step + 2*p.g.sector - 1) / p.g.sector * p.g.sector // the first partition of that step
		if need := p.requiredFrom(at); size < at && need > at {
			size = need
		}
	}
	return size
}

// requiredFrom returns the length of the smallest partition of at least size bytes that holds what
// was surveyed. If that is more than size, it has whole clusters.
func (p *Plan) requiredFrom(size int64) int64 {
	fixed := total(p.bad)
	for _, list := range [][]metadata{p.metadata, p.lists} {
		for _, m := range list {
			switch m.source.(type) {
			case clusterBitmapSource, onesSource: // depend on the size of the volume
			default:
				fixed += p.g.clustersFor(m.size)
			}
		}
	}
	for _, list := range [][]content{p.data, p.reserved} {
		for _, c := range list {
			fixed += p.g.clustersFor(c.c.Size())
		}
	}
	g := p.g
	for g.size = size; ; {
		need := fixed + g.clustersFor(g.bitmapSize()) + g.clustersFor(g.logSize())
		if need <= g.clusters() {
			return g.size
		}
		g.size = need*g.cluster + g.sector
	}
}
