package vhdx_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

func open(r io.ReaderAt, size int64) (sparsetest.Disk, error) {
	d, err := vhdx.Open(r, size)
	return d, err
}

// openFile opens a file that lives as long as the test.
func openFile(t testing.TB, path string) *vhdx.Disk {
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
	d, err := vhdx.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// refused fails the test unless an image is refused with an error of a class that says something.
func refused(t *testing.T, name string, m *sparsetest.Image, class error, says string) {
	t.Helper()
	if _, err := vhdx.Open(m, m.Size); !errors.Is(err, class) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v", name, err)
	}
}

// TestByHand reads blocks in all states and sectors of both sizes, and has qemu-img and 7-Zip read the
// same.
func TestByHand(t *testing.T) {
	for _, logicalSector := range []uint32{512, 4096} {
		image := newImage(logicalSector)
		d, err := vhdx.Open(image, image.Size)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, diskSize)
		for _, block := range []int{0, 2, 5} {
			copy(want[block*mib:], bytes.Repeat([]byte{byte('A' + block)}, mib))
		}
		got, err := io.ReadAll(io.NewSectionReader(d, 0, 2*diskSize))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		info := vhdx.Info{Size: diskSize, BlockSize: mib, LogicalSector: int64(logicalSector), PhysicalSector: 4096, ID: diskID}
		if d.Info() != info {
			t.Errorf("%+v", d.Info())
		}
		if logicalSector == 512 { // QEMU and 7-Zip refuse others
			path := image.Write(t, "hand.vhdx")
			sparsetest.Same(t, d, oracle.SevenZipDisk(t, path, "VHDX"))
			sparsetest.Same(t, d, oracle.QemuImgConvert(t, path, "vhdx", "raw", ""))
		}
	}
}

// TestTwice reads files of which one of each two structures is damaged.
func TestTwice(t *testing.T) {
	for _, pieces := range [][]int{{pieceHeader1}, {pieceHeader2}, {pieceRegions1}, {pieceRegions2}, {pieceHeader1, pieceRegions2}} {
		m := newImage(512)
		for _, i := range pieces {
			m.Pieces[i].Data[4000]++
		}
		d, err := vhdx.Open(m, m.Size)
		if err != nil {
			t.Errorf("%v: %v", pieces, err)
			continue
		}
		if err := sparsetest.Look(t, d); err != nil {
			t.Error(err)
		}
	}
	for says, pieces := range map[string][]int{"two headers": {pieceHeader1, pieceHeader2}, "two tables": {pieceRegions1, pieceRegions2}} {
		m := newImage(512)
		for _, i := range pieces {
			m.Pieces[i].Data[4000]++
		}
		refused(t, says, m, fault.ErrCorrupt, says)
	}
}

// TestCurrentHeader is the one with the higher sequence number, whichever it is.
func TestCurrentHeader(t *testing.T) {
	for _, at := range []int{pieceHeader1, pieceHeader2} {
		m := newImage(512)
		le.PutUint64(m.Pieces[at].Data[8:], 1<<40)
		setDirty(m) // header 1, whose log is empty
		_, err := vhdx.Open(m, m.Size)
		if dirty := at == pieceHeader1; (err != nil) != dirty {
			t.Error(at, err)
		}
	}
}

