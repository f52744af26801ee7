package secdesc

import (
	"bytes"
	"encoding/binary"
)

// mapping is what the generic rights of an ACE mean for a kind of object ([MS-DTYP] 2.5.3).
type mapping struct{ read, write, execute, all uint32 }

var (
	fileRights = mapping{read: 0x00120089, write: 0x00120116, execute: 0x001200A0, all: FullControl}
	keyRights  = mapping{read: 0x00020019, write: 0x00020006, execute: 0x00020019, all: FullKeyControl}
)

// specific returns the mask with its generic rights replaced.
func (m mapping) specific(mask uint32) uint32 {
	out := mask &^ genericMask
	for _, g := range []struct{ generic, specific uint32 }{
		{0x80000000, m.read}, {0x40000000, m.write}, {0x20000000, m.execute}, {GenericAll, m.all},
	} {
		if mask&g.generic != 0 {
			out |= g.specific
		}
	}
	return out
}

// Inherit returns the descriptor that Windows gives to something new in a directory whose
// descriptor is parent: the parent's owner and group, and those of its ACEs that pass on to a
// directory (container) or a file. ok is false when nothing passes on or parent cannot be read.
func Inherit(parent []byte, container bool) (child []byte, ok bool) {
	return inherit(parent, container, fileRights)
}

// InheritKey is Inherit for a registry key that is made below one whose descriptor is parent.
func InheritKey(parent []byte) (child []byte, ok bool) { return inherit(parent, true, keyRights) }

func inherit(parent []byte, container bool, m mapping) (child []byte, ok bool) {
	if len(parent) < header || binary.LittleEndian.Uint16(parent[2:])&daclPresent == 0 {
		return nil, false
	}
	owner, ok1 := sidAt(parent, binary.LittleEndian.Uint32(parent[4:]))
	group, ok2 := sidAt(parent, binary.LittleEndian.Uint32(parent[8:]))
	aces, ok3 := inheritedACEs(parent, binary.LittleEndian.Uint32(parent[16:]), owner, container, m)
	if !ok1 || !ok2 || !ok3 || len(aces) == 0 {
		return nil, false
	}
	return assemble(owner, group, aces, autoInherited), true
}

func sidAt(sd []byte, off uint32) (SID, bool) {
	if off < header || int64(off)+8 > int64(len(sd)) {
		return nil, false
	}
	size := 8 + 4*int64(sd[off+1])
	if int64(off)+size > int64(len(sd)) {
		return nil, false
	}
	return sd[off : int64(off)+size], true
}

func inheritedACEs(sd []byte, off uint32, owner SID, container bool, m mapping) ([][]byte, bool) {
	if off < header || int64(off)+aclHeader > int64(len(sd)) {
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
		out = append(out, inheritACE(sd[pos:pos+size], owner, container, m)...)
		pos += size
	}
	return out, true
}

// inheritACE returns the child's copies of an ACE: none when it does not pass on, two when a
// directory's effective rights differ from what it passes on in turn (generic rights, or a creator
// that becomes the owner).
func inheritACE(ace []byte, owner SID, container bool, m mapping) [][]byte {
	flags := ace[1]
	effective := effectiveACE(ace, owner, m)
	if !container {
		if flags&ObjectInherit == 0 {
			return nil
		}
		return [][]byte{effective}
	}
	pass := flags & (ObjectInherit | ContainerInherit)
	if pass == 0 {
		return nil
	}
	if flags&NoPropagate != 0 {
		pass = 0
	}
	if flags&ContainerInherit == 0 { // for files only: directories hand it on without using it
		if pass == 0 {
			return nil
		}
		return [][]byte{withFlags(ace, pass|InheritOnly|Inherited)}
	}
	if pass == 0 || bytes.Equal(effective[aceHeader:], ace[aceHeader:]) {
		return [][]byte{withFlags(effective, pass|Inherited)}
	}
	return [][]byte{effective, withFlags(ace, pass|InheritOnly|Inherited)}
}

// effectiveACE is what an inherited ACE grants to the child itself: generic rights become those of
// its kind, and CREATOR OWNER becomes the owner.
func effectiveACE(ace []byte, owner SID, m mapping) []byte {
	specific := m.specific(binary.LittleEndian.Uint32(ace[aceHeader:]))
	out := append([]byte(nil), ace[:aceHeader+4]...)
	binary.LittleEndian.PutUint32(out[aceHeader:], specific)
	sid := ace[aceHeader+4:]
	if bytes.HasPrefix(sid, CreatorOwner) {
		sid = owner
	}
	out = append(out, sid...)
	binary.LittleEndian.PutUint16(out[2:], uint16(len(out)))
	out[1] = Inherited
	return out
}

func withFlags(ace []byte, flags byte) []byte {
	out := append([]byte(nil), ace...)
	out[1] = flags
	return out
}
