package ntfs

// An NTFS index is a B-tree: every entry stands in it once, those in an inner node also point to
// the node with the smaller ones. Here all entries are known at once and in order, so the tree is
// built from the leaves up: a node takes entries until it is full, the entry after that becomes the
// separator and goes to the level above, and so on with the separators until one node holds a
// level. $INDEX_ROOT then only points to that node. Nodes are left an eighth empty, so that the
// first files which Windows adds do not split them.

// keys are the entries of an index, in collation order.
type keys interface {
	// count is the number of entries.
	count() int
	// size is the length of entry i in a leaf, a multiple of 8.
	size(i int) int
	// put writes entry i without its sub-node to b, as long as size(i), with the flags given and
	// length as the entry's length.
	put(b []byte, i, length int, flags uint16)
}

// index is one index of a file.
type index struct {
	name    string
	typ     uint32 // of the indexed attribute: $FILE_NAME, or 0 for a view
	collate uint32
	keys    keys
	bytes   int  // of all entries, in one node
	large   bool // has blocks of its own
	// cuts are the separators: level by level from the leaves, the position in that level's list of
	// the entry after each node but the last. The list of level 0 is all keys; of the next, the
	// separators of the one below.
	cuts [][]uint32
	// firsts are the numbers of the first block of every level.
	firsts []int
	blocks int
}

func newIndex(name string, typ, collate uint32, k keys) *index {
	x := &index{name: name, typ: typ, collate: collate, keys: k, bytes: entryHeader}
	for i := range k.count() {
		x.bytes += k.size(i)
	}
	return x
}

// rootSize is the length of $INDEX_ROOT's value.
func (x *index) rootSize() int64 {
	if x.large {
		return rootHeader + indexHeader + entryHeader + 8
	}
	return int64(rootHeader + indexHeader + x.bytes)
}

// grow gives the index blocks of the given size.
func (x *index) grow(block int64) {
	x.large = true
	room := int(block) - nodeEntriesAt(block) - entryHeader
	list := x.keys.count()
	size := x.keys.size
	for level := 0; ; level++ {
		cuts := cutNodes(list, size, room)
		x.cuts = append(x.cuts, cuts)
		x.firsts = append(x.firsts, x.blocks)
		x.blocks += len(cuts) + 1
		if len(cuts) == 0 {
			return
		}
		list = len(cuts)
		size = func(k int) int { return x.keys.size(x.key(level+1, k)) + 8 }
		room = int(block) - nodeEntriesAt(block) - entryHeader - 8
	}
}

// nodeEntriesAt is the offset of the first entry in an INDX block: behind the update sequence array.
func nodeEntriesAt(block int64) int {
	return align8(usaBlock + 2*int(1+block/sectorStride))
}

// cutNodes spreads n entries over nodes of room bytes and returns the separators. A separator always
// has an entry after it, and one before it in its node: an entry is at most a sixth of a node.
func cutNodes(n int, size func(int) int, room int) []uint32 {
	var cuts []uint32
	limit := room - room/8
	used := 0
	for i := 0; i < n; i++ {
		s := size(i)
		if used+s <= limit {
			used += s
			continue
		}
		if i == n-1 {
			i-- // the last node must not be empty
		}
		cuts = append(cuts, uint32(i))
		used = 0
	}
	return cuts
}

// key returns the number of the k-th entry in a level's list.
func (x *index) key(level, k int) int {
	for level--; level >= 0; level-- {
		k = int(x.cuts[level][k])
	}
	return k
}

// node is one block's place in the tree: the entries from first to end of its level's list.
type node struct {
	level, first, end int
}

func (x *index) node(block int) node {
	n := node{level: len(x.firsts) - 1}
	for x.firsts[n.level] > block {
		n.level--
	}
	cuts := x.cuts[n.level]
	k := block - x.firsts[n.level]
	if k > 0 {
		n.first = int(cuts[k-1]) + 1
	}
	switch {
	case k < len(cuts):
		n.end = int(cuts[k])
	case n.level > 0:
		n.end = len(x.cuts[n.level-1])
	default:
		n.end = x.keys.count()
	}
	return n
}

