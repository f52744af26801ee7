package wim

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const (
	// maxMetadata bounds an image's metadata: five times what the largest known image needs.
	maxMetadata = 256 << 20
	// maxMetadataRatio bounds it further, by the size of the file: names compress well, but not
	// better than this (the limit is wimlib's).
	maxMetadataRatio = 512
	// maxPath is the longest path, in UTF-16 units, that Windows can open, and so the bound on how
	// deep directories nest.
	maxPath = 32767
	// maxShortName is the longest 8.3 name, in UTF-16 units.
	maxShortName = 12
)

// Tree reads the metadata of the image with the given number, from 1, and returns all of it as a
// tree, whose contents are *Blobs of f. Reparse data, which is small, is read too.
//
// Whatever the format's rules forbid is an error that names the place; nothing is dropped, except
// the children of an entry that is no directory, and hard links between directories, which become
// directories of their own as they do in Windows and wimlib.
func (f *File) Tree(index int) (*tree.Tree, error) {
	if _, err := f.Image(index); err != nil {
		return nil, err
	}
	buf, err := f.readMetadata(index)
	if err != nil {
		return nil, err
	}
	t, err := f.parseMetadata(buf)
	if err != nil {
		return nil, fault.In(f.src.name, fault.In(metadataName(index), err))
	}
	return t, nil
}

// readMetadata returns the metadata resource of an image, checked against its SHA-1.
func (f *File) readMetadata(index int) ([]byte, error) {
	blob := &f.metadata[index-1]
	buf, err := blob.res.readAll(min(maxMetadata, maxMetadataRatio*f.size))
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(buf)
	if err := tree.CheckSum(sum[:], blob.sum); err != nil {
		return nil, fault.In(f.src.name, fault.In(metadataName(index), err))
	}
	return buf, nil
}

// parser turns one metadata resource into a tree.
type parser struct {
	file    *File
	buf     []byte
	tree    *tree.Tree
	ids     []tree.SecurityID // by the image's own security ids
	links   map[linkKey]*tree.Node
	visited map[uint64]bool // lists of children, by offset
	todo    []list
	left    uint64   // how many more bytes dentries and stream entries can have if no two of them overlap
	reparse int64    // bytes of reparse data so far
	entry   entry    // the one that was read last
	streams []stream // those of entry
}

// linkKey identifies a hard-linked file. Besides the group it has the content, because the Windows
// 7 tools gave the same group to different files; Windows links those whose content is the same.
type linkKey struct {
	group uint64
	hash  hash
}

// list is a directory whose children are still to be read.
type list struct {
	dir    *tree.Node
	offset uint64
	path   int // length of the directory's path in UTF-16 units
}

func (f *File) parseMetadata(buf []byte) (*tree.Tree, error) {
	p := &parser{
		file: f, buf: buf, tree: tree.New(0), links: map[linkKey]*tree.Node{},
		visited: map[uint64]bool{}, left: uint64(len(buf)),
	}
	root, err := p.readSecurity()
	if err != nil {
		return nil, err
	}
	if err := p.readRoot(root); err != nil {
		return nil, err
	}
	for len(p.todo) > 0 {
		next := p.todo[len(p.todo)-1]
		p.todo = p.todo[:len(p.todo)-1]
		if err := p.readList(next); err != nil {
			return nil, err
		}
	}
	return p.tree, nil
}

// readSecurity takes the security descriptors at the start and returns where the root's dentry is.
func (p *parser) readSecurity() (uint64, error) {
	if len(p.buf) < securityHeaderSize {
		return 0, fault.Corruptf(0, "metadata of %d bytes", len(p.buf))
	}
	total := align8(uint64(binary.LittleEndian.Uint32(p.buf)))
	total = max(total, securityHeaderSize) // some writers say 0 when there are none
	count := uint64(binary.LittleEndian.Uint32(p.buf[4:]))
	if total > uint64(len(p.buf)) || count > (total-securityHeaderSize)/8 {
		return 0, fault.Corruptf(0, "%d security descriptors in %d bytes of %d", count, total, len(p.buf))
	}
	sizes := p.buf[securityHeaderSize:][:8*count]
	rest := p.buf[securityHeaderSize+8*count : total]
	p.ids = make([]tree.SecurityID, count)
	for i := range p.ids {
		size := binary.LittleEndian.Uint64(sizes[8*i:])
		if size > uint64(len(rest)) {
			return 0, fault.Corruptf(int64(securityHeaderSize+8*i), "security descriptor of %d bytes, only %d are left", size, len(rest))
		}
		p.ids[i] = tree.NoSecurity
		if size > 0 {
			p.ids[i] = p.tree.AddSecurity(bytes.Clone(rest[:size]))
		}
		rest = rest[size:]
	}
	return total, nil
}

func (p *parser) readRoot(offset uint64) error {
	e, _, err := p.readEntry(offset)
	if err != nil {
		return err
	}
	if e == nil {
		return nil // an empty image may lack even the root
	}
	if e.Attributes&tree.AttrDirectory == 0 {
		return fault.Corruptf(int64(offset), "the root is not a directory")
	}
	if err := p.fill(p.tree.Root, e); err != nil {
		return at(int64(offset), "the root", err)
	}
	p.later(p.tree.Root, e.Subdir, 0)
	return nil
}

