package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// read opens a volume and loads its tree.
func read(t *testing.T, m []byte) (*ntfs.Volume, *tree.Tree) {
	t.Helper()
	v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return v, got
}

// TestReadRandom writes random trees and reads them back.
func TestReadRandom(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 78))
			want := randomTree(t, r, 1+r.IntN(400))
			o := options(48 << 20)
			o.ClusterSize = 512 << r.IntN(8)
			if seed%4 == 0 {
				o.SectorSize, o.ClusterSize = 4096, 4096
			}
			m := build(t, want, o)
			v, got := read(t, m)
			if v.Label() != o.Label || v.Serial() != o.Serial || v.Dirty() || v.ClusterSize() != o.ClusterSize || v.Size() != o.Size {
				t.Errorf("volume %q, serial %#x, warnings %q, clusters of %d bytes, %d bytes", v.Label(), v.Serial(), v.Warnings(), v.ClusterSize(), v.Size())
			}
			sameTree(t, want, got)
			for _, problem := range v.Check() {
				t.Error(problem)
			}
		})
	}
}

// TestExists finds what the tree has, whatever its case, and nothing else.
func TestExists(t *testing.T) {
	v, tr := read(t, build(t, randomTree(t, rand.New(rand.NewPCG(80, 80)), 300), options(48<<20)))
	for path, e := range tr.Walk() {
		for _, p := range []string{path, strings.ToUpper(path)} {
			want := tr.Find(p) != nil
			if found, err := v.Exists(p); err != nil || found != want {
				t.Errorf("%s: %v, %v", p, found, err)
			}
			if f, err := v.Lookup(p); want && (err != nil || tr.Find(f.Path) == nil || tr.Find(f.Path).Node != tr.Find(p).Node) {
				t.Errorf("%s: %+v, %v", p, f, err)
			}
		}
		if found, err := v.Exists(path + "/no such thing"); err != nil || found {
			t.Errorf("in %s: %v, %v", e.Name, found, err)
		}
	}
	if found, err := v.Exists(""); err != nil || !found {
		t.Errorf("the root: %v, %v", found, err)
	}
}

// TestRewrite uses a volume as the medium of another one.
func TestRewrite(t *testing.T) {
	for seed := range uint64(4) {
		_, first := read(t, build(t, randomTree(t, rand.New(rand.NewPCG(seed, 79)), 300), options(48<<20)))
		o := options(64 << 20)
		o.ClusterSize = 1024
		_, second := read(t, build(t, first, o))
		sameTree(t, first, second)
	}
}

// TestReadShapes reads what the writer's tests consider hard.
func TestReadShapes(t *testing.T) {
	for name, want := range map[string]*tree.Tree{
		"empty":       tree.New(anyTime),
		"resident":    residentTree(t),
		"links":       linksTree(t, 1024),
		"streams":     streamsTree(t, 300, 200),
		"directories": directoryTree(t, 0, 1, 5, 6, 7, 38, 39, 40, 1500),
	} {
		t.Run(name, func(t *testing.T) {
			v, got := read(t, build(t, want, options(32<<20)))
			sameTree(t, want, got)
			for _, problem := range v.Check() {
				t.Error(problem)
			}
		})
	}
}

// sameTree fails the test unless got is what a volume of want must read as.
func sameTree(t *testing.T, want, got *tree.Tree) {
	t.Helper()
	c := treeComparer{t, want, got, map[*tree.Node]*tree.Node{}}
	c.node("", want.Root, got.Root)
}

type treeComparer struct {
	t         *testing.T
	want, got *tree.Tree
	seen      map[*tree.Node]*tree.Node
}

func (c *treeComparer) node(path string, want, got *tree.Node) {
	if first, ok := c.seen[want]; ok {
		if first != got {
			c.t.Errorf("%s: is not the same file as its other names", path)
		}
		return
	}
	c.seen[want] = got
	if want.Created != got.Created || want.Modified != got.Modified || want.Accessed != got.Accessed {
		c.t.Errorf("%s: times %v %v %v, want %v %v %v", path, got.Created, got.Modified, got.Accessed, want.Created, want.Modified, want.Accessed)
	}
	if got.Attributes != storedBits(want) || want.IsDir() != got.IsDir() || len(want.Names) != len(got.Names) {
		c.t.Errorf("%s: attributes %#x, want %#x; %d names, want %d", path, got.Attributes, storedBits(want), len(got.Names), len(want.Names))
	}
	if sd := c.want.Descriptor(want); sd != nil && !bytes.Equal(sd, c.got.Descriptor(got)) {
		c.t.Errorf("%s: security descriptor % x, want % x", path, c.got.Descriptor(got), sd)
	}
	c.content(path, want.Data, got.Data)
	c.streams(path, want.Streams, got.Streams)
	c.extra(path, want.Extra, got.Extra)
	c.entries(path, c.want.Entries(want), c.got.Entries(got))
}

