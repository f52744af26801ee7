package vhd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

func footer(t testing.TB) []byte {
	t.Helper()
	b, err := vhd.Footer{Size: 1 << 20, Time: time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC), ID: guid.Derive(nil, "9")}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(r io.ReaderAt, size int64) (sparsetest.Disk, error) {
	d, err := vhd.Open(r, size)
	return d, err
}

func openBytes(b []byte) (*vhd.Disk, error) { return vhd.Open(bytes.NewReader(b), int64(len(b))) }

// openFile opens a file that lives as long as the test.
func openFile(t testing.TB, path string) *vhd.Disk {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d, err := vhd.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sum writes the checksum of a footer, or of a header, whose checksum is at another place.
func sum(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at:], 0)
	var sum uint32
	for _, c := range b {
		sum += uint32(c)
	}
	binary.BigEndian.PutUint32(b[at:], ^sum)
}

// dynamic is a dynamic VHD by hand: blocks of 4 KiB, of which the file holds the last and the first,
// in this order. The disk ends in the middle of its last block.
type dynamic struct {
	footer, header []byte
	bat            []uint32
	blocks         []byte
}

const (
	blockSize  = 4096
	footerSum  = 64
	headerSum  = 36
	headerAt   = 512
	batAt      = 1536
	blocksAt   = 2048
	blockTotal = 512 + blockSize
)

func newDynamic(t testing.TB) *dynamic {
	d := &dynamic{footer: footer(t), header: make([]byte, 1024), bat: []uint32{(blocksAt + blockTotal) / 512, 1<<32 - 1, 1<<32 - 1, blocksAt / 512}}
	binary.BigEndian.PutUint64(d.footer[16:], headerAt)
	binary.BigEndian.PutUint64(d.footer[48:], 3*blockSize+2048)
	binary.BigEndian.PutUint32(d.footer[60:], uint32(vhd.Dynamic))
	copy(d.header, "cxsparse\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")
	binary.BigEndian.PutUint64(d.header[16:], batAt)
	binary.BigEndian.PutUint32(d.header[24:], 0x00010000)
	binary.BigEndian.PutUint32(d.header[28:], uint32(len(d.bat)))
	binary.BigEndian.PutUint32(d.header[32:], blockSize)
	for i := range 2 {
		bitmap := make([]byte, 512)
		bitmap[0] = []byte{0xF0, 0b1010_0111}[i]
		d.blocks = append(append(d.blocks, bitmap...), bytes.Repeat([]byte{byte('A' + i)}, blockSize)...)
	}
	return d
}

// disk is what a reader should find.
func (d *dynamic) disk() []byte {
	b := make([]byte, 3*blockSize+2048)
	for i, c := range "B.B..BBB" {
		if c == 'B' {
			copy(b[512*i:], bytes.Repeat([]byte{'B'}, 512))
		}
	}
	copy(b[3*blockSize:], bytes.Repeat([]byte{'A'}, 2048))
	return b
}

func (d *dynamic) file() []byte {
	sum(d.footer, footerSum)
	sum(d.header, headerSum)
	b := append(bytes.Clone(d.footer), d.header...)
	for _, entry := range d.bat {
		b = binary.BigEndian.AppendUint32(b, entry)
	}
	b = append(b, bytes.Repeat([]byte{0xFF}, blocksAt-len(b))...)
	return append(append(b, d.blocks...), d.footer...)
}

