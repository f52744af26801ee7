package vhd_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func footer(t testing.TB) []byte {
	t.Helper()
	b, err := vhd.Footer{Size: 1 << 20, Time: time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC), ID: guid.Derive(nil, "9")}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	const size = 1<<20 + vhd.FooterSize
	f, err := vhd.Parse(footer(t), size)
	if err != nil || f.Size != 1<<20 || f.ID != guid.Derive(nil, "9") || !f.Time.Equal(time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)) {
		t.Errorf("%+v, %v", f, err)
	}
	for name, c := range map[string]struct {
		change func(b []byte)
		size   int64
		class  error
	}{
		"cookie":       {func(b []byte) { b[0] = 'C' }, size, fault.ErrCorrupt},
		"checksum":     {func(b []byte) { b[70]++ }, size, fault.ErrCorrupt},
		"dynamic":      {func(b []byte) { b[63] = 3 }, size, fault.ErrUnsupported},
		"differencing": {func(b []byte) { b[63] = 4 }, size, fault.ErrUnsupported},
		"unknown type": {func(b []byte) { b[63] = 9 }, size, fault.ErrCorrupt},
		"cut off":      {func([]byte) {}, size - 512, fault.ErrCorrupt},
	} {
		b := footer(t)
		c.change(b)
		if _, err := vhd.Parse(b, c.size); !errors.Is(err, c.class) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseQemu reads what qemu-img makes: fixed VHDs with rounded and exact sizes, and a dynamic one.
func TestParseQemu(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for options, class := range map[string]error{
		"subformat=fixed": nil, "subformat=fixed,force_size=on": nil, "subformat=dynamic": fault.ErrUnsupported,
	} {
		path := filepath.Join(t.TempDir(), "x.vhd")
		oracle.Run(t, "qemu-img", "create", "-f", "vpc", "-o", options, path, "64M")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := vhd.Parse(b[len(b)-vhd.FooterSize:], int64(len(b)))
		if !errors.Is(err, class) {
			t.Errorf("%s: %v", options, err)
		}
		if info := oracle.QemuImgInfo(t, path, "vpc"); class == nil && f.Size != info.VirtualSize {
			t.Errorf("%s: %d bytes, qemu-img sees %d", options, f.Size, info.VirtualSize)
		}
		if class == nil && !strings.HasPrefix(string(b[f.Size:]), vhd.Cookie) {
			t.Errorf("%s: the footer does not follow the disk", options)
		}
	}
}

func FuzzParse(f *testing.F) {
	b := footer(f)
	f.Add(b, int64(1<<20+512))
	binary.BigEndian.PutUint64(b[48:], 1<<63)
	f.Add(b, int64(512))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if f, err := vhd.Parse(b, size); err == nil && (f.Size <= 0 || f.Size > size-vhd.FooterSize) {
			t.Errorf("%+v of %d bytes", f, size)
		}
	})
}
