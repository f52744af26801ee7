package tree

import "encoding/binary"

// Security descriptor layout ([MS-DTYP] 2.4.6, 2.4.5, 2.4.4): all little endian.
const (
	sdHeader    = 20
	sdDACL      = 0x0004 // SE_DACL_PRESENT
	sdAutoInh   = 0x0400 // SE_DACL_AUTO_INHERITED
	sdSelfRel   = 0x8000 // SE_SELF_RELATIVE
	aclHeader   = 8
	aceHeader   = 4
	aceObject   = 0x01 // OBJECT_INHERIT_ACE
	aceCont     = 0x02 // CONTAINER_INHERIT_ACE
	aceNoProp   = 0x04 // NO_PROPAGATE_INHERIT_ACE
	aceOnly     = 0x08 // INHERIT_ONLY_ACE
	aceInherit  = 0x10 // INHERITED_ACE
	genericMask = 0xF0000000
)

// fileGeneric maps the generic rights of an ACE to what they mean for files ([MS-DTYP] 2.5.3).
var fileGeneric = []struct{ generic, specific uint32 }{
	{0x80000000, 0x00120089}, // GENERIC_READ
	{0x40000000, 0x00120116}, // GENERIC_WRITE
	{0x20000000, 0x001200A0}, // GENERIC_EXECUTE
	{0x10000000, 0x001F01FF}, // GENERIC_ALL
}

// inherit returns the descriptor that Windows would give to something new in dir: the parent's
// owner and group, and those of its ACEs that are inheritable ([MS-DTYP] 2.5.3.4). NoSecurity when
// the parent has none or its descriptor cannot be read; the volume's default then applies.
func (t *Tree) inherit(dir *Node, container bool) SecurityID {
	sd := t.Descriptor(dir)
	if sd == nil {
		return NoSecurity
	}
	child, ok := inheritedDescriptor(sd, container)
	if !ok {
		return NoSecurity
	}
	return t.AddSecurity(child)
}

func inheritedDescriptor(parent []byte, container bool) ([]byte, bool) {
	if len(parent) < sdHeader || binary.LittleEndian.Uint16(parent[2:])&sdDACL == 0 {
		return nil, false
	}
	owner, ok1 := sidAt(parent, binary.LittleEndian.Uint32(parent[4:]))
	group, ok2 := sidAt(parent, binary.LittleEndian.Uint32(parent[8:]))
	aces, ok3 := inheritedACEs(parent, binary.LittleEndian.Uint32(parent[16:]), container)
	if !ok1 || !ok2 || !ok3 || len(aces) == 0 {
		return nil, false
	}
	return makeDescriptor(owner, group, aces), true
}

func makeDescriptor(owner, group []byte, aces [][]byte) []byte {
	size := aclHeader
	for _, ace := range aces {
		size += len(ace)
	}
	sd := make([]byte, sdHeader, sdHeader+size+len(owner)+len(group))
	sd[0] = 1
	binary.LittleEndian.PutUint16(sd[2:], sdDACL|sdAutoInh|sdSelfRel)
	binary.LittleEndian.PutUint32(sd[16:], uint32(len(sd)))
	acl := make([]byte, aclHeader)
	acl[0] = 2 // ACL_REVISION
	binary.LittleEndian.PutUint16(acl[2:], uint16(size))
	binary.LittleEndian.PutUint16(acl[4:], uint16(len(aces)))
	sd = append(sd, acl...)
	for _, ace := range aces {
		sd = append(sd, ace...)
	}
	binary.LittleEndian.PutUint32(sd[4:], uint32(len(sd)))
	sd = append(sd, owner...)
	binary.LittleEndian.PutUint32(sd[8:], uint32(len(sd)))
	return append(sd, group...)
}

func sidAt(sd []byte, off uint32) ([]byte, bool) {
	if off < sdHeader || int64(off)+8 > int64(len(sd)) {
		return nil, false
	}
	size := 8 + 4*int64(sd[off+1])
	if int64(off)+size > int64(len(sd)) {
		return nil, false
	}
	return sd[off : int64(off)+size], true
}

func inheritedACEs(sd []byte, off uint32, container bool) ([][]byte, bool) {
	if off < sdHeader || int64(off)+aclHeader > int64(len(sd)) {
		return nil, false
	}
	end := int64(off) + int64(binary.LittleEndian.Uint16(sd[off+2:]))
	count := int(binary.LittleEndian.Uint16(sd[off+4:]))
	if end > int64(len(sd)) {
		return nil, false
	}
	var out [][]byte
	pos := int64(off) + aclHeader
	for range count {
		if pos+aceHeader+4 > end {
			return nil, false
		}
		size := int64(binary.LittleEndian.Uint16(sd[pos+2:]))
		if size < aceHeader+4 || pos+size > end {
			return nil, false
		}
		if ace := inheritACE(sd[pos:pos+size], container); ace != nil {
			out = append(out, ace)
		}
		pos += size
	}
	return out, true
}

// inheritACE returns the child's copy of an ACE, or nil when it does not pass on.
func inheritACE(ace []byte, container bool) []byte {
	flags := ace[1]
	var keep byte
	switch {
	case !container && flags&aceObject == 0:
		return nil
	case container && flags&(aceObject|aceCont) == 0:
		return nil
	case container && flags&aceNoProp != 0 && flags&aceCont == 0:
		return nil
	case container && flags&aceNoProp == 0:
		keep = flags & (aceObject | aceCont)
		if flags&aceCont == 0 {
			keep |= aceOnly
		}
	}
	child := append([]byte(nil), ace...)
	child[1] = keep | aceInherit
	if keep&aceOnly == 0 {
		mapGeneric(child)
	}
	return child
}

func mapGeneric(ace []byte) {
	mask := binary.LittleEndian.Uint32(ace[aceHeader:])
	out := mask &^ genericMask
	for _, g := range fileGeneric {
		if mask&g.generic != 0 {
			out |= g.specific
		}
	}
	binary.LittleEndian.PutUint32(ace[aceHeader:], out)
}