func TestFixed(t *testing.T) {
	fixed := func() []byte { return append(bytes.Repeat([]byte("disk"), 1<<18), footer(t)...) }
	d, err := openBytes(fixed())
	if err != nil {
		t.Fatal(err)
	}
	f := d.Footer()
	if f.Size != 1<<20 || f.Kind != vhd.Fixed || f.ID != guid.Derive(nil, "9") || !f.Time.Equal(time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)) {
		t.Errorf("%+v", f)
	}
	if b, err := io.ReadAll(io.NewSectionReader(d, 0, 2<<20)); err != nil || !bytes.Equal(b, bytes.Repeat([]byte("disk"), 1<<18)) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for name, c := range map[string]struct {
		change func(b []byte)
		class  error
	}{
		"cookie":       {func(b []byte) { b[0] = 'C' }, fault.ErrCorrupt},
		"checksum":     {func(b []byte) { b[70]++ }, fault.ErrCorrupt},
		"differencing": {func(b []byte) { b[63] = 4 }, fault.ErrUnsupported},
		"version":      {func(b []byte) { b[13] = 2; sum(b, footerSum) }, fault.ErrUnsupported},
		"unknown type": {func(b []byte) { b[63] = 9; sum(b, footerSum) }, fault.ErrCorrupt},
		"no sectors":   {func(b []byte) { b[55] = 1; sum(b, footerSum) }, fault.ErrCorrupt},
		"cut off":      {func(b []byte) { b[53]++; sum(b, footerSum) }, fault.ErrCorrupt},
		"size":         {func(b []byte) { b[48] = 0xFF; sum(b, footerSum) }, fault.ErrCorrupt},
	} {
		b := fixed()
		c.change(b[1<<20:])
		if _, err := openBytes(b); !errors.Is(err, c.class) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDynamic reads a VHD whose sectors were not all written, as no program makes one that is at
// hand. QEMU and libvhdi read what happens to lie there, VirtualBox and DiscUtils zeros, as the
// specification has it; 7-Zip refuses the file.
func TestDynamic(t *testing.T) {
	image := newDynamic(t)
	for name, change := range map[string]func(b []byte) []byte{
		"whole":          func(b []byte) []byte { return b },
		"footer damaged": func(b []byte) []byte { b[len(b)-100]++; return b },
		"footer lost":    func(b []byte) []byte { return b[:len(b)-512] },
		"copy damaged":   func(b []byte) []byte { b[70]++; return b },
	} {
		b := change(image.file())
		info, describeErr := vhd.Describe(bytes.NewReader(b), int64(len(b)))
		d, err := openBytes(b)
		if err == nil && (describeErr != nil || info.Size != d.Size() || info.ID != d.Footer().ID) {
			t.Errorf("described as %+v, %v; opened as %+v", info, describeErr, d.Footer())
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(d, 0, 1<<20))
		if err != nil || !bytes.Equal(got, image.disk()) {
			t.Errorf("%s: %v", name, err)
		}
		if d.Footer().Kind != vhd.Dynamic {
			t.Errorf("%s: %+v", name, d.Footer())
		}
	}
}

// TestSevenZipAgrees on a VHD by hand whose sectors were all written.
func TestSevenZipAgrees(t *testing.T) {
	image := newDynamic(t)
	image.blocks[blockTotal] = 0xFF
	path := filepath.Join(t.TempDir(), "hand.vhd")
	if err := os.WriteFile(path, image.file(), 0o600); err != nil {
		t.Fatal(err)
	}
	sparsetest.Same(t, openFile(t, path), oracle.SevenZipDisk(t, path, "VHD"))
}

func TestDynamicRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *dynamic)
		says   string
	}{
		"header cookie":   {func(d *dynamic) { d.header[0] = 'X' }, "no header"},
		"block size":      {func(d *dynamic) { d.header[34] = 0x30 }, "power of two"},
		"tiny blocks":     {func(d *dynamic) { d.header[34] = 1 }, "power of two"},
		"few entries":     {func(d *dynamic) { d.header[31] = 3 }, "only 3 blocks"},
		"many entries":    {func(d *dynamic) { d.header[28] = 0xFF }, "past the end"},
		"table far away":  {func(d *dynamic) { d.header[16] = 0xFF }, "past the end"},
		"header far away": {func(d *dynamic) { d.footer[16] = 0x7F }, "VHD header at offset"},
	} {
		d := newDynamic(t)
		c.change(d)
		if _, err := openBytes(d.file()); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := newDynamic(t).file()
	b[headerAt+100]++
	if _, err := openBytes(b); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "header does not have its checksum") {
		t.Error(err)
	}
	other := newDynamic(t)
	other.footer[54] -= 2 // another size
	b = other.file()
	copy(b, newDynamic(t).file()[:512])
	if _, err := openBytes(b); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "another disk") {
		t.Error(err)
	}
	lost := newDynamic(t)
	lost.bat[1] = 1 << 30
	d, err := openBytes(lost.file())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := d.ReadAt(make([]byte, 3*blockSize), 0); n != blockSize || !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestDifferencing names the parent, in a file whose checksums are wrong, too.
func TestDifferencing(t *testing.T) {
	d := newDynamic(t)
	binary.BigEndian.PutUint32(d.footer[60:], uint32(vhd.Differencing))
	for i, c := range []rune("Eltern-ö.vhd") {
		binary.BigEndian.PutUint16(d.header[64+2*i:], uint16(c))
	}
	says := map[string][]byte{
		`parent, "Eltern-ö.vhd"`: d.file(),
		`parent, another file`:   newDynamic(t).file(),
	}
	for _, at := range []int{0, len(d.file()) - 512} {
		says["parent, another file"][at+63] = byte(vhd.Differencing)
	}
	for parent, b := range says {
		if _, err := openBytes(b); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), parent) {
			t.Errorf("%s: %v", parent, err)
		}
	}
}

