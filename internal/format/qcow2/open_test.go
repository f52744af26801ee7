package qcow2_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

const mib = 1 << 20

var be = binary.BigEndian

func open(r io.ReaderAt, size int64) (sparsetest.Disk, error) {
	d, err := qcow2.Open(r, size)
	return d, err
}

func openBytes(b []byte) (*qcow2.Disk, error) { return qcow2.Open(bytes.NewReader(b), int64(len(b))) }

// openFile opens a file that lives as long as the test.
func openFile(t testing.TB, path string) *qcow2.Disk {
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
	d, err := qcow2.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// convert makes a qcow2 image of a raw disk; how are options of qemu-img convert.
func convert(t testing.TB, raw string, how ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.qcow2")
	oracle.Run(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, how...), raw, path)...)
	return path
}

// TestQemu reads what qemu-img makes, with clusters of all sizes, of both versions, and compressed.
func TestQemu(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for i, options := range []string{
		"compat=0.10", "compat=0.10,cluster_size=4K", "compat=1.1", "cluster_size=512", "cluster_size=1K", "cluster_size=2M",
		"lazy_refcounts=on", "preallocation=metadata", "refcount_bits=1,cluster_size=8K", "extended_l2=on,cluster_size=16K", "extended_l2=on",
		"extended_l2=on,cluster_size=2M", "extended_l2=on,compression_type=zstd", "compression_type=zstd,cluster_size=4K",
		"compression_type=zstd", "compression_type=zstd,cluster_size=2M", "compression_type=zstd,cluster_size=512",
	} {
		raw := sparsetest.RandomDisk(t, 5*mib+512*int64(i), uint64(i))
		for _, how := range [][]string{{"-o", options}, {"-c", "-o", options}} {
			if how[0] == "-c" && strings.Contains(options, "preallocation") {
				continue
			}
			image := convert(t, raw, how...)
			d := openFile(t, image)
			sparsetest.Same(t, d, raw)
			info := oracle.QemuImgInfo(t, image, "qcow2")
			if info.VirtualSize != d.Size() || info.ClusterSize != d.Info().ClusterSize ||
				info.Specific.Data["compression-type"] == "zstd" != (d.Info().Compression == qcow2.Zstandard) ||
				info.Specific.Data["extended-l2"] == true != d.Info().ExtendedL2 {
				t.Errorf("%s: %+v, qemu-img says %+v", how, d.Info(), info)
			}
			if t.Failed() {
				t.Fatalf("%s", how)
			}
		}
	}
}

// TestChanged reads images that a virtual machine has used: with zeros written as such, parts thrown
// away, clusters rewritten that were compressed, and a snapshot.
func TestChanged(t *testing.T) {
	oracle.Need(t, "qemu-img", "qemu-io")
	for _, options := range []string{"compat=0.10", "cluster_size=64K", "cluster_size=512", "extended_l2=on", "extended_l2=on,cluster_size=16K,compression_type=zstd"} {
		for _, compressed := range []bool{false, true} {
			how := []string{"-o", options}
			if compressed {
				how = append(how, "-c")
			}
			image := convert(t, sparsetest.RandomDisk(t, 5*mib, 99), how...)
			oracle.Run(t, "qemu-img", "snapshot", "-c", "before", image)
			io := []string{"-f", "qcow2", "-d", "unmap"}
			for _, command := range []string{
				"write -P 0x11 1M 700K", "write -z 1200K 300K", "write -z -u 1800K 128K", "discard 2M 512K", "write -P 0x22 2100K 1K", "write -P 0x33 4999K 512",
				"write -z 2101K 1K", "write -P 0x44 2102K 3K", "write -P 0x55 0 512", "write -z 8K 2K",
			} {
				io = append(io, "-c", command)
			}
			oracle.Run(t, "qemu-io", append(io, image)...)
			sparsetest.Same(t, openFile(t, image), oracle.QemuImgConvert(t, image, "qcow2", "raw", ""))
			if t.Failed() {
				t.Fatal(options, compressed)
			}
		}
	}
}

// TestSevenZipAgrees asks another reader than the one that wrote the image.
func TestSevenZipAgrees(t *testing.T) {
	oracle.Need(t, "qemu-img")
	raw := sparsetest.RandomDisk(t, 5*mib, 5)
	for _, how := range [][]string{{"-o", "compat=0.10"}, {"-c", "-o", "cluster_size=32K"}} {
		image := convert(t, raw, how...)
		sparsetest.Same(t, openFile(t, image), oracle.SevenZipDisk(t, image, "QCOW"))
	}
}

