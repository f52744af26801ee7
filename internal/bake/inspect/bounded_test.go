package inspect_test

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

// TestNeedsNoOtherFiles spoils every record of the MFT but those of the files that are shown, and of the folders
// on the way to them: of a volume with hundreds of thousands of files the others are not read.
func TestNeedsNoOtherFiles(t *testing.T) {
	path := bakeDisk(t, layout.BIOS, nil).Files[0]
	want := one(t, path, inspect.Place{}).Disk.Partitions[0].Volume
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const recordSize, first, records = 1024, 64, 200
	at := partitionAt(t, path)
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, at); err != nil {
		t.Fatal(err)
	}
	mft := at + int64(binary.LittleEndian.Uint64(boot[0x30:]))*int64(boot[0x0D])*512
	needed := []string{
		"Windows", "System32", "config", "SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT", "COMPONENTS", "DRIVERS", "Boot", "bootmgr", "BOOTNXT", "bootvhd.dll", "BCD", "winload.exe",
		"winload.efi", "ntoskrnl.exe", "Recovery", "ReAgent.xml", "Winre.wim", "Users", "Default", "NTUSER.DAT", "ServiceProfiles", "LocalService", "NetworkService",
	}
	spoiled := 0
	for n := range int64(records) {
		b := make([]byte, recordSize)
		if _, err := f.ReadAt(b, mft+(first+n)*recordSize); err != nil {
			t.Fatal(err)
		}
		if string(b[:4]) != "FILE" || slices.ContainsFunc(needed, func(name string) bool { return strings.Contains(string(b), wide(name)) }) {
			continue
		}
		b[510] ^= 1 // which the update sequence protects
		spoiled++
		if _, err := f.WriteAt(b, mft+(first+n)*recordSize); err != nil {
			t.Fatal(err)
		}
	}
	got := one(t, path, inspect.Place{}).Disk.Partitions[0].Volume
	if len(got.Problems) > 0 || got.Windows == nil || got.Windows.Product != want.Windows.Product || len(got.BootFiles) != len(want.BootFiles) || len(got.WinRE) != len(want.WinRE) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if spoiled < 10 {
		t.Errorf("%d records spoiled", spoiled)
	}
}

func partitionAt(t *testing.T, path string) int64 {
	t.Helper()
	return one(t, path, inspect.Place{}).Disk.Partitions[0].Offset
}

// wide is a name as records have it.
func wide(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}
