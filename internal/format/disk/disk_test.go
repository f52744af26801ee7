package disk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

const mib = 1 << 20

var (
	diskID = guid.MustParse("d148fb7c-be81-4d12-8dcf-62260299abde")
	partID = guid.MustParse("ecd43012-88cf-4f80-a8de-8d3719d0653a")
)

func newDisk(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func gptDisk(t testing.TB, size int64) *os.File {
	t.Helper()
	f := newDisk(t, size)
	err := disk.WriteGPT(f, size, diskID, []disk.Partition{
		{Offset: mib, Size: 300 * mib, Name: "EFI system partition", Type: disk.TypeEFI, ID: guid.Derive(nil, "1"), Attributes: disk.AttrNoDriveLetter},
		{Offset: 301 * mib, Size: 16 * mib, Name: "Microsoft reserved partition", Type: disk.TypeMSR, ID: guid.Derive(nil, "2"), Attributes: disk.AttrNoDriveLetter},
		{Offset: 317 * mib, Size: size - 318*mib, Name: "Basic data partition", Type: disk.TypeBasicData, ID: partID},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGPT(t *testing.T) {
	oracle.Need(t, "sgdisk", "sfdisk")
	for _, size := range []int64{1 << 30, 1<<30 + 512*7, 40 << 30, 3 << 40} {
		f := gptDisk(t, size)
		if out := oracle.Run(t, "sgdisk", "-v", f.Name()); !strings.Contains(out, "No problems found") {
			t.Errorf("%d bytes: %s", size, out)
		}
		out := oracle.Run(t, "sfdisk", "--dump", f.Name())
		for _, want := range []string{
			"label-id: D148FB7C-BE81-4D12-8DCF-62260299ABDE", "uuid=ECD43012-88CF-4F80-A8DE-8D3719D0653A",
			"type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B", `attrs="GUID:63"`, `name="Microsoft reserved partition"`,
		} {
			if !strings.Contains(out, want) {
				t.Errorf("sfdisk does not show %s:\n%s", want, out)
			}
		}
	}
}

func TestSgdiskCanFail(t *testing.T) {
	oracle.Need(t, "sgdisk")
	f := gptDisk(t, 1<<30)
	if _, err := f.WriteAt([]byte{0x55}, 2*512+40); err != nil {
		t.Fatal(err)
	}
	if out, _, _ := oracle.Try("sgdisk", "-v", f.Name()); strings.Contains(out, "No problems found") {
		t.Error("sgdisk finds nothing wrong with a changed entry")
	}
}

func TestMBR(t *testing.T) {
	oracle.Need(t, "sfdisk")
	const size = 40 << 30
	f := newDisk(t, size)
	code := []byte(strings.Repeat("\x90", 440))
	err := disk.WriteMBR(f, size, 0x43DA9AB1, code, []disk.Partition{{Offset: mib, Size: size - mib, MBRType: disk.TypeNTFS, Active: true}})
	if err != nil {
		t.Fatal(err)
	}
	out := oracle.Run(t, "sfdisk", "--dump", f.Name())
	for _, want := range []string{"label: dos", "label-id: 0x43da9ab1", "start=        2048, size=    83884032, type=7, bootable"} {
		if !strings.Contains(out, want) {
			t.Errorf("sfdisk does not show %q:\n%s", want, out)
		}
	}
	oracle.Run(t, "sfdisk", "--verify", f.Name())
	sector := make([]byte, 512)
	if _, err := f.ReadAt(sector, 0); err != nil || string(sector[:440]) != string(code) {
		t.Errorf("boot code is not whole: %v", err)
	}
}

func TestBugsAreCaught(t *testing.T) {
	f := newDisk(t, mib)
	for name, err := range map[string]error{
		"no signature":      disk.WriteMBR(f, mib, 0, nil, nil),
		"beyond the end":    disk.WriteMBR(f, mib, 1, nil, []disk.Partition{{Offset: 512, Size: mib}}),
		"over the backup":   disk.WriteGPT(f, mib, diskID, []disk.Partition{{Offset: mib / 2, Size: mib / 2}}),
		"not whole sectors": disk.WriteGPT(f, mib, diskID, []disk.Partition{{Offset: mib / 2, Size: 100}}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
