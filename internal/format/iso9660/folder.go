package iso9660

import (
	"errors"
	"io"
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// node is a file or folder: all that the disc says of it is in the folder that it is in.
type node struct {
	v       *Volume
	records []record // of which all but the last say that there is more
}

func (v *Volume) newNode(records []record) (*node, error) {
	n := &node{v, records}
	if records[0].is(flagFolder) && len(records) > 1 {
		return nil, fault.Corruptf(records[0].offset, "a folder has several extents")
	}
	return n, nil
}

// ID is where the first extent is.
func (n *node) ID() uint64 { return uint64(n.records[0].start) }

// Info says where the content of a file is.
func (n *node) Info() (disc.Info, error) {
	info := disc.Info{Modified: n.records[0].modified}
	if n.records[0].is(flagFolder) {
		info.Mode = fs.ModeDir
		return info, nil
	}
	c, err := n.content()
	if err != nil {
		return info, err
	}
	info.Content = c
	return info, nil
}

func (n *node) content() (*disc.Content, error) {
	var size int64
	extents := make([]disc.Extent, len(n.records))
	for i, r := range n.records {
		if i < len(n.records)-1 && r.length%blockSize != 0 {
			return nil, fault.Corruptf(r.offset, "an extent of %d bytes in the middle of a file", r.length)
		}
		extents[i] = disc.Extent{Offset: r.start, Length: r.length}
		size += r.length
	}
	return disc.NewContent(n.v.r, n.v.size, size, extents)
}

// List reads a folder: records, none of which is in two blocks.
func (n *node) List() ([]disc.Entry, error) {
	c, err := n.content()
	if err != nil {
		return nil, err
	}
	if c.Size() > disc.MaxFolderSize {
		return nil, fault.Corruptf(n.records[0].offset, "a folder of %d bytes", c.Size())
	}
	b := make([]byte, c.Size())
	if got, err := c.ReadAt(b, 0); got < len(b) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	records, err := parseFolder(b, n.records[0].start)
	if err != nil {
		return nil, err
	}
	return n.v.entries(records)
}

// parseFolder reads the records of a folder that begins at offset.
func parseFolder(b []byte, offset int64) ([]record, error) {
	var records []record
	for at := 0; at < len(b); {
		length := int(b[at])
		left := blockSize - at%blockSize
		if length == 0 { // the rest of the block is empty
			at += left
			continue
		}
		if length > left || length > len(b)-at {
			return nil, fault.Corruptf(offset+int64(at), "a directory record of %d bytes, of which %d remain", length, min(left, len(b)-at))
		}
		r, err := parseRecord(b[at:at+length], offset+int64(at))
		if err != nil {
			return nil, err
		}
		records = append(records, r)
		at += length
	}
	return records, nil
}

// entries makes one entry of all records of a file. The first two records are the folder itself and
// its parent, with the names 0 and 1.
func (v *Volume) entries(records []record) ([]disc.Entry, error) {
	var entries []disc.Entry
	for i := 0; i < len(records); {
		first, end := records[i], i+1
		for records[end-1].is(flagMore) {
			if end == len(records) || records[end].name != first.name {
				return nil, fault.Corruptf(first.offset, "the last extent of a file is missing")
			}
			end++
		}
		parts := records[i:end:end]
		i = end
		if first.name == "\x00" || first.name == "\x01" || first.is(flagAssociated) {
			continue
		}
		n, err := v.newNode(parts)
		if err != nil {
			return nil, err
		}
		entries = append(entries, disc.Entry{Name: decodeName(first.name, v.Joliet), Dir: first.is(flagFolder), Node: n})
	}
	return entries, nil
}
