package ntfs_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// anyTime is 2024-02-03 04:05:06.7 UTC.
const anyTime = 133514067067000000

// memory is a volume in memory.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }

// build writes a volume of t in memory, checked.
func build(t *testing.T, tr *tree.Tree, o ntfs.Options) memory {
	t.Helper()
	p, err := ntfs.NewPlan(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	m := make(memory, o.Size)
	if err := volume.Write(m, p); err != nil {
		t.Fatal(err)
	}
	return m
}

// check fails the test unless the checker accepts the volume and finds the tree on it.
func check(t *testing.T, m memory, tr *tree.Tree) *checked {
	t.Helper()
	v := checkVolume(bytes.NewReader(m), int64(len(m)))
	for _, p := range v.problems {
		t.Error(p)
	}
	if !t.Failed() {
		compareTree(t, v, tr)
	}
	return v
}

// saved writes the volume to a file, sparse.
func saved(t *testing.T, m memory) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "volume.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(len(m))); err != nil {
		t.Fatal(err)
	}
	const unit = 64 << 10
	zero := make([]byte, unit)
	for at := 0; at < len(m); at += unit {
		b := m[at:min(at+unit, len(m))]
		if bytes.Equal(b, zero[:len(b)]) {
			continue
		}
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// blob is a content from a medium.
type blob struct {
	tree.Bytes
	position int64
	sum      [sha1.Size]byte
}

func newBlob(position int64, b []byte) *blob { return &blob{b, position, sha1.Sum(b)} }

func (b *blob) SHA1() [sha1.Size]byte { return b.sum }
func (b *blob) Position() int64       { return b.position }
func (b *blob) ChunkSize() int64      { return 32768 }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func link(t *testing.T, tr *tree.Tree, dir *tree.Node, name, short string, n *tree.Node) {
	t.Helper()
	if _, err := tr.Link(dir, name, short, n); err != nil {
		t.Fatal(err)
	}
}

func options(size int64) ntfs.Options {
	return ntfs.Options{Size: size, Label: "Windows", Serial: 0x1122334455667788, StartLBA: 2048, Time: anyTime}
}

func TestEmptyVolume(t *testing.T) {
	for _, size := range []int64{3 << 20, 16<<20 + 512, 100 << 20, 210<<20 + 7*512} {
		tr := tree.New(anyTime)
		check(t, build(t, tr, options(size)), tr)
	}
}

// TestRequired builds the smallest volume there can be, and shows that none is smaller.
func TestRequired(t *testing.T) {
	tr := tree.New(anyTime)
	for i := range 50 {
		if _, err := tr.WriteFile(fmt.Sprintf("d%d/file %d", i%5, i), tree.Bytes(make([]byte, i*777))); err != nil {
			t.Fatal(err)
		}
	}
	size, err := ntfs.Required(tr, ntfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ntfs.NewPlan(tr, options(size))
	if err != nil {
		t.Fatal(err)
	}
	if p.Free() != 0 {
		t.Errorf("%d bytes are free", p.Free())
	}
	check(t, build(t, tr, options(size)), tr)
	_, err = ntfs.NewPlan(tr, options(size-512))
	want := fmt.Sprintf("need a partition of %s, and it has %s; make it larger by 1 MiB at least", fault.Bytes(size), fault.Bytes(size-512))
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("one sector less: %v", err)
	}
}

// TestRequiredAndMore has trees that need about as much as where the log becomes longer: what holds
// for the smallest partition must hold for all longer ones.
func TestRequiredAndMore(t *testing.T) {
	for _, size := range []int{1_000_000, 1_300_000, 1_500_000, 2_800_000, 3_300_000} {
		tr := tree.New(anyTime)
		if _, err := tr.WriteFile("f", tree.Bytes(make([]byte, size))); err != nil {
			t.Fatal(err)
		}
		least, err := ntfs.Required(tr, ntfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for at := least; at < least+3<<20; at += 3 * 512 {
			p, err := ntfs.NewPlan(tr, options(at))
			if err != nil {
				t.Fatalf("%d of %d bytes required: %v", at, least, err)
			}
			if regions := p.Regions(); regions[len(regions)-1].End() != at || p.Free() < 0 {
				t.Fatalf("%d bytes: the last region is %v", at, regions[len(regions)-1])
			}
		}
	}
}

// TestOrder places the contents in the order of the medium, copies side by side, the rest after.
func TestOrder(t *testing.T) {
	tr := tree.New(anyTime)
	var blobs []*blob
	for i := range 20 {
		blobs = append(blobs, newBlob(int64((i*7)%20), bytes.Repeat([]byte{byte(i + 1)}, 5000+i)))
	}
	for i, b := range blobs {
		for _, d := range []string{"a", "b"} {
			if _, err := tr.WriteFile(fmt.Sprintf("%s/%d", d, i), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := tr.WriteFile("a/0first", tree.Bytes(make([]byte, 9000))); err != nil {
		t.Fatal(err)
	}
	p, err := ntfs.NewPlan(tr, options(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	last, at := int64(-1), int64(0)
	count := 0
	for pl := range p.Placements() {
		position := int64(1 << 62)
		if b, ok := pl.Content.(*blob); ok {
			position = b.position
		}
		if position < last || pl.Runs[0].Offset < at {
			t.Errorf("position %d at %d after %d", position, pl.Runs[0].Offset, last)
		}
		last, at = position, pl.Runs[0].End()
		count++
	}
	if count != 41 {
		t.Errorf("%d placements, want 41", count)
	}
	check(t, build(t, tr, options(16<<20)), tr)
}

func TestBootCode(t *testing.T) {
	code := bytes.Repeat([]byte{0xAB}, 8192)
	copy(code, "\xEB\x52\x90NTFS    ")
	o := options(16 << 20)
	o.BootCode = code
	tr := tree.New(anyTime)
	m := build(t, tr, o)
	check(t, m, tr)
	code[510], code[511] = 0x55, 0xAA
	if !bytes.Equal(m[:0x0B], code[:0x0B]) || !bytes.Equal(m[0x54:8192], code[0x54:]) || !bytes.Equal(m[:512], m[len(m)-512:]) {
		t.Error("the boot code is not as given")
	}
	if got := le.Uint32(m[0x1C:]); got != 2048 {
		t.Errorf("hidden sectors: %d", got)
	}
	for _, wrong := range [][]byte{make([]byte, 100), make([]byte, 8193), make([]byte, 512)} {
		o.BootCode = wrong
		if _, err := ntfs.NewPlan(tr, o); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%d bytes of boot code: %v", len(wrong), err)
		}
	}
}

// TestFind puts bootmgr where boot code wants it: one run, uncompressed.
func TestFind(t *testing.T) {
	tr := tree.New(anyTime)
	n, err := tr.WriteFile("bootmgr", tree.Bytes(bytes.Repeat([]byte("boot"), 100000)))
	if err != nil {
		t.Fatal(err)
	}
	n.Attributes |= tree.AttrCompressed
	small, err := tr.WriteFile("BOOTNXT", tree.Bytes{1})
	if err != nil {
		t.Fatal(err)
	}
	o := options(16 << 20)
	p, err := ntfs.NewPlan(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	m := build(t, tr, o)
	run, ok := p.Find(n)
	if !ok || run.Length != 401408 || !bytes.HasPrefix(m[run.Offset:], []byte("bootboot")) {
		t.Errorf("bootmgr at %v, %v", run, ok)
	}
	if _, ok := p.Find(small); ok || p.Record(small) == p.Record(n) {
		t.Error("a resident file has clusters")
	}
}

// TestEmitParallel emits every region twice at once, into dirty buffers.
func TestEmitParallel(t *testing.T) {
	tr := randomTree(t, rand.New(rand.NewPCG(1, 2)), 3000)
	p, err := ntfs.NewPlan(tr, options(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		region int
		sum    [sha1.Size]byte
		err    error
	}
	results := make(chan result)
	for range 2 {
		for i, r := range p.Regions() {
			go func() {
				b := bytes.Repeat([]byte{0xEE}, int(r.Length))
				err := p.Emit(i, b)
				results <- result{i, sha1.Sum(b), err}
			}()
		}
	}
	sums := map[int][sha1.Size]byte{}
	for range 2 * len(p.Regions()) {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if old, ok := sums[r.region]; ok && old != r.sum {
			t.Errorf("region %d differs from itself", r.region)
		}
		sums[r.region] = r.sum
	}
}

// TestResidents hands the small contents to the caller's reader.
func TestResidents(t *testing.T) {
	tr := randomTree(t, rand.New(rand.NewPCG(5, 5)), 200)
	o := options(64 << 20)
	read := map[tree.Content]int{}
	o.ReadResident = func(c tree.Content) ([]byte, error) {
		if b, ok := c.(*blob); ok {
			read[b]++
		}
		return tree.ReadAll(c, 1024)
	}
	p, err := ntfs.NewPlan(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[tree.Content]int{}
	for c := range p.Residents() {
		if b, ok := c.(*blob); ok {
			want[b]++
		}
	}
	if err := volume.Write(make(memory, o.Size), p); err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || len(want) != len(read) {
		t.Fatalf("%d contents announced, %d read", len(want), len(read))
	}
	for c, n := range want {
		if read[c] != n {
			t.Errorf("a content was announced %d times and read %d times", n, read[c])
		}
	}
}

// TestBadResident checks the hash of what goes into a record.
func TestBadResident(t *testing.T) {
	tr := tree.New(anyTime)
	b := newBlob(0, []byte("small"))
	b.sum[0] ^= 1
	if _, err := tr.WriteFile("d/f", b); err != nil {
		t.Fatal(err)
	}
	p, err := ntfs.NewPlan(tr, options(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	if err := volume.Write(make(memory, 16<<20), p); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "d/f") {
		t.Errorf("got %v", err)
	}
}

// TestDeterministic builds the same tree twice, also in pieces.
func TestDeterministic(t *testing.T) {
	plain, bad := options(64<<20), options(64<<20)
	bad.Bad = chopped(bad, 3)
	for _, o := range []ntfs.Options{plain, bad} {
		make := func() memory {
			return build(t, randomTree(t, rand.New(rand.NewPCG(9, 9)), 500), o)
		}
		if !bytes.Equal(make(), make()) {
			t.Error("two builds differ")
		}
	}
}
