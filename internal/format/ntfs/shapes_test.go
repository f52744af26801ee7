package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// residentTree holds files of every size around where data leaves the record, with names of two
// lengths, and streams likewise.
func residentTree(t *testing.T) *tree.Tree {
	tr := tree.New(anyTime)
	for size := 560; size < 800; size++ {
		b := bytes.Repeat([]byte{byte(size)}, size)
		link(t, tr, tr.Root, fmt.Sprintf("f%03d", size), "", tr.NewFile(tree.Bytes(b)))
		n := tr.NewFile(nil)
		n.Streams = []tree.Stream{{Name: "a stream", Data: tree.Bytes(b)}}
		link(t, tr, tr.Root, fmt.Sprintf("%040d", size), "", n)
	}
	return tr
}

func TestResidentLimit(t *testing.T) {
	tr := residentTree(t)
	v := check(t, build(t, tr, options(16<<20)), tr)
	inside := map[bool]int{}
	for _, f := range v.files {
		if d := f.find(0x80, ""); f.record >= 64 && d.size > 0 {
			inside[d.resident]++
		}
	}
	if inside[true] == 0 || inside[false] == 0 {
		t.Errorf("resident: %v", inside)
	}
}

// linksTree holds a file with as many names as NTFS allows, and more of them long than a resident
// attribute list has room for.
func linksTree(t *testing.T, names int) *tree.Tree {
	tr := tree.New(anyTime)
	n := tr.NewFile(tree.Bytes("linked"))
	for i := range names {
		link(t, tr, tr.Root, fmt.Sprintf("a rather long name of the same file, number %d", i), "", n)
	}
	return tr
}

func TestManyLinks(t *testing.T) {
	for _, names := range []int{2, 6, 7, 8, 20, 30, 31, 32, 33, 1024} {
		tr := linksTree(t, names)
		check(t, build(t, tr, options(16<<20)), tr)
	}
	_, err := ntfs.NewPlan(linksTree(t, 1025), options(16<<20))
	if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "1025 names") || !strings.Contains(err.Error(), "a rather long") {
		t.Errorf("1025 names: %v", err)
	}
}

// TestShortLinks gives a linked file one short name, which counts as a link.
func TestShortLinks(t *testing.T) {
	tr := tree.New(anyTime)
	n := tr.NewFile(nil)
	for i := range 1023 {
		link(t, tr, tr.Root, fmt.Sprintf("long name %d", i), fmt.Sprintf("LNG~%d", i), n)
	}
	v := check(t, build(t, tr, options(16<<20)), tr)
	if names := len(v.files[64].all(0x30)); names != 1024 {
		t.Errorf("%d names", names)
	}
	link(t, tr, tr.Root, "one more", "", n)
	if _, err := ntfs.NewPlan(tr, options(16<<20)); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("1025 names: %v", err)
	}
}

func streamsTree(t *testing.T, count, size int) *tree.Tree {
	tr := tree.New(anyTime)
	for _, n := range []*tree.Node{tr.NewFile(tree.Bytes(make([]byte, 700))), tr.NewDirectory()} {
		for i := range count {
			n.Streams = append(n.Streams, tree.Stream{Name: fmt.Sprintf("stream %d", i*7919%10007), Data: tree.Bytes(make([]byte, size+i%50))})
		}
		link(t, tr, tr.Root, fmt.Sprintf("node %v", n.IsDir()), "", n)
	}
	return tr
}

func TestManyStreams(t *testing.T) {
	for _, c := range []struct{ count, size int }{{1, 900}, {5, 100}, {15, 10}, {200, 3}, {500, 200}, {3000, 0}} {
		tr := streamsTree(t, c.count, c.size)
		check(t, build(t, tr, options(64<<20)), tr)
	}
	if _, err := ntfs.NewPlan(streamsTree(t, 7000, 0), options(64<<20)); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("7000 streams: %v", err)
	}
}

// rootTree gives the root directory whose record is fixed more than fits into it.
func TestFullRoot(t *testing.T) {
	tr := tree.New(anyTime)
	for i := range 40 {
		tr.Root.Streams = append(tr.Root.Streams, tree.Stream{Name: fmt.Sprintf("s%d", i), Data: tree.Bytes("in the root")})
	}
	link(t, tr, tr.Root, "file", "", tr.NewFile(tree.Bytes("x")))
	check(t, build(t, tr, options(16<<20)), tr)
}

