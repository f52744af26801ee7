package wim

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// marshal returns the metadata resource: the security descriptors, the root's dentry, and each
// directory's list of children, in the order of the tree.
func (p *imagePlan) marshal() []byte {
	size := p.place()
	b := make([]byte, 0, size)
	b = p.appendSecurity(b)
	b = p.appendEntry(b, &tree.Entry{Node: p.tree.Root})
	b = append(b, make([]byte, 8)...)
	p.eachDirectory(p.tree.Root, func(dir *tree.Node) {
		for _, e := range p.tree.Entries(dir) {
			b = p.appendEntry(b, e)
		}
		b = append(b, make([]byte, 8)...)
	})
	return b
}

// place decides where each directory's list goes and returns the size of the metadata.
func (p *imagePlan) place() uint64 {
	end := p.securitySize()
	end += p.entrySize(&tree.Entry{Node: p.tree.Root}) + 8
	p.eachDirectory(p.tree.Root, func(dir *tree.Node) {
		p.nodes[dir.Seq].subdir = end
		for _, e := range p.tree.Entries(dir) {
			end += p.entrySize(e)
		}
		end += 8
	})
	return end
}

// eachDirectory calls f for dir and the directories below it, parents first. An empty directory
// has a list too, for the sake of readers that miss it, but not an empty junction, for the sake of
// those that stumble over it; go-winio does both.
func (p *imagePlan) eachDirectory(dir *tree.Node, f func(*tree.Node)) {
	if dir.Len() == 0 && dir.Reparse() != nil {
		return
	}
	f(dir)
	for _, e := range p.tree.Entries(dir) {
		if e.Node.IsDir() {
			p.eachDirectory(e.Node, f)
		}
	}
}

func (p *imagePlan) securitySize() uint64 {
	size := uint64(securityHeaderSize)
	for _, sd := range p.security {
		size += 8 + uint64(len(sd))
	}
	return align8(size)
}

func (p *imagePlan) appendSecurity(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(p.securitySize()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.security)))
	for _, sd := range p.security {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(sd)))
	}
	for _, sd := range p.security {
		b = append(b, sd...)
	}
	return pad8(b)
}

// pad8 fills up to a multiple of 8; the metadata starts at one.
func pad8(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// entrySize is the length of what appendEntry adds.
func (p *imagePlan) entrySize(e *tree.Entry) uint64 {
	size := p.dentryLength(e)
	for _, s := range p.streamList(e.Node) {
		size += streamLength(s.name)
	}
	return size
}

func (p *imagePlan) dentryLength(e *tree.Entry) uint64 {
	size := dentrySize + nameSize(2*utf16le.Len(e.Name)) + nameSize(2*utf16le.Len(e.Short))
	return uint64(align8(size)) + itemsSize(e.Node.Extra)
}

func streamLength(name string) uint64 {
	return uint64(align8(streamEntrySize + nameSize(2*utf16le.Len(name))))
}

// appendEntry adds the dentry of one name, with its stream entries.
func (p *imagePlan) appendEntry(b []byte, e *tree.Entry) []byte {
	n, np := e.Node, &p.nodes[e.Node.Seq]
	streams := p.streamList(n)
	d := dentry{
		Length: p.dentryLength(e), Attributes: n.Attributes, Security: noSecurity, Subdir: np.subdir,
		Created: n.Created, Accessed: n.Accessed, Modified: n.Modified,
		Hash: p.ownHash(n), Union: union(n, np.group), Streams: uint16(len(streams)),
		ShortLen: uint16(2 * utf16le.Len(e.Short)), NameLen: uint16(2 * utf16le.Len(e.Name)),
	}
	if id, ok := p.securityID[n.Security]; ok {
		d.Security = id
	}
	b = d.append(b)
	b = appendName(b, e.Name)
	b = appendName(b, e.Short)
	b = appendItems(pad8(b), n.Extra)
	for _, s := range streams {
		entry := streamEntry{Length: streamLength(s.name), Hash: s.hash, NameLen: uint16(2 * utf16le.Len(s.name))}
		b = entry.append(b)
		b = pad8(appendName(b, s.name))
	}
	return b
}

func appendName(b []byte, name string) []byte {
	if name == "" {
		return b
	}
	return append(utf16le.Append(b, name), 0, 0)
}

// union returns the field at 0x58 of a dentry.
func union(n *tree.Node, group uint64) uint64 {
	r := n.Reparse()
	if r == nil {
		return group
	}
	flags := uint64(rpNotFixed)
	if r.Fixed {
		flags = 0
	}
	return uint64(r.Tag) | uint64(r.Reserved)<<32 | flags<<48
}

// outStream is a stream entry to be written.
type outStream struct {
	name string
	hash hash
}

// unnamedList returns the hashes of the streams without a name, in their order: the reparse data
// of a reparse point, and the data of what is no directory.
func (p *imagePlan) unnamedList(n *tree.Node) []hash {
	var list []hash
	np := &p.nodes[n.Seq]
	if n.Reparse() != nil {
		list = append(list, np.reparse)
	}
	if !n.IsDir() {
		list = append(list, np.data)
	}
	return list
}

// ownHash returns the hash in the dentry itself. As DISM has it, that is used for a single stream
// without a name; as soon as there are others, all of them are stream entries.
func (p *imagePlan) ownHash(n *tree.Node) hash {
	if list := p.unnamedList(n); len(list) == 1 && len(n.Streams) == 0 {
		return list[0]
	}
	return hash{}
}

// streamList returns the stream entries of a node: none for a plain file, see ownHash.
func (p *imagePlan) streamList(n *tree.Node) []outStream {
	if len(n.Streams) == 0 && (n.Reparse() == nil || n.IsDir()) {
		return nil
	}
	var list []outStream
	for _, h := range p.unnamedList(n) {
		list = append(list, outStream{"", h})
	}
	for i, s := range n.Streams {
		list = append(list, outStream{s.Name, p.nodes[n.Seq].named[i]})
	}
	return list
}

// itemsSize is the length of what appendItems adds.
func itemsSize(x *tree.Extra) uint64 {
	var size int64
	if x != nil && len(x.ObjectID) > 0 {
		size += tagHeaderSize + align8(int64(len(x.ObjectID)))
	}
	if x != nil && len(x.EA) > 0 {
		size += tagHeaderSize + align8(eaSize(x.EA))
	}
	return uint64(size)
}

func eaSize(list []tree.EA) int64 {
	var size int64
	for _, ea := range list {
		size += int64(eaHeaderSize + len(ea.Name) + 1 + len(ea.Value))
	}
	return size
}

// appendItems adds the tagged items: object id, extended attributes.
func appendItems(b []byte, x *tree.Extra) []byte {
	if x == nil {
		return b
	}
	if len(x.ObjectID) > 0 {
		b = appendTag(b, tagObjectID, int64(len(x.ObjectID)))
		b = pad8(append(b, x.ObjectID...))
	}
	if len(x.EA) == 0 {
		return b
	}
	b = appendTag(b, tagEA, eaSize(x.EA))
	for _, ea := range x.EA {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(ea.Value)))
		flags := byte(0)
		if ea.NeedEA {
			flags = needEA
		}
		b = append(b, byte(len(ea.Name)), flags)
		b = append(append(b, ea.Name...), 0)
		b = append(b, ea.Value...)
	}
	return pad8(b)
}

func appendTag(b []byte, tag uint32, size int64) []byte {
	b = binary.LittleEndian.AppendUint32(b, tag)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}