// TestSameSequence has two sound headers with one number: they must be the same, as QEMU has it, too.
func TestSameSequence(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for name, c := range map[string]struct {
		change func(b []byte)
		says   string
	}{
		"same":   {func([]byte) {}, ""},
		"differ": {func(b []byte) { b[20]++ }, "neither is current"},
	} {
		m := newImage(512)
		copy(m.Pieces[pieceHeader2].Data, m.Pieces[pieceHeader1].Data)
		c.change(m.Pieces[pieceHeader2].Data)
		sealAll(m)
		if _, _, err := oracle.Try("qemu-img", "info", "-f", "vhdx", m.Write(t, "x.vhdx")); (err == nil) != (c.says == "") {
			t.Errorf("%s: qemu-img: %v", name, err)
		}
		if c.says != "" {
			refused(t, name, m, fault.ErrCorrupt, c.says)
		} else if _, err := vhdx.Open(m, m.Size); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *sparsetest.Image)
		class  error
		says   string
	}{
		"signature":         {func(m *sparsetest.Image) { m.Pieces[pieceID].Data[0]++ }, fault.ErrCorrupt, "no VHDX"},
		"version":           {func(m *sparsetest.Image) { m.Pieces[pieceHeader1].Data[66] = 2 }, fault.ErrUnsupported, "version 2"},
		"unknown region":    {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[16]++ }, fault.ErrUnsupported, "region 2dc27767-"},
		"no BAT":            {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[8] = 0 }, fault.ErrCorrupt, "block allocation table, 0 bytes"},
		"many regions":      {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[10] = 1 }, fault.ErrCorrupt, "more than fit"},
		"BAT's place":       {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[33]++ }, fault.ErrCorrupt, "whole MiB"},
		"BAT far away":      {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[35]++ }, fault.ErrCorrupt, "past the end"},
		"BAT farther away":  {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[39] = 0x80 }, fault.ErrCorrupt, "whole MiB"},
		"metadata far away": {func(m *sparsetest.Image) { m.Pieces[pieceRegions1].Data[67]++ }, fault.ErrCorrupt, "metadata region"},
		"metadata table":    {func(m *sparsetest.Image) { m.Pieces[pieceMetadata].Data[0]++ }, fault.ErrCorrupt, "no metadata table"},
		"many items":        {func(m *sparsetest.Image) { m.Pieces[pieceMetadata].Data[11] = 9 }, fault.ErrCorrupt, "more than fit"},
		"unknown item":      {func(m *sparsetest.Image) { m.Pieces[pieceMetadata].Data[32]++ }, fault.ErrUnsupported, "item caa16738-"},
		"no parameters":     {func(m *sparsetest.Image) { m.Pieces[pieceMetadata].Data[10] = 0 }, fault.ErrCorrupt, "no file parameters"},
		"item twice": {func(m *sparsetest.Image) {
			copy(m.Pieces[pieceMetadata].Data[96:112], m.Pieces[pieceMetadata].Data[32:])
		}, fault.ErrCorrupt, "twice"},
		"item in table":   {func(m *sparsetest.Image) { m.Pieces[pieceMetadata].Data[50] = 0 }, fault.ErrCorrupt, "between the table"},
		"item too long":   {func(m *sparsetest.Image) { m.Pieces[pieceMetadata].Data[54] = 0x10 }, fault.ErrCorrupt, "between the table"},
		"block size":      {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[2] = 0x30 }, fault.ErrCorrupt, "powers of two"},
		"small blocks":    {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[2] = 0x08 }, fault.ErrCorrupt, "powers of two"},
		"no size":         {func(m *sparsetest.Image) { clear(m.Pieces[pieceItems].Data[8:16]) }, fault.ErrCorrupt, "a disk of 0 bytes"},
		"size":            {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[8]++ }, fault.ErrCorrupt, "whole sectors"},
		"giant":           {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[15] = 0x7F }, fault.ErrCorrupt, "64 TiB"},
		"larger than BAT": {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[13] = 0x10 }, fault.ErrCorrupt, "needs"},
		"logical sector":  {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[33] = 4 }, fault.ErrCorrupt, "logical sectors of 1024"},
		"physical sector": {func(m *sparsetest.Image) { m.Pieces[pieceItems].Data[37] = 4 }, fault.ErrCorrupt, "physical sectors of 1024"},
		"log version":     {func(m *sparsetest.Image) { m.Pieces[pieceHeader1].Data[64] = 1; setDirty(m) }, fault.ErrUnsupported, "log of version 1"},
		"log's place":     {func(m *sparsetest.Image) { m.Pieces[pieceHeader1].Data[72] = 1; setDirty(m) }, fault.ErrCorrupt, "VHDX log: the log"},
		"large log": {func(m *sparsetest.Image) {
			m.Pieces[pieceHeader1].Data[71] = 2
			m.Size = 64 * mib
			setDirty(m)
		}, fault.ErrUnsupported, "33 MiB, more than 16; mount it once in Windows"},
		"empty log": {setDirty, fault.ErrCorrupt, "no sequence of its entries is whole"},
	} {
		m := newImage(512)
		c.change(m)
		sealAll(m)
		refused(t, name, m, c.class, c.says)
	}
}

