// Package secdesc makes security descriptors in self-relative form, and computes what a new file
// inherits from its directory ([MS-DTYP] 2.4.2 to 2.4.6 and 2.5.3). All fields are little endian.
package secdesc

import "encoding/binary"

// SID is a security identifier in binary form.
type SID []byte

// NewSID returns S-1-<authority>-<sub>-...
func NewSID(authority byte, sub ...uint32) SID {
	s := SID{1, byte(len(sub)), 0, 0, 0, 0, 0, authority}
	for _, n := range sub {
		s = binary.LittleEndian.AppendUint32(s, n)
	}
	return s
}

// Well-known SIDs ([MS-DTYP] 2.4.2.4).
var (
	Everyone       = NewSID(1, 0)
	CreatorOwner   = NewSID(3, 0)
	LocalSystem    = NewSID(5, 18)
	Administrators = NewSID(5, 32, 544)
	Users          = NewSID(5, 32, 545)
	// Interactive and Service are those who logged on at the machine, or as a service.
	Interactive = NewSID(5, 4)
	Service     = NewSID(5, 6)
	// AuthenticatedUsers are all who logged on, guests excepted.
	AuthenticatedUsers = NewSID(5, 11)
	// TrustedInstaller is NT SERVICE\TrustedInstaller, which owns the files of Windows.
	TrustedInstaller = NewSID(5, 80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464)
)

// Flags of an ACE.
const (
	ObjectInherit    = 0x01
	ContainerInherit = 0x02
	NoPropagate      = 0x04
	InheritOnly      = 0x08
	Inherited        = 0x10
)

// Access masks of files, and FullKeyControl and ReadKey of registry keys (KEY_ALL_ACCESS, KEY_READ).
const (
	FullControl    = 0x001F01FF
	FullKeyControl = 0x000F003F
	ReadKey        = 0x00020019
	Modify         = 0x001301BF
	ReadAndExecute = 0x001200A9
	GenericAll     = 0x10000000
)

// ACE is one entry that allows access.
type ACE struct {
	Flags byte
	Mask  uint32
	SID   SID
}

// Control flags and sizes of the records.
const (
	header        = 20
	daclPresent   = 0x0004
	autoInherited = 0x0400
	daclProtected = 0x1000
	selfRelative  = 0x8000
	aclHeader     = 8
	aceHeader     = 4
	aclRevision   = 2
	genericMask   = 0xF0000000
)

// Build returns a descriptor with the given owner, group and list of allowed accesses.
func Build(owner, group SID, dacl ...ACE) []byte { return build(owner, group, 0, dacl) }

// BuildProtected is Build for a list that nothing is added to: Windows merges no entries of the directory
// above into it, now or when permissions are applied to a whole tree (SE_DACL_PROTECTED, [MS-DTYP] 2.4.6).
func BuildProtected(owner, group SID, dacl ...ACE) []byte {
	return build(owner, group, daclProtected, dacl)
}

func build(owner, group SID, control uint16, dacl []ACE) []byte {
	aces := make([][]byte, len(dacl))
	for i, a := range dacl {
		b := []byte{0, a.Flags, 0, 0}
		b = binary.LittleEndian.AppendUint32(b, a.Mask)
		b = append(b, a.SID...)
		binary.LittleEndian.PutUint16(b[2:], uint16(len(b)))
		aces[i] = b
	}
	return assemble(owner, group, aces, control)
}

// assemble lays the parts out as Windows does: header, DACL, owner, group.
func assemble(owner, group SID, aces [][]byte, control uint16) []byte {
	size := aclHeader
	for _, ace := range aces {
		size += len(ace)
	}
	sd := make([]byte, header, header+size+len(owner)+len(group))
	sd[0] = 1
	binary.LittleEndian.PutUint16(sd[2:], daclPresent|selfRelative|control)
	binary.LittleEndian.PutUint32(sd[16:], uint32(len(sd)))
	acl := make([]byte, aclHeader)
	acl[0] = aclRevision
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
