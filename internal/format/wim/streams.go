package wim

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// maxReparse is the most data a reparse point can hold: 16 KiB less the header ([MS-FSCC] 2.1.2.1).
const maxReparse = 16<<10 - 8

// maxReparseTotal is the most that the reparse points of an image may hold, as all of it stays in memory,
// while names that share one content cost next to nothing in the file. It is enough for 100,000
// deduplicated files.
const maxReparseTotal = 64 << 20

// kind says what a stream is.
type kind uint8

const (
	ignored kind = iota
	unnamedData
	namedData
	reparseData
)

// stream is one stream of a file: the dentry's own hash, or a stream entry.
type stream struct {
	kind kind
	hash hash
	name []byte // UTF-16LE
}

// readStreams reads the stream entries at offset into p.streams, after the dentry's own hash, and
// returns how many bytes they take.
func (p *parser) readStreams(e *entry, offset uint64) (uint64, error) {
	p.streams = append(p.streams[:0], stream{hash: e.Hash})
	rest := p.buf[offset:]
	for range e.Streams {
		place := int64(len(p.buf) - len(rest))
		if len(rest) < streamEntrySize {
			return 0, fault.Corruptf(place, "stream entry, but only %d bytes are left", len(rest))
		}
		var s streamEntry
		s.unmarshal(rest)
		if s.Length > uint64(len(rest)) || align8(s.Length) > uint64(len(rest)) ||
			s.Length < streamEntrySize+uint64(s.NameLen) || s.NameLen&1 != 0 {
			return 0, fault.Corruptf(place, "stream entry of %d bytes with a name of %d, %d are left", s.Length, s.NameLen, len(rest))
		}
		p.streams = append(p.streams, stream{hash: s.Hash, name: rest[streamEntrySize:][:s.NameLen]})
		rest = rest[align8(s.Length):]
	}
	resolveStreams(p.streams, e.Attributes&tree.AttrReparsePoint != 0)
	return uint64(len(p.buf)) - offset - uint64(len(rest)), nil
}

// resolveStreams decides what each stream is; the first is the dentry's own hash. The format does
// not say it; these are the rules that Microsoft's tools follow (wimlib, src/dentry.c):
//
//  1. A stream entry with a name is a named data stream.
//  2. A zero own hash is not used if there are unnamed stream entries.
//  3. Of the others the first is the reparse data if the file is a reparse point; the next is
//     the unnamed data.
func resolveStreams(streams []stream, reparse bool) {
	wanted := []kind{unnamedData, ignored}
	if reparse {
		wanted = []kind{reparseData, unnamedData, ignored}
	}
	for i := range streams {
		s := &streams[i]
		switch {
		case len(s.name) > 0:
			s.kind = namedData
		case i == 0 && s.hash == hash{}:
			s.kind = ignored
		default:
			s.kind = wanted[0]
			if len(wanted) > 1 {
				wanted = wanted[1:]
			}
		}
	}
}

// unnamed returns the hash of the unnamed data stream; zero if there is none.
func unnamed(streams []stream) hash {
	for i := range streams {
		if streams[i].kind == unnamedData {
			return streams[i].hash
		}
	}
	return hash{}
}

// fillStreams gives the node the streams that were read with its dentry.
func (p *parser) fillStreams(n *tree.Node, e *entry) error {
	if n.Attributes&tree.AttrEncrypted != 0 && !n.IsDir() {
		return fault.Unsupportedf(fault.NoOffset, "the file is encrypted (EFS): its content is an export stream that only Windows can import")
	}
	if n.Attributes&tree.AttrReparsePoint != 0 {
		n.Ensure().Reparse = &tree.Reparse{
			Tag:      uint32(e.Union),
			Reserved: uint16(e.Union >> 32),
			Fixed:    e.Union>>48&rpNotFixed == 0,
		}
	}
	for i := range p.streams {
		if err := p.fillStream(n, &p.streams[i]); err != nil {
			return err
		}
	}
	return checkDistinct(n.Streams)
}

func (p *parser) fillStream(n *tree.Node, s *stream) error {
	if s.kind == ignored {
		return nil
	}
	blob, err := p.file.content(s.hash)
	if err != nil {
		return err
	}
	var data tree.Content // stays nil for an empty stream
	if blob != nil {
		data = blob
	}
	switch {
	case s.kind == namedData:
		return addNamed(n, s.name, data)
	case s.kind == reparseData:
		n.Extra.Reparse.Data, err = p.readReparse(data)
		return err
	case n.IsDir() && data != nil:
		return fault.Corruptf(fault.NoOffset, "a directory with an unnamed data stream")
	}
	n.Data = data
	return nil
}

func addNamed(n *tree.Node, utf16 []byte, data tree.Content) error {
	name := utf16le.Decode(utf16)
	if err := checkStreamName(name); err != nil {
		return err
	}
	n.Streams = append(n.Streams, tree.Stream{Name: name, Data: data})
	return nil
}

// checkStreamName refuses names that a stream cannot have in NTFS.
func checkStreamName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\\:\x00") || utf16le.Len(name) > tree.MaxName {
		return fault.Corruptf(fault.NoOffset, "stream name %.80q", name)
	}
	return nil
}

func (p *parser) readReparse(data tree.Content) ([]byte, error) {
	if p.reparse += tree.SizeOf(data); p.reparse > maxReparseTotal {
		return nil, fault.Unsupportedf(fault.NoOffset, "the image's reparse points hold more than %d bytes", maxReparseTotal)
	}
	b, err := tree.ReadAll(data, maxReparse)
	if err != nil {
		return nil, at(fault.NoOffset, "reparse point", err)
	}
	return b, nil
}

// checkDistinct refuses a file with two streams of one name.
func checkDistinct(streams []tree.Stream) error {
	if len(streams) < 2 {
		return nil
	}
	seen := make(map[string]bool, len(streams))
	for i := range streams {
		if seen[streams[i].Name] {
			return fault.Corruptf(fault.NoOffset, "two streams called %q", streams[i].Name)
		}
		seen[streams[i].Name] = true
	}
	return nil
}

// fillItems gives the node what the tagged items after its names say. Tags that are not known are
// passed over, as is a remainder that is no list of items: old writers left bytes there.
func (p *parser) fillItems(n *tree.Node, b []byte) error {
	for len(b) >= tagHeaderSize {
		tag := binary.LittleEndian.Uint32(b)
		size := uint64(binary.LittleEndian.Uint32(b[4:]))
		full := tagHeaderSize + align8(size)
		if full > uint64(len(b)) {
			return nil
		}
		if err := fillItem(n, tag, b[tagHeaderSize:][:size]); err != nil {
			return err
		}
		b = b[full:]
	}
	return nil
}

func fillItem(n *tree.Node, tag uint32, data []byte) error {
	switch tag {
	case tagObjectID:
		if len(data) != 16 && len(data) != 64 {
			return fault.Corruptf(fault.NoOffset, "object id of %d bytes, expected 16 or 64", len(data))
		}
		n.Ensure().ObjectID = bytes.Clone(data)
	case tagEA:
		list, err := parseEA(data)
		if err != nil {
			return err
		}
		n.Ensure().EA = list
	}
	return nil
}

// parseEA reads the packed list of extended attributes: u16 value length, u8 name length, u8
// flags, the name and a NUL, the value; no padding between them.
func parseEA(b []byte) ([]tree.EA, error) {
	var list []tree.EA
	for len(b) > 0 {
		if len(b) < eaHeaderSize {
			return nil, fault.Corruptf(fault.NoOffset, "%d odd bytes after the extended attributes", len(b))
		}
		value, name := int(binary.LittleEndian.Uint16(b)), int(b[2])
		size := eaHeaderSize + name + 1 + value
		if name == 0 || size > len(b) || bytes.IndexByte(b[eaHeaderSize:], 0) != name {
			return nil, fault.Corruptf(fault.NoOffset, "extended attribute with a name of %d and a value of %d bytes, %d are left", name, value, len(b))
		}
		list = append(list, tree.EA{
			Name:   string(b[eaHeaderSize:][:name]),
			Value:  bytes.Clone(b[eaHeaderSize+name+1 : size]),
			NeedEA: b[3]&needEA != 0,
		})
		b = b[size:]
	}
	return list, nil
}

// needEA is FILE_NEED_EA ([MS-FSCC] 2.4.15).
const needEA = 0x80
