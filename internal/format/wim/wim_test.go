package wim

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

func TestRecordSizes(t *testing.T) {
	var (
		h header
		r resourceHeader
		b blobEntry
		d dentry
		s streamEntry
	)
	for name, c := range map[string]struct{ got, want int }{
		"header":   {len(h.marshal()), headerSize},
		"resource": {len(r.append(nil)), resourceHeaderSize},
		"blob":     {len(b.append(nil)), blobEntrySize},
		"dentry":   {len(d.append(nil)), dentrySize},
		"stream":   {len(s.append(nil)), streamEntrySize},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, c.got, c.want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	one, two := richTree(t), tree.New(sampleTime)
	if _, err := two.WriteFile("a/b/kernel32.dll", text(300_001, 1)); err != nil {
		t.Fatal(err)
	}
	opts := WriteOptions{GUID: [16]byte{1, 2, 3}, BootIndex: 2, RPFix: true, Integrity: true}
	info := []Image{sampleImage("Ä first"), {Name: "second"}}
	path := writeTemp(t, opts, ImageSource{one, info[0]}, ImageSource{two, info[1]})
	f := mustOpen(t, path)
	if f.GUID() != opts.GUID || f.BootIndex() != 2 || !f.RPFix() {
		t.Errorf("header: %+v", f.header)
	}
	if f.header.Boot != f.header.bootOf(f, 2) {
		t.Errorf("boot resource %+v", f.header.Boot)
	}
	sameTrees(t, mustTree(t, f, 1), one)
	sameTrees(t, mustTree(t, f, 2), two)
	checkImages(t, f.Images(), info)
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}

	again := writeTemp(t, opts, ImageSource{mustTree(t, f, 1), f.Images()[0]}, ImageSource{mustTree(t, f, 2), f.Images()[1]})
	sameBytes(t, again, path)
}

func (h *header) bootOf(f *File, index int) resourceHeader {
	r := f.metadata[index-1].res
	return resourceHeader{Stored: uint64(r.stored), Flags: resMetadata, Offset: uint64(r.offset), Size: uint64(r.size)}
}

// checkImages compares what was read with what was written, but for the numbers that Write counts.
func checkImages(t *testing.T, got, want []Image) {
	t.Helper()
	if got[0].DirCount != 8 || got[0].FileCount != 22 {
		t.Errorf("%d directories and %d files", got[0].DirCount, got[0].FileCount)
	}
	if got[0].HardLinkBytes != 2*300_001 || got[0].TotalBytes <= 4*300_001 {
		t.Errorf("%d bytes, %d of them linked", got[0].TotalBytes, got[0].HardLinkBytes)
	}
	for i, m := range got {
		if m.Index != i+1 {
			t.Errorf("image %d has index %d", i+1, m.Index)
		}
		m.Index, m.DirCount, m.FileCount, m.TotalBytes, m.HardLinkBytes = 0, 0, 0, 0, 0
		if !reflect.DeepEqual(m, want[i]) {
			t.Errorf("got  %+v\nwant %+v", m, want[i])
		}
	}
}

func sameBytes(t *testing.T, a, b string) {
	t.Helper()
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ (%d and %d bytes)", a, b, len(x), len(y))
	}
}

func TestDeduplication(t *testing.T) {
	f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), Image{}}, ImageSource{sampleTree(t), Image{}}))
	tr := mustTree(t, f, 1)
	a, _ := tr.Lookup("Windows/System32/kernel32.dll")
	b, _ := tr.Lookup("Windows/System32/copy.dll")
	c, _ := mustTree(t, f, 2).Lookup("Windows/WinSxS/kernel32.dll")
	if a == b || a.Data != b.Data || a.Data != c.Data {
		t.Error("equal contents are not the same *Blob")
	}
	if len(f.blobs) > 30 {
		t.Errorf("%d blobs", len(f.blobs))
	}
}

func TestSecurityIsShared(t *testing.T) {
	f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), Image{}}))
	if tr := mustTree(t, f, 1); len(tr.Security) != 3 {
		t.Errorf("%d descriptors, want the three that are used", len(tr.Security))
	}
}

func TestNoSuchImage(t *testing.T) {
	f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{tree.New(0), Image{}}))
	for _, index := range []int{-1, 0, 2} {
		if _, err := f.Tree(index); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("Tree(%d): %v", index, err)
		}
	}
}

