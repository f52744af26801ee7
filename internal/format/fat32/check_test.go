package fat32_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestCheckFATs changes a byte of the second FAT: of the last cluster's entry, which is found, and behind it,
// where there is nothing. fsck.fat says the same.
func TestCheckFATs(t *testing.T) {
	oracle.Need(t, "mkfs.fat", "fsck.fat")
	img := filepath.Join(t.TempDir(), "fat.img")
	oracle.Run(t, "mkfs.fat", "-C", "-F", "32", img, "64000")
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	fat, length := int(le.Uint16(b[0x0E:]))*512, int(le.Uint32(b[0x24:]))*512
	clusters := (int(le.Uint32(b[0x20:])) - (fat+2*length)/512) / int(b[0x0D])
	end := fat + length + 4*(clusters+2)
	if end == fat+2*length {
		t.Fatal("nothing is behind the last entry")
	}
	for at, want := range map[int]int{end - 4: 1, end: 0} {
		b[at] ^= 1
		if err := os.WriteFile(img, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if problems := openFAT(t, img).Check(); len(problems) != want {
			t.Errorf("at %#x of %#x: %v", at, end, problems)
		}
		if _, _, err := oracle.Try("fsck.fat", "-n", img); (err == nil) != (want == 0) {
			t.Errorf("at %#x: fsck.fat: %v", at, err)
		}
		b[at] ^= 1
	}
}
