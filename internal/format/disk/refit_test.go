package disk_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// refit fits the disk in f into newSize bytes and returns how many patches that took.
func refit(t *testing.T, f *os.File, size, newSize int64) int {
	t.Helper()
	patches, err := disk.Refit(f, size, newSize, disk.SectorSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(newSize); err != nil {
		t.Fatal(err)
	}
	for _, p := range patches {
		if p.Offset%disk.SectorSize != 0 || len(p.Data)%disk.SectorSize != 0 {
			t.Errorf("a patch of %d bytes at %d", len(p.Data), p.Offset)
		}
		if _, err := f.WriteAt(p.Data, p.Offset); err != nil {
			t.Fatal(err)
		}
	}
	return len(patches)
}

// TestRefitGPT has sgdisk and sfdisk judge tables of ours and of theirs on disks that are larger, by
// less than a table and by more.
func TestRefitGPT(t *testing.T) {
	oracle.Need(t, "sgdisk", "sfdisk")
	const size = 1 << 30
	for _, more := range []int64{0, 512, 5 * 512, 33 * 512, mib, 3 << 40} {
		f := gptDisk(t, size)
		before := oracle.Sfdisk(t, f.Name())
		refit(t, f, size, size+more)
		after := oracle.JudgeDisk(t, f.Name())
		if want := (size+more)/512 - 34; after.LastLBA != want {
			t.Errorf("%d more: partitions may use sectors up to %d, not %d", more, after.LastLBA, want)
		}
		if len(before.Partitions) != len(after.Partitions) || before.Partitions[2] != after.Partitions[2] || before.ID != after.ID {
			t.Errorf("%d more: %+v became %+v", more, before, after)
		}
	}
	f := newDisk(t, 64*mib)
	oracle.Run(t, "sgdisk", "-n", "1:2048:+8M", "-n", "2:0:+16M", "-A", "1:set:2", f.Name())
	refit(t, f, 64*mib, 100*mib)
	oracle.JudgeDisk(t, f.Name())
	old := make([]byte, 33*512)
	if _, err := f.ReadAt(old, 64*mib-33*512); err != nil || strings.Trim(string(old), "\x00") != "" {
		t.Errorf("the old copy is still there: %v", err)
	}
}

func TestRefitMBR(t *testing.T) {
	oracle.Need(t, "sfdisk")
	f := newDisk(t, 64*mib)
	if err := disk.WriteMBR(f, 64*mib, 1, nil, []disk.Partition{{Offset: mib, Size: mib, MBRType: disk.TypeNTFS}}); err != nil {
		t.Fatal(err)
	}
	if n := refit(t, f, 64*mib, 100*mib); n != 0 {
		t.Errorf("%d patches", n)
	}
	oracle.JudgeDisk(t, f.Name())
}

func TestRefitRefuses(t *testing.T) {
	const size = 1 << 30
	f := gptDisk(t, size)
	if _, err := disk.Refit(f, size, size, 4096); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "sectors of 4096") {
		t.Errorf("other sectors: %v", err)
	}
	if _, err := disk.Refit(f, size, size-512, 512); !errors.Is(err, fault.ErrBug) {
		t.Errorf("a smaller disk: %v", err)
	}
	if _, err := disk.Refit(newDisk(t, size), size, size, 512); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("no table: %v", err)
	}
}

// FuzzRefit: whatever is refitted reads back with the same partitions.
func FuzzRefit(f *testing.F) {
	const size = 128 << 10
	seed := newMemory(size)
	if err := disk.WriteGPT(seed, size, diskID, []disk.Partition{{Offset: 20480, Size: 4096, Type: disk.TypeEFI, ID: partID}}); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(seed[:34*512]), uint16(7))
	f.Fuzz(func(t *testing.T, head []byte, more uint16) {
		m := newMemory(size)
		copy(m, head)
		newSize := size + int64(more)*512
		patches, err := disk.Refit(m, size, newSize, 512)
		if err != nil {
			return
		}
		before, err := disk.Read(m, size)
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, newMemory(newSize-size)...)
		for _, p := range patches {
			copy(m[p.Offset:], p.Data)
		}
		after, err := disk.Read(m, newSize)
		if err != nil || len(before) != len(after) {
			t.Fatalf("%v, then %v, %v", before, after, err)
		}
	})
}

// memory is a disk.
type memory []byte

func newMemory(size int64) memory { return make(memory, size) }

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m memory) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }
