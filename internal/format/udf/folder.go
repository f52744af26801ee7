package udf

import (
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// A file identifier descriptor: ECMA-167 4/14.4.
const (
	characteristicsAt = 18
	nameLengthAt      = 19
	icbAt             = 20
	useLengthAt       = 36 // of implementation use, which precedes the name
	fileIDSize        = 38

	isFolder  = 0x02
	isDeleted = 0x04
	isParent  = 0x08
)

// List reads a folder: file identifier descriptors, one after the other, whatever blocks they fall
// into.
func (n *node) List() ([]disc.Entry, error) {
	e, err := n.v.readEntry(n.at)
	if err != nil {
		return nil, err
	}
	if e.b[fileTypeAt] != typeFolder {
		return nil, fault.Corruptf(e.offset, "a folder's file entry is of type %d", e.b[fileTypeAt])
	}
	c, err := n.v.content(e)
	if err != nil {
		return nil, err
	}
	if c.Size() > disc.MaxFolderSize {
		return nil, fault.Corruptf(e.offset, "a folder of %d bytes", c.Size())
	}
	b := make([]byte, c.Size())
	if got, err := c.ReadAt(b, 0); got < len(b) {
		return nil, err
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return n.parse(b, e.offset)
}

// parse reads the descriptors of the folder whose file entry is at offset.
func (n *node) parse(b []byte, offset int64) ([]disc.Entry, error) {
	var entries []disc.Entry
	for len(b) > 0 {
		if len(b) < fileIDSize {
			return nil, fault.Corruptf(offset, "%d bytes remain of a folder, which are no entry", len(b))
		}
		nameLength, useLength := int(b[nameLengthAt]), int(le.Uint16(b[useLengthAt:]))
		length := (fileIDSize + useLength + nameLength + 3) &^ 3
		if length > len(b) {
			return nil, fault.Corruptf(offset, "an entry of %d bytes in a folder, of which %d bytes remain", length, len(b))
		}
		t, err := parseTag(b[:length], offset)
		if err != nil {
			return nil, err
		}
		if t.ID != tagFileID {
			return nil, fault.Corruptf(offset, "a descriptor of type %d in a folder", t.ID)
		}
		if c := b[characteristicsAt]; c&(isDeleted|isParent) == 0 {
			name, err := decodeName(b[fileIDSize+useLength : fileIDSize+useLength+nameLength])
			if err != nil {
				return nil, fault.In("a folder's entry", err)
			}
			entries = append(entries, disc.Entry{Name: name, Dir: c&isFolder != 0, Node: &node{n.v, parseLong(b[icbAt:]).At}})
		}
		b = b[length:]
	}
	return entries, nil
}

// decodeName reads OSTA compressed Unicode: UDF 1.02 2.1.1. The first byte says how many bits a
// character has. Half of a surrogate pair becomes U+FFFD.
func decodeName(b []byte) (string, error) {
	const bits8, bits16 = 8, 16
	if len(b) < 2 {
		return "", fault.Corruptf(fault.NoOffset, "it has no name")
	}
	bits, b := b[0], b[1:]
	switch {
	case bits == bits8:
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return string(runes), nil
	case bits == bits16 && len(b)%2 == 0:
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		return string(utf16.Decode(units)), nil
	}
	return "", fault.Corruptf(fault.NoOffset, "its name has %d bytes in characters of %d bits", len(b), bits)
}
