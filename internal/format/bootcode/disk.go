package bootcode

import "bytes"

// Sizes of the records in bytes.
const (
	// MBRSize is the code of a master boot record: all before the disk signature at 0x1B8.
	MBRSize = 0x1B8
	// NTFSSize is $Boot, whatever the cluster size.
	NTFSSize = 8192
	// FAT32Size is Microsoft's FAT32 record: boot sector, FSInfo, sector 12. Ours has a sector more.
	FAT32Size = 3 * sectorSize
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

	fat32ReservedAt = 0x0E // sectors before the first FAT
	fat32BackupAt   = 0x32 // sector of the backup boot sector, usually 6
	fat32TypeAt     = 0x52
	fat32Type       = "FAT32   "
	fat32CodeAt     = 0x5A
	fat32MoreAt     = 12 // sector of the rest of the code, in Microsoft's record and in ours
	fat32MaxSize    = 4 * sectorSize
)

var (
	signature = []byte{0x55, 0xAA}
	ntfsJump  = []byte{0xEB, 0x52, 0x90} // to 0x54
	fat32Jump = []byte{0xEB, 0x58, 0x90} // to 0x5A
)

// isNTFS tells whether b is, in form, a $Boot.
func isNTFS(b []byte) bool {
	return len(b) == NTFSSize && bytes.HasPrefix(b, ntfsJump) &&
		bytes.HasPrefix(b[oemAt:], []byte(ntfsOEM)) && bytes.HasPrefix(b[signatureAt:], signature)
}

// isFAT32 tells whether b begins, in form, with the first sector of a bootable FAT32 volume and is
// long enough for a record.
func isFAT32(b []byte) bool {
	return len(b) >= FAT32Size && bytes.HasPrefix(b, fat32Jump) &&
		bytes.HasPrefix(b[fat32TypeAt:], []byte(fat32Type)) && bytes.HasPrefix(b[signatureAt:], signature)
}
