package wim

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// sampleTime is 2021-05-08 08:15:30.1234567 UTC, when the folders of Server 2022 were made.
const sampleTime filetime.Time = 132649353301234567

// sid returns a security identifier with the NT authority.
func sid(sub ...uint32) []byte {
	b := []byte{1, byte(len(sub)), 0, 0, 0, 0, 0, 5}
	for _, s := range sub {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return b
}

// descriptor returns a self-relative security descriptor: owner and group Administrators, and full
// access for the given SID, with the ACE flags.
func descriptor(flags byte, who ...uint32) []byte {
	admins, trustee := sid(32, 544), sid(who...)
	ace := append([]byte{0, flags, byte(8 + len(trustee)), 0, 0xFF, 0x01, 0x1F, 0x00}, trustee...)
	acl := append([]byte{2, 0, byte(8 + len(ace)), 0, 1, 0, 0, 0}, ace...)
	sd := []byte{1, 0, 0x04, 0x84}
	for _, off := range []int{20 + len(acl), 20 + len(acl) + len(admins), 0, 20} {
		sd = binary.LittleEndian.AppendUint32(sd, uint32(off))
	}
	return slices.Concat(sd, acl, admins, admins)
}

// text returns n bytes that compress well but not to nothing.
func text(n int, seed uint64) tree.Bytes {
	r := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields("the service starts when a device of the class arrives \x00\x01 MZ \xe8\x00\x00\x00\x00 registry key value")
	var b []byte
	for len(b) < n {
		b = append(append(b, words[r.IntN(len(words))]...), ' ')
	}
	return b[:n]
}

// noise returns n bytes that do not compress.
func noise(n int, seed uint64) tree.Bytes {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// mountPoint returns the data of a junction to target.
func mountPoint(target string) []byte {
	substitute, print := utf16le.Encode(`\??\`+target), utf16le.Encode(target)
	b := make([]byte, 8)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(substitute)))
	binary.LittleEndian.PutUint16(b[4:], uint16(len(substitute)+2))
	binary.LittleEndian.PutUint16(b[6:], uint16(len(print)))
	return slices.Concat(b, substitute, []byte{0, 0}, print, []byte{0, 0})
}

// symlink returns the data of a relative symbolic link to target.
func symlink(target string) []byte {
	name := utf16le.Encode(target)
	b := make([]byte, 12)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(name)))
	binary.LittleEndian.PutUint16(b[6:], uint16(len(name)))
	b[8] = 1
	return append(b, name...)
}

// builder makes trees for tests and fails the test on any error.
type builder struct {
	t    testing.TB
	tree *tree.Tree
	tick filetime.Time
}

func (b *builder) stamp(n *tree.Node) *tree.Node {
	b.tick += 10000001
	n.Created, n.Accessed, n.Modified = sampleTime+b.tick, sampleTime+b.tick+20000003, sampleTime+b.tick+30000005
	n.Security = b.tree.AddSecurity(descriptor(0, 32, 545))
	return n
}

func (b *builder) put(path, short string, n *tree.Node) *tree.Node {
	dir, err := b.tree.Lookup(filepath.Dir("/" + path))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.tree.Link(dir, path[strings.LastIndex(path, "/")+1:], short, n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *builder) dir(path, short string) *tree.Node {
	return b.put(path, short, b.stamp(b.tree.NewDirectory()))
}

func (b *builder) file(path, short string, data tree.Content) *tree.Node {
	return b.put(path, short, b.stamp(b.tree.NewFile(data)))
}

func (b *builder) reparse(n *tree.Node, r tree.Reparse) {
	n.Attributes |= tree.AttrReparsePoint
	n.Ensure().Reparse = &r
}

// sampleTree holds one of everything that both a WIM and NTFS-3G can hold.
func sampleTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: tree.New(sampleTime)}
	root := b.stamp(b.tree.Root)
	root.Attributes = tree.AttrDirectory | tree.AttrHidden | tree.AttrSystem
	root.Security = b.tree.AddSecurity(descriptor(3, 32, 545))
	system := b.tree.AddSecurity(descriptor(0, 18))
	b.tree.AddSecurity(descriptor(0, 19)) // used by nobody

	b.dir("Program Files", "PROGRA~1").Security = system
	b.dir("Windows", "")
	b.dir("Windows/System32", "")
	b.dir("Windows/WinSxS", "")
	b.dir("Windows/Empty", "")
	dll := b.file("Windows/System32/kernel32.dll", "", text(300_001, 1))
	dll.Security = system
	b.put("Windows/WinSxS/kernel32.dll", "", dll)
	b.put("Windows/WinSxS/a second name.dll", "ASECON~1.DLL", dll)
	b.file("Windows/System32/copy.dll", "", text(300_001, 1))
	b.file("Windows/System32/noise.bin", "", noise(70_000, 1))
	b.file("Windows/System32/mixed.bin", "", append(noise(40_000, 3), text(100_000, 4)...))
	b.file("Windows/empty.txt", "", nil).Attributes = tree.AttrNormal
	b.file("Windows/one.txt", "", tree.Bytes("1")).Attributes = tree.AttrReadOnly | tree.AttrHidden
	b.sampleStreams()
	b.sampleReparse()
	for i, name := range []string{"Größe", "日本語.txt", "smile \U0001F600", "\xed\xa0\x80 half", "Readme", "README", strings.Repeat("n", 255)} {
		b.file("Windows/"+name, "", tree.Bytes(fmt.Sprint("name ", i)))
	}
	id := b.file("Windows/with id", "", tree.Bytes("id"))
	id.Ensure().ObjectID = bytes.Repeat([]byte("0123456789abcdef"), 4) // NTFS-3G makes 64 bytes of 16
	return b.tree
}

func (b *builder) sampleStreams() {
	n := b.file("Windows/streams.exe", "", text(5000, 7))
	n.Streams = []tree.Stream{{Name: "Zone.Identifier", Data: tree.Bytes("[ZoneTransfer]\r\nZoneId=3\r\n")}, {Name: "leer"}}
	n = b.file("Windows/only stream", "", nil)
	n.Streams = []tree.Stream{{Name: "s", Data: text(100_000, 8)}}
	b.dir("Windows/dir with stream", "DIRWIT~1").Streams = []tree.Stream{{Name: "d", Data: tree.Bytes("dir")}}
}

func (b *builder) sampleReparse() {
	n := b.dir("Documents and Settings", "DOCUME~1")
	n.Attributes |= tree.AttrHidden | tree.AttrSystem
	b.reparse(n, tree.Reparse{Tag: 0xA0000003, Data: mountPoint(`C:\Users`), Fixed: true})
	b.reparse(b.file("Windows/link", "", nil), tree.Reparse{Tag: 0xA000000C, Data: symlink("one.txt"), Fixed: true})
	n = b.file("Windows/own tag", "", tree.Bytes("data beside the reparse point"))
	n.Streams = []tree.Stream{{Name: "x", Data: tree.Bytes("y")}}
	b.reparse(n, tree.Reparse{Tag: 0x20000042, Data: []byte("sixteen byte guidand data")})
}

// richTree adds to sampleTree what wimlib cannot put on NTFS.
func richTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: sampleTree(t), tick: 1e9}
	n := b.file("Windows/attributes.ea", "", tree.Bytes("has EAs"))
	n.Ensure().EA = []tree.EA{{Name: "$KERNEL.PURGE.X", Value: []byte{1, 2, 3}, NeedEA: true}, {Name: "USER.EMPTY"}}
	n.Extra.ObjectID = []byte("0123456789abcdef")
	n.Security = tree.NoSecurity
	n = b.dir("Windows/dir junction", "")
	n.Streams = []tree.Stream{{Name: "s", Data: tree.Bytes("on a junction")}}
	b.reparse(n, tree.Reparse{Tag: 0xA0000003, Data: mountPoint(`C:\x`)})
	b.reparse(b.file("Windows/empty reparse", "", nil), tree.Reparse{Tag: 0x80000042, Reserved: 7})
	return b.tree
}

// sampleImage has every field filled.
func sampleImage(name string) Image {
	return Image{
		Name: name, Description: "d & <d>", Flags: "ServerStandardCore", DisplayName: "Display " + name,
		DisplayDescription: "long\ntext", Created: sampleTime, Modified: sampleTime + 1<<33, WIMBoot: true,
		ProductName: "Microsoft® Windows® Operating System", EditionID: "ServerStandard",
		InstallationType: "Server Core", ProductType: "ServerNT", ProductSuite: "Terminal Server",
		HAL: "acpiapic", SystemRoot: "WINDOWS", Arch: "amd64",
		Version:   Version{10, 0, 20348, 587, 3, "fe_release"},
		Servicing: Servicing{"0", "10.0.20348.1", "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE", "x"},
		Languages: []string{"en-US", "de-DE"}, DefaultLanguage: "en-US", Fallbacks: []Fallback{{"de-DE", "en-US"}},
	}
}

// writeTemp writes a WIM to a temporary file and returns its path.
func writeTemp(t testing.TB, opts WriteOptions, images ...ImageSource) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.wim")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := Write(context.Background(), f, images, opts)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Fatalf("Write returned %d, the file is %v (%v)", size, info, err)
	}
	return path
}

// mustOpen opens a WIM until the test ends.
func mustOpen(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustTree(t testing.TB, f *File, index int) *tree.Tree {
	t.Helper()
	tr, err := f.Tree(index)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// describe returns one line for each name in the tree, with all that the tree says of it.
func describe(t testing.TB, tr *tree.Tree) map[string]string {
	t.Helper()
	lines := map[string]string{"": describeNode(t, tr, tr.Root)}
	for path, e := range tr.Walk() {
		lines[path] = fmt.Sprintf("short %q %s", e.Short, describeNode(t, tr, e.Node))
	}
	return lines
}

func describeNode(t testing.TB, tr *tree.Tree, n *tree.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "attributes %#x times %d %d %d ", n.Attributes, n.Created, n.Accessed, n.Modified)
	fmt.Fprintf(&b, "security %x data %s", tr.Descriptor(n), sumOf(t, n.Data))
	streams := slices.Clone(n.Streams)
	sort.Slice(streams, func(i, j int) bool { return streams[i].Name < streams[j].Name })
	for _, s := range streams {
		fmt.Fprintf(&b, " stream %q %s", s.Name, sumOf(t, s.Data))
	}
	if x := n.Extra; x != nil {
		fmt.Fprintf(&b, " id %x EA %+v", x.ObjectID, x.EA)
		if x.Reparse != nil {
			fmt.Fprintf(&b, " reparse %+v", *x.Reparse)
		}
	}
	if len(n.Names) > 1 {
		fmt.Fprintf(&b, " %d names, first %s", len(n.Names), firstPath(n))
	}
	return b.String()
}

func sumOf(t testing.TB, c tree.Content) string {
	b, err := tree.ReadAll(c, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%.8x", len(b), sha1.Sum(b))
}

// sameTrees reports every difference between two trees.
func sameTrees(t testing.TB, got, want *tree.Tree) {
	t.Helper()
	g, w := describe(t, got), describe(t, want)
	for path, line := range w {
		if g[path] != line {
			t.Errorf("%q:\n got %s\nwant %s", path, g[path], line)
		}
		delete(g, path)
	}
	for path, line := range g {
		t.Errorf("%q should not be there: %s", path, line)
	}
}
