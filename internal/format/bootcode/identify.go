package bootcode

import "bytes"

// What Identify functions say besides Winbake.
const (
	NoCode       = "none"
	MicrosoftNT6 = "Microsoft (Windows 7 and later)" // loads BOOTMGR
	MicrosoftOld = "Microsoft (before Windows 7)"
	GRUB         = "GRUB"
	Syslinux     = "Syslinux"
	Notice       = "none (a notice that the disk does not boot)"
	Unknown      = "unknown"
)

// texts are what other records say or hold; the first that is there counts.
type texts []struct{ text, name string }

// mbrTexts: the messages of boot.img of GRUB 2 and stage1 of GRUB Legacy, of Syslinux' mbr.bin, which
// has a full stop that Microsoft's lacks, and of the record of Windows 2000 to Vista.
var mbrTexts = texts{
	{"GRUB \x00Geom\x00", GRUB}, {"Geom\x00Hard Disk\x00Read\x00", GRUB}, {"SYSLINUX", Syslinux},
	{"Missing operating system.\r\n", Syslinux}, {"Invalid partition table\x00Error loading operating system\x00", MicrosoftOld},
}

// volumeTexts: the file that the record loads, or what it says.
var volumeTexts = texts{
	{"SYSLINUX", Syslinux}, {"EXTLINUX", Syslinux}, {"GRUB \x00Geom\x00", GRUB}, {"This is not a bootable disk", Notice},
	{"BOOTMGR", MicrosoftNT6}, {"NTLDR", MicrosoftOld},
}

func (t texts) in(b []byte) string {
	for _, x := range t {
		if bytes.Contains(b, []byte(x.text)) {
			return x.name
		}
	}
	return Unknown
}

// IdentifyMBR says whose code the first sector of a disk holds: NoCode, Winbake, MicrosoftNT6,
// MicrosoftOld, GRUB, Syslinux or Unknown.
func IdentifyMBR(sector []byte) string {
	if len(sector) < sectorSize {
		return NoCode
	}
	code := sector[:MBRSize]
	switch {
	case blank(code):
		return NoCode
	case bytes.Equal(code, mbr):
		return Winbake
	case bytes.HasPrefix(code, microsoftMBR) && isMicrosoftMBR(sector):
		return MicrosoftNT6
	}
	return mbrTexts.in(sector[:signatureAt])
}

// IdentifyVolume is IdentifyMBR for the first sector of an NTFS or FAT volume, and knows Notice, too. A
// sector that does not end in 55 AA has NoCode, whatever is in it.
func IdentifyVolume(sector []byte) string {
	if len(sector) < sectorSize || !bytes.HasPrefix(sector[signatureAt:], signature) {
		return NoCode
	}
	own, codeAt := fat32, fat32CodeAt
	if bytes.HasPrefix(sector[oemAt:], []byte(ntfsOEM)) {
		own, codeAt = ntfs, ntfsCodeAt
	}
	code := sector[codeAt:signatureAt]
	switch {
	case blank(code), bytes.HasPrefix(code, noBoot) && blank(code[len(noBoot):]):
		return NoCode
	case bytes.Equal(code, own[codeAt:signatureAt]):
		return Winbake
	}
	return volumeTexts.in(sector[:signatureAt])
}

// noBoot is what volumes get here that no BIOS is meant to boot from: int 18h, and a halt.
var noBoot = []byte{0xCD, 0x18, 0xF4, 0xEB, 0xFD}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
