package wim

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// bigTree is richTree with files of several chunks, even of the largest chunks.
func bigTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: richTree(t), tick: 2e9}
	b.file("big.bin", "", bigData())
	b.file("exact.bin", "", text(1<<16, 12)) // a whole number of all but the largest chunks
	b.file("noise.bin", "", noise(200_000, 13))
	return b.tree
}

// bigData mixes what compresses with what is stored as it is.
func bigData() tree.Bytes {
	return bytes.Join([][]byte{text(400_000, 9), noise(150_000, 10), make([]byte, 1_500_000), text(100_001, 11)}, nil)
}

// formats are the ways in which wimlib can compress what we can read, with all chunk sizes.
func formats() []string {
	all := []string{"none"}
	for log := 12; log <= 16; log++ {
		all = append(all, fmt.Sprintf("XPRESS/%d", 1<<log))
	}
	for log := 15; log <= 21; log++ {
		all = append(all, fmt.Sprintf("LZX:20/%d", 1<<log))
	}
	for log := 15; log <= 26; log++ {
		all = append(all, fmt.Sprintf("LZMS:20/%d", 1<<log))
	}
	return append(all, "LZX:50/32768") // wimlib's usual level; 20 is a faster one
}

// TestWimlibCompresses reads what wimlib made of our file: it writes all of the metadata and the
// tables anew, and compresses. Content, tree and listing must be the same.
func TestWimlibCompresses(t *testing.T) {
	oracle.Need(t, wimlib, "python3")
	want := bigTree(t)
	plain := writeTemp(t, WriteOptions{}, ImageSource{want, sampleImage("big")})
	for _, format := range formats() {
		t.Run(format, func(t *testing.T) {
			compress, chunk, _ := strings.Cut(format, "/")
			path := filepath.Join(t.TempDir(), "x.wim")
			args := []string{"export", plain, "1", path, "--compress=" + compress}
			if chunk != "" {
				args = append(args, "--chunk-size="+chunk)
			}
			oracle.Run(t, wimlib, args...)
			f := mustOpen(t, path)
			sameTrees(t, mustTree(t, f, 1), want)
			checkRanges(t, f, "big.bin", bigData())
			checkRanges(t, f, "exact.bin", text(1<<16, 12))
			checkRanges(t, f, "noise.bin", noise(200_000, 13))
			checkPacked(t, f, "big.bin", chunk)
			compareListing(t, path, 1)
			if err := f.Verify(context.Background(), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkPacked decodes a file from what the overlay filter would get of it, where that is how the WIM
// holds it.
func checkPacked(t *testing.T, f *File, path, chunk string) {
	t.Helper()
	b := mustLookup(t, f, path).Data.(*Blob)
	if dense := mustLookup(t, f, "noise.bin").Data.(*Blob); dense.Incompressible() != (chunk != "") || b.Incompressible() {
		t.Errorf("noise is incompressible: %v, %s: %v", dense.Incompressible(), path, b.Incompressible())
	}
	want, err := tree.ReadAll(b, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []wof.Algorithm{wof.XPRESS4K, wof.LZX, wof.XPRESS8K, wof.XPRESS16K} {
		stored, err := b.Packed(a)
		if err != nil {
			t.Fatal(err)
		}
		same := chunk == fmt.Sprint(a.ChunkSize()) && (a == wof.LZX) == (b.Format() == LZX)
		if same != (stored != nil) {
			t.Fatalf("%s, %v with chunks of %s: as %v it is %v", path, b.Format(), chunk, a, stored)
		}
		if stored == nil {
			continue
		}
		raw, err := tree.ReadAll(stored, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := oracle.DecodeWOF(raw, b.Size(), int(a)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the overlay filter would show something else (%v)", path, err)
		}
	}
}

func mustLookup(t *testing.T, f *File, path string) *tree.Node {
	t.Helper()
	n, err := mustTree(t, f, 1).Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hostTree makes a folder for wimlib to capture.
func hostTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "a/empty"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "a/text"), text(100_000, 1), 0o644))
	must(os.WriteFile(filepath.Join(dir, "a/same"), text(100_000, 1), 0o644))
	must(os.WriteFile(filepath.Join(dir, "nothing"), nil, 0o644))
	must(os.Link(filepath.Join(dir, "a/text"), filepath.Join(dir, "linked")))
	must(os.Symlink("a/text", filepath.Join(dir, "relative")))
	must(os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "inside")))
	must(os.Symlink("/usr/bin", filepath.Join(dir, "outside")))
	return dir
}

// TestWimlibCaptures reads files that wimlib wrote from a folder, several images in one.
func TestWimlibCaptures(t *testing.T) {
	oracle.Need(t, wimlib)
	dir := hostTree(t)
	path := filepath.Join(t.TempDir(), "x.wim")
	oracle.Run(t, wimlib, "capture", dir, path, "first", "the description", "--compress=LZX", "--rpfix", "--check",
		"--image-property", "FLAGS=Core", "--image-property", "WINDOWS/ARCH=12", "--image-property", "WINDOWS/VERSION/BUILD=26100")
	oracle.Run(t, wimlib, "append", dir, path, "second", "--norpfix", "--boot")

	f := mustOpen(t, path)
	if f.BootIndex() != 2 || !f.RPFix() || len(f.Images()) != 2 {
		t.Errorf("%+v", f.header)
	}
	m, err := f.Image(1)
	if err != nil || m.Name != "first" || m.Description != "the description" || m.Arch != "arm64" || m.Version.Build != 26100 {
		t.Errorf("%+v (%v)", m, err)
	}
	for index, fixed := range []bool{true, false} {
		compareListing(t, path, index+1)
		tr := mustTree(t, f, index+1)
		for name, want := range map[string]bool{"inside": fixed, "outside": false, "relative": false} {
			if r := tr.Find(name).Node.Reparse(); r == nil || r.Fixed != want || r.Tag != 0xA000000C {
				t.Errorf("image %d: %s is %+v", index+1, name, r)
			}
		}
		checkRanges(t, f, "linked", text(100_000, 1))
		if len(tr.Find("linked").Node.Names) != 2 {
			t.Error("hard link lost")
		}
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// TestWimlibUpdates reads files with the leftovers of changes in place.
func TestWimlibUpdates(t *testing.T) {
	oracle.Need(t, wimlib)
	dir := hostTree(t)
	path := filepath.Join(t.TempDir(), "x.wim")
	oracle.Run(t, wimlib, "capture", dir, path, "first", "--compress=LZX")
	oracle.Run(t, wimlib, "append", dir, path, "second")
	extra := filepath.Join(t.TempDir(), "new.txt")
	if err := os.WriteFile(extra, []byte("added later"), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, wimlib, "update", path, "2", "--command", "add "+extra+" /a/new.txt")
	oracle.Run(t, wimlib, "update", path, "2", "--command", "delete /nothing")
	oracle.Run(t, wimlib, "update", path, "2", "--command", "rename /linked /moved")
	oracle.Run(t, wimlib, "delete", path, "1", "--soft", "--check")

	compareListing(t, path, 1)
	f := mustOpen(t, path)
	if m := f.Images(); len(m) != 1 || m[0].Name != "second" || m[0].Index != 1 {
		t.Errorf("%+v", m)
	}
	checkRanges(t, f, "a/new.txt", []byte("added later"))
	checkRanges(t, f, "moved", text(100_000, 1))
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// ntfsImage returns a file with an empty NTFS volume.
func ntfsImage(t *testing.T) string {
	t.Helper()
	oracle.Need(t, wimlib, "mkntfs")
	path := filepath.Join(t.TempDir(), "ntfs.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mkntfs", "-F", "-q", path)
	return path
}

// TestThroughNTFS has wimlib and NTFS-3G apply our file to a volume and capture that again:
// descriptors, times, short names, streams, links, reparse points and object ids all survive.
func TestThroughNTFS(t *testing.T) {
	image := ntfsImage(t)
	want := sampleTree(t)
	path := writeTemp(t, WriteOptions{RPFix: true}, ImageSource{want, Image{Name: "x"}})
	oracle.Run(t, wimlib, "apply", path, "1", image)
	back := filepath.Join(t.TempDir(), "back.wim")
	oracle.Run(t, wimlib, "capture", image, back, "x", "--compress=LZX")
	compareListing(t, back, 1)
	sameTrees(t, mustTree(t, mustOpen(t, back), 1), want)
}

// TestApplyToFolder has wimlib extract our file.
func TestApplyToFolder(t *testing.T) {
	oracle.Need(t, wimlib)
	want := richTree(t)
	path := writeTemp(t, WriteOptions{RPFix: true}, ImageSource{want, Image{Name: "x"}})
	dir := t.TempDir()
	oracle.Run(t, wimlib, "apply", path, "1", dir)
	for p, e := range want.Walk() {
		if e.Node.IsDir() || e.Node.Reparse() != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p)))
		if err != nil {
			t.Error(err)
		} else if n := e.Node.Data; tree.SizeOf(n) != int64(len(b)) || n != nil && !bytes.Equal(b, n.(tree.Bytes)) {
			t.Errorf("%s: wrong content", p)
		}
	}
	for name, want := range map[string]string{
		"Windows/link": "one.txt", "Documents and Settings": filepath.Join(dir, "Users"), "Windows/dir junction": "/x",
	} {
		if got, err := os.Readlink(filepath.Join(dir, name)); err != nil || got != want {
			t.Errorf("%s leads to %q (%v), want %q", name, got, err, want)
		}
	}
	sameFile(t, dir, "Windows/System32/kernel32.dll", "Windows/WinSxS/a second name.dll")
	if out := oracle.Run(t, wimlib, "extract", path, "1", "/Windows/with id", "--to-stdout"); out != "id" {
		t.Errorf("extracted %q", out)
	}
}

func sameFile(t *testing.T, dir, a, b string) {
	t.Helper()
	x, err1 := os.Stat(filepath.Join(dir, a))
	y, err2 := os.Stat(filepath.Join(dir, b))
	if err1 != nil || err2 != nil || !os.SameFile(x, y) {
		t.Errorf("%s and %s are not one file (%v, %v)", a, b, err1, err2)
	}
}

// TestExtendedAttributes goes through wimlib's use of the same item for the attributes of Linux.
func TestExtendedAttributes(t *testing.T) {
	oracle.Need(t, wimlib, "setfattr", "getfattr")
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := oracle.Try("setfattr", "-n", "user.winbake", "-v", "the value", file); err != nil {
		t.Skipf("no extended attributes here: %s", stderr)
	}
	captured := filepath.Join(t.TempDir(), "x.wim")
	oracle.Run(t, wimlib, "capture", dir, captured, "x", "--unix-data", "--compress=none")
	want := []tree.EA{{Name: "user.winbake", Value: []byte("the value")}}
	tr := mustTree(t, mustOpen(t, captured), 1)
	if x := tr.Find("f").Node.Extra; x == nil || !reflect.DeepEqual(x.EA, want) {
		t.Errorf("got %+v, want %+v", x, want)
	}

	b := &builder{t: t, tree: tree.New(sampleTime)}
	b.file("g", "", tree.Bytes("x")).Ensure().EA = append(want, tree.EA{Name: "user.second", Value: []byte("2")})
	path := writeTemp(t, WriteOptions{}, ImageSource{b.tree, Image{Name: "x"}})
	oracle.Run(t, wimlib, "apply", path, "1", dir, "--unix-data")
	out := oracle.Run(t, "getfattr", "--absolute-names", "-d", filepath.Join(dir, "g"))
	if !strings.Contains(out, `user.winbake="the value"`) || !strings.Contains(out, `user.second="2"`) {
		t.Errorf("wimlib applied %s", out)
	}
}

// TestWrittenByWindows reads an uncompressed WIM that Windows made in 2020.
func TestWrittenByWindows(t *testing.T) {
	b := oracle.Sample(t, "wim/LTRData+DiscUtils/Tests/LibraryTests/Wim/Data/TestData.wim")
	f, err := NewFile(bytes.NewReader(b), int64(len(b)), "TestData.wim")
	if err != nil {
		t.Fatal(err)
	}
	m := f.Images()[0]
	if m.Name != "1" || m.DirCount != 3 || m.FileCount != 3 || m.TotalBytes != 12444 || m.Created.Time().Year() != 2020 {
		t.Errorf("%+v", m)
	}
	tr := mustTree(t, f, 1)
	for _, path := range []string{"TestData/Lorem.txt", "TestData/Foo/Lorem.txt", "TestData/Foo/Bar/Lorem.txt"} {
		n, err := tr.Lookup(path)
		if err != nil || n.Data.Size() != 4148 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
	again := mustOpen(t, writeTemp(t, WriteOptions{RPFix: f.RPFix()}, ImageSource{tr, m}))
	if got := again.Images()[0]; !reflect.DeepEqual(got, m) {
		t.Errorf("counted %+v, Windows %+v", got, m)
	}
	for _, f := range []*File{f, again} {
		if e := firstEntry(t, f); e.Refs != 3 || e.Part != 1 || e.Resource.Flags != 0 {
			t.Errorf("blob table entry %+v", e)
		}
	}
}

func firstEntry(t *testing.T, f *File) (e blobEntry) {
	t.Helper()
	res, err := f.newResource(f.header.Table)
	if err != nil {
		t.Fatal(err)
	}
	b, err := res.readAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	e.unmarshal(b)
	return e
}
