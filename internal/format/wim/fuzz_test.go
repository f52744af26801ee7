package wim

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// memory is an Output in memory.
type memory struct{ b []byte }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); end > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, end-int64(len(m.b)))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

// seedCommands says how wimlib made the WIMs in testdata: export of what Write makes of seedTree
// with a text.txt of the given length.
var seedCommands = map[string]struct {
	text int
	args []string
}{
	"none.wim":        {4200, []string{"--compress=none"}},
	"xpress-4096.wim": {5000, []string{"--compress=XPRESS", "--chunk-size=4096"}},
	"xpress.wim":      {70_000, []string{"--compress=XPRESS"}},
	"lzx.wim":         {70_000, []string{"--compress=LZX"}},
	"lzx-65536.wim":   {70_000, []string{"--compress=LZX", "--chunk-size=65536"}},
	"lzms.wim":        {70_000, []string{"--compress=LZMS", "--chunk-size=32768"}},
	"lzms.esd":        {70_000, []string{"--solid", "--compress=LZMS", "--solid-compress=LZMS", "--solid-chunk-size=32768"}},
	"lzx.esd":         {70_000, []string{"--solid", "--compress=LZX", "--solid-compress=LZX", "--solid-chunk-size=32768"}},
}

// seeds returns the WIMs in testdata.
func seeds(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name := range seedCommands {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = b
	}
	return all
}

// seedText is n bytes, little of which is left after compression.
func seedText(n int) tree.Bytes {
	return append(text(2000, 1), bytes.Repeat([]byte("seed "), n/5-400)...)
}

// seedTree is a small tree with one of everything.
func seedTree(t testing.TB, n int) *tree.Tree {
	b := &builder{t: t, tree: tree.New(sampleTime)}
	b.stamp(b.tree.Root)
	b.dir("folder", "FOLDER~1").Streams = []tree.Stream{{Name: "s", Data: tree.Bytes("dir stream")}}
	linked := b.file("folder/text.txt", "", seedText(n))
	b.put("linked.txt", "", linked)
	linked.Streams = []tree.Stream{{Name: "empty"}, {Name: "b", Data: text(100, 2)}}
	b.file("nothing", "", nil)
	b.reparse(b.file("link", "", tree.Bytes("data of the link")), tree.Reparse{Tag: 0xA000000C, Data: symlink("linked.txt")})
	b.reparse(b.dir("junction", ""), tree.Reparse{Tag: 0xA0000003, Data: mountPoint(`C:\x`), Fixed: true})
	rare := b.file("rare", "", noise(300, 3))
	rare.Ensure().ObjectID = []byte("0123456789abcdef")
	rare.Extra.EA = []tree.EA{{Name: "NAME", Value: []byte("value"), NeedEA: true}}
	return b.tree
}

// TestSeeds keeps testdata true. WINBAKE_UPDATE=1 makes it again.
func TestSeeds(t *testing.T) {
	for name, c := range seedCommands {
		want := seedTree(t, c.text)
		path := filepath.Join("testdata", name)
		if os.Getenv("WINBAKE_UPDATE") == "1" {
			plain := writeTemp(t, WriteOptions{BootIndex: 1}, ImageSource{want, Image{Name: "seed", Arch: "amd64"}})
			if err := os.RemoveAll(path); err != nil { // an export would append to it
				t.Fatal(err)
			}
			oracle.Run(t, wimlib, append([]string{"export", plain, "1", path}, c.args...)...)
		}
		f := mustOpen(t, path)
		sameTrees(t, mustTree(t, f, 1), want)
		checkRanges(t, f, "linked.txt", seedText(c.text))
		if f.size > 8<<10 {
			t.Errorf("%s: %d bytes are too many for a seed", name, f.size)
		}
	}
}

// checkClass fails unless err says that the input is at fault.
func checkClass(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
		t.Fatalf("not the fault of the input: %v", err)
	}
}