// TestLarge reads the ends of a large disk.
func TestLarge(t *testing.T) {
	oracle.Need(t, "qemu-img", "qemu-io")
	path := filepath.Join(t.TempDir(), "large.qcow2")
	oracle.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", path, "4P")
	oracle.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 0x61 4095T 1M", path)
	d := openFile(t, path)
	p := make([]byte, mib)
	if n, err := d.ReadAt(p, 4095<<40); n != mib || !bytes.Equal(p, bytes.Repeat([]byte{0x61}, mib)) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := sparsetest.Look(t, d); err != nil || d.Size() != 4<<50 {
		t.Errorf("%d bytes, %v", d.Size(), err)
	}
}

// TestOthersNeeded refuses what QEMU makes of more than one file, or encrypted.
func TestOthersNeeded(t *testing.T) {
	oracle.Need(t, "qemu-img")
	dir := t.TempDir()
	raw := sparsetest.RandomDisk(t, mib, 1)
	for says, how := range map[string][]string{
		`in its backing file, "` + raw + `"`:  {"-b", raw, "-F", "raw"},
		`data are in "` + dir + `/data.raw"`:  {"-o", "data_file=" + dir + "/data.raw"},
		"encrypted (AES)":                     {"--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"},
		`in its backing file, "json:{\"dri`:   {"-b", `json:{"driver":"raw","file":{"driver":"file","filename":"` + raw + `"}}`, "-F", "raw"},
		`in its backing file, "` + raw + `";`: {"-o", "compat=0.10", "-b", raw, "-F", "raw"},
	} {
		path := filepath.Join(dir, "x.qcow2")
		oracle.Run(t, "qemu-img", append(append([]string{"create", "-q", "-f", "qcow2"}, how...), path, "1M")...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openBytes(b); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestLUKS refuses an encrypted disk by the first cluster of one that qemu-img made:
//
//	qemu-img create -f qcow2 --object secret,id=s,data=x \
//		-o encrypt.format=luks,encrypt.key-secret=s,cluster_size=512 luks.qcow2 1M
//
// It is not made anew because qemu-img times the CPU for it, and gives up on a fast one
// whose clock is coarse ("Unable to get accurate CPU usage").
func TestLUKS(t *testing.T) {
	if _, err := openBytes(seed(t, "qemu-luks.head")); !errors.Is(err, fault.ErrUnsupported) ||
		!strings.Contains(err.Error(), "encrypted (LUKS)") {
		t.Error(err)
	}
}

// seed reads an image of testdata. With the disk raw that hand.raw was copied from:
//
//	qemu-img convert -c -O qcow2 -o cluster_size=512,refcount_bits=1 hand.raw qemu-512.qcow2
//	qemu-img convert -c -O qcow2 -o cluster_size=512,refcount_bits=1,compression_type=zstd hand.raw qemu-512-zstd.qcow2
//	qemu-io -c "write -P 0x7a 512 1K" -c "write -z 8K 1K"   of both
func seed(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var seeds = []string{"qemu-512.qcow2", "qemu-512-zstd.qcow2"}

// seedDisk is what the images of testdata hold.
func seedDisk() []byte {
	b := make([]byte, 16<<10)
	copy(b[4<<10:], strings.Repeat("winbake reads qcow2 ", 100))
	copy(b[512:], bytes.Repeat([]byte{0x7A}, 1<<10))
	copy(b[12<<10:], strings.Repeat("0123456789abcdef", 32))
	return b
}

func TestSeeds(t *testing.T) {
	for _, name := range seeds {
		d, err := openBytes(seed(t, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(d, 0, mib))
		if err != nil || !bytes.Equal(got, seedDisk()) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b []byte)
		class  error
		says   string
	}{
		"signature":       {func(b []byte) { b[3]++ }, fault.ErrCorrupt, "no qcow2"},
		"version 1":       {func(b []byte) { b[7] = 1 }, fault.ErrUnsupported, "version 1"},
		"version 4":       {func(b []byte) { b[7] = 4 }, fault.ErrUnsupported, "version 4"},
		"short header":    {func(b []byte) { b[103] = 96 }, fault.ErrCorrupt, "96 bytes"},
		"long header":     {func(b []byte) { b[101] = 0xFF }, fault.ErrCorrupt, "header has"},
		"corrupt":         {func(b []byte) { b[79] |= 2 }, fault.ErrCorrupt, "qemu-img check"},
		"unknown feature": {func(b []byte) { b[78] = 0x10; b[72] = 0x80 }, fault.ErrUnsupported, "bit 12, incompatible feature bit 63, which"},
		"named feature": {func(b []byte) {
			b[79] |= 0x20
			copy(b[be.Uint32(b[100:]):], "\x68\x03\xF8\x57\x00\x00\x00\x60\x01\x05compatible")
			copy(b[be.Uint32(b[100:])+56:], "\x00\x05flux")
		}, fault.ErrUnsupported, `bit 5 ("flux"), which`},
		"method":            {func(b []byte) { b[104] = 2; b[79] |= 8 }, fault.ErrUnsupported, "method 2"},
		"method or feature": {func(b []byte) { b[104] ^= 1 }, fault.ErrCorrupt, "contradict"},
		"backing name":      {func(b []byte) { b[15] = 200 }, fault.ErrCorrupt, "name of the backing file has 0"},
		"long backing name": {func(b []byte) { b[15], b[18] = 200, 8 }, fault.ErrCorrupt, "name of the backing file has 2048"},
		"lost backing name": {func(b []byte) { b[8], b[19] = 9, 8 }, fault.ErrCorrupt, "8 bytes should be here"},
		"encryption":        {func(b []byte) { b[35] = 7 }, fault.ErrUnsupported, "method 7"},
		"small clusters":    {func(b []byte) { b[23] = 8 }, fault.ErrCorrupt, "2^8 bytes"},
		"large clusters":    {func(b []byte) { b[23] = 22 }, fault.ErrCorrupt, "2^22 bytes"},
		"huge clusters":     {func(b []byte) { b[20] = 0xFF }, fault.ErrCorrupt, "clusters of"},
		"small subclusters": {func(b []byte) { b[79] |= 16 }, fault.ErrCorrupt, "too small for subclusters"},
		"no size":           {func(b []byte) { clear(b[24:32]) }, fault.ErrCorrupt, "disk has 0 bytes"},
		"negative size":     {func(b []byte) { b[24] = 0x80 }, fault.ErrCorrupt, "disk has -"},
		"small L1":          {func(b []byte) { clear(b[36:40]) }, fault.ErrCorrupt, "cannot hold"},
		"large L1":          {func(b []byte) { b[36] = 0xFF }, fault.ErrCorrupt, "past the end"},
		"L1 far away":       {func(b []byte) { b[41] = 1 }, fault.ErrCorrupt, "past the end"},
		"L1 unaligned":      {func(b []byte) { b[47] = 8 }, fault.ErrCorrupt, "not at the start of a cluster"},
	} {
		b := bytes.Clone(seed(t, "qemu-512.qcow2"))
		c.change(b)
		if _, err := openBytes(b); !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for size := range 104 {
		if _, err := openBytes(seed(t, "qemu-512.qcow2")[:size]); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestBadTables are errors when they are read.
func TestBadTables(t *testing.T) {
	l1 := func(b []byte) []byte { return b[be.Uint64(b[40:]):] }
	l2 := func(b []byte) []byte { return b[be.Uint64(l1(b))&^(1<<63):] }
	const packed = 8 // the first cluster that is compressed
	for name, c := range map[string]struct {
		change func(b []byte)
		says   string
	}{
		"L2 far away":        {func(b []byte) { l1(b)[2] = 1 }, "8 bytes should be here"},
		"cluster far away":   {func(b []byte) { l2(b)[8+2] = 1 }, "qcow2 cluster at offset"},
		"packed far away":    {func(b []byte) { l2(b)[8*packed+2] = 1 }, "qcow2 compressed cluster at offset"},
		"packed is nonsense": {func(b []byte) { l2(b)[8*packed+7] += 2 }, "it does not expand"},
	} {
		for _, name2 := range seeds {
			b := bytes.Clone(seed(t, name2))
			c.change(b)
			d, err := openBytes(b)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := d.ReadAt(make([]byte, d.Size()), 0); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s in %s: %d bytes, %v", name, name2, n, err)
			}
		}
	}
}

// TestDirty reads an image whose reference counts may be wrong: they matter to writers only.
func TestDirty(t *testing.T) {
	b := bytes.Clone(seed(t, "qemu-512.qcow2"))
	b[79] |= 1
	d, err := openBytes(b)
	if err != nil || !d.Info().Dirty {
		t.Fatal(err)
	}
	if err := sparsetest.Look(t, d); err != nil {
		t.Error(err)
	}
}

// extended is an image by hand with subclusters of 512 bytes: the pieces of a file of clusters of
// 16 KiB. The first cluster has data, zeros and nothing by turns, the second is data, the third
// zeros, the fourth has nothing.
func extended() [][]byte {
	header, l1, l2, data := make([]byte, 112), make([]byte, 8), make([]byte, 64), bytes.Repeat([]byte("subclust"), 64)
	copy(header, qcow2.Signature)
	be.PutUint32(header[4:], 3)
	be.PutUint32(header[20:], 14)
	be.PutUint64(header[24:], 60<<10)
	be.PutUint32(header[36:], 1)
	be.PutUint64(header[40:], 16<<10)
	be.PutUint64(header[48:], 80<<10) // reference counts; QEMU wants a table, if only an empty one
	be.PutUint32(header[56:], 1)
	be.PutUint64(header[72:], 16)
	be.PutUint32(header[96:], 4)
	be.PutUint32(header[100:], 112)
	be.PutUint64(l1, 1<<63|32<<10)
	be.PutUint64(l2, 1<<63|48<<10)
	be.PutUint64(l2[8:], 0x0000_FF00_F00F_00FF) // zeros, data
	be.PutUint64(l2[16:], 1<<63|64<<10)
	be.PutUint64(l2[24:], 0x0000_0000_FFFF_FFFF)
	be.PutUint64(l2[40:], 0xFFFF_FFFF_0000_0000)
	return [][]byte{header, l1, l2, data, data, nil}
}

// spread puts pieces at the starts of clusters of 16 KiB.
func spread(pieces [][]byte) *sparsetest.Image {
	m := &sparsetest.Image{Size: int64(len(pieces)) << 14}
	for i, p := range pieces {
		m.Pieces = append(m.Pieces, sparsetest.Piece{Offset: int64(i) << 14, Data: p})
	}
	return m
}

func TestExtendedByHand(t *testing.T) {
	pieces := extended()
	pieces[3] = bytes.Repeat([]byte("subclusters "), 16<<10/12+1)[:16<<10]
	pieces[4] = bytes.Repeat([]byte("other clusters "), 16<<10/15+1)[:16<<10]
	m := spread(pieces)
	d, err := qcow2.Open(m, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append(bytes.Clone(pieces[3]), pieces[4]...), make([]byte, 28<<10)...)
	clear(want[8*512 : 16*512])
	clear(want[20*512 : 28*512])
	got, err := io.ReadAll(io.NewSectionReader(d, 0, mib))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	path := m.Write(t, "extended.qcow2")
	sparsetest.Same(t, d, oracle.QemuImgConvert(t, path, "qcow2", "raw", ""))

	for says, change := range map[string]func(){
		"data and zeros at once":  func() { pieces[2][11] = 1 },
		"not at the start of a c": func() { pieces[1][6] = 0x82 },
		"where the header is":     func() { pieces[2][8] = 0; clear(pieces[2][:8]) },
		"no multiple of the clus": func() { pieces[2][6] = 2 },
	} {
		pieces = extended()
		change()
		m := spread(pieces)
		d, err := qcow2.Open(m, m.Size)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadAt(make([]byte, 16<<10), 0); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestDamage(t *testing.T) {
	for _, name := range seeds {
		b := seed(t, name)
		size := int64(len(b))
		sparsetest.Damage(t, bytes.NewReader(b), size, 7, []sparsetest.Range{{From: 0, To: size}}, open)
	}
	m := spread(extended())
	var ranges []sparsetest.Range
	for _, p := range m.Pieces[:3] {
		ranges = append(ranges, sparsetest.Range{From: p.Offset, To: p.Offset + int64(len(p.Data))})
	}
	sparsetest.Damage(t, m, m.Size, 1009, ranges, open)
}

// FuzzOpen opens files of 512-byte clusters as they are, and spreads pieces of 512 bytes to clusters
// of 16 KiB, as subclusters need.
func FuzzOpen(f *testing.F) {
	for _, name := range seeds {
		f.Add(seed(f, name), false)
	}
	var pieces []byte
	for _, p := range extended() {
		pieces = append(pieces, append(p, make([]byte, 512-len(p))...)...)
	}
	f.Add(pieces, true)
	f.Fuzz(func(t *testing.T, b []byte, wide bool) {
		m := &sparsetest.Image{Size: int64(len(b)), Pieces: []sparsetest.Piece{{Data: b}}}
		if wide {
			var pieces [][]byte
			for ; len(b) >= 512 && len(pieces) < 16; b = b[512:] {
				pieces = append(pieces, b[:512])
			}
			m = spread(pieces)
		}
		details, describeErr := qcow2.Describe(m, m.Size)
		d, err := qcow2.Open(m, m.Size)
		if err == nil && (describeErr != nil || details.Size != d.Size() || details.ClusterSize != d.Info().ClusterSize || details.Compression != d.Info().Compression) {
			t.Errorf("%+v, %v; opened as %+v", details, describeErr, d.Info())
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