func TestDifferencingSample(t *testing.T) {
	b := oracle.Sample(t, "vhd/log2timeline+dfvfs/test_data/image-differential.vhd")
	if _, err := openBytes(b); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), `"image.vhd"`) {
		t.Error(err)
	}
	// Its parent's footer has a wrong checksum: qemu-img refuses it, libvhdi does not look.
	b = oracle.Sample(t, "vhd/log2timeline+dfvfs/test_data/image.vhd")
	if _, err := openBytes(b); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "checksum") {
		t.Error(err)
	}
	sum(b[:512], footerSum)
	copy(b[len(b)-512:], b[:512])
	path := filepath.Join(t.TempDir(), "image.vhd")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sparsetest.Same(t, openFile(t, path), oracle.QemuImgConvert(t, path, "vpc", "raw", ""))
}

// TestSamples have sizes of their own: that of the disk now counts, not that of the disk once.
func TestSamples(t *testing.T) {
	for name, size := range map[string]int64{"minimal.vhd": 1_079_296, "original-size-mismatch.vhd": 2_123_776} {
		d, err := openBytes(oracle.Sample(t, "vhd/SecurityRonin+vhd-forensic/core/tests/data/"+name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := sparsetest.Look(t, d); err != nil || d.Size() != size {
			t.Errorf("%s: %d bytes, %v", name, d.Size(), err)
		}
	}
	dir := filepath.Join(oracle.SamplesDir(), "vhd/SecurityRonin+vhd-forensic/fuzz/corpus/fuzz_audit")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if _, err := openBytes(oracle.Sample(t, "vhd/SecurityRonin+vhd-forensic/fuzz/corpus/fuzz_audit/"+e.Name())); err == nil {
			t.Errorf("%s: no error for a footer and nothing else", e.Name())
		} else {
			sparsetest.Class(t, err)
		}
	}
}

// TestQemu reads what qemu-img makes.
func TestQemu(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for seed, options := range []string{
		"subformat=fixed", "subformat=fixed,force_size=on", "subformat=dynamic", "subformat=dynamic,force_size=on",
	} {
		raw := sparsetest.RandomDisk(t, 21<<20+512*int64(seed), uint64(seed))
		image := oracle.QemuImgConvert(t, raw, "raw", "vpc", options)
		if !strings.Contains(options, "force_size") { // the disk has grown to a whole number of cylinders
			raw = oracle.QemuImgConvert(t, image, "vpc", "raw", "")
		}
		d := openFile(t, image)
		sparsetest.Same(t, d, raw)
		dynamic := strings.Contains(options, "dynamic")
		if info := oracle.QemuImgInfo(t, image, "vpc"); info.VirtualSize != d.Size() || (d.Footer().Kind == vhd.Dynamic) != dynamic {
			t.Errorf("%s: %+v", options, d.Footer())
		}
	}
}

// TestLarge reads the ends of the largest disk.
func TestLarge(t *testing.T) {
	oracle.Need(t, "qemu-img")
	path := filepath.Join(t.TempDir(), "large.vhd")
	oracle.Run(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", path, "2040G")
	d := openFile(t, path)
	if err := sparsetest.Look(t, d); err != nil || d.Size() != vhd.MaxSize {
		t.Errorf("%d bytes, %v", d.Size(), err)
	}
}

func TestDamage(t *testing.T) {
	b := newDynamic(t).file()
	size := int64(len(b))
	ranges := []sparsetest.Range{{From: 0, To: blocksAt + 16}, {From: size - 512, To: size}}
	if refused := sparsetest.Damage(t, bytes.NewReader(b), size, 1, ranges, open); refused < 5000 {
		t.Errorf("%d damaged files were refused", refused)
	}
}

func FuzzOpen(f *testing.F) {
	image := newDynamic(f).file()
	f.Add(image, false)
	f.Add(image, true)
	f.Add(append(make([]byte, 1<<10), footer(f)...), true)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair { // without it hardly anything gets past the checksums
			for _, part := range []struct{ from, size, sum int }{{0, 512, footerSum}, {headerAt, 1024, headerSum}, {len(b) - 512, 512, footerSum}} {
				if part.from >= 0 && part.from+part.size <= len(b) {
					sum(b[part.from:part.from+part.size], part.sum)
				}
			}
		}
		info, describeErr := vhd.Describe(bytes.NewReader(b), int64(len(b)))
		d, err := openBytes(b)
		if err == nil && (describeErr != nil || info.Size != d.Size() || info.ID != d.Footer().ID) {
			t.Errorf("described as %+v, %v; opened as %+v", info, describeErr, d.Footer())
		}
		if err != nil {
			sparsetest.Class(t, err)
			return
		}
		_ = sparsetest.Look(t, d)
		for _, err := range d.Check() {
			sparsetest.Class(t, err)
		}
	})
}
