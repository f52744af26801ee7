package ntfs_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// readSecurity reads $SDS and compares it with its copies and the two indexes.
func (v *checked) readSecurity() {
	f := v.files[9]
	sds := v.contents(f.find(0x80, "$SDS"))
	headers := map[uint32][]byte{}
	for block := 0; block < len(sds); block += 0x80000 {
		end := min(block+0x40000, len(sds)-0x40000)
		for at := block; at+20 <= end; {
			n := int(le.Uint32(sds[at+16:]))
			if n == 0 {
				break
			}
			v.readDescriptor(sds, at, n, headers)
			at = (at + n + 15) &^ 15
		}
	}
	ids := v.walkView(f, "$SII", func(a, b []byte) int { return compareWords(a, b) })
	hashes := v.walkView(f, "$SDH", func(a, b []byte) int { return compareWords(a, b) })
	if len(ids) != len(headers) || len(hashes) != len(headers) {
		v.bad("$SDS holds %d descriptors, $SII %d, $SDH %d", len(headers), len(ids), len(hashes))
	}
	for _, e := range ids {
		if h := headers[le.Uint32(e.key)]; !bytes.Equal(h, e.data) {
			v.bad("$SII says % x of id %#x, $SDS % x", e.data, le.Uint32(e.key), h)
		}
	}
	for _, e := range hashes {
		if h := headers[le.Uint32(e.key[4:])]; !bytes.Equal(h, e.data) || !bytes.Equal(h[:8], e.key) {
			v.bad("$SDH says % x of % x, $SDS % x", e.data, e.key, h)
		}
	}
}

func (v *checked) readDescriptor(sds []byte, at, n int, headers map[uint32][]byte) {
	id := le.Uint32(sds[at+4:])
	sd := sds[at+20 : at+n]
	h := uint32(0)
	for i := 0; i+4 <= len(sd); i += 4 {
		h = le.Uint32(sd[i:]) + bits.RotateLeft32(h, 3)
	}
	if h != le.Uint32(sds[at:]) || le.Uint64(sds[at+8:]) != uint64(at) || v.descriptors[id] != nil {
		v.bad("$SDS entry at %#x, id %#x: hash or offset is wrong, or the id stands twice", at, id)
	}
	if !bytes.Equal(sds[at:at+n], sds[at+0x40000:at+0x40000+n]) {
		v.bad("$SDS entry at %#x differs from its copy", at)
	}
	v.descriptors[id] = sd
	headers[id] = sds[at : at+20]
}