// later remembers a directory's children.
func (p *parser) later(dir *tree.Node, offset uint64, path int) {
	if offset != 0 {
		p.todo = append(p.todo, list{dir, offset, path})
	}
}

// readList reads the children of one directory.
func (p *parser) readList(l list) error {
	if p.visited[l.offset] {
		return fault.Corruptf(int64(min(l.offset, 1<<62)), "two directories share their list of children, one of them %q", l.dir.Path())
	}
	p.visited[l.offset] = true
	for offset := l.offset; ; {
		e, next, err := p.readEntry(offset)
		if err != nil {
			return fault.In(fmt.Sprintf("directory %q", l.dir.Path()), err)
		}
		if e == nil {
			return nil
		}
		name := utf16le.Decode(e.name)
		if err := p.addChild(l, name, e); err != nil {
			return at(int64(offset), fmt.Sprintf("%q in directory %q", name, l.dir.Path()), err)
		}
		offset = next
	}
}

// addChild makes the node of a dentry, or finds it if it is another name of one, and links it.
func (p *parser) addChild(l list, name string, e *entry) error {
	path := l.path + 1 + len(e.name)/2
	if path > maxPath {
		return fault.Corruptf(fault.NoOffset, "the path is longer than the %d units that Windows can open", maxPath)
	}
	short := utf16le.Decode(e.short)
	if short != "" {
		if err := tree.CheckName(short); err != nil || len(e.short)/2 > maxShortName {
			return fault.Corruptf(fault.NoOffset, "%q is not a short name", short)
		}
	}
	n, err := p.node(e)
	if err != nil {
		return err
	}
	if _, err := p.tree.Link(l.dir, name, short, n); err != nil {
		return err
	}
	if n.IsDir() {
		p.later(n, e.Subdir, path)
	}
	return nil
}

func (p *parser) node(e *entry) (*tree.Node, error) {
	if e.Attributes&tree.AttrDirectory != 0 {
		n := p.tree.NewDirectory()
		return n, p.fill(n, e)
	}
	linked := e.Attributes&tree.AttrReparsePoint == 0 && e.Union != 0
	key := linkKey{group: e.Union, hash: unnamed(p.streams)}
	if linked {
		if n := p.links[key]; n != nil {
			return n, nil
		}
	}
	n := p.tree.NewFile(nil)
	if linked {
		p.links[key] = n
	}
	return n, p.fill(n, e)
}

// fill gives a node all that its dentry says.
func (p *parser) fill(n *tree.Node, e *entry) error {
	n.Attributes = e.Attributes
	n.Created, n.Accessed, n.Modified = e.Created, e.Accessed, e.Modified
	switch {
	case e.Security == noSecurity:
		n.Security = tree.NoSecurity
	case e.Security < 0 || int(e.Security) >= len(p.ids):
		return fault.Corruptf(fault.NoOffset, "security id %d of %d", e.Security, len(p.ids))
	default:
		n.Security = p.ids[e.Security]
	}
	if err := p.fillItems(n, e.items); err != nil {
		return err
	}
	return p.fillStreams(n, e)
}

// entry is a dentry with what follows it in its length.
type entry struct {
	dentry
	name, short, items []byte
}

// readEntry reads the dentry at offset with its stream entries and returns the offset after them;
// nil at the end of a list. What it returns is valid until the next call.
func (p *parser) readEntry(offset uint64) (*entry, uint64, error) {
	size := uint64(len(p.buf))
	if offset%8 != 0 || offset > size || size-offset < 8 {
		return nil, 0, fault.Corruptf(int64(min(offset, 1<<62)), "no directory entry can be here, the metadata has %d bytes", size)
	}
	b := p.buf[offset:]
	length := binary.LittleEndian.Uint64(b)
	if length <= 8 {
		return nil, 0, nil
	}
	if length > uint64(len(b)) || align8(length) > uint64(len(b)) || length < dentrySize {
		return nil, 0, fault.Corruptf(int64(offset), "directory entry of %d bytes, %d are left", length, len(b))
	}
	length = align8(length)
	e := &p.entry
	e.unmarshal(b)
	if err := e.split(b[:length], int64(offset)); err != nil {
		return nil, 0, err
	}
	streams, err := p.readStreams(e, offset+length)
	if err != nil {
		return nil, 0, err
	}
	if length+streams > p.left {
		return nil, 0, fault.Corruptf(int64(offset), "directory entries overlap")
	}
	p.left -= length + streams
	return e, offset + length + streams, nil
}

// split finds the names and the tagged items in the dentry's bytes.
func (e *entry) split(b []byte, offset int64) error {
	names := e.namesSize()
	if (e.NameLen|e.ShortLen)&1 != 0 || dentrySize+names > int64(len(b)) {
		return fault.Corruptf(offset, "names of %d and %d bytes in a directory entry of %d", e.NameLen, e.ShortLen, len(b))
	}
	rest := b[dentrySize:]
	e.name = rest[:e.NameLen]
	rest = rest[nameSize(int(e.NameLen)):]
	e.short = rest[:e.ShortLen]
	e.items = b[min(align8(dentrySize+names), int64(len(b))):]
	return nil
}
