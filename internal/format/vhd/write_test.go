package vhd_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

func create(f *os.File, size int64) (sparsetest.FileWriter, error) {
	return vhd.Create(f, vhd.Footer{Size: size, Time: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), ID: guid.Derive(nil, "9")})
}

func TestWriteDynamic(t *testing.T) {
	sparsetest.JudgeWriter(t, sparsetest.Format{
		Create: create, Open: open, QEMU: "vpc", SevenZip: "VHD", SevenZipUnit: 512,
		Sizes:   []int64{512, 1 << 20, 512 * 12_347, 37<<20 + 512, 64 << 20},
		Large:   []int64{24 << 30, 127 << 30, 200<<30 + 512, vhd.MaxSize},
		MaxFile: 16 << 20,
		Judge: func(t testing.TB, path string) {
			oracle.Need(t, "vhdiinfo")
			oracle.Run(t, "vhdiinfo", path)
		},
	})
}

func TestWriteRefuses(t *testing.T) {
	for _, size := range []int64{0, -512, 1000, vhd.MaxSize + 512} {
		if _, err := create(nil, size); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestJudgesCanFail damages the header, and a block's place.
func TestJudgesCanFail(t *testing.T) {
	oracle.Need(t, "qemu-img", "vhdiinfo", "7z")
	const size, header, table = 5 << 20, 512, 1536
	raw := sparsetest.RandomDisk(t, size, 3)
	for name, damage := range map[string]struct {
		at   int64
		args []string
	}{
		"cookie":   {header, []string{"vhdiinfo"}},
		"checksum": {header + 36, []string{"7z", "t", "-tVHD"}},
		"place":    {table + 3, []string{"qemu-img", "compare", "-f", "raw", "-F", "vpc", raw}},
	} {
		path := sparsetest.WriteFile(t, "disk.vhd", func(f *os.File) (sparsetest.FileWriter, error) { return create(f, size) }, sparsetest.CopyFrom(t, raw, 3))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var b [1]byte
		if _, err := f.ReadAt(b[:], damage.at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b[:], damage.at); err != nil {
			t.Fatal(err)
		}
		if _, _, err := oracle.Try(damage.args[0], append(damage.args[1:], path)...); err == nil {
			t.Errorf("%s: %s finds nothing", name, damage.args[0])
		}
	}
}
