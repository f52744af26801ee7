package wim

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// solidFormats are the ways in which wimlib can make an ESD that we can read, with all chunk sizes.
func solidFormats() (all []string) {
	for _, f := range formats() {
		if compress, chunk, _ := strings.Cut(f, "/"); chunk != "" {
			compress, _, _ = strings.Cut(compress, ":")
			all = append(all, compress+"/"+chunk)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

// exportSolid has wimlib make an ESD of image 1 of a WIM.
func exportSolid(t testing.TB, wim, format string, args ...string) string {
	t.Helper()
	oracle.Need(t, wimlib)
	compress, chunk, _ := strings.Cut(format, "/")
	path := filepath.Join(t.TempDir(), "install.esd")
	oracle.Run(t, wimlib, append([]string{"export", wim, "1", path, "--solid",
		"--compress=LZMS", "--solid-compress=" + compress + ":20", "--solid-chunk-size=" + chunk}, args...)...)
	return path
}

// TestSolid reads ESDs that wimlib made of our file. Content, tree and listing must be the same.
func TestSolid(t *testing.T) {
	oracle.Need(t, wimlib)
	want := bigTree(t)
	plain := writeTemp(t, WriteOptions{}, ImageSource{want, sampleImage("big")})
	for _, format := range solidFormats() {
		t.Run(format, func(t *testing.T) {
			path := exportSolid(t, plain, format, "--check")
			f := mustOpen(t, path)
			sameTrees(t, mustTree(t, f, 1), want)
			for name, content := range map[string]tree.Bytes{"big.bin": bigData(), "exact.bin": text(1<<16, 12), "noise.bin": noise(200_000, 13)} {
				checkRanges(t, f, name, content)
			}
			compareListing(t, path, 1)
			if err := f.Verify(context.Background(), nil); err != nil {
				t.Error(err)
			}
			checkSolid(t, f)
		})
	}
}

// checkSolid makes sure that the file was solid, and that what a blob says of itself fits that.
func checkSolid(t *testing.T, f *File) {
	t.Helper()
	var last *Blob
	for _, b := range f.inOrder() {
		if b.res.solid == nil {
			continue
		}
		if b.ChunkSize() != 1 || b.Incompressible() || b.Position() < headerSize || b.Position() >= f.size {
			t.Errorf("blob at %d: chunk of %d, position %d", b.res.offset, b.ChunkSize(), b.Position())
		}
		if last != nil && (last.Position() > b.Position() || last.res.offset >= b.res.offset) {
			t.Errorf("blob at %d is before that at %d", last.res.offset, b.res.offset)
		}
		last = b
	}
	if last == nil {
		t.Error("nothing is in a solid resource")
	}
}

// counting counts how often the bytes of a file are read.
type counting struct {
	*bytes.Reader
	mu    sync.Mutex
	reads map[int64]int // by offset
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads[off]++
	c.mu.Unlock()
	return c.Reader.ReadAt(p, off)
}

// spreadTree has a hundred files of 40 KB, and a thousand that NTFS keeps in its MFT.
func spreadTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: tree.New(sampleTime)}
	for i := range 100 {
		b.file(fmt.Sprintf("large%03d", i), "", text(40_000, uint64(i)))
	}
	for i := range 1000 {
		b.file(fmt.Sprintf("small%04d", i), "", text(50+i%500, uint64(1000+i)))
	}
	return b.tree
}

// openCounting opens an ESD of several large chunks.
func openCounting(t testing.TB, format string) (*File, *counting) {
	t.Helper()
	b, err := os.ReadFile(exportSolid(t, writeTemp(t, WriteOptions{}, ImageSource{spreadTree(t), Image{Name: "x"}}), format))
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{Reader: bytes.NewReader(b), reads: map[int64]int{}}
	f, err := NewFile(c, int64(len(b)), "x.esd")
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

// chunkReads returns how often each chunk of the only solid resource was read, which is before each
// time that it is decoded.
func (c *counting) chunkReads(f *File) (all []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range f.blobs {
		if s := f.blobs[i].res.solid; s != nil {
			for j := range s.ends {
				all = append(all, c.reads[s.start(int64(j))])
			}
			return all
		}
	}
	return nil
}

// TestDecodedOnce reads all blobs in the order of the medium, by several goroutines as a bake does:
// each chunk is decoded once.
func TestDecodedOnce(t *testing.T) {
	for _, format := range []string{"LZMS/1048576", "LZX/1048576"} {
		f, c := openCounting(t, format)
		jobs := make(chan *Blob)
		errs := make(chan error)
		const workers = 3
		for range workers {
			go func() {
				var err error
				for b := range jobs {
					data, e := tree.ReadAll(b, 1<<20)
					if e == nil {
						sum := sha1.Sum(data)
						e = tree.CheckSum(sum[:], b.SHA1())
					}
					err = errors.Join(err, e)
				}
				errs <- err
			}()
		}
		for _, b := range f.inOrder() {
			jobs <- b
		}
		close(jobs)
		for range workers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		reads := c.chunkReads(f)
		if len(reads) < 4 {
			t.Fatalf("%d chunks", len(reads))
		}
		for i, n := range reads {
			if n != 1 {
				t.Errorf("%s: chunk %d of %d was decoded %d times", format, i, len(reads), n)
			}
		}
	}
}

// TestSmallBlobs reads the small blobs in any order, as an MFT has them: no chunk is decoded for each.
func TestSmallBlobs(t *testing.T) {
	f, c := openCounting(t, "LZMS/1048576")
	tr := mustTree(t, f, 1)
	for i := range 1000 {
		n := tr.Find(fmt.Sprintf("small%04d", i*7%1000)).Node
		got, err := tree.ReadAll(n.Data, 1<<20)
		if err != nil || !bytes.Equal(got, text(50+i*7%1000%500, uint64(1000+i*7%1000))) {
			t.Fatalf("file %d differs (%v)", i, err)
		}
	}
	for i, n := range c.chunkReads(f) {
		if n > 4 { // those that cross its ends are not kept
			t.Errorf("chunk %d was decoded %d times", i, n)
		}
	}
}

// TestCacheIsBounded reads anywhere in an ESD from many goroutines: there are never more chunks than
// room for them.
func TestCacheIsBounded(t *testing.T) {
	f, _ := openCounting(t, "LZMS/1048576")
	cache := f.plain.cache
	cache.room = leastChunks
	var group sync.WaitGroup
	for i := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := range 12 {
				b := &f.blobs[(i*37+j*101)%len(f.blobs)]
				data, err := tree.ReadAll(b, 1<<20)
				if sum := sha1.Sum(data); err != nil || sum != b.SHA1() {
					t.Errorf("blob at %d: %v", b.res.offset, err)
				}
			}
		}()
	}
	group.Wait()
	if n := len(cache.chunks); n > leastChunks {
		t.Errorf("%d chunks where there is room for %d", n, leastChunks)
	}
	for _, x := range cache.chunks {
		if x.users != 0 {
			t.Errorf("chunk at %d has %d users left", x.place, x.users)
		}
	}
}

