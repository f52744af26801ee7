package regf

import (
	"fmt"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Parse checks a whole hive, and reads it where it is looked at. Keys and values' data refer to data, which must not change afterwards. What
// follows the last bin is ignored, as are volatile keys, which have no place in a file.
//
// A hive that was not closed cleanly gives ErrDirty (class fault.ErrUnsupported). Bad offsets, cells
// with two owners, loops and lists that contradict each other are corrupt.
func Parse(data []byte) (*Hive, error) {
	var base baseBlock
	if err := base.read(data); err != nil {
		return nil, err
	}
	bins := data[baseSize:]
	if int64(base.BinsSize) > int64(len(bins)) {
		return nil, fault.Corruptf(int64(len(data)), "hive ends early: %d bytes of bins, the header says %d", len(bins), base.BinsSize)
	}
	c, err := scanCells(bins[:base.BinsSize:base.BinsSize])
	if err != nil {
		return nil, err
	}
	h := &Hive{Minor: base.Minor, FileName: decodeFileName(base.FileName[:]), LastWritten: base.LastWritten}
	copy(h.base[:], data)
	r := newReader(c, h)
	if err := r.root(base.Root); err != nil {
		return nil, err
	}
	c.start, c.used, c.sound = nil, nil, true
	h.source = r
	return h, nil
}

// read unmarshals and checks the header of a clean primary file.
func (b *baseBlock) read(data []byte) error {
	if len(data) < 4 || string(data[:4]) != "regf" {
		return fault.Corruptf(0, "not a registry hive: no regf signature")
	}
	if len(data) < baseSize {
		return fault.Corruptf(int64(len(data)), "hive ends inside its header")
	}
	b.unmarshal(data)
	if sum := checksum(data); b.Checksum != sum {
		return &fault.Error{
			Class: fault.ErrCorrupt, Offset: checksumOffset, Err: ErrDirty,
			Detail: fmt.Sprintf("header checksum %#08x, computed %#08x (Windows would restore the header from the hive's .LOG1 or .LOG2 file)", b.Checksum, sum),
		}
	}
	if b.FileType != typePrimary {
		return fault.Unsupportedf(0x1C, "file type %d: a transaction log, not a hive", b.FileType)
	}
	if err := b.validVersion(); err != nil {
		return err
	}
	if b.Sequence1 != b.Sequence2 {
		return b.dirty()
	}
	return b.validSize()
}

func (b *baseBlock) validVersion() error {
	if b.Major != majorVersion || b.Minor < minMinor || b.Minor > maxMinor || b.Format != 1 {
		return fault.Unsupportedf(0x14, "hive version %d.%d, format %d; known are 1.%d to 1.%d, format 1", b.Major, b.Minor, b.Format, minMinor, maxMinor)
	}
	return nil
}

func (b *baseBlock) validSize() error {
	if !validBins(b.BinsSize) {
		return fault.Corruptf(0x28, "size of the bins %#x", b.BinsSize)
	}
	return nil
}

// validBins says whether all bins of a hive can have that many bytes together.
func validBins(n uint32) bool { return n != 0 && n%binAlign == 0 && n <= maxBinsSize }

// dirty is the error for a hive whose last write did not end.
func (b *baseBlock) dirty() error {
	name := decodeFileName(b.FileName[:])
	if name == "" {
		name = "the hive"
	}
	return &fault.Error{
		Class: fault.ErrUnsupported, Offset: 4, Err: ErrDirty,
		Detail: fmt.Sprintf("sequence numbers %d and %d differ: changes are still in the transaction logs beside %s "+
			"(.LOG1 and .LOG2, before Vista .LOG); shut Windows down cleanly, or load and unload the hive once with "+
			"regedit or reg.exe together with its logs, then use the file again", b.Sequence1, b.Sequence2, name),
	}
}

// reader turns cells into keys.
type reader struct {
	*cells
	hive     *Hive
	minor    uint32            // of the file, whatever becomes of hive.Minor
	security map[uint32][]byte // descriptors by cell
	pending  []uint32          // key cells of the subkey lists being read, a stack
	salvage  *salvage          // what becomes of faults; nil: the first one ends the reading
}

func newReader(c *cells, h *Hive) *reader {
	return &reader{cells: c, hive: h, minor: h.Minor, security: make(map[uint32][]byte)}
}

func (r *reader) root(off uint32) error {
	if _, err := r.record(off, nodeSize, "nk", "root key"); err != nil {
		return err
	}
	h := r.hive
	h.Root = &Key{hive: h}
	ok, err := r.tree(h.Root, off, 1)
	if !ok {
		h.Root = nil
	}
	return err
}

// lost says that err took something of k away: the end, unless this is a salvage.
func (r *reader) lost(k *Key, err error) error {
	if err == nil {
		return nil
	}
	if r.salvage == nil {
		return fault.In("key "+k.Path(), err)
	}
	r.salvage.add(k, err)
	return nil
}

// tree checks the key at off, whose cell has been taken, and everything below it. It says whether there
// is such a key. Only a salvage keeps what is read: there is no checking twice what is broken.
func (r *reader) tree(k *Key, off uint32, depth int) (bool, error) {
	first := len(r.pending)
	n, err := r.key(k, off)
	if err == nil && depth > maxDepth {
		err = corrupt(int(off), "more than %d levels of keys", maxDepth)
	}
	if err != nil {
		return false, r.lost(k, err)
	}
	if err := r.attributes(k, &n); err != nil {
		return false, err
	}
	var l *level
	if r.salvage == nil {
		l = r.hive.room.level(depth)
	}
	if err := r.lists(k, &n, off, l); err != nil {
		return false, err
	}
	keys := l.makeChildren(k, r.pending[first:])
	for i := range keys {
		c := &keys[i]
		ok, err := r.tree(c, c.cell, depth+1)
		if err != nil {
			return false, err
		}
		if ok {
			k.children = append(k.children, c)
		}
	}
	r.pending = r.pending[:first]
	if r.salvage == nil {
		k.cell = off
		k.close()
		return true, nil
	}
	k.cell = 0
	k.sort()
	return true, nil
}

// sort restores registry order, should the hive's writer have had another idea of it.
func (k *Key) sort() {
	if !k.sorted() {
		slices.SortStableFunc(k.children, func(a, b *Key) int { return compareNames(a.Name, b.Name) })
	}
}

func (k *Key) sorted() bool {
	return slices.IsSortedFunc(k.children, func(a, b *Key) int { return compareNames(a.Name, b.Name) })
}

// key reads one key record.
func (r *reader) key(k *Key, off uint32) (n node, err error) {
	p, err := r.get(off, nodeSize, "key")
	if err != nil {
		return n, err
	}
	n.unmarshal(p)
	k.LastWritten, k.Control, k.Access = n.LastWritten, n.Control, n.Access
	k.Flags = n.Flags &^ KeyCompName
	if len(p)-nodeSize < int(n.NameLen) {
		return n, corrupt(int(off), "a name of %d bytes in a cell of %d", n.NameLen, len(p))
	}
	comp := n.Flags&KeyCompName != 0
	if !comp && n.NameLen%2 != 0 {
		return n, corrupt(int(off), "a UTF-16 name of %d bytes", n.NameLen)
	}
	k.Name = decodeName(p[nodeSize:nodeSize+int(n.NameLen)], comp)
	if utf16Bytes(k.Name) > maxLongestKey {
		return n, corrupt(int(off), "a key name of %d bytes", n.NameLen)
	}
	if n.Flags&KeyPredefHandle != 0 {
		k.handle = n.Values
	}
	return n, nil
}

// attributes reads the class and the security of a key.
func (r *reader) attributes(k *Key, n *node) error {
	if err := r.lost(k, r.class(k, n)); err != nil {
		return err
	}
	return r.lost(k, r.keySecurity(k, n.Security))
}

// lists reads the values of the key at off into l, and leaves the cells of its subkeys on the stack.
func (r *reader) lists(k *Key, n *node, off uint32, l *level) error {
	if n.Flags&KeyPredefHandle == 0 {
		if err := r.values(k, n, l); err != nil {
			return err
		}
	}
	if n.Subkeys == 0 {
		return nil
	}
	first := len(r.pending)
	if err := r.subkeys(k, n.SubkeyList, true); err != nil {
		return err
	}
	got := len(r.pending) - first
	if int64(got) == int64(n.Subkeys) {
		return nil
	}
	if r.salvage != nil {
		r.salvage.incomplete = append(r.salvage.incomplete, incomplete{k, off})
	}
	return r.lost(k, corrupt(int(off), "%d subkeys are listed, the key says %d", got, n.Subkeys))
}

func (r *reader) class(k *Key, n *node) error {
	if n.ClassLen == 0 || n.Class == noCell {
		return nil
	}
	p, err := r.take(n.Class, int(n.ClassLen), "class name")
	if err != nil {
		return err
	}
	if n.ClassLen%2 != 0 {
		return corrupt(int(n.Class), "a UTF-16 class name of %d bytes", n.ClassLen)
	}
	k.Class = utf16le.Decode(p[:n.ClassLen])
	return nil
}

// keySecurity reads a security record. Keys share it, so its cell may be met again.
func (r *reader) keySecurity(k *Key, off uint32) error {
	if off == noCell {
		return nil
	}
	if sd, ok := r.security[off]; ok {
		k.Security = sd
		return nil
	}
	sd, err := r.descriptor(off)
	if err != nil {
		if r.salvage != nil {
			k.Security = k.inherited()
		}
		return err
	}
	k.Security = sd
	r.security[off] = sd
	return nil
}

// descriptor returns the security descriptor in the cell at off.
func (r *reader) descriptor(off uint32) ([]byte, error) {
	p, err := r.record(off, secSize, "sk", "security")
	if err != nil {
		return nil, err
	}
	var s security
	s.unmarshal(p)
	if int64(s.Length) > int64(len(p)-secSize) {
		return nil, corrupt(int(off), "security descriptor of %d bytes in a cell of %d", s.Length, len(p))
	}
	sd := slices.Clone(p[secSize : secSize+s.Length])
	if err := checkSecurity(sd); err != nil {
		return nil, corrupt(int(off), "%v", err)
	}
	return sd, nil
}

// subkeys reads a subkey list of k and takes the cells of the keys in it. An ri is allowed at the
// top.
func (r *reader) subkeys(k *Key, off uint32, top bool) error {
	p, err := r.take(off, listSize, "subkey list")
	if err != nil {
		return r.lost(k, err)
	}
	kind := listKind(p[:2])
	if kind != "lf" && kind != "lh" && kind != "li" && (kind != "ri" || !top) {
		return r.lost(k, corrupt(int(off), "subkey list: signature %q", p[:2]))
	}
	count, room := int(le.Uint16(p[2:])), (len(p)-listSize)/kind.stride()
	if room < count {
		if err := r.lost(k, corrupt(int(off), "%d subkeys in a cell of %d bytes", count, len(p))); err != nil {
			return err
		}
	}
	for i := range min(count, room) {
		if err := r.subkey(k, le.Uint32(p[listSize+i*kind.stride():]), kind == "ri"); err != nil {
			return err
		}
	}
	return nil
}

// subkey takes one entry of a subkey list: a key, or in an ri another list.
func (r *reader) subkey(k *Key, off uint32, isList bool) error {
	if isList {
		return r.subkeys(k, off, false)
	}
	if _, err := r.record(off, nodeSize, "nk", "subkey"); err != nil {
		return r.lost(k, err)
	}
	r.pending = append(r.pending, off)
	return nil
}