func compareWords(a, b []byte) int {
	for i := 0; i+4 <= min(len(a), len(b)); i += 4 {
		if x, y := le.Uint32(a[i:]), le.Uint32(b[i:]); x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return len(a) - len(b)
}

// indexEntry is an entry of any index.
type indexEntry struct {
	head uint64
	key  []byte
	data []byte
}

func (v *checked) walkView(f *checkedFile, name string, compare func(a, b []byte) int) []indexEntry {
	out := v.walkIndex(f, name, compare)
	for i, e := range out {
		at, n := int(e.head&0xFFFF), int(e.head>>16&0xFFFF)
		if at != 16+len(e.key) {
			v.bad("record %d index %s: entry %d has its data at %d", f.record, name, i, at)
		}
		out[i].data = e.data[:n]
	}
	return out
}

// indexWalk reads one index.
type indexWalk struct {
	v       *checked
	what    string
	blocks  []byte
	seen    []bool
	entries []indexEntry
	depth   map[int]bool // of the leaves
}

// collations are the indexed type and the collation rule of the indexes in system files.
var collations = map[string][2]uint32{"$SII9": {0, 16}, "$SDH9": {0, 18}, "$O24": {0, 17}, "$Q24": {0, 16}, "$O25": {0, 19}, "$R26": {0, 19}}

// walkIndex returns the entries of an index in order, after checking the tree.
func (v *checked) walkIndex(f *checkedFile, name string, compare func(a, b []byte) int) []indexEntry {
	w := indexWalk{v: v, what: fmt.Sprintf("record %d index %s", f.record, name), depth: map[int]bool{}}
	root := f.find(0x90, name)
	if root == nil {
		v.bad("%s: no root", w.what)
		return nil
	}
	kind := [2]uint32{le.Uint32(root.value), le.Uint32(root.value[4:])}
	if want, ok := collations[name+fmt.Sprint(f.record)]; name == "$I30" && kind != [2]uint32{0x30, 1} || ok && kind != want {
		v.bad("%s: type and collation are %v", w.what, kind)
	}
	large := root.value[28] == 1
	if a := f.find(0xA0, name); a != nil {
		w.blocks = v.contents(a)
		w.seen = make([]bool, int64(len(w.blocks))/v.block)
	}
	if large != (w.blocks != nil) || int64(le.Uint32(root.value[8:])) != v.block || int64(root.value[12])*v.vcn != v.block {
		v.bad("%s: root header % x", w.what, root.value[:32])
	}
	if !bytes.Equal(root.value[20:24], root.value[24:28]) || int(le.Uint32(root.value[20:])) != len(root.value)-16 {
		v.bad("%s: root header % x", w.what, root.value[:32])
	}
	w.node(root.value[16:], 0)
	if large {
		w.checkBitmap(v.contents(f.find(0xB0, name)))
	}
	if len(w.depth) > 1 {
		v.bad("%s: leaves at depths %v", w.what, w.depth)
	}
	for i := 1; i < len(w.entries); i++ {
		if compare(w.entries[i-1].key, w.entries[i].key) >= 0 {
			v.bad("%s: entries %d and %d are not in order", w.what, i-1, i)
		}
	}
	return w.entries
}

func (w *indexWalk) checkBitmap(b []byte) {
	for i := range len(b) * 8 {
		if want := i < len(w.seen); (b[i/8]>>(i%8)&1 == 1) != want {
			w.v.bad("%s: bitmap bit %d", w.what, i)
		}
	}
	if i := slices.Index(w.seen, false); i >= 0 {
		w.v.bad("%s: block %d is not in the tree", w.what, i)
	}
}

// node reads the entries behind an index header.
func (w *indexWalk) node(b []byte, depth int) {
	at, end := int(le.Uint32(b)), int(le.Uint32(b[4:]))
	if end > len(b) || int(le.Uint32(b[8:])) > len(b) {
		panic(w.what + ": node is longer than its place")
	}
	inner := b[12] == 1
	if !inner {
		w.depth[depth] = true
	}
	entries := 0
	for {
		n, k, flags := int(le.Uint16(b[at+8:])), int(le.Uint16(b[at+10:])), le.Uint16(b[at+12:])
		if n < 16 || n%8 != 0 || at+n > end || flags > 3 || (flags&1 == 1) != inner {
			panic(fmt.Sprintf("%s: entry at %#x has length %d, flags %d", w.what, at, n, flags))
		}
		e := b[at : at+n]
		if inner {
			w.block(int64(le.Uint64(e[n-8:])), depth+1)
		}
		at += n
		if flags&2 != 0 {
			break
		}
		entries++
		w.entries = append(w.entries, indexEntry{le.Uint64(e), e[16 : 16+k], e[16+k:]})
	}
	if at != end {
		w.v.bad("%s: node ends at %#x, its header says %#x", w.what, at, end)
	}
	if entries == 0 && depth > 0 {
		w.v.bad("%s: empty node", w.what)
	}
}

func (w *indexWalk) block(vcn int64, depth int) {
	i := vcn * w.v.vcn / w.v.block
	if vcn*w.v.vcn%w.v.block != 0 || i >= int64(len(w.seen)) || w.seen[i] {
		panic(fmt.Sprintf("%s: VCN %d is no block, or in the tree twice", w.what, vcn))
	}
	w.seen[i] = true
	b := w.v.fixup(fmt.Sprintf("%s block %d", w.what, i), w.blocks[i*w.v.block:(i+1)*w.v.block])
	if string(b[:4]) != "INDX" || int64(le.Uint64(b[16:])) != vcn {
		panic(fmt.Sprintf("%s: block %d says %q, VCN %d", w.what, i, b[:4], le.Uint64(b[16:])))
	}
	w.node(b[24:], depth)
}

func (v *checked) compareNames(a, b []byte) int {
	return v.compareFolded(utf16le.Units(utf16le.Decode(a[66:])), utf16le.Units(utf16le.Decode(b[66:])))
}

// checkTree walks the directories from the root and compares their entries with the files' names.
func (v *checked) checkTree() {
	v.checkDirectory(v.files[5])
	for r, f := range v.files {
		names := len(f.all(0x30))
		if f.entries != names || int(f.links) != names {
			v.bad("record %d: %d names, link count %d, %d directory entries", r, names, f.links, f.entries)
		}
		v.checkFile(f)
	}
}

func (v *checked) checkDirectory(f *checkedFile) {
	for _, e := range v.walkIndex(f, "$I30", v.compareNames) {
		child := v.files[uint32(e.head)]
		if child == nil || uint64(child.sequence) != e.head>>48 {
			v.bad("record %d: entry %q leads to %#x, which is no file", f.record, utf16le.Decode(e.key[66:]), e.head)
			continue
		}
		child.entries++
		v.children[f.record] = append(v.children[f.record], checkedName{utf16le.Decode(e.key[66:]), e.key[65], child})
		if !slices.ContainsFunc(child.all(0x30), func(a *checkedAttr) bool { return bytes.Equal(a.value, e.key) }) {
			v.bad("record %d: entry %q is not a name of record %d", f.record, utf16le.Decode(e.key[66:]), child.record)
		}
		if le.Uint64(e.key) != uint64(f.record)|uint64(f.sequence)<<48 || len(e.key) != 66+2*int(e.key[64]) {
			v.bad("record %d: entry %q has another parent or length", f.record, utf16le.Decode(e.key[66:]))
		}
		if child.flags&2 != 0 && child != f && child.entries == 1 {
			v.checkDirectory(child)
		}
	}
}

// checkFile compares what a file says about itself in several places.
func (v *checked) checkFile(f *checkedFile) {
	si := f.find(0x10, "")
	if si == nil {
		v.bad("record %d: no $STANDARD_INFORMATION", f.record)
		return
	}
	if n := len(si.value); n != 48 && n != 72 {
		v.bad("record %d: $STANDARD_INFORMATION has %d bytes", f.record, n)
	}
	if own := f.find(0x50, ""); (own != nil) != (len(si.value) == 48) {
		v.bad("record %d: $STANDARD_INFORMATION of %d bytes, own descriptor %v", f.record, len(si.value), own != nil)
	} else if own == nil && v.descriptors[le.Uint32(si.value[52:])] == nil {
		v.bad("record %d: security id %#x is not in $Secure", f.record, le.Uint32(si.value[52:]))
	}
	attributes := le.Uint32(si.value[32:])
	if (attributes&0x400 != 0) != (f.find(0xC0, "") != nil) {
		v.bad("record %d: attributes %#x and the reparse point disagree", f.record, attributes)
	}
	size, allocated := v.dataSize(f)
	if f.flags&2 != 0 {
		attributes |= 0x10000000
	}
	spaces := map[byte]int{}
	for _, n := range f.all(0x30) {
		spaces[n.value[65]]++
		if !bytes.Equal(n.value[8:40], si.value[:32]) || le.Uint32(n.value[56:]) != attributes {
			v.bad("record %d: a name repeats other times or attributes", f.record)
		}
		if int64(le.Uint64(n.value[40:])) != allocated || int64(le.Uint64(n.value[48:])) != size {
			v.bad("record %d: a name says size %d/%d, the data is %d/%d", f.record,
				le.Uint64(n.value[48:]), le.Uint64(n.value[40:]), size, allocated)
		}
	}
	if spaces[1] != spaces[2] || spaces[1]+spaces[3] > 1 {
		v.bad("record %d: %d Win32 names and %d DOS names", f.record, spaces[1], spaces[2])
	}
}

func (v *checked) dataSize(f *checkedFile) (size, allocated int64) {
	d := f.find(0x80, "")
	switch {
	case d == nil:
		if f.flags&10 == 0 {
			v.bad("record %d: a file without data", f.record)
		}
		return 0, 0
	case d.resident:
		return d.size, (d.size + 7) &^ 7
	}
	return d.size, d.allocated
}

// checkViews compares $ObjId and $Reparse with the files.
func (v *checked) checkViews() {
	objects := map[uint64][]byte{}
	for _, e := range v.walkView(v.files[25], "$O", compareWords) {
		objects[le.Uint64(e.data)] = e.key
		v.births[uint32(le.Uint64(e.data))] = e.data[8:]
	}
	tags := map[uint64]uint32{}
	for _, e := range v.walkView(v.files[26], "$R", compareWords) {
		tags[le.Uint64(e.key[4:])] = le.Uint32(e.key)
	}
	for r, f := range v.files {
		ref := uint64(r) | uint64(f.sequence)<<48
		if a := f.find(0x40, ""); a != nil {
			if !bytes.Equal(a.value, objects[ref]) {
				v.bad("record %d: $ObjId:$O has % x", r, objects[ref])
			}
			delete(objects, ref)
		}
		if a := f.find(0xC0, ""); a != nil {
			if le.Uint32(v.contents(a)) != tags[ref] {
				v.bad("record %d: $Reparse:$R has %#x", r, tags[ref])
			}
			delete(tags, ref)
		}
	}
	if len(objects)+len(tags) > 0 {
		v.bad("$ObjId or $Reparse list files that are none: %v %v", objects, tags)
	}
	v.walkView(v.files[24], "$O", bytes.Compare)
	v.walkView(v.files[24], "$Q", compareWords)
}