// storedBits are the attributes that a node has once it has been on a volume.
func storedBits(n *tree.Node) uint32 {
	bits := n.Attributes & (0x3127 | 0xFF8000)
	if n.IsDir() {
		bits |= tree.AttrDirectory
	}
	if n.Reparse() != nil {
		bits |= tree.AttrReparsePoint
	}
	return bits
}

func (c *treeComparer) entries(path string, want, got []*tree.Entry) {
	if len(want) != len(got) {
		c.t.Errorf("%s: %d entries, want %d", path, len(got), len(want))
		return
	}
	for i, e := range want {
		if e.Name != got[i].Name || got[i].Short != "" && got[i].Short != e.Short {
			c.t.Errorf("%s: entry %q %q, want %q %q", path, got[i].Name, got[i].Short, e.Name, e.Short)
			return
		}
		c.node(path+"/"+e.Name, e.Node, got[i].Node)
	}
}

func (c *treeComparer) content(path string, want, got tree.Content) {
	if tree.SizeOf(want) != tree.SizeOf(got) {
		c.t.Errorf("%s: %d bytes, want %d", path, tree.SizeOf(got), tree.SizeOf(want))
		return
	}
	a, err := io.ReadAll(tree.NewReader(want))
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(tree.NewReader(got))
	if err != nil || !bytes.Equal(a, b) {
		c.t.Errorf("%s: content differs (%v)", path, err)
	}
}

func (c *treeComparer) streams(path string, want, got []tree.Stream) {
	byName := func(a, b tree.Stream) int { return strings.Compare(a.Name, b.Name) }
	want, got = slices.SortedFunc(slices.Values(want), byName), slices.SortedFunc(slices.Values(got), byName)
	if len(want) != len(got) {
		c.t.Errorf("%s: %d streams, want %d", path, len(got), len(want))
		return
	}
	for i, s := range want {
		if got[i].Name != s.Name {
			c.t.Errorf("%s: stream %q, want %q", path, got[i].Name, s.Name)
		}
		c.content(path+":"+s.Name, s.Data, got[i].Data)
	}
}

func (c *treeComparer) extra(path string, want, got *tree.Extra) {
	if want == nil {
		want = &tree.Extra{}
	}
	if got == nil {
		got = &tree.Extra{}
	}
	if !bytes.Equal(want.ObjectID, got.ObjectID) || !slices.EqualFunc(want.EA, got.EA, equalEA) {
		c.t.Errorf("%s: object id % x, want % x; attributes %v, want %v", path, got.ObjectID, want.ObjectID, got.EA, want.EA)
	}
	a, b := want.Reparse, got.Reparse
	if (a == nil) != (b == nil) || a != nil && (a.Tag != b.Tag || a.Reserved != b.Reserved || !bytes.Equal(a.Data, b.Data)) {
		c.t.Errorf("%s: reparse point %v, want %v", path, b, a)
	}
}

// TestReadShortNames shows which short names come back: those of pairs.
func TestReadShortNames(t *testing.T) {
	tr := tree.New(anyTime)
	for _, n := range [][3]string{
		{"Program Files", "PROGRA~1", "PROGRA~1"}, {"Windows", "WINDOWS", ""}, {"plain", "", ""}, {"star*", "STAR~1", ""},
	} {
		link(t, tr, tr.Root, n[0], n[1], tr.NewFile(tree.Bytes(n[2])))
	}
	twice := tr.NewFile(nil)
	link(t, tr, tr.Root, "linked once", "LINKED~1", twice)
	link(t, tr, tr.Root, "linked twice", "LINKED~2", twice)
	_, got := read(t, build(t, tr, options(16<<20)))
	for _, e := range got.Entries(got.Root) {
		want, _ := tree.ReadAll(e.Node.Data, 100)
		if e.Node.Data != nil && e.Short != string(want) {
			t.Errorf("%q has short name %q, want %q", e.Name, e.Short, want)
		}
	}
	if got.Find("linked once").Short != "LINKED~1" || got.Find("linked twice").Short != "" {
		t.Errorf("%q, %q", got.Find("linked once").Short, got.Find("linked twice").Short)
	}
}

