package ntfs

import (
	"encoding/binary"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// file is what the plan keeps of a file: what does not follow from its node.
type file struct {
	node     *tree.Node  // nil for a file of the system
	system   *systemFile // nil for a file of the tree
	index    *index      // $I30 of a directory
	record   uint32      // the base record
	extra    uint32      // the first extension record
	slots    uint32      // its first entry in Plan.slots
	first    int32       // its first link
	security uint32
	more     int32 // 1 + its position in Plan.more
	records  uint16
	sequence uint16
	inside   bool // the unnamed data is resident
	paired   bool // one of the names has a short one
}

func (f *file) reference() uint64 { return reference(f.record, f.sequence) }

// fileOf returns the position in Plan.files of a node of the tree.
func (p *Plan) fileOf(n *tree.Node) int32 {
	if n.Seq == 0 {
		return recordRoot
	}
	return int32(systemEnd + n.Seq - 1)
}

// summary is what $FILE_NAME repeats of a file.
type summary struct {
	created, modified, accessed filetime.Time
	allocated, size             int64
	attributes                  uint32
	extended                    uint32 // the reparse tag, or the length of the packed extended attributes
}

// storedAttributes are the bits of a tree's attributes that are stored. The others follow from how
// the file is stored (directory, reparse point, sparse, compressed, encrypted), or mean "none"
// (normal). Bits above 0x2000 are those that Windows keeps for itself on NTFS: no scrub data,
// recall and pin states, case-sensitive directory.
const storedAttributes = tree.AttrReadOnly | tree.AttrHidden | tree.AttrSystem | tree.AttrArchive |
	tree.AttrTemporary | tree.AttrOffline | tree.AttrNotContentIndexed | 0x00FF8000

// attributes are the file's attributes as $STANDARD_INFORMATION has them.
func (f *file) attributes() uint32 {
	if f.system != nil {
		return f.system.attributes
	}
	bits := f.node.Attributes & storedAttributes
	if packedContent(f.node) != nil {
		bits |= tree.AttrSparse
	}
	if reparseOf(f.node) != nil {
		bits |= tree.AttrReparsePoint
	}
	return bits
}

func (p *Plan) summary(f *file) summary {
	s := summary{attributes: f.attributes()}
	if f.system != nil {
		s.created, s.modified, s.accessed = p.o.Time, p.o.Time, p.o.Time
		s.allocated, s.size = p.g.clustersFor(f.system.size)*p.g.cluster, f.system.size
		if f.system.flags&recordDirectory != 0 {
			s.attributes |= attrDirectoryIndex
		}
		return s
	}
	n := f.node
	s.created, s.modified, s.accessed = n.Created, n.Modified, n.Accessed
	if n.IsDir() {
		s.attributes |= attrDirectoryIndex
	}
	s.size = tree.SizeOf(n.Data)
	switch {
	case packedContent(n) != nil: // a hole
	case f.inside:
		s.allocated = align8(s.size)
	default:
		s.allocated = p.g.clustersFor(s.size) * p.g.cluster
	}
	if r := reparseOf(n); r != nil {
		s.extended = r.Tag
	} else if n.Extra != nil {
		s.extended = uint32(packedEASize(n.Extra.EA))
	}
	return s
}

// describe appends the file's attributes to list, in the order of a record: by type, then name.
func (p *Plan) describe(f *file, list []attribute) []attribute {
	if f.system != nil {
		return append(list, f.system.list...)
	}
	n := f.node
	list = append(list, attribute{typ: typeStandardInformation, size: infoSize, fixed: true})
	list = p.appendNames(list, f)
	if n.Extra != nil && n.Extra.ObjectID != nil {
		// As Windows does, the birth ids stand in $ObjId only. ntfs-3g does not find them here.
		list = append(list, small(typeObjectID, "", n.Extra.ObjectID[:objectIDShort]))
	}
	switch {
	case n.IsDir():
	case packedContent(n) != nil:
		list = append(list, attribute{typ: typeData, size: n.Data.Size(), outside: true, hole: true, sparse: true})
	default:
		list = append(list, attribute{typ: typeData, content: n.Data, size: tree.SizeOf(n.Data)})
	}
	for _, s := range sortedStreams(n) {
		list = append(list, attribute{typ: typeData, name: s.Name, content: s.Data, size: tree.SizeOf(s.Data)})
	}
	if f.index != nil {
		list = appendIndex(list, f.index, &p.g)
	}
	if r := reparseOf(n); r != nil {
		v := reparseValue(r)
		list = append(list, attribute{typ: typeReparsePoint, value: v, size: int64(len(v))})
	}
	if n.Extra != nil {
		list = appendEAs(list, n.Extra.EA)
	}
	return list
}

func (p *Plan) appendNames(list []attribute, f *file) []attribute {
	for i := f.first; i >= 0; i = p.links[i].next {
		list = append(list, attribute{typ: typeFileName, link: i, size: int64(p.links[i].keySize()), fixed: true})
	}
	return list
}

// sortedStreams returns the named streams that the node has on the volume, in the order of their
// attributes.
func sortedStreams(n *tree.Node) []tree.Stream {
	s := n.Streams
	if p := packedContent(n); p != nil {
		_, stored := p.Packed()
		s = append(slices.Clip(s), tree.Stream{Name: wof.StreamName, Data: stored})
	}
	if len(s) < 2 {
		return s
	}
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b tree.Stream) int { return compareNames(a.Name, b.Name) })
	return s
}

