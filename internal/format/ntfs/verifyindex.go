package ntfs

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// index walks an index and checks all that does not depend on what it is of.
func (c *checker) index(f *inode, name string, compare func(a, b []byte) int, visit func(e *treeEntry) error) error {
	var last []byte
	note := func(format string, args ...any) { c.bad(f.record, format, args...) }
	w := walker{v: c.v, f: f, name: name, note: note}
	w.visit = func(e *treeEntry) error {
		if last != nil && compare(last, e.key) >= 0 {
			note("index %s: entry % .40x stands after % .40x", name, e.key, last)
		}
		last = append(last[:0], e.key...)
		return visit(e)
	}
	if err := w.walk(); err != nil {
		return err
	}
	c.indexKind(f, name)
	return c.indexBitmap(f, &w)
}

// indexBitmap compares an index's bitmap with the blocks that are in the tree.
func (c *checker) indexBitmap(f *inode, w *walker) error {
	if w.blocks == nil {
		return nil
	}
	b, err := c.v.value(f, typeBitmap, w.name, maxBitmap(w.blocks.size/w.g.block))
	if err != nil {
		return err
	}
	marked := 0
	for i := range int64(len(b)) * 8 {
		if b[i/8]>>(i%8)&1 == 0 {
			continue
		}
		if marked++; !w.seen[i*w.g.vcnPerBlock()] {
			c.bad(f.record, "index %s: block %d is in use in the bitmap, but not in the tree", w.name, i)
		}
	}
	if marked < len(w.seen) {
		c.bad(f.record, "index %s: %d blocks are in the tree, %d are in use in the bitmap", w.name, len(w.seen), marked)
	}
	return nil
}

// directories walks the directories from the root and takes every entry off the names of its file.
func (c *checker) directories() error {
	if root := c.files.find(recordRoot); root == nil || root.dir == nil {
		return fault.In(where(recordRoot), fault.Corruptf(fault.NoOffset, "is not the root directory"))
	}
	reached := map[uint32]bool{recordRoot: true}
	for queue := []uint32{recordRoot}; len(queue) > 0; queue = queue[1:] {
		dir := c.files.find(queue[0])
		err := c.index(dir.dir, dirIndex, c.compareNames, func(e *treeEntry) error {
			child := c.entry(dir, e)
			record, _ := splitReference(e.head)
			if child == nil || child.dir == nil || child.dir.find(typeIndexRoot, dirIndex) == nil || reached[uint32(record)] {
				return nil
			}
			reached[uint32(record)] = true
			queue = append(queue, uint32(record))
			return nil
		})
		if err != nil {
			c.problem(err)
		}
	}
	return nil
}

// entry compares a directory entry with the file it leads to, and returns that.
func (c *checker) entry(dir *checkedNames, e *treeEntry) *checkedNames {
	n, err := parseFileName(e.key)
	if err != nil {
		c.bad(dir.dir.record, "index %s: %v", dirIndex, err)
		return nil
	}
	record, _ := splitReference(e.head)
	child := c.files.find(uint32(record))
	if child == nil || child.reference != e.head || n.parent != dir.reference {
		c.bad(dir.dir.record, "entry %q leads to %#x, which is no file, or is meant for another directory", n.name, e.head)
		return nil
	}
	child.left--
	child.sum -= n.hash()
	return child
}

// compareNames compares two keys of a directory.
func (c *checker) compareNames(a, b []byte) int {
	if len(a) < fileNameFixed || len(b) < fileNameFixed {
		return -1 // parseFileName complains
	}
	x, y := utf16le.Units(utf16le.Decode(a[fileNameFixed:])), utf16le.Units(utf16le.Decode(b[fileNameFixed:]))
	return cmp.Or(c.fold.Compare(x, y), slices.Compare(x, y))
}

// names reports files whose names are not those that directories have for them.
func (c *checker) names() error {
	for r, f := range c.files.all() {
		switch {
		case f.left > 0:
			c.bad(r, "%d names are in no directory", f.left)
		case f.left < 0:
			c.bad(r, "%d directory entries too many lead here", -f.left)
		case f.sum != 0:
			c.bad(r, "directories have other names for it than it has itself")
		}
	}
	return nil
}

// security compares $SDS with its copy and its indexes.
func (c *checker) security() error {
	f, err := c.v.file(recordSecure)
	if err != nil || c.v.sds == nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(c.v.secure)) {
		e := c.v.secure[id]
		for _, off := range []int64{e.offset, e.offset + sdsBlock} {
			if _, err := c.v.descriptorAt(id, e, off); err != nil {
				c.problem(fault.In("$Secure:$SDS", err))
			}
		}
	}
	if err := c.index(f, "$SII", compareWords, func(*treeEntry) error { return nil }); err != nil {
		return err
	}
	count := 0
	err = c.index(f, "$SDH", compareWords, func(e *treeEntry) error {
		count++
		if len(e.key) != 8 || len(e.data) < sdsHeader {
			return f.corrupt("$SDH has an entry of %d and %d bytes", len(e.key), len(e.data))
		}
		id, s := parseSDS(e.data)
		if c.v.secure[id] != s || le.Uint32(e.key) != s.hash || le.Uint32(e.key[4:]) != id {
			c.bad(recordSecure, "$SDH and $SII say different things of id %#x", id)
		}
		return nil
	})
	if err == nil && count != len(c.v.secure) {
		c.bad(recordSecure, "$SII has %d entries, $SDH %d", len(c.v.secure), count)
	}
	return err
}

// views compares $ObjId and $Reparse with the files that have an object id or a reparse point.
func (c *checker) views() error {
	if err := c.view("$ObjId", "$O", func(f *inode, e *treeEntry) {
		if len(e.key) != objectIDShort || len(e.data) < 8 {
			c.bad(f.record, "$O has an entry of %d and %d bytes", len(e.key), len(e.data))
			return
		}
		ref := le.Uint64(e.data)
		if id := c.objects[ref]; !bytes.HasPrefix(id, e.key) {
			c.bad(f.record, "$O says that %#x has object id %x, it has %x", ref, e.key, id)
		}
		delete(c.objects, ref)
	}); err != nil {
		return err
	}
	if err := c.view("$Reparse", "$R", func(f *inode, e *treeEntry) {
		if len(e.key) != 12 {
			c.bad(f.record, "$R has an entry of %d bytes", len(e.key))
			return
		}
		ref := le.Uint64(e.key[4:])
		if tag, ok := c.reparse[ref]; !ok || tag != le.Uint32(e.key) {
			c.bad(f.record, "$R says that %#x has reparse tag %#x, it has %#x", ref, le.Uint32(e.key), tag)
		}
		delete(c.reparse, ref)
	}); err != nil {
		return err
	}
	for _, ref := range slices.Sorted(maps.Keys(c.objects)) {
		c.bad(uint32(ref), "has an object id that is not in $ObjId")
	}
	for _, ref := range slices.Sorted(maps.Keys(c.reparse)) {
		c.bad(uint32(ref), "has a reparse point that is not in $Reparse")
	}
	return nil
}

// view walks an index of a file in $Extend.
func (c *checker) view(file, index string, visit func(f *inode, e *treeEntry)) error {
	f, err := c.v.extendFile(file)
	if f == nil || err != nil {
		return err
	}
	return c.index(f, index, compareWords, func(e *treeEntry) error {
		visit(f, e)
		return nil
	})
}
