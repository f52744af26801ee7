package udf_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/disc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/udf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// openFile opens a volume that some program wrote.
func openFile(t testing.TB, path string) *udf.Volume {
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
	if is, err := udf.Recognize(f); !is || err != nil {
		t.Errorf("not recognized: %v", err)
	}
	v, err := udf.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// folder is a source of files: deep, wide, and with all kinds of sizes and these names.
func folder(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.NewChaCha8([32]byte{1})
	put := func(path string, size int) {
		b := make([]byte, size)
		r.Read(b)
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3000 {
		put(fmt.Sprintf("wide/file number %d%s.dat", i, strings.Repeat("x", i%40)), i%7)
	}
	for _, size := range []int{0, 1, 2047, 2048, 2049, 4096, 1 << 20, 3<<20 + 1} {
		put(fmt.Sprintf("sizes/%d", size), size)
	}
	deep := "deep"
	for i := range 40 {
		deep += fmt.Sprintf("/%d", i)
		put(deep+"/file", i)
	}
	for _, name := range names {
		put("names/"+name+"/"+name, len(name))
	}
	return dir
}

// TestGenisoimage reads what genisoimage writes, with the options of those who make Windows media with
// it, and so does 7-Zip.
func TestGenisoimage(t *testing.T) {
	plain := []string{"a b+c,d=f[g]", "UPPER.lower", strings.Repeat("long", 24) + ".txt"}
	unicode := []string{"Größe.txt", "日本語.txt", "пример", "ÿ", "é"}
	for options, names := range map[string][]string{
		"-udf -D -input-charset utf-8":                                                      append(unicode, plain...),
		"-udf -D -input-charset utf-8 -hide *":                                              append(unicode, plain...),
		"-udf -D -input-charset utf-8 -r -J -joliet-long":                                   append(unicode, plain...),
		"-udf -D -iso-level 4 -J -l -N -joliet-long -relaxed-filenames -allow-limited-size": plain,
	} {
		t.Run(options, func(t *testing.T) {
			dir := folder(t, names...)
			want := oracle.FileSums(t, os.DirFS(dir))
			path := oracle.Genisoimage(t, dir, strings.Fields(options)...)
			v := openFile(t, path)
			oracle.CompareSums(t, want, oracle.FileSums(t, v))
			oracle.CompareSevenZip(t, oracle.WholeFile(path), "Udf", want)
			info, err := fs.Stat(v, "sizes/2049")
			if source, _ := os.Stat(filepath.Join(dir, "sizes/2049")); err != nil || !info.ModTime().Equal(source.ModTime().Truncate(time.Second)) || info.Size() != 2049 {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
}

// TestGenisoimageLargeFile reads a file that only UDF has whole: five extents.
func TestGenisoimageLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 4.3 GiB")
	}
	const size = 4<<30 + 300<<20 + 77
	dir := t.TempDir()
	path := filepath.Join(dir, "install.wim")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	want := newImage(size) // reading the file's holes once is enough
	for i := int64(0); i < size; i += 200 << 20 {
		copy(want.at(i/block), fmt.Appendf(nil, "here is %d", i))
		if _, err := f.WriteAt(want.at(i/block), i); err != nil {
			t.Fatal(err)
		}
	}
	c := content(t, openFile(t, oracle.Genisoimage(t, dir, "-udf", "-allow-limited-size", "-iso-level", "3")), "install.wim")
	if c.Size() != size || len(c.Extents()) != 1 {
		t.Fatalf("%d bytes in %v", c.Size(), c.Extents())
	}
	same(t, want, c, size)
}

// same compares two contents byte by byte.
func same(t testing.TB, want, got io.ReaderAt, size int64) {
	t.Helper()
	a, b := make([]byte, 4<<20), make([]byte, 4<<20)
	for off := int64(0); off < size; off += int64(len(a)) {
		n := min(int64(len(a)), size-off)
		if m, err := want.ReadAt(a[:n], off); int64(m) < n {
			t.Fatal(err)
		}
		if m, err := got.ReadAt(b[:n], off); int64(m) < n || err != nil && (err != io.EOF || off+n < size) {
			t.Fatalf("at %d: %d bytes, %v", off, m, err)
		}
		if !bytes.Equal(a[:n], b[:n]) {
			t.Fatalf("the contents differ between %d and %d", off, off+n)
		}
	}
	if n, err := got.ReadAt(b[:1], size); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

func content(t testing.TB, v *udf.Volume, path string) *disc.Content {
	t.Helper()
	f, err := v.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := f.(*disc.File).Content()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMkudffs opens what mkudffs makes: plain volumes are read, of all revisions; the others are named.
func TestMkudffs(t *testing.T) {
	for _, c := range []struct{ options, says string }{
		{"--media-type=dvd --udfrev=1.02", ""},
		{"--media-type=dvd --udfrev=1.50", ""},
		{"--media-type=dvd --udfrev=2.01 --ad=long", ""},
		{"--media-type=dvd --udfrev=2.01 --ad=short", ""},
		{"--media-type=hd --udfrev=2.01 --noefe", ""},
		{"--media-type=dvdram", ""},
		{"--media-type=dvdrw --udfrev=2.01 --spartable=2", "*UDF Sparable Partition"},
		{"--media-type=cdrw", "*UDF Sparable Partition"},
		{"--media-type=cdr", "*UDF Virtual Partition"},
		{"--media-type=dvdr", "*UDF Virtual Partition"},
	} {
		t.Run(c.options, func(t *testing.T) {
			path := oracle.Mkudffs(t, 20<<20, strings.Fields(c.options)...)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			v, err := udf.Open(bytes.NewReader(b), int64(len(b)))
			if c.says != "" {
				if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if list, err := v.ReadDir("."); err != nil || len(list) > 1 {
				t.Errorf("%v, %v", list, err)
			}
		})
	}
}

// TestMkudffsLargeFile puts a file of more than 4 GiB into what mkudffs made, which itself makes empty
// volumes only. 7-Zip reads the same of one.
func TestMkudffsLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 4.3 GiB")
	}
	const size, name = 4<<30 + 300<<20 + 5, "install.wim"
	for _, options := range []string{"--media-type=dvd --udfrev=1.02", "--media-type=dvd --udfrev=2.01"} {
		t.Run(options, func(t *testing.T) {
			path := oracle.Mkudffs(t, 5<<30, strings.Fields(options)...)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			addFile(t, f, item{name: name, data: []byte("begin and end"), size: size})
			v := openFile(t, path)
			c := content(t, v, name)
			if c.Size() != size {
				t.Fatalf("%d bytes", c.Size())
			}
			for _, off := range []int64{0, size - 5} { // the writer ends a file with the start of its data
				b := make([]byte, 5)
				if _, err := c.ReadAt(b, off); err != nil || string(b) != "begin" {
					t.Errorf("at %d: %q, %v", off, b, err)
				}
			}
			if !strings.Contains(options, "1.02") { // as install media have it
				return
			}
			want := sha256.New()
			if _, err := io.Copy(want, io.NewSectionReader(c, 0, size)); err != nil {
				t.Fatal(err)
			}
			if got := oracle.SevenZipTree(t, oracle.WholeFile(path), "Udf")[name]; got.SHA256 != hex.EncodeToString(want.Sum(nil)) {
				t.Errorf("7-Zip reads something else: %+v", got)
			}
		})
	}
}

// addFile adds a file to the root folder of a volume of mkudffs's, whose entries are in the folder's own
// block.
func addFile(t *testing.T, f *os.File, i item) {
	t.Helper()
	const head = 4096 // blocks, of which mkudffs uses fewer
	w := &writer{image: newImage(head * block), next: head / 2}
	for n := range int64(head) {
		if _, err := f.ReadAt(w.at(n), n*block); err != nil {
			t.Fatal(err)
		}
	}
	w.start = int64(le.Uint32(w.at(find(t, w, 5, 0))[188:]))
	root := le.Uint32(w.at(find(t, w, 256, w.start))[404:])
	b := w.at(w.start + int64(root))
	form, ends := le.Uint16(b[34:])&7, map[uint16]int{261: 176, 266: 216}[le.Uint16(b)]
	if form != embedded || ends == 0 {
		t.Fatalf("the root folder is %d, of form %d", le.Uint16(b), form)
	}
	child := w.take(1)
	list := ends + int(le.Uint32(b[ends-8:])) // behind the extended attributes
	end := list + int(le.Uint32(b[ends-4:]))
	end += copy(b[end:], fileID(i.name, 0, child))
	le.PutUint32(b[ends-4:], uint32(end-list))
	le.PutUint64(b[56:], uint64(end-list))
	if ends == 216 {
		le.PutUint64(b[64:], uint64(end-list))
	}
	seal(b, le.Uint16(b), root, end)
	w.extended = ends == 216
	w.entry(child, 5, i.data, i.size)
	for n, b := range w.blocks {
		if _, err := f.WriteAt(b, n*block); err != nil {
			t.Fatal(err)
		}
	}
}

// find returns the first block from a place on that is a descriptor of a kind.
func find(t *testing.T, w *writer, id uint16, from int64) int64 {
	t.Helper()
	for n := from; n*block < w.size; n++ {
		b := w.at(n)
		if le.Uint16(b) == id && int64(le.Uint32(b[12:])) == n-from*int64(id>>8&1) && b[5] == 0 && le.Uint16(b[2:]) > 0 {
			return n
		}
	}
	t.Fatalf("no descriptor %d", id)
	return 0
}

// TestOtherSectors names what is no disc: hard disks have sectors of 512 bytes.
func TestOtherSectors(t *testing.T) {
	oracle.Need(t, "mkudffs")
	path := filepath.Join(t.TempDir(), "disk.udf")
	oracle.Run(t, "mkudffs", "--blocksize=512", "--new-file", path, "20000")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := udf.Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "2,048") {
		t.Errorf("error: %v", err)
	}
}

// styles are the ways in which the tests' own writer writes.
var styles = []style{
	{name: "short"},
	{name: "long", form: long},
	{name: "embedded", form: embedded},
	{name: "extended, short", extended: true},
	{name: "extended, long", extended: true, form: long},
	{name: "extended, embedded", extended: true, form: embedded},
	{name: "many extents", extent: block, scatter: true},
	{name: "long, many extents", form: long, extent: 3 * block, scatter: true},
	{name: "chained", extent: block, scatter: true, chain: true},
	{name: "extended, long, chained", extended: true, form: long, extent: block, scatter: true, chain: true},
}

func sample() []item {
	r := rand.NewChaCha8([32]byte{2})
	data := func(n int) []byte {
		b := make([]byte, n)
		r.Read(b)
		return b
	}
	var wide []item
	for i := range 300 {
		wide = append(wide, item{name: fmt.Sprintf("%d%s", i, strings.Repeat("y", i%30)), data: data(i)})
	}
	return []item{
		{name: "sources", children: []item{{name: "install.wim", data: data(100 * block)}, {name: "empty"}}},
		{name: "wide", children: wide},
		{name: "Größe", data: data(10)}, {name: "日本 \U0001F4BF", data: data(block)}, {name: "odd", data: data(1700*block + 1)},
	}
}

// TestStyles reads all that the tests' writer can write.
func TestStyles(t *testing.T) {
	for _, s := range styles {
		t.Run(s.name, func(t *testing.T) {
			m := write(s, 32<<20, sample()...)
			v, err := udf.Open(m, m.size)
			if err != nil {
				t.Fatal(err)
			}
			oracle.CompareSums(t, collect(t, sample()), oracle.FileSums(t, v))
		})
	}
}

// TestFS shows that a volume follows the rules of package io/fs.
func TestFS(t *testing.T) {
	m := small(style{})
	v, err := udf.Open(m, m.size)
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(v, "sources/install.wim", "sources/a"); err != nil {
		t.Error(err)
	}
}

// collect is what FileSums says of items.
func collect(t testing.TB, items []item) map[string]string {
	t.Helper()
	files := fstest.MapFS{}
	var add func(string, []item)
	add = func(prefix string, items []item) {
		for _, i := range items {
			if i.children != nil {
				add(prefix+i.name+"/", i.children)
				continue
			}
			files[prefix+i.name] = &fstest.MapFile{Data: i.data}
		}
	}
	add("", items)
	return oracle.FileSums(t, files)
}

// TestHuge reads a file of 40 GiB from a disc that is in memory, from several goroutines.
func TestHuge(t *testing.T) {
	const size = 40<<30 + 5
	data := []byte("begin and end")
	for _, s := range []style{{name: "together"}, {name: "apart", scatter: true}, {name: "long", form: long, scatter: true}} {
		m := write(s, 41<<30, item{name: "install.wim", data: data, size: size})
		v, err := udf.Open(m, m.size)
		if err != nil {
			t.Fatal(err)
		}
		c := content(t, v, "install.wim")
		want := 1
		if s.scatter {
			want = 41
		}
		if len(c.Extents()) != want || c.Size() != size {
			t.Fatalf("%s: %d extents, %d bytes", s.name, len(c.Extents()), c.Size())
		}
		var wg sync.WaitGroup
		for _, off := range []int64{0, size - 5, 1<<30 - block - 7, 33 << 30} {
			wg.Go(func() {
				b := make([]byte, 12)
				n, err := c.ReadAt(b, off)
				switch {
				case off == 0 && string(b) != string(data[:12]), off == size-5 && (string(b[:n]) != "begin" || err != io.EOF),
					off != 0 && off != size-5 && (n != 12 || !bytes.Equal(b, make([]byte, 12))):
					t.Errorf("%s, at %d: %q, %v", s.name, off, b[:n], err)
				}
			})
		}
		wg.Wait()
	}
}

// TestJudgesCanFail changes one byte of a file, and of a folder: 7-Zip and CompareSums notice.
func TestJudgesCanFail(t *testing.T) {
	dir := folder(t)
	want := oracle.FileSums(t, os.DirFS(dir))
	path := oracle.Genisoimage(t, dir, "-udf", "-D")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := udf.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	const file = "sizes/4096"
	b[content(t, v, file).Extents()[0].Offset+77] ^= 1
	if got := oracle.FileSums(t, v); got[file] == want[file] || got["sizes/1"] != want["sizes/1"] {
		t.Error("a changed byte is not seen")
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := oracle.SevenZipTree(t, oracle.WholeFile(path), "Udf")[file].SHA256; got == "" || got == want[file] {
		t.Errorf("7-Zip does not see a changed byte: %q", got)
	}
	b[bytes.Index(b, []byte("\x08sizes"))+2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _, err := oracle.Try("7z", "l", "-tUdf", path); err == nil {
		t.Errorf("7-Zip reads a folder with a wrong checksum:\n%s", out)
	}
	if v, err = udf.Open(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if _, err := v.ReadDir("."); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "CRC") {
		t.Errorf("error: %v", err)
	}
}