// directoryTree holds directories of the given sizes.
func directoryTree(t *testing.T, sizes ...int) *tree.Tree {
	tr := tree.New(anyTime)
	for _, size := range sizes {
		dir := tr.NewDirectory()
		link(t, tr, tr.Root, fmt.Sprintf("dir %d", size), "", dir)
		for i := range size {
			name := fmt.Sprintf("entry %d of many %s", i*7919%100003, strings.Repeat("x", i%23))
			link(t, tr, dir, name, "", tr.NewFile(nil))
		}
	}
	return tr
}

func TestDirectories(t *testing.T) {
	sizes := make([]int, 120)
	for i := range sizes {
		sizes[i] = i
	}
	tr := directoryTree(t, append(sizes, 700, 1500)...)
	check(t, build(t, tr, options(32<<20)), tr)
}

// TestLargeDirectory has a directory of several levels, whose bitmap has left the record.
func TestLargeDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("8,000 files")
	}
	tr := tree.New(anyTime)
	for i := range 8000 {
		link(t, tr, tr.Root, fmt.Sprintf("%0200d", i), "", tr.NewFile(nil))
	}
	v := check(t, build(t, tr, options(32<<20)), tr)
	root := v.files[5]
	if root.find(0xB0, "$I30").resident {
		t.Error("the bitmap is resident")
	}
	t.Logf("%d index blocks", root.find(0xA0, "$I30").size/4096)
}

// TestManyDescriptors fills several blocks of $SDS, and makes its indexes trees.
func TestManyDescriptors(t *testing.T) {
	for _, count := range []int{1, 2, 3, 20, 9000} {
		tr := tree.New(anyTime)
		for i := range count {
			n := tr.NewFile(nil)
			aces := make([]secdesc.ACE, 1+i%7)
			for k := range aces {
				aces[k] = secdesc.ACE{Mask: uint32(i), SID: secdesc.TrustedInstaller}
			}
			n.Security = tr.AddSecurity(secdesc.Build(secdesc.LocalSystem, secdesc.Users, aces...))
			link(t, tr, tr.Root, fmt.Sprint(i), "", n)
		}
		check(t, build(t, tr, options(64<<20)), tr)
	}
}

// TestDescriptorSizes has descriptors up to the longest, odd lengths and one that fills a block to
// the byte.
func TestDescriptorSizes(t *testing.T) {
	tr := tree.New(anyTime)
	r := rand.New(rand.NewPCG(3, 3))
	total := 2 * 128 // what the system's own take
	add := func(size int) {
		n := tr.NewFile(nil)
		n.Security = tr.AddSecurity(append([]byte{1, 0, 4, 0x80}, randomBytes(r, size-4)...))
		link(t, tr, tr.Root, fmt.Sprint(size, " ", total), "", n)
		total = (total+15)&^15 + 20 + size
	}
	for range 3 {
		add(65536)
	}
	for i := range 200 {
		add(100 + i)
	}
	for _, free := range []int{60000, 300, 20 + 20} {
		for total%0x40000+free < 0x40000-65536 {
			add(50000)
		}
	}
	check(t, build(t, tr, options(32<<20)), tr)
	for _, size := range []int{19, 65537} {
		tr.AddSecurity(make([]byte, size))
		if _, err := ntfs.NewPlan(tr, options(32<<20)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("descriptor of %d bytes: %v", size, err)
		}
		tr.Security = tr.Security[:len(tr.Security)-1]
	}
}

// TestDefaultSecurity gives files without a descriptor what their directory hands down.
func TestDefaultSecurity(t *testing.T) {
	const mask = 0x00120116
	tr := tree.New(anyTime)
	open := tr.NewDirectory()
	open.Security = tr.AddSecurity(secdesc.Build(secdesc.Users, secdesc.Users,
		secdesc.ACE{Flags: secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: mask, SID: secdesc.Everyone}))
	link(t, tr, tr.Root, "open", "", open)
	deep := tr.NewDirectory()
	link(t, tr, open, "deep", "", deep)
	file := tr.NewFile(nil)
	link(t, tr, deep, "file", "", file)
	plain := tr.NewFile(nil)
	link(t, tr, tr.Root, "plain", "", plain)
	v := check(t, build(t, tr, options(16<<20)), tr)

	want := func(name string, parent *checkedFile, sd []byte) *checkedFile {
		for _, n := range v.children[parent.record] {
			if n.name == name {
				if got := v.descriptors[le.Uint32(n.file.find(0x10, "").value[52:])]; !bytes.Equal(got, sd) {
					t.Errorf("%s: descriptor % x\nwant % x", name, got, sd)
				}
				return n.file
			}
		}
		t.Fatalf("no %s", name)
		return nil
	}
	inherit := func(sd []byte, dir bool) []byte {
		child, ok := secdesc.Inherit(sd, dir)
		if !ok {
			t.Fatal("nothing to inherit")
		}
		return child
	}
	root := v.descriptors[le.Uint32(v.files[5].find(0x10, "").value[52:])]
	if len(root) != 228 { // as Windows has it
		t.Errorf("the root's descriptor has %d bytes", len(root))
	}
	want("plain", v.files[5], inherit(root, false))
	o := want("open", v.files[5], tr.Descriptor(open))
	d := want("deep", o, inherit(tr.Descriptor(open), true))
	want("file", d, inherit(tr.Descriptor(open), false))
}

