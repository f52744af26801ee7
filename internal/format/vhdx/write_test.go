package vhdx_test

import (
	"errors"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

func create(f *os.File, size int64) (sparsetest.FileWriter, error) {
	return vhdx.Create(f, vhdx.Options{Size: size, ID: guid.Derive(nil, "disk"), FileWrite: guid.Derive(nil, "file"), DataWrite: guid.Derive(nil, "data")})
}

func TestWrite(t *testing.T) {
	sparsetest.JudgeWriter(t, sparsetest.Format{
		Create: create, Open: open, QEMU: "vhdx", SevenZip: "VHDX", SevenZipUnit: 4096,
		Sizes:   []int64{512, 1 << 20, 512 * 12_347, 77<<20 + 512, 64 << 20},
		Large:   []int64{1 << 40, 3<<40 + 512*7, vhdx.MaxSize},
		MaxFile: 160 << 20,
	})
}

// TestWriteTells reads what the metadata tell.
func TestWriteTells(t *testing.T) {
	const size = 3<<30 + 4096
	path := sparsetest.WriteFile(t, "disk.vhdx", func(f *os.File) (sparsetest.FileWriter, error) { return create(f, size) }, func(sparsetest.FileWriter) error { return nil })
	want := vhdx.Info{Size: size, BlockSize: 32 << 20, LogicalSector: 512, PhysicalSector: 4096, ID: guid.Derive(nil, "disk")}
	if got := openFile(t, path).Info(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, size := range []int64{0, -512, 1000, vhdx.MaxSize + 512} {
		if _, err := create(nil, size); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestCheckCanFail sends a block of the BAT past the file's end, which qemu-img must see.
func TestCheckCanFail(t *testing.T) {
	oracle.Need(t, "qemu-img")
	const size, bat = 5 << 20, 3 << 20
	raw := sparsetest.RandomDisk(t, size, 3)
	path := sparsetest.WriteFile(t, "disk.vhdx", func(f *os.File) (sparsetest.FileWriter, error) { return create(f, size) }, sparsetest.CopyFrom(t, raw, 3))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xFF}, bat+3); err != nil {
		t.Fatal(err)
	}
	if _, _, err := oracle.Try("qemu-img", "check", "-f", "vhdx", path); err == nil {
		t.Error("a block that is not in the file was not found")
	}
}
