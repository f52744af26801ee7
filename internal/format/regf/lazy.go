package regf

import (
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// What Parse has checked stays in its cells until somebody asks for it: most edits touch a small part
// of a hive, and its keys and values as Go values take as much memory as the hive. A key that has not
// been read has its cell, and neither values nor subkeys.

// read makes the parts of k its own.
func (k *Key) read() {
	if k.cell != 0 {
		k.hive.source.parts(k, nil)
		k.cell = 0
	}
}

// open lends k its parts until close, for a walk over the whole hive that leaves nothing behind. depth
// is that of k; keys of the same depth cannot be open at the same time.
func (k *Key) open(depth int) {
	if k.cell != 0 {
		k.hive.source.parts(k, k.hive.room.level(depth))
	}
}

// close takes back what open has lent.
func (k *Key) close() {
	if k.cell != 0 {
		k.values, k.children = nil, nil
	}
}

// parts reads the values and subkeys of a key that has not been read, into l.
func (r *reader) parts(k *Key, l *level) {
	first := len(r.pending)
	var n node
	p, err := r.get(k.cell, nodeSize, "key")
	if err == nil {
		n.unmarshal(p)
		err = r.lists(k, &n, k.cell, l)
	}
	keys := l.makeChildren(k, r.pending[first:])
	for i := range keys {
		c := &keys[i]
		if err == nil {
			n, err = r.key(c, c.cell)
		}
		if err == nil {
			err = r.attributes(c, &n)
		}
		k.children = append(k.children, c)
	}
	r.pending = r.pending[:first]
	if err != nil {
		panic(fault.Bugf("what was parsed has changed: %v", err))
	}
	k.sort()
}

// level is room for the parts of one key. A nil one stands for memory of their own.
type level struct {
	keys     []Key
	children []*Key
	values   []Value
}

// room has a level for each depth of the tree.
type room []*level

func (r *room) level(depth int) *level {
	for len(*r) <= depth {
		*r = append(*r, new(level))
	}
	return (*r)[depth]
}

// makeValues gives k no values, and room for n.
func (l *level) makeValues(k *Key, n int) {
	if l == nil {
		k.values = make([]Value, 0, n)
		return
	}
	l.values = slices.Grow(l.values[:0], n)
	k.values = l.values
}

// makeChildren returns keys, not read yet, for the cells of subkeys of k. It gives k none of them, but
// room for all.
func (l *level) makeChildren(k *Key, cells []uint32) []Key {
	if l == nil {
		l = new(level)
	}
	n := len(cells)
	l.keys = slices.Grow(l.keys[:0], n)[:n]
	l.children = slices.Grow(l.children[:0], n)
	for i, off := range cells {
		l.keys[i] = Key{hive: k.hive, parent: k, cell: off}
	}
	k.children = l.children
	return l.keys
}
