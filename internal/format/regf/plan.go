package regf

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// plan is what Marshal knows before it writes: that everything fits the format, which security
// descriptors there are, and how much room the cells need.
type plan struct {
	minor    uint32
	security [][]byte       // distinct descriptors in the order in which keys use them
	refs     []uint32       // keys that use each
	index    map[string]int // of a descriptor in security
	bytes    int64          // of all cells
}

// newPlan checks a hive and counts its parts.
func newPlan(h *Hive) (*plan, error) {
	p := &plan{minor: h.Minor, index: make(map[string]int)}
	if h.Minor < minMinor || h.Minor > maxMinor {
		return nil, fault.Invalidf("hive minor version %d; %d to %d are possible", h.Minor, minMinor, maxMinor)
	}
	if err := p.tree(h.Root, 1); err != nil {
		return nil, err
	}
	for _, sd := range p.security {
		p.add(secSize + len(sd))
	}
	if p.bytes > maxBinsSize {
		return nil, errTooLarge
	}
	return p, nil
}

var errTooLarge = fault.Invalidf("the hive needs more than 2 GiB, more than the format can address")

// add counts a cell.
func (p *plan) add(content int) { p.bytes += int64(cellSize(content)) }

func (p *plan) tree(k *Key, depth int) error {
	k.open(depth)
	defer k.close()
	if err := p.key(k, depth); err != nil {
		return fault.In("key "+k.Path(), err)
	}
	for _, c := range k.children {
		if err := p.tree(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) key(k *Key, depth int) error {
	if depth > maxDepth {
		return fault.Invalidf("more than %d levels of keys", maxDepth)
	}
	if n := utf16Bytes(k.Name); n > maxLongestKey {
		return fault.Invalidf("a key name of %d bytes", n)
	}
	if n := utf16Bytes(k.Class); n > maxNameBytes {
		return fault.Invalidf("a class name of %d bytes", n)
	}
	if k.Flags&KeyPredefHandle != 0 && len(k.values) != 0 {
		return fault.Invalidf("a predefined-handle key cannot have values")
	}
	p.add(nodeSize + storedLen(k.Name))
	p.add(2 * utf16le.Len(k.Class))
	p.add(2*listSize + 8*len(k.children))
	p.add(4 * len(k.values))
	if err := p.use(k.Security); err != nil {
		return err
	}
	for i := range k.values {
		if err := p.value(&k.values[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) value(v *Value) error {
	if n := storedLen(v.Name); n > maxNameBytes {
		return fault.Invalidf("a value name of %d bytes", n)
	}
	if len(v.Data) > maxBinsSize || p.segmented(v.Data) && segments(v.Data) > 0xFFFF {
		return fault.Invalidf("value %q has %d bytes", v.Name, len(v.Data))
	}
	p.add(valueSize + storedLen(v.Name))
	p.add(len(v.Data))
	return nil
}

// use counts a key with the descriptor sd.
func (p *plan) use(sd []byte) error {
	if len(sd) == 0 {
		return nil
	}
	i, ok := p.index[string(sd)]
	if !ok {
		if err := checkSecurity(sd); err != nil {
			return err
		}
		i = len(p.security)
		p.index[string(sd)] = i
		p.security = append(p.security, sd)
		p.refs = append(p.refs, 0)
	}
	p.refs[i]++
	return nil
}

// segmented says that data are stored in a db record.
func (p *plan) segmented(data []byte) bool { return p.minor >= bigMinor && len(data) > maxSegment }

func segments(data []byte) int { return (len(data) + maxSegment - 1) / maxSegment }

// cellSize is the size of the cell around that much content.
func cellSize(content int) int { return (content + cellHeader + cellAlign - 1) &^ (cellAlign - 1) }
