package ntfs

import (
	"bytes"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// extra reads what few files have.
func (l *loader) extra(n *tree.Node, f *inode) error {
	if err := l.reparse(n, f); err != nil {
		return err
	}
	ea, err := l.v.value(f, typeEA, "", maxEA)
	if err != nil {
		return err
	}
	if len(ea) > 0 {
		if n.Ensure().EA, err = parseEAs(ea); err != nil {
			return fault.In(where(uint64(f.record)), err)
		}
	}
	id, err := l.v.value(f, typeObjectID, "", 256)
	if err != nil || id == nil {
		return err
	}
	if n.Ensure().ObjectID = l.v.objectID(f, id); n.Extra.ObjectID == nil {
		return f.corrupt("object id has %d bytes", len(id))
	}
	return nil
}

// objectID adds the birth ids, unless they say that the file was born with its id. $ObjId has them,
// seldom the attribute.
func (v *Volume) objectID(f *inode, id []byte) []byte {
	if len(id) != objectIDShort && len(id) != objectIDLong {
		return nil
	}
	births := id[objectIDShort:]
	if b := v.births[f.reference()]; b != nil {
		births = b
	}
	id = id[:objectIDShort:objectIDShort]
	plain := bytes.Join([][]byte{make([]byte, 16), id, make([]byte, 16)}, nil)
	if len(births) == 0 || bytes.Equal(births, plain) {
		return id
	}
	return append(id, births...)
}

func (l *loader) reparse(n *tree.Node, f *inode) error {
	b, err := l.v.value(f, typeReparsePoint, "", maxReparse)
	if err != nil || b == nil {
		return err
	}
	if n.Ensure().Reparse, err = parseReparse(b); err != nil {
		return fault.In(where(uint64(f.record)), err)
	}
	return nil
}

// parseReparse reads $REPARSE_POINT; the reverse of reparseValue.
func parseReparse(b []byte) (*tree.Reparse, error) {
	if len(b) < 8 {
		return nil, fault.Corruptf(fault.NoOffset, "reparse point has %d bytes", len(b))
	}
	r := &tree.Reparse{Tag: le.Uint32(b), Reserved: le.Uint16(b[6:])}
	n := int(le.Uint16(b[4:]))
	if !microsoftTag(r.Tag) {
		n += reparseGUID
	}
	if n > len(b)-8 {
		return nil, fault.Corruptf(4, "reparse point with tag %#x says %d bytes, there are %d", r.Tag, n, len(b)-8)
	}
	r.Data = b[8 : 8+n]
	return r, nil
}

// parseEAs reads $EA; the reverse of eaValue.
func parseEAs(b []byte) ([]tree.EA, error) {
	var out []tree.EA
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < 8 {
			return nil, fault.Corruptf(int64(at), "extended attribute of %d bytes", len(rest))
		}
		next, name, value := int64(le.Uint32(rest)), int(rest[5]), int(le.Uint16(rest[6:]))
		end := 8 + name + 1 + value
		if name == 0 || end > len(rest) || next != 0 && next < int64(end) {
			return nil, fault.Corruptf(int64(at), "extended attribute with a name of %d bytes, a value of %d, the next after %d", name, value, next)
		}
		out = append(out, tree.EA{Name: string(rest[8 : 8+name]), Value: bytes.Clone(rest[end-value : end]), NeedEA: rest[4]&0x80 != 0})
		if next == 0 || next >= int64(len(rest)) {
			break
		}
		at += int(next)
	}
	return out, nil
}
