package regf

import "github.com/winbake/packer-plugin-winbake/internal/fault"

// DefaultSecurity returns the descriptor of a new hive's root: owner Administrators, group SYSTEM,
// full access for both, inherited by subkeys. It is self-relative ([MS-DTYP] 2.4.6).
func DefaultSecurity() []byte {
	const (
		system = "\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"                 // S-1-5-18
		admins = "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00" // S-1-5-32-544
		ace    = "\x00\x02"                                                         // allow, CONTAINER_INHERIT_ACE
		access = "\x3F\x00\x0F\x00"                                                 // KEY_ALL_ACCESS
		sdHead = "\x01\x00\x04\x80"                                                 // revision 1, SELF_RELATIVE | DACL_PRESENT
		sdRefs = "\x48\x00\x00\x00\x58\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00" // owner, group, no SACL, DACL
		acl    = "\x02\x00\x34\x00\x02\x00\x00\x00"                                 // revision 2, 52 bytes, 2 entries
	)
	return []byte(sdHead + sdRefs + acl +
		ace + "\x14\x00" + access + system +
		ace + "\x18\x00" + access + admins +
		admins + system)
}

// checkSecurity says what is wrong with the head of a self-relative security descriptor
// ([MS-DTYP] 2.4.6). Windows refuses a hive that holds a broken one, so both Parse and Marshal do.
func checkSecurity(sd []byte) error {
	const (
		head         = 20
		selfRelative = 0x8000
	)
	if len(sd) < head {
		return fault.Invalidf("security descriptor of %d bytes", len(sd))
	}
	if sd[0] != 1 || le.Uint16(sd[2:])&selfRelative == 0 {
		return fault.Invalidf("security descriptor of revision %d, control %#04x: not self-relative", sd[0], le.Uint16(sd[2:]))
	}
	for field := 4; field < head; field += 4 {
		if at := le.Uint32(sd[field:]); int64(at) >= int64(len(sd)) {
			return fault.Invalidf("security descriptor of %d bytes has a part at %d", len(sd), at)
		}
	}
	return nil
}
