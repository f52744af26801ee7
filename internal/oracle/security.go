package oracle

import "encoding/binary"

// securityDescriptor makes the n-th of a family of self-relative security descriptors ([MS-DTYP]
// 2.4.6): owner Administrators or SYSTEM, group SYSTEM, a DACL whose length grows with n and, for
// every third, a SACL.
func securityDescriptor(n int) []byte {
	system, admins := sid(5, 18), sid(5, 32, 544)
	owner := system
	if n%2 == 0 {
		owner = admins
	}
	dacl := [][]byte{ace(0, 0x13, 0x1F01FF, system), ace(0, 0x13, 0x1F01FF, admins)}
	for i := range n % 40 {
		dacl = append(dacl, ace(0, 0x10, 0x1200A9, sid(5, 21, 1000+uint32(n), 7, uint32(i), 1001)))
	}
	const (
		daclPresent, saclPresent = 0x0004, 0x0010
		selfRelative             = 0x8000
	)
	control, sacl := uint16(selfRelative|daclPresent), []byte(nil)
	if n%3 == 0 {
		control |= saclPresent
		sacl = acl([][]byte{ace(2, 0xC0, 0x000D0000, sid(1, 0))}) // audit: Everyone
	}
	return packDescriptor(control, owner, system, sacl, acl(dacl))
}

// packDescriptor lays the parts out behind the header of 20 bytes; an absent part has offset 0.
func packDescriptor(control uint16, parts ...[]byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16([]byte{1, 0}, control)
	off := 20
	for _, p := range parts {
		if len(p) == 0 {
			b = le.AppendUint32(b, 0)
			continue
		}
		b = le.AppendUint32(b, uint32(off))
		off += len(p)
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// sid encodes S-1-authority-sub...
func sid(authority byte, sub ...uint32) []byte {
	b := []byte{1, byte(len(sub)), 0, 0, 0, 0, 0, authority}
	for _, s := range sub {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return b
}

// ace encodes an access control entry for one SID.
func ace(kind, flags byte, mask uint32, who []byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{kind, flags}, uint16(8+len(who)))
	return append(binary.LittleEndian.AppendUint32(b, mask), who...)
}

// acl encodes an access control list.
func acl(entries [][]byte) []byte {
	size := 8
	for _, e := range entries {
		size += len(e)
	}
	b := binary.LittleEndian.AppendUint16([]byte{2, 0}, uint16(size))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries))) // count, and two bytes of padding
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}
