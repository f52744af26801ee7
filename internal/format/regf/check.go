package regf

import (
	"errors"
	"maps"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxCheckProblems is how many problems Check lists.
const maxCheckProblems = 50

// Check reads a hive more strictly than Parse, which sorts what is not sorted and believes what it can
// do without: the order of subkeys and their hashes, each key's pointer to the one above and what it says
// of the longest names and values, the ring of security descriptors and how many keys have each. It
// returns what contradicts itself, the first 50 problems at most; none for a sound hive. The first may be
// Parse's error, ErrDirty among them; no more is looked at then.
func Check(data []byte) []error {
	h, err := Parse(data)
	if err != nil {
		return []error{err}
	}
	var base baseBlock
	base.unmarshal(data)
	c := checker{reader: h.source, refs: map[uint32]uint32{}}
	if base.Clustering != 1 {
		c.problem(fault.Corruptf(0x2C, "the header says that sectors have %d bytes", int64(base.Clustering)*sectorSize))
	}
	c.key(base.Root, noCell)
	c.ring()
	return c.problems
}

// checker is a check under way.
type checker struct {
	*reader
	refs     map[uint32]uint32 // keys that have a descriptor, by its cell
	problems []error
}

func (c *checker) problem(err error) {
	if err != nil && len(c.problems) < maxCheckProblems {
		c.problems = append(c.problems, err)
	}
}

// nodeAt reads the record of a key and its name.
func (c *checker) nodeAt(off uint32) (n node, name string, ok bool) {
	p, err := c.get(off, nodeSize, "key")
	if err != nil {
		c.problem(err)
		return n, "", false
	}
	n.unmarshal(p)
	return n, decodeName(p[nodeSize:nodeSize+int(n.NameLen)], n.Flags&KeyCompName != 0), true
}

// key looks at a key and all below it. above is the cell of the key that lists it.
func (c *checker) key(off, above uint32) {
	n, name, ok := c.nodeAt(off)
	if !ok {
		return
	}
	if n.Security != noCell {
		c.refs[n.Security]++
	}
	switch {
	case above == noCell:
		if n.Flags&KeyHiveEntry == 0 {
			c.problem(corrupt(int(off), "key %q is the root, but its flags %#x do not say so", name, uint16(n.Flags)))
		}
	case n.Parent != above:
		c.problem(corrupt(int(off), "key %q says that the key above is at %#x, it is at %#x", name, fileOffset(int(n.Parent)), fileOffset(int(above))))
	}
	if n.Flags&KeyPredefHandle == 0 && n.Values > 0 {
		c.values(&n, off)
	}
	if n.Subkeys == 0 {
		return
	}
	w := listWalk{above: off, max: int(n.MaxSubkey)}
	c.list(n.SubkeyList, &w)
}

// values compares the values of the key at off with what it says of the longest: programs take their buffers
// by that.
func (c *checker) values(n *node, off uint32) {
	list, err := c.get(n.ValueList, 4*int(n.Values), "value list")
	if err != nil {
		c.problem(err)
		return
	}
	for i := range n.Values {
		p, err := c.get(le.Uint32(list[4*i:]), valueSize, "value")
		if err != nil {
			c.problem(err)
			return
		}
		var v valueRecord
		v.unmarshal(p)
		name := decodeName(p[valueSize:valueSize+int(v.NameLen)], v.Flags&valueCompName != 0)
		if size := utf16Bytes(name); size > int(n.MaxValueName) {
			c.problem(corrupt(int(off), "values have names of %d bytes at most, says the key, and %q has %d", n.MaxValueName, name, size))
		}
		if size := v.Size &^ inlineData; size > n.MaxValueData {
			c.problem(corrupt(int(off), "values have %d bytes at most, says the key, and %q has %d", n.MaxValueData, name, size))
		}
	}
}

// listWalk is a subkey list under way.
type listWalk struct {
	above uint32
	max   int // bytes of the longest name, as the key above says
	last  string
	any   bool
}

// list looks at a subkey list, and at every key in it.
func (c *checker) list(off uint32, w *listWalk) {
	p, err := c.get(off, listSize, "subkey list")
	if err != nil {
		c.problem(err)
		return
	}
	kind := listKind(p[:2])
	for i := range int(le.Uint16(p[2:])) {
		e := p[listSize+i*kind.stride():]
		cell := le.Uint32(e)
		if kind == "ri" {
			c.list(cell, w)
			continue
		}
		_, name, ok := c.nodeAt(cell)
		if !ok {
			continue
		}
		if w.any && compareNames(w.last, name) >= 0 {
			c.problem(corrupt(int(cell), "key %q stands after %q: Windows finds keys by their order", name, w.last))
		}
		w.last, w.any = name, true
		switch kind {
		case "lh":
			if got, want := le.Uint32(e[4:]), nameHash(name); got != want {
				c.problem(corrupt(int(off), "the hash of key %q is %#x, expected %#x: Windows would not find it", name, got, want))
			}
		case "lf":
			if got, want := le.Uint32(e[4:]), nameHint(name); got != want && got != 0 {
				c.problem(corrupt(int(off), "the hint of key %q is %#x, expected %#x: Windows would not find it", name, got, want))
			}
		}
		if n := utf16Bytes(name); n > w.max {
			c.problem(corrupt(int(w.above), "subkeys have names of %d bytes at most, says the key, and %q has %d", w.max, name, n))
		}
		c.key(cell, w.above)
	}
}

// ring looks at the descriptors: each is in a ring with all others, and counts the keys that have it.
func (c *checker) ring() {
	for _, off := range slices.Sorted(maps.Keys(c.refs)) {
		s, err := c.descriptorHead(off)
		if err != nil {
			c.problem(err)
			continue
		}
		if s.Refs != c.refs[off] {
			c.problem(corrupt(int(off), "the security descriptor counts %d keys, %d have it", s.Refs, c.refs[off]))
		}
		next, err := c.descriptorHead(s.Next)
		prev, errPrev := c.descriptorHead(s.Prev)
		if err = errors.Join(err, errPrev); err != nil {
			c.problem(err)
			continue
		}
		if next.Prev != off || prev.Next != off {
			c.problem(corrupt(int(off), "the ring of security descriptors is broken here"))
		}
	}
}

// descriptorHead reads a security record, which another one may name wrongly.
func (c *checker) descriptorHead(off uint32) (s security, err error) {
	if off%cellAlign != 0 || int64(off) > int64(len(c.bins)-cellHeader-secSize) || string(c.bins[off+cellHeader:][:2]) != "sk" {
		return s, fault.Corruptf(fault.NoOffset, "no security descriptor at %#x, which another one names", fileOffset(int(off)))
	}
	s.unmarshal(c.bins[off+cellHeader:])
	return s, nil
}
