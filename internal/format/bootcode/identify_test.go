package bootcode

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func sectorWith(texts ...string) []byte {
	b := make([]byte, sectorSize)
	at := 0x60
	for _, s := range texts {
		at += copy(b[at:], s)
	}
	copy(b[signatureAt:], signature)
	return b
}

func TestIdentifyMBR(t *testing.T) {
	own := make([]byte, sectorSize)
	if err := InstallMBR(own, MBR()); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(own[MBRSize:], 0x12345678) // the disk's own signature
	microsoft := make([]byte, sectorSize)
	copy(microsoft, fakeMBR())
	copy(microsoft[signatureAt:], signature)
	for name, c := range map[string]struct {
		sector []byte
		want   string
	}{
		"own": {own, Winbake}, "Microsoft": {microsoft, MicrosoftNT6}, "none": {sectorWith(), NoCode}, "short": {nil, NoCode}, "other": {sectorWith("x"), Unknown},
		"old":      {sectorWith("Invalid partition table\x00Error loading operating system\x00Missing operating system\x00"), MicrosoftOld},
		"GRUB":     {sectorWith("GRUB \x00Geom\x00Hard Disk\x00Read\x00 Error\r\n\x00"), GRUB},
		"Syslinux": {sectorWith("Missing operating system.\r\n", "Multiple active partitions.\r\n"), Syslinux},
	} {
		if got := IdentifyMBR(c.sector); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestIdentifyVolume(t *testing.T) {
	ntfs := NTFS()[:sectorSize]
	binary.LittleEndian.PutUint64(ntfs[0x28:], 12345) // the volume's own
	fat := FAT32()[:sectorSize]
	copy(fat[0x47:], "LABEL      ")
	damaged := bytes.Clone(ntfs)
	damaged[signatureAt] = 0
	for name, c := range map[string]struct {
		sector []byte
		want   string
	}{
		"own NTFS": {ntfs, Winbake}, "own FAT32": {fat, Winbake}, "no signature": {damaged, NoCode}, "short": {nil, NoCode},
		"Microsoft's": {sectorWith("\r\nBOOTMGR is missing\x00"), MicrosoftNT6}, "old": {sectorWith("NTLDR is missing"), MicrosoftOld},
		"Syslinux": {sectorWith("SYSLINUX"), Syslinux}, "other": {sectorWith("x"), Unknown}, "none": {sectorWith(), NoCode},
	} {
		if got := IdentifyVolume(c.sector); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestIdentifyOthers looks at volumes that others made, which do not boot.
func TestIdentifyOthers(t *testing.T) {
	oracle.Need(t, "mkfs.fat", "mkntfs")
	for program, args := range map[string][]string{"mkfs.fat": {"-F", "32"}, "mkntfs": {"-F", "-q"}} {
		path := filepath.Join(t.TempDir(), "volume")
		if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		oracle.Run(t, program, append(args, path)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := IdentifyVolume(b[:sectorSize]); got != Notice {
			t.Errorf("%s: %s", program, got)
		}
	}
}
