package bootcode

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

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