// bitmapInside is the longest index bitmap that stays in the record: it serves 1,024 blocks, some
// 40,000 names.
const bitmapInside = 128

// appendIndex adds the attributes of an index: the root, and for a large one the rest.
func appendIndex(list []attribute, x *index, g *geometry) []attribute {
	list = append(list, attribute{typ: typeIndexRoot, name: x.name, index: x, size: x.rootSize(), fixed: x.large})
	if !x.large {
		return list
	}
	bitmap := x.bitmapSize()
	return append(list,
		attribute{typ: typeIndexAllocation, name: x.name, index: x, size: int64(x.blocks) * g.block, outside: true, source: x},
		attribute{typ: typeBitmap, name: x.name, index: x, size: bitmap, fixed: true, outside: bitmap > bitmapInside})
}

func appendEAs(list []attribute, all []tree.EA) []attribute {
	if len(all) == 0 {
		return list
	}
	v := eaValue(all)
	return append(list,
		attribute{typ: typeEAInformation, value: eaInformation(all, len(v)), size: 8, fixed: true},
		attribute{typ: typeEA, value: v, size: int64(len(v))})
}

// reparseValue is $REPARSE_POINT: REPARSE_DATA_BUFFER ([MS-FSCC] 2.1.2).
func reparseValue(r *tree.Reparse) []byte {
	b := make([]byte, 8, 8+len(r.Data))
	le.PutUint32(b, r.Tag)
	length := len(r.Data)
	if !microsoftTag(r.Tag) {
		length -= reparseGUID
	}
	le.PutUint16(b[4:], uint16(length))
	le.PutUint16(b[6:], r.Reserved)
	return append(b, r.Data...)
}

const reparseGUID = 16

func microsoftTag(tag uint32) bool { return tag&0x80000000 != 0 }

// eaValue is $EA: the attributes one after the other, each with the offset of the next; the last
// one too, as ntfs-3g requires.
func eaValue(list []tree.EA) []byte {
	var b []byte
	for _, ea := range list {
		at := len(b)
		b = append(b, 0, 0, 0, 0, 0, byte(len(ea.Name)))
		if ea.NeedEA {
			b[at+4] = 0x80
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(len(ea.Value)))
		b = append(b, ea.Name...)
		b = append(b, 0)
		b = append(b, ea.Value...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		le.PutUint32(b[at:], uint32(len(b)-at))
	}
	return b
}

// packedEASize is how long the attributes are without offsets and padding: what $EA_INFORMATION and
// $FILE_NAME say.
func packedEASize(list []tree.EA) int {
	n := 0
	for _, ea := range list {
		n += 5 + len(ea.Name) + len(ea.Value)
	}
	return n
}

func eaInformation(list []tree.EA, unpacked int) []byte {
	need := 0
	for _, ea := range list {
		if ea.NeedEA {
			need++
		}
	}
	b := make([]byte, 8)
	le.PutUint16(b, uint16(packedEASize(list)))
	le.PutUint16(b[2:], uint16(need))
	le.PutUint32(b[4:], uint32(unpacked))
	return b
}

// putInformation writes $STANDARD_INFORMATION. The record changed when the content did: an image
// has no other moment to name.
func (p *Plan) putInformation(b []byte, f *file) {
	s := p.summary(f)
	le.PutUint64(b, uint64(s.created))
	le.PutUint64(b[8:], uint64(s.modified))
	le.PutUint64(b[16:], uint64(s.modified))
	le.PutUint64(b[24:], uint64(s.accessed))
	le.PutUint32(b[32:], f.attributes())
	if len(b) >= infoSize {
		le.PutUint32(b[52:], f.security)
	}
}

// putFileName writes a $FILE_NAME, which is also the key of an index entry.
func (p *Plan) putFileName(b []byte, l *link) {
	s := p.summary(&p.files[l.file])
	le.PutUint64(b, p.files[l.parent].reference())
	le.PutUint64(b[8:], uint64(s.created))
	le.PutUint64(b[16:], uint64(s.modified))
	le.PutUint64(b[24:], uint64(s.modified))
	le.PutUint64(b[32:], uint64(s.accessed))
	le.PutUint64(b[40:], uint64(s.allocated))
	le.PutUint64(b[48:], uint64(s.size))
	le.PutUint32(b[56:], s.attributes)
	le.PutUint32(b[60:], s.extended)
	b[64] = l.units
	b[65] = l.space
	utf16le.Append(b[fileNameFixed:fileNameFixed], l.name)
}

// directory is the $I30 index of a file: consecutive links.
type directory struct {
	p            *Plan
	first, links int32
}

func (d directory) count() int { return int(d.links) }

func (d directory) size(i int) int {
	return align8(entryHeader + d.p.links[int(d.first)+i].keySize())
}

func (d directory) put(b []byte, i, length int, flags uint16) {
	l := &d.p.links[int(d.first)+i]
	key := l.keySize()
	putIndexEntry(b, d.p.files[l.file].reference(), length, key, flags)
	d.p.putFileName(b[entryHeader:entryHeader+key], l)
}