// FuzzFile opens anything, reads the trees, writes them, and reads them again.
func FuzzFile(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := NewFile(bytes.NewReader(b), int64(len(b)), "fuzz.wim")
		if errors.Is(err, fault.ErrInvalid) && strings.Contains(err.Error(), "give the first one") {
			return // a part of a split WIM, the user's mistake
		}
		if err != nil {
			checkClass(t, err)
			return
		}
		_, sum := file.Blobs()
		var images []ImageSource
		for _, m := range file.Images()[:min(2, len(file.images))] {
			trust(&file.metadata[m.Index-1])
			tr, err := file.Tree(m.Index)
			if err != nil {
				checkClass(t, err)
				return
			}
			images = append(images, ImageSource{tr, m})
		}
		if len(images) > 0 && sum < 1<<20 {
			rewrite(t, images)
		}
	})
}

// trust makes the metadata's hash right, so that fuzzing gets behind it.
func trust(b *Blob) {
	if data, err := b.res.readAll(1 << 20); err == nil {
		b.sum = sha1.Sum(data)
	}
}

// rewrite writes the images and compares what is read back. Contents that are corrupt end it.
func rewrite(t *testing.T, images []ImageSource) {
	var one, two memory
	if _, err := Write(context.Background(), &one, images, WriteOptions{}); err != nil {
		checkClass(t, err)
		return
	}
	f, err := NewFile(&one, int64(len(one.b)), "again.wim")
	if err != nil {
		t.Fatal(err)
	}
	var again []ImageSource
	for i, m := range f.Images() {
		tr := mustTree(t, f, m.Index)
		if got, want := describe(t, tr), describe(t, images[i].Tree); !maps.Equal(got, want) {
			t.Fatalf("image %d changed:\n got %q\nwant %q", m.Index, got, want)
		}
		again = append(again, ImageSource{tr, m})
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(context.Background(), &two, again, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.b, two.b) {
		t.Fatal("writing what was read gives other bytes")
	}
}

// FuzzMetadata parses anything as an image's metadata, with the contents of two seeds, one of which is
// solid.
func FuzzMetadata(f *testing.F) {
	var files []*File
	for _, name := range []string{"none.wim", "lzms.esd"} {
		seed := seeds(f)[name]
		file, err := NewFile(bytes.NewReader(seed), int64(len(seed)), name)
		if err != nil {
			f.Fatal(err)
		}
		metadata, err := file.readMetadata(1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(metadata)
		files = append(files, file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, file := range files {
			tr, err := file.parseMetadata(b)
			if err != nil {
				checkClass(t, err)
				continue
			}
			rewrite(t, []ImageSource{{tr, Image{}}})
		}
	})
}

// FuzzXML parses anything as XML data, and what it gives again.
func FuzzXML(f *testing.F) {
	m := sampleImage("seed")
	b, err := marshalXML([]Image{m}, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(utf8From(b)))
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parseXML(utf16From([]byte(text)))
		if err != nil {
			return
		}
		var images []Image
		for i := range doc.Images {
			images = append(images, doc.Images[i].image())
		}
		b, err := marshalXML(images, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseXML(b); err != nil {
			t.Fatalf("%v in %s", err, utf8From(b))
		}
	})
}

// TestSharedReads reads one file from many goroutines; the race detector looks on.
func TestSharedReads(t *testing.T) {
	for name, b := range seeds(t) {
		f, err := NewFile(bytes.NewReader(b), int64(len(b)), name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := mustTree(t, f, 1).Lookup("folder/text.txt")
		if err != nil {
			t.Fatal(err)
		}
		want, done := seedText(int(n.Data.Size())), make(chan error)
		for i := range 8 {
			go func() {
				p := make([]byte, 3000)
				got, err := n.Data.ReadAt(p, int64(i*199))
				if err == nil && !bytes.Equal(p[:got], want[i*199:][:got]) {
					err = io.ErrUnexpectedEOF
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil && !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
