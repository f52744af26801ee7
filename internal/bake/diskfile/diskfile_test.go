package diskfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// TestFormats opens the same disk in all formats, whatever the files are called.
func TestFormats(t *testing.T) {
	oracle.Need(t, "qemu-img")
	raw := sparsetest.RandomDisk(t, 5<<20, 1)
	for _, c := range []struct{ format, options, want string }{
		{"raw", "", diskfile.Raw}, {"vpc", "subformat=fixed,force_size=on", diskfile.FixedVHD}, {"vpc", "subformat=dynamic,force_size=on", diskfile.DynamicVHD},
		{"vhdx", "", diskfile.VHDX}, {"vhdx", "subformat=fixed", diskfile.VHDX}, {"qcow2", "", diskfile.QCOW2}, {"qcow2", "compat=0.10", diskfile.QCOW2},
	} {
		f, err := os.Open(oracle.QemuImgConvert(t, raw, "raw", c.format, c.options))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		disk, size, format, err := diskfile.Open(f, info.Size(), "x")
		if err != nil || format != c.want {
			t.Errorf("%s %s: %q, %v", c.format, c.options, format, err)
			continue
		}
		sparsetest.Same(t, io.NewSectionReader(disk, 0, size), raw)
	}
}

// TestRaw is what no other format claims, down to nothing.
func TestRaw(t *testing.T) {
	for _, text := range []string{"", "x", "QFI", "vhdxfil", "conectix", strings.Repeat("disk", 1000)} {
		disk, size, format, err := diskfile.Open(strings.NewReader(text), int64(len(text)), "x")
		if err != nil || size != int64(len(text)) || format != diskfile.Raw {
			t.Errorf("%.10q: %d, %q, %v", text, size, format, err)
			continue
		}
		if got, err := io.ReadAll(io.NewSectionReader(disk, 0, size)); err != nil || string(got) != text {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	for _, b := range [][]byte{
		[]byte("QFI\xFB"), []byte("vhdxfile"), append([]byte("conectix"), make([]byte, 504)...), append(make([]byte, 512), append([]byte("conectix"), make([]byte, 504)...)...),
	} {
		disk, size, format, err := diskfile.Open(bytes.NewReader(b), int64(len(b)), "the file")
		if !errors.Is(err, fault.ErrCorrupt) || !strings.HasPrefix(err.Error(), "the file") || disk != nil || size != 0 || format != "" {
			t.Errorf("%.10q: %v, %d, %q, %v", b, disk, size, format, err)
		}
	}
}

// TestGuestsFooter opens a qcow2 image whose last cluster holds a VHD's footer that is the guest's.
func TestGuestsFooter(t *testing.T) {
	b := append([]byte("QFI\xFB\x00\x00\x00\x04"), make([]byte, 504)...)
	b = append(b, append([]byte("conectix"), make([]byte, 504)...)...)
	if _, _, _, err := diskfile.Open(bytes.NewReader(b), int64(len(b)), "x"); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "qcow2") {
		t.Error(err)
	}
}
