package bcd

// The security descriptors of a store, read from stores that Windows made: owner Administrators
// (S-1-5-32-544), group SYSTEM (S-1-5-18), no inheritance. SYSTEM has full access everywhere,
// Administrators on the store's Description, and elsewhere reading and WRITE_DAC.
var (
	descriptionSecurity = descriptor(keyAllAccess)
	keySecurity         = descriptor(keyRead | writeDAC)
)

// Access rights of keys ([MS-RRP] 2.2.3).
const (
	keyRead      = 0x00020019
	writeDAC     = 0x00040000
	keyAllAccess = 0x000F003F
)

// SIDs ([MS-DTYP] 2.4.2.2).
const (
	sidAdministrators = "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00"
	sidSystem         = "\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"
)

// descriptor is a self-relative security descriptor ([MS-DTYP] 2.4.6) with the rights given to
// Administrators, laid out as Windows does: header, DACL, owner, group.
func descriptor(administrators uint32) []byte {
	const (
		header      = 20
		selfDACL    = 0x8004 // SE_SELF_RELATIVE | SE_DACL_PRESENT
		revision    = 1
		aclHeader   = 8
		aclRevision = 2
		aceCount    = 2
	)
	aces := appendACE(appendACE(nil, administrators, sidAdministrators), keyAllAccess, sidSystem)
	owner := uint32(header + aclHeader + len(aces))

	sd := le.AppendUint32(nil, revision|selfDACL<<16)
	sd = le.AppendUint32(sd, owner)
	sd = le.AppendUint32(sd, owner+uint32(len(sidAdministrators)))
	sd = le.AppendUint32(sd, 0) // no SACL
	sd = le.AppendUint32(sd, header)

	sd = le.AppendUint16(sd, aclRevision)
	sd = le.AppendUint16(sd, uint16(aclHeader+len(aces)))
	sd = le.AppendUint32(sd, aceCount)
	sd = append(sd, aces...)
	return append(sd, sidAdministrators+sidSystem...)
}

// appendACE adds an ACCESS_ALLOWED_ACE ([MS-DTYP] 2.4.4.2) without flags.
func appendACE(dst []byte, mask uint32, sid string) []byte {
	const header = 8
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint16(dst, uint16(header+len(sid)))
	dst = le.AppendUint32(dst, mask)
	return append(dst, sid...)
}
