// Package bootcode provides the programs that start Windows on BIOS machines: the master boot
// record code and the volume boot records that load BOOTMGR. It finds Microsoft's own in the
// user's licensed files, as bootsect.exe would write them, and carries records written for
// winbake for when there are none. No Microsoft byte is in it.
//
// winbake's records are assembly programs, .asm and .inc beside their .bin; build.sh assembles
// them. What they rely on and leave out:
//
//   - All need the INT 13h extensions (LBA); there is no CHS path, and no measuring into a TPM.
//   - MBR: exactly one active partition, which starts below 2^32 sectors.
//   - NTFS: sectors of 512 to 4096 bytes, the same in the volume as in the firmware; clusters up to
//     2 MiB; file records up to 4 KiB; index blocks up to 8 KiB; 64-bit sector addresses; $MFT,
//     directory and BOOTMGR in any number of pieces up to thousands. BOOTMGR must be in the root
//     directory, neither compressed, sparse nor encrypted, and fit between 2000:0000 and the
//     extended BIOS data area. A Windows To Go BOOTNXT is not looked for, nor NTLDR.
//   - FAT32: sectors of 512 bytes, any cluster size, at least 14 reserved sectors; the first FAT.
//
// The contract with BOOTMGR: loaded whole at 2000:0000 and entered there, DL = BIOS drive, A20 on.
// (Facts: the stub of bootmgr 10.0.19041; GRUB's ntldr command and Syslinux' chain.c32 agree.)
package bootcode

//go:generate ./build.sh

import (
	"bytes"
	_ "embed"
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

var (
	//go:embed mbr.bin
	mbr []byte
	//go:embed ntfs.bin
	ntfs []byte
	//go:embed fat32.bin
	fat32 []byte
)

// MBR returns winbake's master boot record code, MBRSize bytes.
func MBR() []byte { return bytes.Clone(mbr) }

// NTFS returns winbake's $Boot, NTFSSize bytes; its BIOS parameter block is empty.
func NTFS() []byte { return bytes.Clone(ntfs) }

// FAT32 returns winbake's FAT32 boot record in the form that InstallFAT32 takes.
func FAT32() []byte { return bytes.Clone(fat32) }

// InstallMBR puts code, MBRSize bytes, into the first sector of a disk. The disk signature, the
// partition table and the boot signature stay as they are.
func InstallMBR(sector, code []byte) error {
	if len(sector) < sectorSize {
		return fault.Bugf("a first sector of %d bytes", len(sector))
	}
	if len(code) != MBRSize {
		return fault.Invalidf("master boot record code of %d bytes, want %d", len(code), MBRSize)
	}
	copy(sector, code)
	return nil
}

// InstallNTFS puts code, NTFSSize bytes, into boot, the NTFSSize bytes of a volume's $Boot whose
// BIOS parameter block is set. The block stays, but for the fields that NTFS does not use and
// Microsoft's record expects to be zero. The caller also writes the first sector to the volume's
// last, the backup.
func InstallNTFS(boot, code []byte) error {
	if len(boot) != NTFSSize || string(boot[oemAt:oemAt+len(ntfsOEM)]) != ntfsOEM {
		return fault.Bugf("%d bytes that are not the start of an NTFS volume", len(boot))
	}
	if !isNTFS(code) {
		return fault.Invalidf("%d bytes that are not an NTFS boot record", len(code))
	}
	copy(boot[:bpbAt], code)
	copy(boot[ntfsCodeAt:], code[ntfsCodeAt:])
	clear(boot[ntfsScratch1:ntfsMedia])
	clear(boot[ntfsScratch2 : ntfsScratch2+2])
	return nil
}

// InstallFAT32 puts code into reserved, the reserved sectors of a FAT32 volume (512 bytes each) whose
// BIOS parameter block is set: into the first sector, into the backup of it that the block names, and
// from sector 12 on. The block and both copies of FSInfo stay.
//
// Code is the first sector, one in the place of FSInfo that is not used, and one or two for sector 12.
func InstallFAT32(reserved, code []byte) error {
	if !isFAT32(code) || len(code)%sectorSize != 0 || len(code) > fat32MaxSize {
		return fault.Invalidf("%d bytes that are not a FAT32 boot record", len(code))
	}
	if len(reserved) < sectorSize || string(reserved[fat32TypeAt:fat32CodeAt]) != fat32Type {
		return fault.Bugf("%d bytes that are not the start of a FAT32 volume", len(reserved))
	}
	if size := binary.LittleEndian.Uint16(reserved[bpbAt:]); size != sectorSize {
		return fault.Unsupportedf(bpbAt, "a FAT32 volume with sectors of %d bytes cannot boot, want %d", size, sectorSize)
	}
	more := code[2*sectorSize:]
	count := int(binary.LittleEndian.Uint16(reserved[fat32ReservedAt:]))
	if end := fat32MoreAt*sectorSize + len(more); len(reserved) != count*sectorSize || len(reserved) < end {
		return fault.Invalidf("a FAT32 boot record needs %d bytes of reserved sectors; the volume has %d of %d", end, len(reserved), count*sectorSize)
	}
	copy(reserved[:bpbAt], code)
	copy(reserved[fat32CodeAt:sectorSize], code[fat32CodeAt:])
	copy(reserved[fat32MoreAt*sectorSize:], more)
	if backup := int(binary.LittleEndian.Uint16(reserved[fat32BackupAt:])); backup > 1 && backup < fat32MoreAt {
		copy(reserved[backup*sectorSize:], reserved[:sectorSize])
	}
	return nil
}