// TestBlobReadAt reads ranges of an uncompressed blob.
func TestBlobReadAt(t *testing.T) {
	f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), Image{}}))
	checkRanges(t, f, "Windows/System32/mixed.bin", append(noise(40_000, 3), text(100_000, 4)...))
}

func TestWriteFailures(t *testing.T) {
	ctx := context.Background()
	good := ImageSource{tree.New(0), Image{}}
	bad := func(edit func(*tree.Tree)) ImageSource {
		tr := sampleTree(t)
		edit(tr)
		return ImageSource{tr, Image{}}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	one := func(tr *tree.Tree) *tree.Node { return tr.Find("Windows/one.txt").Node }
	for name, c := range map[string]struct {
		ctx    context.Context
		images []ImageSource
		opts   WriteOptions
		want   error
	}{
		"no image":     {ctx, nil, WriteOptions{}, fault.ErrInvalid},
		"boot index":   {ctx, []ImageSource{good}, WriteOptions{BootIndex: 2}, fault.ErrInvalid},
		"canceled":     {canceled, []ImageSource{bad(func(*tree.Tree) {})}, WriteOptions{}, context.Canceled},
		"encrypted":    {ctx, []ImageSource{bad(func(tr *tree.Tree) { one(tr).Attributes |= tree.AttrEncrypted })}, WriteOptions{}, fault.ErrUnsupported},
		"no reparse":   {ctx, []ImageSource{bad(func(tr *tree.Tree) { one(tr).Attributes |= tree.AttrReparsePoint })}, WriteOptions{}, fault.ErrInvalid},
		"object id":    {ctx, []ImageSource{bad(func(tr *tree.Tree) { one(tr).Ensure().ObjectID = make([]byte, 5) })}, WriteOptions{}, fault.ErrInvalid},
		"EA":           {ctx, []ImageSource{bad(func(tr *tree.Tree) { one(tr).Ensure().EA = []tree.EA{{Name: "a\x00b"}} })}, WriteOptions{}, fault.ErrInvalid},
		"changed blob": {ctx, []ImageSource{bad(func(tr *tree.Tree) { one(tr).Data = lie{tree.Bytes("x")} })}, WriteOptions{}, fault.ErrCorrupt},
		"short read":   {ctx, []ImageSource{bad(func(tr *tree.Tree) { one(tr).Data = lie{tree.Bytes("")} })}, WriteOptions{}, nil},
	} {
		out, err := os.Create(t.TempDir() + "/x.wim")
		if err != nil {
			t.Fatal(err)
		}
		_, err = Write(c.ctx, out, c.images, c.opts)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		out.Close()
	}
}

// lie is a Blob of one byte whose hash is wrong.
type lie struct{ tree.Bytes }

func (lie) Size() int64      { return 1 }
func (lie) SHA1() [20]byte   { return [20]byte{1} }
func (lie) Position() int64  { return 0 }
func (lie) ChunkSize() int64 { return 1 }

func TestEmptyTree(t *testing.T) {
	f := mustOpen(t, writeTemp(t, WriteOptions{}, ImageSource{tree.New(42), Image{}}))
	tr := mustTree(t, f, 1)
	if tr.Root.Len() != 0 || tr.Root.Created != filetime.Time(42) {
		t.Errorf("root: %+v", tr.Root)
	}
}

// checkRanges compares whole and partial reads of a file in image 1 with what it must hold.
func checkRanges(t *testing.T, f *File, path string, want []byte) {
	t.Helper()
	n, err := mustTree(t, f, 1).Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(want))
	if n.Data.Size() != size {
		t.Fatalf("%s: %d bytes, want %d", path, n.Data.Size(), size)
	}
	chunk := n.Data.(*Blob).ChunkSize()
	for _, r := range [][2]int64{{0, size}, {0, 1}, {size - 1, 1}, {chunk - 1, 2}, {chunk, chunk}, {1, size - 2}, {chunk * 2, size}, {chunk / 2, chunk}, {size / 2, size}} {
		off, length := r[0], r[1]
		p := make([]byte, length)
		got, err := n.Data.ReadAt(p, off)
		end := min(size, off+length)
		if off >= size {
			end = off
		}
		if !bytes.Equal(p[:got], want[min(off, size):min(end, size)]) {
			t.Errorf("%s: %d bytes at %d are wrong (%d, %v)", path, length, off, got, err)
		}
		if (err != nil) != (int64(got) < length) {
			t.Errorf("%s: %d bytes at %d: %d, %v", path, length, off, got, err)
		}
	}
}
