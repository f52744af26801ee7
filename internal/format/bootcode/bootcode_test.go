package bootcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// The committed binaries are what build.sh makes of the sources.
func TestBuild(t *testing.T) {
	oracle.Need(t, "sh", "nasm")
	dir := t.TempDir()
	oracle.Run(t, "sh", "build.sh", dir)
	files, err := filepath.Glob("*.bin")
	if err != nil || len(files) != len((&Records{}).all()) {
		t.Fatal(files, err)
	}
	for _, name := range files {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what build.sh makes: run go generate", name)
		}
	}
}

func TestOwnShape(t *testing.T) {
	own := Own()
	if len(own.MBR.Code) != MBRSize || len(own.NTFS.Code) != NTFSSize {
		t.Fatal("sizes", len(own.MBR.Code), len(own.NTFS.Code))
	}
	if !isNTFS(own.NTFS.Code) {
		t.Error("not in the form of $Boot")
	}
	if !bytes.Equal(own.NTFS.Code[bpbAt:ntfsCodeAt], make([]byte, ntfsCodeAt-bpbAt)) {
		t.Error("the BIOS parameter block is not empty")
	}
	if f := own.FAT32.Code; !isFAT32(f) || len(f) > fat32MaxSize || !bytes.Equal(f[sectorSize:2*sectorSize], make([]byte, sectorSize)) {
		t.Error("not in the form of a FAT32 record")
	}
	own.MBR.Code[0]++
	if bytes.Equal(own.MBR.Code, MBR()) {
		t.Error("MBR returns shared bytes")
	}
}

func TestInstallMBR(t *testing.T) {
	sector := bytes.Repeat([]byte{0xA5}, 512)
	if err := InstallMBR(sector, MBR()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sector[:MBRSize], MBR()) || !bytes.Equal(sector[MBRSize:], bytes.Repeat([]byte{0xA5}, 512-MBRSize)) {
		t.Error("not exactly the code was replaced")
	}
	if InstallMBR(sector[:511], MBR()) == nil || InstallMBR(sector, MBR()[1:]) == nil {
		t.Error("wrong sizes were taken")
	}
}

func TestInstallNTFS(t *testing.T) {
	boot := bytes.Repeat([]byte{0xA5}, NTFSSize)
	copy(boot[oemAt:], ntfsOEM)
	if err := InstallNTFS(boot, NTFS()); err != nil {
		t.Fatal(err)
	}
	want := NTFS()
	for i := bpbAt; i < ntfsCodeAt; i++ {
		if i < 0x0E || i == 0x15 || i >= 0x18 { // all but the scratch fields
			want[i] = 0xA5
		}
	}
	if !bytes.Equal(boot, want) {
		t.Errorf("installed\n%x, want\n%x", boot[:0x60], want[:0x60])
	}
	if InstallNTFS(boot, NTFS()[1:]) == nil || InstallNTFS(boot, make([]byte, NTFSSize)) == nil {
		t.Error("what is not a record was taken")
	}
	if InstallNTFS(make([]byte, NTFSSize), NTFS()) == nil {
		t.Error("what is not a volume was taken")
	}
}

// fat32Volume returns the reserved sectors of a FAT32 volume, filled with 0xA5 where it is free to.
func fat32Volume(reserved int) []byte {
	b := bytes.Repeat([]byte{0xA5}, reserved*sectorSize)
	binary.LittleEndian.PutUint16(b[bpbAt:], sectorSize)
	binary.LittleEndian.PutUint16(b[fat32ReservedAt:], uint16(reserved))
	binary.LittleEndian.PutUint16(b[fat32BackupAt:], 6)
	copy(b[fat32TypeAt:], fat32Type)
	return b
}

func TestInstallFAT32(t *testing.T) {
	for _, code := range [][]byte{FAT32(), fakeFAT32()} {
		got, want := fat32Volume(32), fat32Volume(32)
		if err := InstallFAT32(got, code); err != nil {
			t.Fatal(err)
		}
		copy(want[:bpbAt], code)
		copy(want[fat32CodeAt:], code[fat32CodeAt:sectorSize])
		copy(want[6*sectorSize:], want[:sectorSize])
		copy(want[12*sectorSize:], code[2*sectorSize:])
		if !bytes.Equal(got, want) {
			t.Error("not exactly the code was replaced")
		}
	}
}

func TestInstallFAT32Refuses(t *testing.T) {
	large, few := fat32Volume(32), fat32Volume(13)
	large[bpbAt+1] = 0x10 // 4096 bytes
	for _, c := range []struct {
		name           string
		reserved, code []byte
		class          error
	}{
		{"NTFS code", fat32Volume(32), NTFS(), fault.ErrInvalid},
		{"short code", fat32Volume(32), FAT32()[:1535], fault.ErrInvalid},
		{"no volume", make([]byte, 32*sectorSize), FAT32(), fault.ErrBug},
		{"large sectors", large, FAT32(), fault.ErrUnsupported},
		{"too few reserved", few, FAT32(), fault.ErrInvalid},
		{"not all reserved", fat32Volume(32)[:20*sectorSize], FAT32(), fault.ErrInvalid},
	} {
		before := bytes.Clone(c.reserved)
		if err := InstallFAT32(c.reserved, c.code); !errors.Is(err, c.class) {
			t.Errorf("%s: %v", c.name, err)
		}
		if !bytes.Equal(c.reserved, before) {
			t.Errorf("%s: changed the volume", c.name)
		}
	}
	if err := InstallFAT32(few, fakeFAT32()); err != nil {
		t.Errorf("13 sectors are enough for Microsoft's record: %v", err)
	}
}