// TestBadBlocks are errors when they are read.
func TestBadBlocks(t *testing.T) {
	for says, entry := range map[string]uint64{
		"has state 7": blocksAt | 7, "has state 4": blocksAt | 4, "cannot be at 0 MiB": 6, "500 bytes should be here, but": 100*mib | 6,
		"cannot be at 8796093022208 MiB": 1<<63 | 6,
	} {
		m := newImage(512)
		le.PutUint64(m.Pieces[pieceBAT].Data[8*9:], entry)
		d, err := vhdx.Open(m, m.Size)
		if err != nil {
			t.Fatal(err)
		}
		n, err := d.ReadAt(make([]byte, 1000), 9*mib-500)
		if n != 500 || !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %d bytes, %v", says, n, err)
		}
	}
}

// TestUnknownItems that are not required, and users' own, are passed over.
func TestUnknownItems(t *testing.T) {
	m := newImage(512)
	setItems(m, 5, []item{{"00000000-0000-4000-8000-000000000001", 0, []byte("x")}, {"2fa54224-cd1b-4876-b211-5dbed83bf4b8", 1, []byte("user's")}})
	if d, err := vhdx.Open(m, m.Size); err != nil || d.Size() != diskSize {
		t.Error(err)
	}
	setItems(m, 7, []item{{"2fa54224-cd1b-4876-b211-5dbed83bf4b8", 5, []byte("user's")}})
	refused(t, "required", m, fault.ErrUnsupported, "a reader must know")
}

