package ntfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// windowsLike makes a tree of n names as a Windows volume has them: directories of very different
// sizes, a third of the names hard links, some short names and streams, a thousand descriptors.
func windowsLike(tb testing.TB, n int) *tree.Tree {
	tb.Helper()
	tr := tree.New(anyTime)
	for i := range 1000 {
		tr.AddSecurity(secdesc.Build(secdesc.LocalSystem, secdesc.Users, secdesc.ACE{Mask: uint32(i), SID: secdesc.Everyone}))
	}
	sxs := tr.NewDirectory()
	if _, err := tr.Link(tr.Root, "WinSxS", "", sxs); err != nil {
		tb.Fatal(err)
	}
	var dir *tree.Node
	var file *tree.Node
	for i := range n {
		short := ""
		if i%6 == 0 {
			dir = tr.NewDirectory()
			dir.Security = tree.SecurityID(i % 1000)
			if _, err := tr.Link(sxs, fmt.Sprintf("amd64_microsoft-windows-component-%d_31bf3856ad364e35_10.0.17763.1_none_%016x", i, i*0x123456789), "", dir); err != nil {
				tb.Fatal(err)
			}
			continue
		}
		if i%3 != 0 || file == nil {
			file = tr.NewFile(newBlob(int64(i^0x1555), make([]byte, i*37%3000)))
			file.Security = tree.SecurityID(i % 1000)
		}
		if i%5 == 0 {
			short = fmt.Sprintf("F%05X~1", i)
		}
		if _, err := tr.Link(dir, fmt.Sprintf("file of a component number %d.dll", i), short, file); err != nil {
			tb.Fatal(err)
		}
	}
	return tr
}

func BenchmarkPlan(b *testing.B) {
	tr := windowsLike(b, 110000)
	o := options(40 << 30)
	tr.Nodes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ntfs.NewPlan(tr, o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmit(b *testing.B) {
	tr := windowsLike(b, 110000)
	p, err := ntfs.NewPlan(tr, options(40<<30))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	total := int64(0)
	for _, r := range p.Regions() {
		total += r.Length
	}
	b.SetBytes(total)
	b.ReportAllocs()
	for b.Loop() {
		for i, r := range p.Regions() {
			if err := p.Emit(i, buf[:r.Length]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestPlanMemory bounds what a plan of a Windows-sized tree keeps.
func TestPlanMemory(t *testing.T) {
	tr := windowsLike(t, 110000)
	for range tr.Walk() { // sorts every directory, which the tree keeps
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, err := ntfs.NewPlan(tr, options(40<<30))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d bytes kept, %d allocated", kept, after.TotalAlloc-before.TotalAlloc)
	if kept > 40<<20 {
		t.Errorf("the plan keeps %d bytes", kept)
	}
	runtime.KeepAlive(p)
}

// BenchmarkCheck checks a volume as every bake does.
func BenchmarkCheck(b *testing.B) {
	const size = 4 << 30
	p, err := ntfs.NewPlan(windowsLike(b, 110000), options(size))
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "volume"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		b.Fatal(err)
	}
	for i, r := range p.Regions() {
		buf := make([]byte, r.Length)
		if err := p.Emit(i, buf); err != nil {
			b.Fatal(err)
		}
		if _, err := f.WriteAt(buf, r.Offset); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		v, err := ntfs.Open(f, size)
		if err != nil {
			b.Fatal(err)
		}
		for _, problem := range v.Check() {
			b.Fatal(problem)
		}
	}
}
