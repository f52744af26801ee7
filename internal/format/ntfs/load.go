package ntfs

import (
	"bytes"
	"errors"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Tree loads all files of the volume but its own ($MFT, $Extend and what is in it...). Contents stay
// on the volume and are read when needed, by any number of goroutines; they have a method Position
// for reading in the volume's order, and those that are not decoded NextData for skipping holes.
//
// A file that Windows compressed with "compact /exe" appears as Windows shows it: with its decoded
// content, and without the reparse point and stream that say how. A name that is its own short name
// has no Short, as in a WIM. What is encrypted is in the tree, but its content cannot be read. The
// caller sets Now before edits.
func (v *Volume) Tree() (*tree.Tree, error) {
	l := loader{v: v, t: tree.New(0), nodes: map[uint32]loaded{}, security: map[uint32]tree.SecurityID{}}
	if err := l.scan(); err != nil {
		return nil, fault.In("NTFS volume", err)
	}
	if err := l.linkAll(); err != nil {
		return nil, fault.In("NTFS volume", err)
	}
	return l.t, nil
}

// loader fills a tree: first a node for every base record, in one pass over the MFT; then the names,
// directory by directory from the root, as their indexes have them.
type loader struct {
	v        *Volume
	t        *tree.Tree
	nodes    map[uint32]loaded
	security map[uint32]tree.SecurityID // by security id
}

type loaded struct {
	node     *tree.Node
	sequence uint16
	dir      *inode // of a directory: what has its index
}

// scanUnit is how much of the MFT is read at once.
const scanUnit = 1 << 20

// scan makes the nodes.
func (l *loader) scan() error {
	return l.v.scanRecords(func(record uint64, b []byte) error {
		if record < reservedEnd && record != recordRoot {
			return nil
		}
		f, err := l.v.inUse(record, b)
		if f == nil || err != nil {
			return err
		}
		return l.add(f)
	})
}

// scanRecords reads the MFT from its start to its end.
func (v *Volume) scanRecords(visit func(record uint64, b []byte) error) error {
	buf := make([]byte, min(scanUnit, v.mft.size)/v.g.record*v.g.record)
	for record := uint64(0); record < v.records(); {
		b := buf[:min(int64(len(buf)), int64(v.records()-record)*v.g.record)]
		if _, err := v.mft.ReadAt(b, int64(record)*v.g.record); err != nil {
			return err
		}
		for ; len(b) > 0; record++ {
			if err := visit(record, b[:v.g.record]); err != nil {
				return err
			}
			b = b[v.g.record:]
		}
	}
	return nil
}

// inUse returns the file whose base record b is, or nil when it is none. What was never a record, or
// was marked as bad, is none.
func (v *Volume) inUse(record uint64, b []byte) (*inode, error) {
	if string(b[:4]) != "FILE" || le.Uint16(b[0x16:])&recordInUse == 0 || le.Uint64(b[0x20:]) != 0 {
		return nil, nil
	}
	h, attrs, err := v.parseRecord(b)
	if err != nil {
		return nil, fault.In(where(record), err)
	}
	return v.assemble(uint32(record), &h, attrs)
}

// add makes the node of a file.
func (l *loader) add(f *inode) error {
	var n *tree.Node
	switch {
	case f.record == recordRoot:
		n = l.t.Root
	case f.isDir():
		n = l.t.NewDirectory()
	default:
		n = l.t.NewFile(nil)
	}
	for _, step := range []func(*tree.Node, *inode) error{l.information, l.owner, l.extra, l.contents} {
		if err := step(n, f); err != nil {
			return err
		}
	}
	e := loaded{node: n, sequence: f.sequence}
	if f.isDir() {
		e.dir = directoryOnly(f)
	}
	l.nodes[f.record] = e
	return nil
}

// directoryOnly keeps of a directory what its index needs, out of the shared buffer.
func directoryOnly(f *inode) *inode {
	d := &inode{record: f.record, sequence: f.sequence, flags: f.flags}
	for _, a := range f.attrs {
		if a.name == dirIndex && (a.typ == typeIndexRoot || a.typ == typeIndexAllocation) {
			a.value = bytes.Clone(a.value)
			d.attrs = append(d.attrs, a)
		}
	}
	return d
}

// information reads $STANDARD_INFORMATION.
func (l *loader) information(n *tree.Node, f *inode) error {
	a := f.find(typeStandardInformation, "")
	if a == nil || len(a.value) < infoSizeOld {
		return f.corrupt("has no $STANDARD_INFORMATION, or a short one")
	}
	n.Created, n.Modified, n.Accessed = infoTime(a.value, 0), infoTime(a.value, 8), infoTime(a.value, 24)
	n.Attributes = le.Uint32(a.value[32:]) &^ (tree.AttrDirectory | attrDirectoryIndex | attrViewIndex)
	if f.isDir() {
		n.Attributes |= tree.AttrDirectory
	}
	return nil
}

func infoTime(b []byte, at int) filetime.Time { return filetime.Time(le.Uint64(b[at:])) }

// owner reads the security descriptor: by its id, or the file's own.
func (l *loader) owner(n *tree.Node, f *inode) error {
	if info := f.find(typeStandardInformation, "").value; len(info) >= infoSize {
		if id := le.Uint32(info[52:]); id != 0 {
			var err error
			n.Security, err = l.shared(id)
			return fault.In(where(uint64(f.record)), err)
		}
	}
	sd, err := l.v.value(f, typeSecurityDescriptor, "", maxDescriptor)
	if len(sd) >= minDescriptor {
		n.Security = l.t.AddSecurity(sd)
	}
	return err
}

func (l *loader) shared(id uint32) (tree.SecurityID, error) {
	if s, ok := l.security[id]; ok {
		return s, nil
	}
	sd, err := l.v.descriptor(id)
	if err != nil {
		return tree.NoSecurity, err
	}
	s := l.t.AddSecurity(sd)
	l.security[id] = s
	return s, nil
}

// contents finds the unnamed data and the named streams.
func (l *loader) contents(n *tree.Node, f *inode) error {
	algorithm, place := wofFile(n.Reparse())
	packed := place == wof.InStream && !f.isDir()
	for i := range f.attrs {
		a := &f.attrs[i]
		if a.typ != typeData || a.name == "" && f.isDir() || packed && (a.name == "" || a.name == wof.StreamName) {
			continue
		}
		c, err := l.v.content(f, a)
		if err != nil {
			return err
		}
		if a.name == "" {
			n.Data = c
		} else {
			n.Streams = append(n.Streams, tree.Stream{Name: a.name, Data: c})
		}
	}
	switch {
	case packed:
		return l.unpacked(n, f, algorithm)
	case place == wof.InWIM && !f.isDir():
		n.Data = elsewhere(f, tree.SizeOf(n.Data))
	}
	return nil
}

// unpacked shows a compressed file as Windows does.
func (l *loader) unpacked(n *tree.Node, f *inode, algorithm wof.Algorithm) error {
	c, err := l.v.openWOF(f, algorithm)
	switch {
	case errors.Is(err, fault.ErrUnsupported):
		n.Data = unreadable{f.find(typeData, "").size, err}
	case err != nil:
		return err
	default:
		n.Data = c
	}
	n.Attributes &^= tree.AttrReparsePoint | tree.AttrSparse
	if n.Extra.Reparse = nil; n.Extra.EA == nil && n.Extra.ObjectID == nil {
		n.Extra = nil
	}
	return nil
}

// content is an attribute's value as the content of a node.
func (v *Volume) content(f *inode, a *stored) (tree.Content, error) {
	s, err := v.open(f, a.typ, a.name)
	switch {
	case errors.Is(err, fault.ErrUnsupported):
		return unreadable{a.size, err}, nil
	case err != nil:
		return nil, err
	case a.size == 0:
		return nil, nil
	case a.resident:
		return tree.Bytes(bytes.Clone(a.value)), nil
	}
	return s, nil
}

// elsewhere is the content of a file that only says where it is.
func elsewhere(f *inode, size int64) tree.Content {
	return unreadable{size, fault.In(where(uint64(f.record)), fault.Unsupportedf(fault.NoOffset, "the content is in a WIM outside the volume (WIMBoot)"))}
}

// unreadable is a content that is there but cannot be read.
type unreadable struct {
	size int64
	err  error
}

func (u unreadable) Size() int64 { return u.size }

func (u unreadable) ReadAt([]byte, int64) (int, error) { return 0, u.err }

// linkAll gives the nodes their names.
func (l *loader) linkAll() error {
	root, ok := l.nodes[recordRoot]
	if !ok || root.dir == nil {
		return fault.In(where(recordRoot), fault.Corruptf(fault.NoOffset, "is not the root directory"))
	}
	for queue := []loaded{root}; len(queue) > 0; queue = queue[1:] {
		found, err := l.directory(queue[0])
		if err != nil {
			return err
		}
		queue = append(queue, found...)
	}
	return nil
}

// named is an entry of a directory, other than a short name.
type named struct {
	name   string
	ref    uint64
	paired bool // has a short name
}

// directory links what is in d and returns the directories among it. A directory can be linked once,
// so there are no loops.
func (l *loader) directory(d loaded) (dirs []loaded, err error) {
	var long []named
	short := map[uint64]string{}
	err = l.v.walkIndex(d.dir, dirIndex, func(e *treeEntry) error {
		n, err := parseFileName(e.key)
		switch record, _ := splitReference(e.head); {
		case err != nil:
			return d.dir.corrupt("index %s: %v", dirIndex, err)
		case d.dir.record == recordRoot && record < reservedEnd: // the volume's own, and "."
		case n.space == spaceDOS:
			short[e.head] = n.name
		default:
			long = append(long, named{n.name, e.head, n.space == spaceWin32})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, n := range long {
		pair := ""
		if n.paired {
			pair = short[n.ref]
		}
		child, err := l.link(d, n, pair)
		if err != nil {
			return nil, err
		}
		if child.dir != nil {
			dirs = append(dirs, child)
		}
	}
	return dirs, nil
}

func (l *loader) link(d loaded, n named, short string) (loaded, error) {
	record, sequence := splitReference(n.ref)
	child, ok := l.nodes[uint32(record)]
	if !ok || record > 1<<32-1 || child.sequence != sequence || record == recordRoot {
		return child, d.dir.corrupt("entry %q leads to record %d, sequence number %d, which is no such file", n.name, record, sequence)
	}
	if _, err := l.t.Link(d.node, n.name, short, child.node); err != nil {
		return child, d.dir.corrupt("entry %q: %v", n.name, err)
	}
	return child, nil
}
