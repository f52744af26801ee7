package regf

import (
	"math"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// Marshal returns the hive as a file: clean (both sequence numbers equal), compact, every cell
// placed anew. The same hive gives the same bytes. The hive itself is not changed.
func (h *Hive) Marshal() ([]byte, error) {
	p, err := newPlan(h)
	if err != nil {
		return nil, err
	}
	return p.marshal(h)
}

// marshal writes the hive that was planned.
func (p *plan) marshal(h *Hive) ([]byte, error) {
	w := newWriter(p, make([]byte, imageSize(p.bytes)), 0)
	w.most = math.MaxInt
	if err := w.hive(h); err != nil {
		return nil, err
	}
	return w.out, nil
}

// writer turns keys into cells: a key's own cells first, then those of its subkeys, in order.
type writer struct {
	*plan
	*arena
	sec []uint32 // cells of plan.security, placed when first used; 0 until then
}

// newWriter returns a writer that keeps the part of the image which begins at from, in out.
func newWriter(p *plan, out []byte, from int) *writer {
	return &writer{plan: p, arena: newArena(out, from), sec: make([]uint32, len(p.security))}
}

// hive writes the hive that was planned.
func (w *writer) hive(h *Hive) error {
	root := w.tree(h.Root, noCell, 1)
	w.writeSecurity()
	if w.size-baseSize > maxBinsSize {
		return errTooLarge
	}
	copy(w.image(0), h.base[:])
	b := h.header()
	b.Root, b.BinsSize = root, uint32(w.size-baseSize)
	b.marshal(w.image(0))
	le.PutUint64(w.image(baseSize)[0x14:], uint64(h.LastWritten))
	return nil
}

// tree writes k and everything below it and returns its cell.
func (w *writer) tree(k *Key, parent uint32, depth int) uint32 {
	k.open(depth)
	nameLen := storedLen(k.Name)
	off := w.alloc(nodeSize + nameLen)
	n := node{
		Flags: k.Flags &^ KeyCompName, LastWritten: k.LastWritten, Access: k.Access, Parent: parent,
		Control: k.Control, NameLen: uint16(nameLen), SubkeyList: noCell,
	}
	if putName(w.at(off)[nodeSize:], k.Name) {
		n.Flags |= KeyCompName
	}
	n.Security = w.securityCell(k.Security)
	w.class(&n, k.Class)
	w.values(&n, k)
	w.subkeys(&n, k, off, depth)
	n.marshal(w.at(off))
	k.close()
	return off
}

func (w *writer) class(n *node, class string) {
	n.Class = noCell
	if class == "" {
		return
	}
	raw := utf16le.Encode(class)
	n.Class, n.ClassLen = w.raw(raw), uint16(len(raw))
}

// subkeys writes the list of k's subkeys and then the subkeys.
func (w *writer) subkeys(n *node, k *Key, off uint32, depth int) {
	children := k.children
	if len(children) == 0 {
		return
	}
	if !k.sorted() {
		children = slices.Clone(children)
		slices.SortStableFunc(children, func(a, b *Key) int { return compareNames(a.Name, b.Name) })
	}
	for _, c := range children {
		n.MaxSubkey = max(n.MaxSubkey, uint16(utf16Bytes(c.Name)))
		n.MaxClass = max(n.MaxClass, uint32(utf16Bytes(c.Class)))
	}
	n.Subkeys = uint32(len(children))
	var leaves []uint32
	n.SubkeyList, leaves = w.lists(len(children))
	kind, most := w.leafKind(len(children))
	for i, c := range children {
		at := w.tree(c, off, depth+1)
		kind.put(w.at(leaves[i/most]), i%most, at, c.Name)
	}
}

// listKind is a kind of subkey list.
type listKind string

// put sets entry i of the list p.
func (kind listKind) put(p []byte, i int, key uint32, name string) {
	switch kind {
	case "li", "ri":
		le.PutUint32(p[listSize+4*i:], key)
		return
	case "lf":
		le.PutUint32(p[listSize+8*i+4:], nameHint(name))
	case "lh":
		le.PutUint32(p[listSize+8*i+4:], nameHash(name))
	}
	le.PutUint32(p[listSize+8*i:], key)
}

// stride is the size of an entry in bytes.
func (kind listKind) stride() int {
	if kind == "li" || kind == "ri" {
		return 4
	}
	return 8
}

// leafKind returns the kind of list that Windows uses for that many subkeys, and the most entries
// that it puts in one. From minor version 5 on it is always lh. Before, lf lists that outgrow a
// bin become li, which have no hints but twice the room; minor version 2 has only li.
func (p *plan) leafKind(n int) (kind listKind, most int) {
	switch {
	case p.minor >= hashMinor:
		return "lh", maxFast
	case p.minor > minMinor && n <= maxFast:
		return "lf", maxFast
	}
	return "li", maxIndex
}

// lists allocates the empty lists for n subkeys: one leaf, or an ri above several.
func (w *writer) lists(n int) (top uint32, leaves []uint32) {
	kind, most := w.leafKind(n)
	for left := n; left > 0; left -= most {
		leaves = append(leaves, w.list(kind, min(left, most)))
	}
	if len(leaves) == 1 {
		return leaves[0], leaves
	}
	top = w.list("ri", len(leaves))
	for i, leaf := range leaves {
		listKind("ri").put(w.at(top), i, leaf, "")
	}
	return top, leaves
}

func (w *writer) list(kind listKind, n int) uint32 {
	off := w.alloc(listSize + n*kind.stride())
	p := w.at(off)
	copy(p, kind)
	le.PutUint16(p[2:], uint16(n))
	return off
}
