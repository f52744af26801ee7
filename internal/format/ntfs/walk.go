package ntfs

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxDepth bounds the levels of an index; one of 2^32 entries has fewer than ten.
const maxDepth = 32

// treeEntry is an entry of any index. Its slices are valid during the visit only.
type treeEntry struct {
	head uint64 // the file, in a directory
	key  []byte
	rest []byte // what follows the key: padding, and the VCN of the node below
	data []byte // of an index that is not a directory
}

// walker reads one index in order.
type walker struct {
	v      *Volume
	f      *inode
	name   string
	blocks *streamReader // $INDEX_ALLOCATION, if the index is large
	g      geometry
	seen   map[int64]bool
	depth  int // of the leaves, -1 before the first
	visit  func(e *treeEntry) error
	// note is told what is odd but can be read; nil for readers that do not mind.
	note func(format string, args ...any)
}

// walkIndex calls visit for every entry of an index, in order. An index that is not there has no
// entries.
func (v *Volume) walkIndex(f *inode, name string, visit func(e *treeEntry) error) error {
	w := walker{v: v, f: f, name: name, visit: visit}
	return w.walk()
}

func (w *walker) walk() error {
	root := w.f.find(typeIndexRoot, w.name)
	if root == nil {
		return nil
	}
	if len(root.value) < rootHeader+indexHeader {
		return w.corrupt("index root has %d bytes", len(root.value))
	}
	w.g, w.seen, w.depth = w.v.g, map[int64]bool{}, -1
	w.g.block = int64(le.Uint32(root.value[8:]))
	if !powerWithin(w.g.block, sectorStride, maxBlockRead) {
		return w.corrupt("index blocks of %d bytes", w.g.block)
	}
	var err error
	if w.blocks, err = w.v.open(w.f, typeIndexAllocation, w.name); err != nil {
		return err
	}
	return w.node(rootNode, root.value[rootHeader:], 0)
}

func (w *walker) corrupt(format string, args ...any) error {
	return w.f.corrupt("index %s: %s", w.name, fmt.Sprintf(format, args...))
}

// node reads the entries behind an index header.
func (w *walker) node(what string, b []byte, depth int) error {
	at, end := int64(le.Uint32(b)), int64(le.Uint32(b[4:]))
	if at < indexHeader || end > int64(len(b)) {
		return w.corrupt("%s: entries from %#x to %#x of %d bytes", what, at, end, len(b))
	}
	if depth > maxDepth {
		return w.corrupt("more than %d levels", maxDepth)
	}
	for count := 0; ; count++ {
		e, flags, n, err := w.entry(what, b[:end], at)
		if err != nil {
			return err
		}
		if flags&entrySubnode != 0 {
			if err := w.block(int64(le.Uint64(b[at+n-8:])), depth+1); err != nil {
				return err
			}
		} else {
			w.leaf(what, depth, count, flags)
		}
		if flags&entryLast != 0 {
			w.header(what, b, at+n, flags&entrySubnode != 0)
			return nil
		}
		if err := w.visit(e); err != nil {
			return err
		}
		at += n
	}
}

// header notes what an index header says and readers can do without: where its entries end, how much room
// they have, and whether there are nodes below. Windows goes by it when it adds an entry.
func (w *walker) header(what string, b []byte, end int64, above bool) {
	if w.note == nil {
		return
	}
	all := int64(len(b))
	if used, room := int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:])); used != end || room < used || room > all || what != rootNode && room != all {
		w.note("index %s: %s: entries end at %#x, says its header, with room up to %#x; they end at %#x of %#x", w.name, what, used, room, end, all)
	}
	if said := b[12]&indexAbove != 0; said != above {
		w.note("index %s: %s says %v to having nodes below, its entries %v", w.name, what, said, above)
	}
}

// rootNode names the node in $INDEX_ROOT, which may be longer than the room that it says; blocks never are.
const rootNode = "root"

// indexAbove is the flag of an index header whose entries have nodes below.
const indexAbove = 0x01

// leaf notes trees that are not balanced, and empty nodes.
func (w *walker) leaf(what string, depth, count int, flags uint16) {
	if w.note == nil {
		return
	}
	if w.depth < 0 {
		w.depth = depth
	}
	if depth != w.depth {
		w.note("index %s: %s is a leaf at depth %d, others are at %d", w.name, what, depth, w.depth)
	}
	if flags&entryLast != 0 && count == 0 && depth > 0 {
		w.note("index %s: %s is empty", w.name, what)
	}
}

// entry reads the entry at byte at of a node, of n bytes.
func (w *walker) entry(what string, b []byte, at int64) (e *treeEntry, flags uint16, n int64, err error) {
	if at+entryHeader > int64(len(b)) {
		return nil, 0, 0, w.corrupt("%s: no end before byte %#x", what, len(b))
	}
	e = &treeEntry{head: le.Uint64(b[at:])}
	n, flags = int64(le.Uint16(b[at+8:])), le.Uint16(b[at+12:])
	key := int64(le.Uint16(b[at+10:]))
	least := entryHeader + key
	if flags&entrySubnode != 0 {
		least += 8
	}
	if n < least || n%8 != 0 || n > int64(len(b))-at {
		return nil, 0, 0, w.corrupt("%s: entry at %#x has %d bytes, a key of %d", what, at, n, key)
	}
	e.key, e.rest = b[at+entryHeader:at+entryHeader+key], b[at+entryHeader+key:at+n]
	if w.name == dirIndex || flags&entryLast != 0 {
		return e, flags, n, nil
	}
	from, length := int64(le.Uint16(b[at:])), int64(le.Uint16(b[at+2:]))
	if length > 0 {
		if from < entryHeader+key || from+length > n {
			return nil, 0, 0, w.corrupt("%s: entry at %#x has its data from %d to %d of %d", what, at, from, from+length, n)
		}
		e.data = b[at+from : at+from+length]
	}
	return e, flags, n, nil
}

// dirIndex is the name of a directory's index.
const dirIndex = "$I30"

// block reads the INDX block that stands at vcn. A block is read once: there are no loops.
func (w *walker) block(vcn int64, depth int) error {
	unit := w.g.block / w.g.vcnPerBlock() // bytes that VCNs count
	if w.blocks == nil || vcn < 0 || vcn > maxVCN || vcn*unit > w.blocks.size-w.g.block {
		return w.corrupt("a node at VCN %d, which is not there", vcn)
	}
	if w.seen[vcn] {
		return w.corrupt("the node at VCN %d stands twice in the tree", vcn)
	}
	w.seen[vcn] = true
	b := make([]byte, w.g.block)
	if _, err := w.blocks.ReadAt(b, vcn*unit); err != nil {
		return err
	}
	if err := unprotect(b, "INDX"); err != nil {
		return fault.In(where(uint64(w.f.record)), fault.In(fmt.Sprintf("index %s block at VCN %d", w.name, vcn), err))
	}
	if got := int64(le.Uint64(b[0x10:])); got != vcn {
		return w.corrupt("the block at VCN %d says %d", vcn, got)
	}
	return w.node(fmt.Sprintf("block at VCN %d", vcn), b[indexNode:], depth)
}
