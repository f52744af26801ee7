package bcd

import "github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"

// Access rights of keys ([MS-RRP] 2.2.3).
const (
	keyRead      = 0x00020019
	writeDAC     = 0x00040000
	keyAllAccess = 0x000F003F
)

// The security descriptors of a store, read from stores that Windows made: owner Administrators,
// group SYSTEM, no inheritance. SYSTEM has full access everywhere, Administrators on the store's
// Description, and elsewhere reading and WRITE_DAC.
var (
	descriptionSecurity = security(keyAllAccess)
	keySecurity         = security(keyRead | writeDAC)
)

// security returns a descriptor with the rights of Administrators.
func security(administrators uint32) []byte {
	return secdesc.Build(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Mask: administrators, SID: secdesc.Administrators},
		secdesc.ACE{Mask: keyAllAccess, SID: secdesc.LocalSystem})
}