// putRoot writes $INDEX_ROOT's value.
func (x *index) putRoot(b []byte, g *geometry) {
	le.PutUint32(b, x.typ)
	le.PutUint32(b[4:], x.collate)
	le.PutUint32(b[8:], uint32(g.block))
	b[12] = byte(g.vcnPerBlock())
	entries := b[rootHeader+indexHeader:]
	used := 0
	if x.large {
		used = putEnd(entries, int64(x.blocks-1)*g.vcnPerBlock(), true)
	} else {
		for i := range x.keys.count() {
			s := x.keys.size(i)
			x.keys.put(entries[used:used+s], i, s, 0)
			used += s
		}
		used += putEnd(entries[used:], 0, false)
	}
	used += indexHeader
	putIndexHeader(b[rootHeader:], indexHeader, used, used, x.large)
}

// putEnd writes the entry that ends a node.
func putEnd(b []byte, child int64, inner bool) int {
	if !inner {
		putIndexEntry(b, 0, entryHeader, 0, entryLast)
		return entryHeader
	}
	putIndexEntry(b, 0, entryHeader+8, 0, entryLast|entrySubnode)
	le.PutUint64(b[entryHeader:], uint64(child))
	return entryHeader + 8
}

// putBlock writes INDX block number n.
func (x *index) putBlock(b []byte, n int, g *geometry) {
	at := nodeEntriesAt(g.block)
	copy(b, "INDX")
	le.PutUint16(b[4:], usaBlock)
	le.PutUint16(b[6:], uint16(1+len(b)/sectorStride))
	le.PutUint64(b[0x10:], uint64(int64(n)*g.vcnPerBlock()))
	used := at + x.putNode(b[at:], x.node(n), g)
	putIndexHeader(b[indexNode:], at-indexNode, used-indexNode, len(b)-indexNode, x.node(n).level > 0)
	protect(b, usaBlock)
}

// putNode writes a node's entries and returns their length.
func (x *index) putNode(b []byte, n node, g *geometry) int {
	used := 0
	child := func(k int) int64 { return int64(x.firsts[n.level-1]+k) * g.vcnPerBlock() }
	for k := n.first; k < n.end; k++ {
		i := x.key(n.level, k)
		s := x.keys.size(i)
		if n.level == 0 {
			x.keys.put(b[used:used+s], i, s, 0)
			used += s
			continue
		}
		x.keys.put(b[used:used+s], i, s+8, entrySubnode)
		le.PutUint64(b[used+s:], uint64(child(k)))
		used += s + 8
	}
	if n.level == 0 {
		return used + putEnd(b[used:], 0, false)
	}
	return used + putEnd(b[used:], child(n.end), true)
}

// fill writes the blocks from byte off of $INDEX_ALLOCATION to b. Both are whole blocks.
func (x *index) fill(p *Plan, b []byte, off int64) error {
	n := int(off / p.g.block)
	for ; len(b) > 0 && n < x.blocks; n++ {
		x.putBlock(b[:p.g.block], n, &p.g)
		b = b[p.g.block:]
	}
	return nil
}

// putBitmap writes the index's $BITMAP: every block is in use.
func (x *index) putBitmap(b []byte) {
	setBits(b, 0, int64(x.blocks))
}

// bitmapSize is the length of $BITMAP.
func (x *index) bitmapSize() int64 { return int64(x.blocks+63) / 64 * 8 }

// setBits sets bits first to end in b.
func setBits(b []byte, first, end int64) {
	for ; first < end && first%8 != 0; first++ {
		b[first/8] |= 1 << (first % 8)
	}
	for ; first+8 <= end; first += 8 {
		b[first/8] = 0xFF
	}
	for ; first < end; first++ {
		b[first/8] |= 1 << (first % 8)
	}
}

// viewKeys are the entries of an index that is not a directory, ready made.
type viewKeys [][]byte

func (v viewKeys) count() int     { return len(v) }
func (v viewKeys) size(i int) int { return len(v[i]) }

func (v viewKeys) put(b []byte, i, length int, flags uint16) {
	copy(b, v[i])
	le.PutUint16(b[8:], uint16(length))
	le.PutUint16(b[12:], flags)
}

// viewEntry makes an entry of an index that is not a directory: the data follows the key, and pad
// fills the entry to a multiple of 8 bytes.
func viewEntry(key, data, pad []byte) []byte {
	dataAt := entryHeader + len(key)
	n := align8(dataAt + len(data))
	b := make([]byte, n)
	putIndexEntry(b, uint64(dataAt)|uint64(len(data))<<16, n, len(key), 0)
	copy(b[entryHeader:], key)
	copy(b[dataAt:], data)
	copy(b[dataAt+len(data):], pad)
	return b
}