// TestFS shows the volume to Go's own checker of file systems.
func TestFS(t *testing.T) {
	tr := tree.New(anyTime)
	for _, path := range []string{"Windows/System32/ntoskrnl.exe", "Windows/System32/empty", "größe.txt", "a", "b/c/d/e"} {
		if _, err := tr.WriteFile(path, tree.Bytes(strings.Repeat(path, 100))); err != nil {
			t.Fatal(err)
		}
	}
	v, _ := read(t, build(t, tr, options(16<<20)))
	if err := fstest.TestFS(v.FS(), "Windows/System32/ntoskrnl.exe", "größe.txt", "b/c/d/e"); err != nil {
		t.Error(err)
	}
	f, err := v.FS().Open("WINDOWS/system32/NTOSKRNL.EXE")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 2900 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestReadTorn spoils single bytes of metadata that must be noticed; the error says where.
func TestReadTorn(t *testing.T) {
	tr := tree.New(anyTime)
	link(t, tr, tr.Root, "file", "", tr.NewFile(tree.Bytes("x")))
	good := build(t, tr, options(16<<20))
	mft := int(le.Uint64(good[0x30:])) * 4096
	for name, c := range map[string]struct {
		at   int
		want string
	}{
		"boot sector":     {3, "boot sector at offset 0x3"},
		"sector size":     {0x0C, "boot sector at offset 0xb"},
		"MFT itself":      {mft + 510, "MFT record 0 at offset 0x1fe"},
		"torn file":       {mft + 64*1024 + 510, "MFT record 64 at offset 0x1fe"},
		"root":            {mft + 5*1024, "MFT record 5"},
		"sequence number": {mft + 64*1024 + 0x10, "record 64, sequence number 1"},
		"attribute":       {mft + 64*1024 + 0x3C, "MFT record 64 at offset 0x38"},
	} {
		m := slices.Clone(good)
		m[c.at] ^= 0x15
		v, err := ntfs.Open(bytes.NewReader(m), int64(len(m)))
		if err == nil {
			_, err = v.Tree()
		}
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, size := range []int{0, 511, 512, 4096, mft + 100, mft + 66000} {
		v, err := ntfs.Open(bytes.NewReader(good[:size]), int64(len(good)))
		if err == nil {
			_, err = v.Tree()
		}
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", size, err)
		}
	}
}

// TestDirty reads volumes that want chkdsk.
func TestDirty(t *testing.T) {
	m := build(t, tree.New(anyTime), options(16<<20))
	mft := int(le.Uint64(m[0x30:])) * 4096
	at := bytes.Index(m[mft+3*1024:mft+4*1024], []byte{3, 1, 0, 0})
	m[mft+3*1024+at+2] = 1
	v, _ := read(t, m)
	if !v.Dirty() || len(v.Warnings()) != 1 || !strings.Contains(v.Warnings()[0], "chkdsk") {
		t.Errorf("warnings %q", v.Warnings())
	}
}

// TestLogInUse reads volumes whose log was not closed: of its two restart pages the one written last
// counts.
func TestLogInUse(t *testing.T) {
	for _, c := range []struct {
		lsn   [2]byte
		flags [2]byte
		dirty bool
	}{{[2]byte{1, 2}, [2]byte{2, 0}, true}, {[2]byte{1, 2}, [2]byte{0, 2}, false}, {[2]byte{2, 1}, [2]byte{0, 2}, true}} {
		tr := tree.New(anyTime)
		m := build(t, tr, options(16<<20))
		at := check(t, m, tr).files[2].find(0x80, "").runs[0][0] * 4096
		for i := range int64(2) {
			page := m[at+4096*i : at+4096*(i+1)]
			clear(page)
			copy(page, "RSTR")
			page[4], page[6], page[0x18] = 0x1E, 9, 0x30
			for end := 510; end < 4096; end += 512 {
				page[end] = 7
			}
			page[0x1E] = 7
			page[0x30], page[0x30+14] = c.lsn[i], c.flags[i]
		}
		if v, _ := read(t, m); v.Dirty() != c.dirty {
			t.Errorf("%v: warnings %q", c, v.Warnings())
		}
	}
}

// TestBitLocker names what an encrypted volume is.
func TestBitLocker(t *testing.T) {
	m := make([]byte, 1<<20)
	copy(m[3:], "-FVE-FS-")
	if _, err := ntfs.Open(bytes.NewReader(m), 1<<20); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "BitLocker") {
		t.Errorf("got %v", err)
	}
}

// TestCheckFinds flips one bit after another in the metadata of a volume. Check must see each where
// every bit has a meaning; in records and indexes there are times and sizes that Windows itself lets
// grow stale.
func TestCheckFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	tr := randomTree(t, r, 150)
	good := build(t, tr, options(12<<20))
	for _, spot := range spots(check(t, good, tr), good) {
		missed, tries := 0, 0
		for range 20 {
			at := spot.start + r.Int64N(spot.end-spot.start)
			if good[at] == 0 || spot.name == "$LogFile" {
				continue
			}
			bit := byte(1) << r.IntN(8)
			good[at] ^= bit
			tries++
			if v, err := ntfs.Open(bytes.NewReader(good), int64(len(good))); err == nil && v.Check() == nil {
				missed++
			}
			good[at] ^= bit
		}
		if stale := strings.HasPrefix(spot.name, "record") || spot.name == "root index"; missed > 0 && !stale {
			t.Errorf("%s: %d of %d flipped bits go unnoticed", spot.name, missed, tries)
		}
	}
}
