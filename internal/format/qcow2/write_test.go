package qcow2_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

func create(f *os.File, size int64) (sparsetest.FileWriter, error) { return qcow2.Create(f, size) }

func TestWrite(t *testing.T) {
	sparsetest.JudgeWriter(t, sparsetest.Format{
		Create: create, Open: open, QEMU: "qcow2", SevenZip: "QCOW", SevenZipUnit: 512,
		Sizes:   []int64{512, 1 << 20, 512 * 12_347, 37<<20 + 512, 64 << 20},
		Large:   []int64{1 << 40, 3<<40 + 512*7, 64 << 40, qcow2.MaxSize},
		MaxFile: 35 << 20, // of which the L1 table has up to 32
	})
}

// TestWriteCompressed does the same with clusters that are compressed.
func TestWriteCompressed(t *testing.T) {
	for sevenZip, method := range map[string]qcow2.Compression{"QCOW": qcow2.Deflate, "": qcow2.Zstandard} { // by 7-Zip's name
		t.Run(fmt.Sprint(method), func(t *testing.T) {
			sparsetest.JudgeWriter(t, sparsetest.Format{
				Create: func(f *os.File, size int64) (sparsetest.FileWriter, error) {
					return qcow2.CreateCompressed(f, size, method)
				},
				Open: open, QEMU: "qcow2", SevenZip: sevenZip, SevenZipUnit: 512,
				Sizes:   []int64{512, 1 << 20, 512 * 12_347, 37<<20 + 512, 64 << 20},
				Large:   []int64{1 << 40, 3<<40 + 512*7, 64 << 40},
				MaxFile: 2 << 20,
			})
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, size := range []int64{0, -512, 1000, qcow2.MaxSize + 512} {
		if _, err := qcow2.Create(nil, size); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestCheckCanFail damages a reference count, which qemu-img must see.
func TestCheckCanFail(t *testing.T) {
	oracle.Need(t, "qemu-img")
	const size, cluster = 5 << 20, 64 << 10
	raw := sparsetest.RandomDisk(t, size, 3)
	path := sparsetest.WriteFile(t, "disk.qcow2", func(f *os.File) (sparsetest.FileWriter, error) { return create(f, size) }, sparsetest.CopyFrom(t, raw, 3))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// The block of counts is the last cluster but one.
	if _, err := f.WriteAt([]byte{0, 0}, (info.Size()+cluster-1)/cluster*cluster-2*cluster); err != nil {
		t.Fatal(err)
	}
	if _, _, err := oracle.Try("qemu-img", "check", "-f", "qcow2", path); err == nil {
		t.Error("a missing reference was not found")
	}
}
