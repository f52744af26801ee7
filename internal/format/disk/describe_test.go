package disk_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
)

// gptImage is a disk with one partition.
func gptImage(t testing.TB, size int64) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	p := disk.Partition{Offset: 1 << 20, Size: 1 << 20, Type: disk.TypeRecovery, ID: guid.Derive([]byte("x"), "p"), Name: "x", Attributes: disk.AttrRequired | disk.AttrNoDriveLetter}
	if err := disk.WriteGPT(f, size, guid.Derive([]byte("x"), "d"), []disk.Partition{p}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBackup says what is wrong with a GPT's second copy.
func TestBackup(t *testing.T) {
	const size = 4 << 20
	sound := gptImage(t, size)
	got, err := disk.Describe(bytes.NewReader(sound), size)
	if err != nil || got.Backup != nil || !got.GPT || got.SectorSize != 512 || got.FirstUsable != 34 || got.LastUsable != size/512-34 || got.Entries != 128 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"gone":    func(b []byte) []byte { clear(b[size-512:]); return b },
		"other":   func(b []byte) []byte { b[size-512+0x38]++; return b },
		"grown":   func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) },
		"cut off": func(b []byte) []byte { return b[:size-1<<20] },
		"entries": func(b []byte) []byte { b[size-512+0x58]++; return b },
	} {
		b := change(bytes.Clone(sound))
		got, err := disk.Describe(bytes.NewReader(b), int64(len(b)))
		if err != nil || !errors.Is(got.Backup, fault.ErrCorrupt) {
			t.Errorf("%s: %v, %v", name, got.Backup, err)
		}
	}
}

func TestNames(t *testing.T) {
	b := gptImage(t, 4<<20)
	list, err := disk.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil || list[0].TypeName() != "Windows recovery" || !slices.Equal(list[0].AttributeNames(), []string{"required", "no drive letter"}) {
		t.Errorf("%+v, %v", list, err)
	}
	for p, want := range map[*disk.Partition]string{
		{MBRType: 7}: "NTFS or exFAT", {MBRType: 0x27}: "Windows recovery", {MBRType: 0x99}: "", {Type: disk.TypeMSR}: "Microsoft reserved", {Type: guid.Derive(nil, "x")}: "",
	} {
		if got := p.TypeName(); got != want {
			t.Errorf("%+v: %q", p, got)
		}
	}
	if got := (&disk.Partition{Attributes: 1<<62 | 1<<20}).AttributeNames(); !slices.Equal(got, []string{"hidden", "0x100000"}) {
		t.Error(got)
	}
}
