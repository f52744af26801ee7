package wim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/wof"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// serverTree has the shape of an installed Windows Server: 110,000 names, 23,000 of them folders,
// two fifths of the files with a second name, 500 descriptors.
func serverTree(t testing.TB) *tree.Tree {
	b := &builder{t: t, tree: tree.New(sampleTime)}
	tr := b.tree
	sxs, err := tr.MkdirAll("Windows/WinSxS")
	if err != nil {
		t.Fatal(err)
	}
	system, err := tr.MkdirAll("Windows/System32")
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]tree.SecurityID, 500)
	for i := range ids {
		ids[i] = tr.AddSecurity(descriptor(3, 80, uint32(i)))
	}
	link := func(dir *tree.Node, name string, n *tree.Node) {
		if _, err := tr.Link(dir, name, "", n); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 23_000 {
		dir := tr.NewDirectory()
		dir.Security = ids[i%len(ids)]
		link(sxs, fmt.Sprintf("amd64_microsoft-windows-component-%05d_31bf3856ad364e35_10.0.20348.587_none_%016x", i, uint64(i)*0x9E3779B97F4A7C15), dir)
		for j := range 3 {
			n := tr.NewFile(binaryBytes(uint64(i*3 + j)))
			n.Security = ids[(i+j)%len(ids)]
			link(dir, fmt.Sprintf("component%d_%d.dll.mui", i, j), n)
			if (i*3+j)%4 == 0 {
				link(system, fmt.Sprintf("component%d_%d.dll.mui", i, j), n)
			}
		}
	}
	return tr
}

func binaryBytes(v uint64) tree.Bytes { return binary.LittleEndian.AppendUint64(nil, v) }

// BenchmarkTree opens a large WIM and reads its tree.
func BenchmarkTree(b *testing.B) {
	var m memory
	m.b = make([]byte, 0, 64<<20)
	if _, err := Write(context.Background(), &m, []ImageSource{{serverTree(b), Image{}}}, WriteOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var f *File
	var tr *tree.Tree
	for b.Loop() {
		var err error
		if f, err = NewFile(bytes.NewReader(m.b), int64(len(m.b)), "x.wim"); err != nil {
			b.Fatal(err)
		}
		tr = mustTree(b, f, 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
	b.ReportMetric(float64(f.metadata[0].Size())/1e6, "MB-metadata")
	runtime.KeepAlive(tr)
}

// BenchmarkReadAt reads a file in pieces of 1 MiB.
func BenchmarkReadAt(b *testing.B) {
	for name, seed := range seeds(b) {
		f, err := NewFile(bytes.NewReader(seed), int64(len(seed)), name)
		if err != nil {
			b.Fatal(err)
		}
		n, err := mustTree(b, f, 1).Lookup("linked.txt")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			p := make([]byte, n.Data.Size())
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := n.Data.ReadAt(p, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestReadAtDoesNotAllocate(t *testing.T) {
	for name, seed := range seeds(t) {
		f, err := NewFile(bytes.NewReader(seed), int64(len(seed)), name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := mustTree(t, f, 1).Lookup("linked.txt")
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, n.Data.Size())
		if avg := testing.AllocsPerRun(100, func() { _, err = n.Data.ReadAt(p, 0) }); err != nil || avg >= 1 && !raceDetector {
			t.Errorf("%s: %v allocations for a read (%v)", name, avg, err)
		}
	}
}

// huge is a WIM's file that holds one resource of more than 4 GiB, every chunk stored as it is, so
// that each byte follows from its offset.
type huge struct {
	chunk, size int64
}

func (h huge) table() int64 { return (h.size + h.chunk - 1) / h.chunk * 8 } // with one entry too many

// ReadAt makes up the bytes: chunk offsets, which count from the end of their table, then the chunks.
func (h huge) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		o := off + int64(i) - headerSize
		if table := h.table() - 8; o < table {
			entry := binaryBytes(uint64((o/8 + 1) * h.chunk))
			p[i] = entry[o%8]
		} else {
			p[i] = pattern(o - table)
		}
	}
	return len(p), nil
}

func pattern(off int64) byte { return byte(off*31 + off>>13) }

// TestWideChunkTable reads around 4 GiB in a resource whose chunk table needs 64-bit entries.
func TestWideChunkTable(t *testing.T) {
	h := huge{chunk: 32768, size: 5<<30 + 100}
	stored := h.size + h.table() - 8
	f := &File{src: &source{h, "huge.wim"}, size: headerSize + stored, format: LZX, header: header{ChunkSize: 32768}}
	f.setStorage()
	r, err := f.newResource(resourceHeader{Stored: uint64(stored), Flags: resCompressed, Offset: headerSize, Size: uint64(h.size)})
	if err != nil {
		t.Fatal(err)
	}
	b := &Blob{res: r}
	for _, off := range []int64{0, 32767, 4<<30 - 5, 4 << 30, h.size - 70_000, h.size - 1} {
		p := make([]byte, 60_000)
		n, err := b.ReadAt(p, off)
		if n < len(p) != errors.Is(err, io.EOF) {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
		for i := range n {
			if p[i] != pattern(off+int64(i)) {
				t.Fatalf("wrong byte at %d", off+int64(i))
			}
		}
	}
}

// TestBadChunkTables reads resources whose tables lie.
func TestBadChunkTables(t *testing.T) {
	const chunk, stored = 32768, 3*4 + 4*1000
	for name, ends := range map[string][3]uint32{
		"backwards": {1000, 500, 3000}, "empty chunk": {1000, 1000, 3000}, "outside": {1000, 2000, 4000}, "far": {1000, 1 << 31, 3000}, "zero": {},
	} {
		file := make([]byte, headerSize+stored)
		for i, e := range ends {
			le.PutUint32(file[headerSize+4*i:], e)
		}
		f := &File{src: &source{bytes.NewReader(file), "x.wim"}, size: int64(len(file)), format: LZX, header: header{ChunkSize: chunk}}
		f.setStorage()
		r, err := f.newResource(resourceHeader{Stored: stored, Flags: resCompressed, Offset: headerSize, Size: 4 * chunk})
		if err != nil {
			t.Fatal(err)
		}
		b := &Blob{res: r}
		if _, err := b.Packed(wof.LZX); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s, as it is: %v", name, err)
		}
		for _, n := range []int{4 * chunk, 3*chunk - 5} {
			if _, err := b.ReadAt(make([]byte, n), 5); !errors.Is(err, fault.ErrCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	f := &File{src: &source{bytes.NewReader(nil), "x.wim"}, size: headerSize + stored, format: LZX, header: header{ChunkSize: chunk}}
	f.setStorage()
	if _, err := f.newResource(resourceHeader{Stored: stored, Flags: resCompressed, Offset: headerSize, Size: 1 << 40}); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a chunk table larger than its resource: %v", err)
	}
}
