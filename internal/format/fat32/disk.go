package fat32

import (
	"encoding/binary"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
)

// On-disk constants (Microsoft, "FAT32 File System Specification", version 1.03, 2000-12-06).
const (
	reservedSectors = 32 // BPB_RsvdSecCnt: what format.com and mkfs.fat use for FAT32
	fatCount        = 2
	rootCluster     = 2
	fsInfoSector    = 1
	backupSector    = 6
	mediaFixed      = 0xF8
	entrySize       = 32
	minClusters     = 65525      // fewer and every driver takes the volume for FAT16
	maxClusters     = 0x0FFFFFF5 // cluster numbers end below the bad-cluster mark
	endOfChain      = 0x0FFFFFFF
	maxFileSize     = 1<<32 - 1
	maxDirectory    = 2 << 20 // 65,536 entries of 32 bytes
)

// Directory entry attributes.
const (
	attrReadOnly  = 0x01
	attrHidden    = 0x02
	attrSystem    = 0x04
	attrVolumeID  = 0x08
	attrDirectory = 0x10
	attrArchive   = 0x20
	attrLongName  = 0x0F
)

// bootSector fills the BPB and extended BPB of sector 0 (specification, "Boot Sector and BPB").
// The code says that the volume does not boot; a boot record replaces it.
func bootSector(b []byte, g geometry, o Options) {
	copy(b, []byte{0xEB, 0x58, 0x90}) // jmp over the BPB
	copy(b[0x5A:], noBootCode)
	copy(b[3:], "MSDOS5.0")                                   // BS_OEMName: the value most drivers expect
	binary.LittleEndian.PutUint16(b[0x0B:], uint16(g.sector)) // BPB_BytsPerSec
	b[0x0D] = byte(g.cluster / g.sector)                      // BPB_SecPerClus
	binary.LittleEndian.PutUint16(b[0x0E:], reservedSectors)  // BPB_RsvdSecCnt
	b[0x10] = fatCount                                        // BPB_NumFATs
	b[0x15] = mediaFixed                                      // BPB_Media
	binary.LittleEndian.PutUint16(b[0x18:], 63)               // BPB_SecPerTrk
	binary.LittleEndian.PutUint16(b[0x1A:], 255)              // BPB_NumHeads
	binary.LittleEndian.PutUint32(b[0x1C:], uint32(o.StartLBA))
	binary.LittleEndian.PutUint32(b[0x20:], uint32(g.sectors))
	binary.LittleEndian.PutUint32(b[0x24:], uint32(g.fatSectors))
	binary.LittleEndian.PutUint32(b[0x2C:], rootCluster)
	binary.LittleEndian.PutUint16(b[0x30:], fsInfoSector)
	binary.LittleEndian.PutUint16(b[0x32:], backupSector)
	b[0x40] = 0x80 // BS_DrvNum
	b[0x42] = 0x29 // BS_BootSig: the three fields that follow are there
	binary.LittleEndian.PutUint32(b[0x43:], o.Serial)
	copy(b[0x47:], padded(labelOr(o.Label, "NO NAME"), 11))
	copy(b[0x52:], "FAT32   ")
	b[0x1FE], b[0x1FF] = 0x55, 0xAA
}

// noBootCode is int 18h (the BIOS's "no bootable device") and a halt, for a volume that a BIOS is
// not meant to boot from.
var noBootCode = []byte{0xCD, 0x18, 0xF4, 0xEB, 0xFD}

// fsInfo fills the FSInfo sector: free clusters and where to look for the next one.
func fsInfo(b []byte, free, next uint32) {
	copy(b[0:], "RRaA")
	copy(b[0x1E4:], "rrAa")
	binary.LittleEndian.PutUint32(b[0x1E8:], free)
	binary.LittleEndian.PutUint32(b[0x1EC:], next)
	b[0x1FE], b[0x1FF] = 0x55, 0xAA
}

// dosTime is a FAT date and time: two-second steps from 1980 to 2107, here always UTC, so that a
// bake does not depend on the time zone.
func dosTime(ft filetime.Time) (date, clock uint16) {
	t := ft.Time()
	if t.Year() < 1980 {
		t = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if t.Year() > 2107 {
		t = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	}
	date = uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day())
	clock = uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
	return date, clock
}

// shortEntry is the 32-byte entry that every file and directory has.
type shortEntry struct {
	name                        [11]byte
	attr                        byte
	created, accessed, modified filetime.Time
	cluster                     uint32
	size                        uint32
}

func (e *shortEntry) marshal(b []byte) {
	copy(b, e.name[:])
	b[11] = e.attr
	date, clock := dosTime(e.created)
	b[13] = byte(e.created / 100_000 % 200) // DIR_CrtTimeTenth: 10 ms steps within two seconds
	binary.LittleEndian.PutUint16(b[14:], clock)
	binary.LittleEndian.PutUint16(b[16:], date)
	date, _ = dosTime(e.accessed)
	binary.LittleEndian.PutUint16(b[18:], date)
	binary.LittleEndian.PutUint16(b[20:], uint16(e.cluster>>16))
	date, clock = dosTime(e.modified)
	binary.LittleEndian.PutUint16(b[22:], clock)
	binary.LittleEndian.PutUint16(b[24:], date)
	binary.LittleEndian.PutUint16(b[26:], uint16(e.cluster))
	binary.LittleEndian.PutUint32(b[28:], e.size)
}