// TestManyReparsePoints makes $Reparse:$R and $ObjId:$O trees.
func TestManyReparsePoints(t *testing.T) {
	tr := tree.New(anyTime)
	r := rand.New(rand.NewPCG(4, 4))
	for i := range 3000 {
		n := tr.NewFile(nil)
		n.Ensure().Reparse = &tree.Reparse{Tag: 0xA000000C - uint32(i%3), Data: randomBytes(r, 12+i%2000)}
		n.Extra.ObjectID = randomBytes(r, 16+i%2*48)
		link(t, tr, tr.Root, fmt.Sprint("link ", i), "", n)
	}
	n := tr.NewFile(nil)
	n.Ensure().Reparse = &tree.Reparse{Tag: 0x8000001B, Data: randomBytes(r, 16384-8)}
	link(t, tr, tr.Root, "longest", "", n)
	check(t, build(t, tr, options(64<<20)), tr)
}

func TestEAs(t *testing.T) {
	tr := tree.New(anyTime)
	for i, eas := range [][]tree.EA{
		{{Name: "A"}},
		{{Name: "KERNEL.PURGE.ESBCACHE", Value: make([]byte, 100)}, {Name: "B", Value: []byte{1}, NeedEA: true}},
		{{Name: strings.Repeat("N", 254), Value: make([]byte, 60000)}},
	} {
		n := tr.NewFile(tree.Bytes("data"))
		n.Ensure().EA = eas
		link(t, tr, tr.Root, fmt.Sprint("ea", i), "", n)
	}
	check(t, build(t, tr, options(16<<20)), tr)
}

