// Package tree is the content of a Windows volume before it is written: every file and directory
// with its NT metadata, while the bytes stay where they are until they are needed.
//
// "Mounting" an image means holding its Tree. Readers (WIM, NTFS) fill one, edits change one,
// writers (WIM, NTFS, FAT32) plan a volume from one. A file with several names (hard links) is one
// Node with several Entries. Paths use '/', have no drive letter, and are looked up without regard
// to case, as Windows does; names that differ only in case may still stand side by side, as on a
// case-sensitive NTFS directory, and an exact match wins.
//
// The tree is not safe for concurrent change. Contents are safe for concurrent reading.
package tree

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/upcase"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// File attributes ([MS-FSCC] 2.6).
const (
	AttrReadOnly          = 0x1
	AttrHidden            = 0x2
	AttrSystem            = 0x4
	AttrDirectory         = 0x10
	AttrArchive           = 0x20
	AttrNormal            = 0x80
	AttrTemporary         = 0x100
	AttrSparse            = 0x200
	AttrReparsePoint      = 0x400
	AttrCompressed        = 0x800
	AttrOffline           = 0x1000
	AttrNotContentIndexed = 0x2000
	AttrEncrypted         = 0x4000
)

// MaxName is the longest name, in UTF-16 units, that NTFS can hold.
const MaxName = 255

// NoSecurity is the SecurityID of a node without a descriptor of its own.
const NoSecurity SecurityID = -1

// SecurityID is an index into Tree.Security.
type SecurityID int32

// Tree is one volume's content.
type Tree struct {
	// Root is the volume's root directory; its own name is empty.
	Root *Node
	// Security holds the self-relative security descriptors, each once; see AddSecurity.
	Security [][]byte
	// Now stamps the nodes that edits create, so that a bake does not depend on the clock.
	Now filetime.Time

	fold     *upcase.Table
	security map[string]SecurityID
}

// Node is a file or directory, whatever its names.
type Node struct {
	Attributes                  uint32
	Created, Accessed, Modified filetime.Time
	Security                    SecurityID
	// Data is the unnamed stream; nil means empty. Always nil for directories.
	Data Content
	// Streams are the named data streams, in the order of the medium.
	Streams []Stream
	// Extra holds what few files have; nil for the others.
	Extra *Extra
	// Names are all directory entries that lead here: more than one for a hard-linked file, none
	// for the root.
	Names []*Entry
	// Seq is the node's place in the last result of Tree.Nodes.
	Seq int

	dir *directory
}

// Extra is rare metadata of a node.
type Extra struct {
	// Reparse is the node's reparse point, or nil.
	Reparse *Reparse
	// ObjectID is 16 bytes (the id) or 64 (id and the three birth ids), or nil.
	ObjectID []byte
	// EA is the packed list of extended attributes as $EA and the WIM's tag 2 hold it after
	// unpacking to FILE_FULL_EA_INFORMATION form ([MS-FSCC] 2.4.15), or nil.
	EA []EA
}

// EA is one extended attribute.
type EA struct {
	Name  string // upper-case ASCII by convention
	Value []byte
	// NeedEA says that a program that does not know EAs must not open the file (flag 0x80).
	NeedEA bool
}

// Reparse is a reparse point: the tag and the data after the 8-byte REPARSE_DATA_BUFFER header.
// The data of a tag that is not Microsoft's (bit 31 clear) starts with a 16-byte GUID, which the
// header's length field does not count ([MS-FSCC] 2.1.2.3).
type Reparse struct {
	Tag  uint32
	Data []byte
	// Reserved is the last field of the header, zero in practice.
	Reserved uint16
	// Fixed says that whoever captured the file made the absolute target in Data relative to the
	// root of what was captured, keeping the drive letter. False when Data is as it was found.
	Fixed bool
}

// Stream is a named data stream.
type Stream struct {
	Name string
	Data Content // nil means empty
}

// Entry is one name of a node in one directory.
type Entry struct {
	Name string
	// Short is the 8.3 name that goes with Name, or empty.
	Short  string
	Node   *Node
	Parent *Node

	twin *Entry    // the next entry of the same directory whose folded name has the same hash
	self [1]*Entry // Node.Names of a node with one name
}

// directory holds a node's entries by the hash of their folded names: there are as many as the volume
// has names, and the folded ones would be kept for nothing else.
type directory struct {
	byName map[uint64]*Entry
	sorted []*Entry // nil when it must be built again
	count  int
}

// New returns an empty tree whose root carries the given time.
func New(now filetime.Time) *Tree {
	t := &Tree{Now: now, fold: upcase.Default(), security: map[string]SecurityID{}}
	t.Root = t.newNode(AttrDirectory)
	return t
}

func (t *Tree) newNode(attributes uint32) *Node {
	n := &Node{Attributes: attributes, Created: t.Now, Accessed: t.Now, Modified: t.Now, Security: NoSecurity}
	if attributes&AttrDirectory != 0 {
		n.dir = &directory{}
	}
	return n
}

// NewFile returns a file that is in no directory yet; Link gives it a name.
func (t *Tree) NewFile(data Content) *Node {
	n := t.newNode(AttrArchive)
	n.Data = data
	return n
}

// NewDirectory returns a directory that is in no directory yet.
func (t *Tree) NewDirectory() *Node { return t.newNode(AttrDirectory) }

// AddSecurity returns the id of a self-relative security descriptor, adding it when it is new.
func (t *Tree) AddSecurity(descriptor []byte) SecurityID {
	if id, ok := t.security[string(descriptor)]; ok {
		return id
	}
	id := SecurityID(len(t.Security))
	t.Security = append(t.Security, descriptor)
	t.security[string(descriptor)] = id
	return id
}

