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
//
// The contract with BOOTMGR: loaded whole at 2000:0000 and entered there, DL = BIOS drive, A20 on.
// (Facts: the stub of bootmgr 10.0.19041; GRUB's ntldr command and Syslinux' chain.c32 agree.)
package bootcode

//go:generate ./build.sh

import (
	"bytes"
	_ "embed"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

var (
	//go:embed mbr.bin
	mbr []byte
	//go:embed ntfs.bin
	ntfs []byte
)

// MBR returns winbake's master boot record code, MBRSize bytes.
func MBR() []byte { return bytes.Clone(mbr) }

// NTFS returns winbake's $Boot, NTFSSize bytes; its BIOS parameter block is empty.
func NTFS() []byte { return bytes.Clone(ntfs) }

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
