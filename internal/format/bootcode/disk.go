package bootcode

import "bytes"

// Sizes of the records in bytes.
const (
	// MBRSize is the code of a master boot record: all before the disk signature at 0x1B8.
	MBRSize = 0x1B8
	// NTFSSize is $Boot, whatever the cluster size.
	NTFSSize = 8192
)

const (
	sectorSize  = 512
	signatureAt = 0x1FE // of 55 AA, in sectors of any size

	oemAt      = 0x03 // after the jump
	bpbAt      = 0x0B
	ntfsOEM    = "NTFS    "
	ntfsCodeAt = 0x54

	// BIOS parameter block fields that are zero on NTFS. Microsoft's record counts in them and
	// takes what is stored for the start: 0x0E drive, 0x0F step, 0x11 sector, 0x16 count.
	ntfsScratch1 = 0x0E
	ntfsMedia    = 0x15 // F8
	ntfsScratch2 = 0x16
)

var (
	signature = []byte{0x55, 0xAA}
	ntfsJump  = []byte{0xEB, 0x52, 0x90} // to 0x54
)

// isNTFS tells whether b is, in form, a $Boot.
func isNTFS(b []byte) bool {
	return len(b) == NTFSSize && bytes.HasPrefix(b, ntfsJump) &&
		bytes.HasPrefix(b[oemAt:], []byte(ntfsOEM)) && bytes.HasPrefix(b[signatureAt:], signature)
}