// TestDifferencing names the parent by the best name that there is.
func TestDifferencing(t *testing.T) {
	locator := func(values ...string) []byte {
		b := make([]byte, 20+6*len(values))
		le.PutUint16(b[18:], uint16(len(values)/2))
		for i, value := range values {
			text := utf16le.Encode(value)
			at := 20 + 12*(i/2)
			le.PutUint32(b[at+4*(i%2):], uint32(len(b)))
			le.PutUint16(b[at+8+2*(i%2):], uint16(len(text)))
			b = append(b, text...)
		}
		return b
	}
	bad := locator("relative_path", `x`)
	bad[20] = 0xFF
	for parent, locator := range map[string][]byte{
		`parent, "C:\\ö.vhdx";`:     locator("parent_linkage", "{1}", "relative_path", `.\ö.vhdx`, "absolute_win32_path", `C:\ö.vhdx`),
		`parent, ".\\ö.vhdx";`:      locator("relative_path", `.\ö.vhdx`),
		`data identifier "{1}";`:    locator("parent_linkage", "{1}", "volume_path", ""),
		`parent, another file; m`:   nil,
		`its parent, another file;`: bad,
		`in its parent, another`:    locator("relative_path", "x")[:25],
	} {
		m := newImage(512)
		m.Pieces[pieceItems].Data[4] = 2
		setItems(m, 5, []item{{"a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 4, locator}})
		refused(t, parent, m, fault.ErrUnsupported, parent)
	}
}

// TestQemu reads what qemu-img makes.
func TestQemu(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for seed, options := range []string{"", "subformat=fixed", "block_size=1M", "block_size=2M,subformat=dynamic,block_state_zero=off", "block_size=256M,log_size=8M"} {
		raw := sparsetest.RandomDisk(t, 45<<20+512*int64(seed), uint64(seed))
		image := oracle.QemuImgConvert(t, raw, "raw", "vhdx", options)
		d := openFile(t, image)
		sparsetest.Same(t, d, raw)
		if info := oracle.QemuImgInfo(t, image, "vhdx"); info.VirtualSize != d.Size() || info.ClusterSize != d.Info().BlockSize {
			t.Errorf("%s: %+v", options, d.Info())
		}
	}
}

// TestLarge reads the ends of the largest disk: the BAT has entries of sector bitmap blocks, too.
func TestLarge(t *testing.T) {
	oracle.Need(t, "qemu-img", "qemu-io")
	path := filepath.Join(t.TempDir(), "large.vhdx")
	oracle.Run(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=64M", path, "64T")
	for _, at := range []string{"0", "8191M", "8192M", "32T", "67108863M"} {
		oracle.Run(t, "qemu-io", "-f", "vhdx", "-c", "write -P 0x61 "+at+" 1M", path)
	}
	d := openFile(t, path)
	if err := sparsetest.Look(t, d); err != nil || d.Size() != 64<<40 {
		t.Errorf("%d bytes, %v", d.Size(), err)
	}
	for _, at := range []int64{0, 8191 * mib, 8192 * mib, 32 << 40, 67108863 * mib} {
		p := make([]byte, mib)
		if n, err := d.ReadAt(p, at); n != mib || !bytes.Equal(p, bytes.Repeat([]byte{0x61}, mib)) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
}

func TestDamage(t *testing.T) {
	m := newImage(512)
	setLog(m, logOfTwo(m)...)
	ranges := []sparsetest.Range{
		{From: 0, To: 8}, {From: 64 << 10, To: 64<<10 + 100}, {From: 192 << 10, To: 192<<10 + 80}, {From: logAt, To: logAt + 200},
		{From: logAt + 4096, To: logAt + 4200}, {From: metadataAt, To: metadataAt + 192}, {From: itemsAt, To: itemsAt + 48}, {From: batAt, To: batAt + 80},
	}
	if refused := sparsetest.Damage(t, m, m.Size, 9973, ranges, open); refused < 1500 {
		t.Errorf("%d damaged files were refused", refused)
	}
}

func FuzzOpen(f *testing.F) {
	base := newImage(512)
	setLog(base, logOfTwo(base)...)
	places := []sparsetest.Range{
		{From: 64 << 10, To: 64<<10 + 80}, {From: 192 << 10, To: 192<<10 + 112}, {From: logAt, To: logAt + 4*logSector},
		{From: metadataAt, To: metadataAt + 256}, {From: itemsAt, To: itemsAt + 256}, {From: batAt, To: batAt + 96},
	}
	f.Add([]byte{}, uint32(0))
	f.Add([]byte{0, 1, 48, 0}, uint32(1))
	f.Add([]byte{2, 0, 8, 0xFF, 5, 0, 1, 7}, uint32(5*mib))
	// Four bytes of input each: a place, an offset in it, a byte. Checksums are made right again.
	f.Fuzz(func(t *testing.T, in []byte, size uint32) {
		m := base.Clone()
		m.Size = int64(size % (9 * mib))
		for ; len(in) >= 4; in = in[4:] {
			place := places[int(in[0])%len(places)]
			at := place.From + (int64(in[1])<<8|int64(in[2]))%(place.To-place.From)
			for _, piece := range m.Pieces {
				if i := at - piece.Offset; i >= 0 && i < int64(len(piece.Data)) {
					piece.Data[i] = in[3]
				}
			}
		}
		sealLog(m)
		sealAll(m)
		details, describeErr := vhdx.Describe(m, m.Size)
		d, err := vhdx.Open(m, m.Size)
		if err == nil && (describeErr != nil || details.Log.IsZero() && d.Info().Replayed > 0) {
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