// Descriptor returns the node's security descriptor, or nil when it has none of its own.
func (t *Tree) Descriptor(n *Node) []byte {
	if n.Security < 0 || int(n.Security) >= len(t.Security) {
		return nil
	}
	return t.Security[n.Security]
}

// IsDir says whether the node is a directory (a junction is one too).
func (n *Node) IsDir() bool { return n.dir != nil }

// Reparse returns the node's reparse point, or nil.
func (n *Node) Reparse() *Reparse {
	if n.Extra == nil {
		return nil
	}
	return n.Extra.Reparse
}

// Ensure returns the node's Extra, adding an empty one when there is none.
func (n *Node) Ensure() *Extra {
	if n.Extra == nil {
		n.Extra = &Extra{}
	}
	return n.Extra
}

// Len is the number of entries in a directory.
func (n *Node) Len() int {
	if n.dir == nil {
		return 0
	}
	return n.dir.count
}

// Entries returns a directory's entries in NTFS collation order: by upper-cased name, then by
// name. The slice belongs to the tree and is valid until the directory changes.
func (t *Tree) Entries(dir *Node) []*Entry {
	d := dir.dir
	if d == nil || d.count == 0 {
		return nil
	}
	if d.sorted == nil {
		d.sorted = t.sortEntries(d)
	}
	return d.sorted
}

func (t *Tree) sortEntries(d *directory) []*Entry {
	type keyed struct {
		units []uint16
		entry *Entry
	}
	all := make([]keyed, 0, d.count)
	for _, first := range d.byName {
		for e := first; e != nil; e = e.twin {
			all = append(all, keyed{utf16le.Units(e.Name), e})
		}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(t.fold.Compare(a.units, b.units), slices.Compare(a.units, b.units))
	})
	sorted := make([]*Entry, len(all))
	for i := range all {
		sorted[i] = all[i].entry
	}
	return sorted
}

// Link gives node another name in dir. A name already taken exactly so is an error, and so is a
// second name for a directory.
func (t *Tree) Link(dir *Node, name, short string, node *Node) (*Entry, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if dir.dir == nil {
		return nil, fault.Invalidf("%q cannot be put into something that is not a directory", name)
	}
	if node.dir != nil && len(node.Names) > 0 {
		return nil, fault.Invalidf("directory %q cannot have a second name", name)
	}
	e := &Entry{Name: name, Short: short, Node: node, Parent: dir}
	d := dir.dir
	if d.byName == nil {
		d.byName = map[uint64]*Entry{}
	}
	key := t.key(name)
	for twin := d.byName[key]; twin != nil; twin = twin.twin {
		if twin.Name == name {
			return nil, fault.Corruptf(fault.NoOffset, "the name %q stands twice in one directory", name)
		}
	}
	e.twin = d.byName[key]
	d.byName[key] = e
	d.count++
	d.sorted = nil
	if len(node.Names) == 0 {
		e.self[0] = e
		node.Names = e.self[:1:1]
	} else {
		node.Names = append(node.Names, e)
	}
	return e, nil
}

// Unlink takes a name away. The node stays where it has other names.
func (t *Tree) Unlink(e *Entry) {
	d := e.Parent.dir
	key := t.key(e.Name)
	if d.byName[key] == e {
		if e.twin == nil {
			delete(d.byName, key)
		} else {
			d.byName[key] = e.twin
		}
	} else {
		for p := d.byName[key]; p != nil; p = p.twin {
			if p.twin == e {
				p.twin = e.twin
			}
		}
	}
	e.twin = nil
	d.count--
	d.sorted = nil
	e.Node.Names = slices.DeleteFunc(e.Node.Names, func(x *Entry) bool { return x == e })
}

// Child returns the entry called name in dir, or nil. Case is ignored, but an exact match wins.
func (t *Tree) Child(dir *Node, name string) *Entry {
	if dir.dir == nil {
		return nil
	}
	var found *Entry
	for e := dir.dir.byName[t.key(name)]; e != nil; e = e.twin {
		if e.Name == name {
			return e
		}
		if found == nil && t.sameFolded(e.Name, name) {
			found = e
		}
	}
	return found
}

// seed makes the hashes of names such that nobody can choose names that collide.
var seed = maphash.MakeSeed()

// key is the hash of a folded name.
func (t *Tree) key(name string) uint64 {
	var room [64]byte
	return maphash.Bytes(seed, t.appendFolded(room[:0], name))
}

func (t *Tree) sameFolded(a, b string) bool {
	var roomA, roomB [64]byte
	return bytes.Equal(t.appendFolded(roomA[:0], a), t.appendFolded(roomB[:0], b))
}

// appendFolded appends a name's upper-cased units as WTF-8.
func (t *Tree) appendFolded(dst []byte, name string) []byte {
	start := len(dst)
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf { // few names; every table folds ASCII like this
			units := utf16le.Units(name)
			for k, u := range units {
				units[k] = t.fold[u]
			}
			return append(dst[:start], utf16le.DecodeUnits(units)...)
		}
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// Nodes returns every node once, in the order of a depth-first walk in collation order with the
// root first, and numbers them in Seq. Equal trees give equal orders.
func (t *Tree) Nodes() []*Node {
	nodes := []*Node{t.Root}
	t.Root.Seq = 0
	seen := map[*Node]bool{}
	var visit func(dir *Node)
	visit = func(dir *Node) {
		for _, e := range t.Entries(dir) {
			n := e.Node
			if len(n.Names) > 1 {
				if seen[n] {
					continue
				}
				seen[n] = true
			}
			n.Seq = len(nodes)
			nodes = append(nodes, n)
			if n.dir != nil {
				visit(n)
			}
		}
	}
	visit(t.Root)
	return nodes
}
