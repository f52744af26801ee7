package vhd_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func write(t *testing.T, size int64) string {
	t.Helper()
	footer, err := vhd.Footer{Size: size, Time: time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), ID: guid.Derive(nil, "9")}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.vhd", size))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(footer, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestQemuSeesTheSize covers each branch of the geometry, and sizes that CHS cannot express.
func TestQemuSeesTheSize(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for _, size := range []int64{1 << 20, 17 << 20, 300 << 20, 512 * 1_000_003, 24 << 30, 40 << 30, 127 << 30, 200<<30 + 512, 2040 << 30} {
		var info struct {
			VirtualSize int64  `json:"virtual-size"`
			Format      string `json:"format"`
		}
		out := oracle.Run(t, "qemu-img", "info", "--output=json", "-f", "vpc", write(t, size))
		if err := json.Unmarshal([]byte(out), &info); err != nil {
			t.Fatal(err)
		}
		if info.VirtualSize != size || info.Format != "vpc" {
			t.Errorf("%d bytes: qemu-img sees %d (%s)", size, info.VirtualSize, info.Format)
		}
	}
}

// TestGeometry compares the geometry with that of QEMU's VHDs, in each branch of the calculation. Without
// force_size QEMU makes a disk as large as its geometry, so that both calculate it from the same size.
func TestGeometry(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for _, size := range []string{"1M", "17M", "68M", "100M", "255M", "504M", "505M", "1000M", "2G", "4G", "8G", "31G", "32G", "127G"} {
		path := filepath.Join(t.TempDir(), "x.vhd")
		oracle.Run(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=dynamic", path, size)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		theirs := make([]byte, vhd.FooterSize)
		if _, err := f.ReadAt(theirs, 0); err != nil {
			t.Fatal(err)
		}
		const geometry, end, currentSize = 56, 60, 48
		ours, err := vhd.Footer{Size: int64(binary.BigEndian.Uint64(theirs[currentSize:]))}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ours[geometry:end], theirs[geometry:end]; !bytes.Equal(got, want) {
			t.Errorf("%s: % x, QEMU has % x", size, got, want)
		}
	}
}

func TestVhdiinfoAgrees(t *testing.T) {
	oracle.Need(t, "vhdiinfo")
	oracle.Run(t, "vhdiinfo", write(t, 24<<30))
}

func TestQemuCanFail(t *testing.T) {
	oracle.Need(t, "qemu-img")
	path := write(t, 1<<20)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{'C'}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := oracle.Try("qemu-img", "info", "-f", "vpc", path); err == nil {
		t.Error("qemu-img accepts a footer with a broken cookie")
	}
}

func TestRefusals(t *testing.T) {
	for _, size := range []int64{0, 513, 2041 << 30} {
		if _, err := (vhd.Footer{Size: size}).Marshal(); err == nil {
			t.Errorf("%d bytes: no error", size)
		}
	}
}
