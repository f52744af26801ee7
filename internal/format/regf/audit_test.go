package regf

import "testing"

// auditor checks what the reader tolerates: it reads the records of a hive on its own and compares
// the fields that repeat what is said elsewhere.
type auditor struct {
	t     testing.TB
	c     *cells
	minor uint32
	seen  map[uint32]bool
	refs  map[uint32]uint32 // keys by sk cell
	exact bool              // "largest" fields are exact; Windows never lowers them
}

// audit fails unless a hive that we wrote is consistent in every field.
func audit(t testing.TB, b []byte) { auditHive(t, b, true) }

func auditHive(t testing.TB, b []byte, exact bool) {
	t.Helper()
	var base baseBlock
	if err := base.read(b); err != nil {
		t.Fatal(err)
	}
	c, err := scanCells(b[baseSize : baseSize+base.BinsSize])
	if err != nil {
		t.Fatal(err)
	}
	a := &auditor{t: t, c: c, minor: base.Minor, seen: map[uint32]bool{}, refs: map[uint32]uint32{}, exact: exact}
	a.key(base.Root, noCell)
	a.ring()
	if got, want := len(a.seen), c.start.count(); got != want {
		t.Errorf("%d cells are in use, %d are allocated", got, want)
	}
	if exact && (base.Root != binHeader || len(b) != baseSize+int(base.BinsSize)) {
		t.Errorf("root at %#x, %d bytes in the file, %d in bins", base.Root, len(b), base.BinsSize)
	}
}

func (a *auditor) cell(off uint32) []byte {
	p, err := a.c.get(off, 0, "audited")
	if err != nil {
		a.t.Fatal(err)
	}
	a.seen[off] = true
	return p
}

// largest compares a "largest" field with what it should be.
func (a *auditor) largest(what string, got, want uint32) {
	if got < want || a.exact && got != want {
		a.t.Errorf("%s: %d, must be %d", what, got, want)
	}
}

func (a *auditor) key(off, parent uint32) (name, class string) {
	p := a.cell(off)
	var n node
	n.unmarshal(p)
	name = decodeName(p[nodeSize:nodeSize+int(n.NameLen)], n.Flags&KeyCompName != 0)
	if parent != noCell && n.Parent != parent {
		a.t.Errorf("key %q: parent %#x, must be %#x", name, n.Parent, parent)
	}
	if n.ClassLen > 0 {
		class = decodeName(a.cell(n.Class)[:n.ClassLen], false)
	}
	a.refs[n.Security]++
	a.values(name, &n)
	a.children(name, &n, off)
	return name, class
}

func (a *auditor) values(name string, n *node) {
	if n.Values == 0 {
		return
	}
	list := a.cell(n.ValueList)
	var longest, largest uint32
	for i := range n.Values {
		p := a.cell(le.Uint32(list[4*i:]))
		var v valueRecord
		v.unmarshal(p)
		length := uint32(v.NameLen)
		if v.Flags&valueCompName != 0 {
			length *= 2
		}
		longest, largest = max(longest, length), max(largest, v.Size&^inlineData)
		if v.Size&inlineData == 0 && v.Size > 0 {
			a.data(&v)
		}
	}
	a.largest("key "+name+": longest value name", n.MaxValueName, longest)
	a.largest("key "+name+": largest value", n.MaxValueData, largest)
}

func (a *auditor) data(v *valueRecord) {
	p := a.cell(v.Data)
	if a.minor < bigMinor || v.Size <= maxSegment {
		return
	}
	list := a.cell(le.Uint32(p[4:]))
	for i := range le.Uint16(p[2:]) {
		a.cell(le.Uint32(list[4*i:]))
	}
}

func (a *auditor) children(name string, n *node, off uint32) {
	if n.Subkeys == 0 {
		if a.exact && n.SubkeyList != noCell {
			a.t.Errorf("key %s: a list of no subkeys", name)
		}
		return
	}
	entries := a.list(n.SubkeyList, int(n.Subkeys))
	var longest, class uint32
	var last string
	for i, e := range entries {
		sub, c := a.key(e.key, off)
		longest, class = max(longest, uint32(utf16Bytes(sub))), max(class, uint32(utf16Bytes(c)))
		if i > 0 && compareNames(last, sub) >= 0 {
			a.t.Errorf("key %s: %q comes before %q", name, last, sub)
		}
		if e.kind == "lh" && e.hint != nameHash(sub) || e.kind == "lf" && e.hint != nameHint(sub) {
			a.t.Errorf("subkey %q of %s: %s hint %#x", sub, name, e.kind, e.hint)
		}
		last = sub
	}
	a.largest("key "+name+": longest subkey name", uint32(n.MaxSubkey), longest)
	a.largest("key "+name+": longest class", n.MaxClass, class)
	if len(entries) != int(n.Subkeys) {
		a.t.Errorf("key %s: %d subkeys, %d listed", name, n.Subkeys, len(entries))
	}
}

// entry is one entry of a subkey list.
type entry struct {
	kind      string
	key, hint uint32
}

// list returns the entries of a subkey list and checks its kind.
func (a *auditor) list(off uint32, subkeys int) []entry {
	p := a.cell(off)
	kind, count := string(p[:2]), int(le.Uint16(p[2:]))
	wide := a.minor >= hashMinor
	if kind == "ri" {
		var all []entry
		for i := range count {
			all = append(all, a.list(le.Uint32(p[4+4*i:]), subkeys)...)
		}
		return all
	}
	if (kind == "lh") != wide || a.exact && kind == "lf" && subkeys > maxFast || count > maxIndex {
		a.t.Errorf("list at %#x: %d entries in %q for minor version %d", off, count, kind, a.minor)
	}
	entries := make([]entry, count)
	for i := range entries {
		entries[i] = entry{kind: kind}
		if kind == "li" {
			entries[i].key = le.Uint32(p[4+4*i:])
			continue
		}
		entries[i].key, entries[i].hint = le.Uint32(p[4+8*i:]), le.Uint32(p[8+8*i:])
	}
	return entries
}

// ring walks the security records both ways and compares their reference counts.
func (a *auditor) ring() {
	delete(a.refs, noCell)
	for first := range a.refs {
		off, count := first, 0
		for ok := true; ok; ok = off != first {
			var s security
			s.unmarshal(a.cell(off))
			var next security
			next.unmarshal(a.cell(s.Next))
			if next.Prev != off || s.Refs != a.refs[off] {
				a.t.Errorf("security at %#x: %d references of %d, next one's previous is %#x", off, s.Refs, a.refs[off], next.Prev)
			}
			off, count = s.Next, count+1
		}
		if count != len(a.refs) {
			a.t.Errorf("%d security records in the ring, %d in use", count, len(a.refs))
		}
		return
	}
}