// TestRefused lists what a volume cannot hold; each error names the file.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		class error
		spoil func(n *tree.Node)
	}{
		{"encrypted", fault.ErrUnsupported, func(n *tree.Node) { n.Attributes |= tree.AttrEncrypted }},
		{"stream without name", fault.ErrCorrupt, func(n *tree.Node) { n.Streams = []tree.Stream{{}} }},
		{"stream with colon", fault.ErrCorrupt, func(n *tree.Node) { n.Streams = []tree.Stream{{Name: "a:b"}} }},
		{"stream name too long", fault.ErrCorrupt, func(n *tree.Node) { n.Streams = []tree.Stream{{Name: strings.Repeat("n", 256)}} }},
		{"stream twice", fault.ErrCorrupt, func(n *tree.Node) { n.Streams = []tree.Stream{{Name: "a"}, {Name: "A"}} }},
		{"object id length", fault.ErrCorrupt, func(n *tree.Node) { n.Ensure().ObjectID = make([]byte, 17) }},
		{"reparse too long", fault.ErrCorrupt, func(n *tree.Node) {
			n.Ensure().Reparse = &tree.Reparse{Tag: 0x80000017, Data: make([]byte, 16377)}
		}},
		{"reparse without GUID", fault.ErrCorrupt, func(n *tree.Node) { n.Ensure().Reparse = &tree.Reparse{Tag: 1, Data: make([]byte, 15)} }},
		{"EA without name", fault.ErrCorrupt, func(n *tree.Node) { n.Ensure().EA = []tree.EA{{}} }},
		{"EA too long", fault.ErrCorrupt, func(n *tree.Node) { n.Ensure().EA = []tree.EA{{Name: "A", Value: make([]byte, 65536)}} }},
		{"EAs too long", fault.ErrCorrupt, func(n *tree.Node) {
			n.Ensure().EA = []tree.EA{{Name: "A", Value: make([]byte, 40000)}, {Name: "B", Value: make([]byte, 40000)}}
		}},
		{"short name", fault.ErrCorrupt, func(n *tree.Node) { n.Names[0].Short = "TOO LONG.TEXT" }},
		{"system name", fault.ErrInvalid, func(n *tree.Node) { n.Names[0].Parent.Names = nil }},
	} {
		tr := tree.New(anyTime)
		n, err := tr.WriteFile("dir/spoilt", nil)
		if err != nil {
			t.Fatal(err)
		}
		path := "dir/spoilt"
		if c.name == "system name" {
			path = "$mftmirr"
			link(t, tr, tr.Root, path, "", n)
		} else {
			c.spoil(n)
		}
		if _, err := ntfs.NewPlan(tr, options(16<<20)); !errors.Is(err, c.class) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSameObjectID refuses what $ObjId cannot list.
func TestSameObjectID(t *testing.T) {
	tr := tree.New(anyTime)
	for _, name := range []string{"a", "b"} {
		n := tr.NewFile(nil)
		n.Ensure().ObjectID = bytes.Repeat([]byte{7}, 16)
		link(t, tr, tr.Root, name, "", n)
	}
	if _, err := ntfs.NewPlan(tr, options(16<<20)); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]ntfs.Options{
		"no size":      {},
		"odd size":     {Size: 1000},
		"long label":   {Size: 16 << 20, Label: strings.Repeat("l", 33)},
		"too large":    {Size: 1 << 62},
		"negative":     {Size: -512},
		"sector 2048":  {Size: 16 << 20, SectorSize: 2048},
		"cluster 6000": {Size: 16 << 20, ClusterSize: 6000},
		"cluster 128K": {Size: 16 << 20, ClusterSize: 128 << 10},
		"below sector": {Size: 16 << 20, ClusterSize: 2048, SectorSize: 4096},
		"half sector":  {Size: 16<<20 + 512, SectorSize: 4096},
	} {
		_, err := ntfs.NewPlan(tree.New(anyTime), o)
		if !errors.Is(err, fault.ErrInvalid) && !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNameSpaces shows which names become what.
func TestNameSpaces(t *testing.T) {
	tr := tree.New(anyTime)
	want := map[string]byte{}
	add := func(long, short string, space byte, shortSpace byte) {
		link(t, tr, tr.Root, long, short, tr.NewFile(nil))
		want[long] = space
		if shortSpace != 0 {
			want[short] = shortSpace
		}
	}
	add("Program Files", "PROGRA~1", 1, 2)
	add("boot.ini", "", 0, 0)
	add("Windows", "WINDOWS", 3, 0)
	add("pagefile.sys", "", 0, 0)
	add("long file name.txt", "", 0, 0)
	add("longextension.html", "LONGEX~1.HTM", 1, 2)
	add("foo.html", "FOO~1.HTM", 1, 2)
	add("a.b.c", "", 0, 0)
	add(".profile", "", 0, 0)
	add("ends.", "ENDS~1", 1, 2) // only Win32 minds, NTFS does not
	add("star*", "STAR~1", 0, 0)
	add("Twin", "TWIN~1", 1, 2) // one of two twins may have a pair
	add("TWIN", "", 0, 0)
	add("taken by a file", "TAKEN~1", 0, 0)
	add("taken~1", "", 0, 0)
	add("first", "SAME~1", 1, 2)
	add("second one", "SAME~1", 0, 2)
	add("größe.txt", "GRßE~1.TXT", 1, 2)
	add("größe", "", 0, 0)
	v := check(t, build(t, tr, options(16<<20)), tr)
	for _, n := range v.children[5] {
		space, ok := want[n.name]
		if n.file.record < 64 {
			continue
		}
		if !ok || space != n.space {
			t.Errorf("%q is in space %d, want %d", n.name, n.space, space)
		}
		delete(want, n.name)
	}
	for name := range want {
		t.Errorf("%q is not there", name)
	}
}

// synthetic is a content of any size that needs no memory.
type synthetic int64

func (s synthetic) Size() int64 { return int64(s) }

func (s synthetic) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = byte((off + int64(i)) >> 12)
	}
	return len(p), nil
}

// TestHugeFile plans files beyond 4 GiB.
func TestHugeFile(t *testing.T) {
	tr := tree.New(anyTime)
	for i, size := range []synthetic{64 << 30, 4<<30 - 1, 4 << 30, 1} {
		link(t, tr, tr.Root, fmt.Sprint("huge", i), "", tr.NewFile(size))
	}
	size, err := ntfs.Required(tr, ntfs.Options{})
	if err != nil || size < 72<<30 || size > 73<<30 {
		t.Fatalf("required %d, %v", size, err)
	}
	p, err := ntfs.NewPlan(tr, options(100<<30))
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for pl := range p.Placements() {
		if pl.Runs[0].Offset < end || pl.Runs[0].Length != (pl.Content.Size()+4095)&^4095 {
			t.Errorf("%d bytes at %v", pl.Content.Size(), pl.Runs)
		}
		end = pl.Runs[0].End()
	}
	metadata := int64(0)
	for _, r := range p.Regions() {
		metadata += r.Length
	}
	if end < 72<<30 || metadata > 80<<20 {
		t.Errorf("data ends at %d, %d bytes of metadata", end, metadata)
	}
}