// TestCacheMemory is the bound that the documentation states.
func TestCacheMemory(t *testing.T) {
	for chunk, want := range map[int64]int64{1 << 26: 256 << 20, 1 << 25: 256 << 20, 1 << 15: int64(4*runtime.GOMAXPROCS(0)+8) << 15} {
		c := newChunkCache()
		c.fit(1 << 12)
		c.fit(chunk)
		if got := int64(c.room) * chunk; got > want {
			t.Errorf("chunks of %d: %d bytes, want %d", chunk, got, want)
		}
	}
}

// solidSeed returns a small ESD and where its solid resource begins.
func solidSeed(t testing.TB) ([]byte, int) {
	t.Helper()
	b := seeds(t)["lzms.esd"]
	f, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.esd")
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.blobs {
		if s := f.blobs[i].res.solid; s != nil {
			return b, int(s.file.offset)
		}
	}
	t.Fatal("the seed is not solid")
	return nil, 0
}

// TestCorruptSolid opens ESDs whose solid resource lies about itself.
func TestCorruptSolid(t *testing.T) {
	good, at := solidSeed(t)
	table := int(le.Uint64(good[0x38:]))
	entry := func(mark bool) int { // the first entry of the resource, or of a blob in it
		for i := table; ; i += blobEntrySize {
			if good[i+7]&resSolid != 0 && (le.Uint64(good[i+16:]) == solidMark) == mark {
				return i
			}
		}
	}
	for _, c := range []struct {
		name string
		edit func(b []byte)
		want error
		text string
	}{
		{"chunk size", func(b []byte) { b[at+8]++ }, fault.ErrCorrupt, "LZMS with chunks of"},
		{"no chunk", func(b []byte) { le.PutUint32(b[at+8:], 0) }, fault.ErrCorrupt, "chunks of 0 bytes"},
		{"large chunk", func(b []byte) { le.PutUint32(b[at+8:], 1<<30) }, fault.ErrUnsupported, "would all have to be in memory"},
		{"format", func(b []byte) { b[at+12] = 9 }, fault.ErrUnsupported, "compression format 9"},
		{"size", func(b []byte) { le.PutUint64(b[at:], 1<<60) }, fault.ErrCorrupt, "cannot hold"},
		{"no size", func(b []byte) { le.PutUint64(b[at:], 0) }, fault.ErrCorrupt, "cannot hold 0 chunks"},
		{"less", func(b []byte) { le.PutUint64(b[at:], le.Uint64(b[at:])-1) }, fault.ErrCorrupt, "in none of its 1 solid resources"},
		{"empty chunk", func(b []byte) { le.PutUint32(b[at+16:], 0) }, fault.ErrCorrupt, "chunk 0 is said to be stored in 0 bytes"},
		{"long chunk", func(b []byte) { le.PutUint32(b[at+16:], 1<<31) }, fault.ErrCorrupt, "chunk 0 is said"},
		{"place", func(b []byte) { le.PutUint64(b[entry(true)+8:], 1<<50) }, fault.ErrCorrupt, "truncated or damaged"},
		{"place in the header", func(b []byte) { le.PutUint64(b[entry(true)+8:], 10) }, fault.ErrCorrupt, "solid resource"},
		{"blob", func(b []byte) { le.PutUint64(b[entry(false)+8:], 1<<40) }, fault.ErrCorrupt, "are in none"},
		{"blob wraps", func(b []byte) { le.PutUint64(b[entry(false)+8:], 1<<64-1) }, fault.ErrCorrupt, "are in none"},
	} {
		b := bytes.Clone(good)
		c.edit(b)
		_, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.esd")
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) || !strings.HasPrefix(fmt.Sprint(err), "x.esd") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSolidFlips flips bytes of the solid resource: Verify finds it, or the contents are the same, as
// few bits of a chunk do not matter.
func TestSolidFlips(t *testing.T) {
	good, at := solidSeed(t)
	size := int(le.Uint64(good[int(le.Uint64(good[0x38:])):]) & (1<<56 - 1))
	found, same := 0, 0
	for i := at; i < at+size; i++ {
		b := bytes.Clone(good)
		b[i] ^= 0x20
		f, err := NewFile(bytes.NewReader(b), int64(len(b)), "x.esd")
		if err == nil {
			err = f.Verify(context.Background(), nil)
		}
		switch {
		case err == nil:
			same++
		case errors.Is(err, fault.ErrCorrupt) || errors.Is(err, fault.ErrUnsupported):
			found++
		default:
			t.Fatalf("byte %#x: %v", i, err)
		}
	}
	if found < 100 || same > found/20 {
		t.Errorf("%d flips were found, %d were not", found, same)
	}
}

// TestSolidTruncations makes sure that no shorter ESD is taken for a whole one.
func TestSolidTruncations(t *testing.T) {
	good, _ := solidSeed(t)
	for n := range good {
		f, err := NewFile(bytes.NewReader(good[:n]), int64(n), "x.esd")
		if err == nil {
			err = f.Verify(context.Background(), nil)
		}
		if !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("%d bytes of %d: %v", n, len(good), err)
		}
	}
}

// TestReadErrors has the medium fail, and work again: an error is not kept for a chunk.
func TestReadErrors(t *testing.T) {
	good, _ := solidSeed(t)
	r := &failing{Reader: bytes.NewReader(good)}
	f, err := NewFile(r, int64(len(good)), "x.esd")
	if err != nil {
		t.Fatal(err)
	}
	n := mustTree(t, f, 1).Find("linked.txt").Node
	r.err = errors.New("the disk is gone")
	if _, err := tree.ReadAll(n.Data, 1<<20); !errors.Is(err, r.err) {
		t.Errorf("error: %v", err)
	}
	r.err = nil
	if _, err := tree.ReadAll(n.Data, 1<<20); err != nil {
		t.Error(err)
	}
}

// failing is a file whose disk fails.
type failing struct {
	*bytes.Reader
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, off)
}
