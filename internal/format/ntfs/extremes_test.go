package ntfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// written writes a volume to a sparse file, through fill if there is something to add, and has the
// reader check it.
func written(t *testing.T, tr *tree.Tree, o ntfs.Options, fill func(p *ntfs.Plan, f *os.File)) (image string, got *tree.Tree) {
	t.Helper()
	p, err := ntfs.NewPlan(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "volume.img"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(o.Size); err != nil {
		t.Fatal(err)
	}
	if err := volume.Write(f, p); err != nil {
		t.Fatal(err)
	}
	if fill != nil {
		fill(p, f)
	}
	v, err := ntfs.Open(f, o.Size)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = v.Tree(); err != nil {
		t.Fatal(err)
	}
	for _, problem := range v.Check() {
		t.Error(problem)
	}
	return f.Name(), got
}

// TestMillionEntries has a directory of a million entries.
func TestMillionEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("a million files")
	}
	const count = 1_000_000
	tr := tree.New(anyTime)
	dir := tr.NewDirectory()
	link(t, tr, tr.Root, "large", "", dir)
	name := func(i int) string { return fmt.Sprintf("entry %07d", i) }
	for i := range count {
		link(t, tr, dir, name(i*7919%count), "", tr.NewFile(nil))
	}
	image, got := written(t, tr, options(3<<30), nil)
	large, err := got.Lookup("large")
	if err != nil || large.Len() != count {
		t.Fatalf("%v, %d entries", err, large.Len())
	}
	for i, e := range got.Entries(large) {
		if e.Name != name(i) {
			t.Fatalf("entry %d is %q", i, e.Name)
		}
	}
	for _, j := range generalJudges {
		oracle.Need(t, j.program)
		if err := j.judge(image); err != nil {
			t.Error(err)
		}
	}
	oracle.Need(t, "ntfsinfo")
	if info := oracle.Run(t, "ntfsinfo", "-F", "large/"+name(765_432), image); !strings.Contains(info, name(765_432)) {
		t.Errorf("ntfsinfo finds no entry: %s", info)
	}
	d, err := os.Open(filepath.Join(oracle.MountNTFS(t, oracle.WholeFile(image)), "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	if err != nil || len(names) != count || names[0] != name(0) || names[count-1] != name(count-1) || len(slices.Compact(names)) != count {
		t.Errorf("ntfs-3g lists %d names (%v)", len(names), err)
	}
}

// extremesTree holds as much of everything as NTFS allows a file, and names from all of Unicode.
func extremesTree(t *testing.T) *tree.Tree {
	tr := tree.New(anyTime)
	dirs := map[string]*tree.Node{}
	for _, name := range []string{"links", "names", "planes"} {
		dirs[name] = tr.NewDirectory()
		link(t, tr, tr.Root, name, "", dirs[name])
	}
	linked := tr.NewFile(tree.Bytes("1,023 long names and a short one"))
	link(t, tr, dirs["links"], "the one with the short name", "SHORT~1", linked)
	for i := range 1022 {
		link(t, tr, dirs["links"], fmt.Sprintf("%d %s", i, strings.Repeat("x", i%200)), "", linked)
	}
	for _, n := range []*tree.Node{tr.NewFile(tree.Bytes(strings.Repeat("data ", 2000))), tr.NewDirectory()} {
		for i := range 2000 {
			n.Streams = append(n.Streams, tree.Stream{Name: fmt.Sprintf("stream %d", i), Data: tree.Bytes(strings.Repeat(fmt.Sprint(i), i%900))})
		}
		link(t, tr, tr.Root, fmt.Sprintf("streams of a directory %v", n.IsDir()), "", n)
	}
	for _, char := range []string{"a", "\u00e9", "\u6f22", "\ufffd"} {
		link(t, tr, dirs["names"], strings.Repeat(char, tree.MaxName), "", tr.NewFile(tree.Bytes(char)))
	}
	link(t, tr, dirs["names"], strings.Repeat("\U0001F600", 127)+"x", "", tr.NewFile(tree.Bytes("127 pairs")))
	deep := dirs["names"]
	for range 12 { // as far as a path of Linux leads
		next := tr.NewDirectory()
		link(t, tr, deep, strings.Repeat("d", tree.MaxName), "", next)
		deep = next
	}
	for plane := rune(0); plane <= 16; plane++ {
		for _, c := range []rune{plane<<16 + 0x0021, plane<<16 + 0x0410, plane<<16 + 0x10AB, plane<<16 + 0xD7FF, plane<<16 + 0xE000, plane<<16 + 0xFFFD, plane<<16 + 0xFFFF} {
			name := fmt.Sprintf("%c at %x", c, c)
			n := tr.NewFile(tree.Bytes(name))
			n.Streams = []tree.Stream{{Name: "stream " + name, Data: tree.Bytes(name)}}
			link(t, tr, dirs["planes"], name, "", n)
		}
	}
	for _, name := range []string{"high \xed\xa0\x80", "low \xed\xb0\x80", "\xed\xbf\xbf\xed\xa0\x81 in the wrong order"} {
		link(t, tr, dirs["planes"], name, "", tr.NewFile(tree.Bytes(name)))
	}
	return tr
}

func TestExtremes(t *testing.T) {
	tr := extremesTree(t)
	plain, native, bad := options(64<<20), options(64<<20), options(64<<20)
	native.SectorSize = 4096
	bad.Bad = chopped(bad, 2)
	for _, o := range []ntfs.Options{plain, native, bad} {
		m := build(t, tr, o)
		v := check(t, m, tr)
		_, got := read(t, m)
		sameTree(t, tr, got)
		judgeBad(t, saved(t, m), badCase{o: o, resizable: o.Bad == nil}, v.files[0].find(0x20, "") != nil)
	}
}

// largest is just below 16 TiB: there 32 bits of cluster numbers of 4 KiB end, and with them the
// longest file of ext4.
const largest = 16<<40 - 64<<10

// TestLargestVolume has files at both ends of volumes of 16 TiB, and a bad range beyond 8 TiB.
func TestLargestVolume(t *testing.T) {
	if testing.Short() {
		t.Skip("volumes of 16 TiB")
	}
	for _, c := range []struct{ sector, cluster int64 }{{512, 4096}, {4096, 4096}, {512, 65536}, {4096, 65536}} {
		t.Run(fmt.Sprintf("%d-%d", c.sector, c.cluster), func(t *testing.T) {
			tr := tree.New(anyTime)
			content := strings.Repeat("at the start ", 1000)
			if _, err := tr.WriteFile("start", tree.Bytes(content)); err != nil {
				t.Fatal(err)
			}
			end := reserve(t, tr, "end", 1_000_000, 0)
			reserve(t, tr, "huge", 1<<30, 1<<30)
			o := options(largest)
			o.SectorSize, o.ClusterSize = c.sector, c.cluster
			o.Bad = []volume.Run{{Offset: 9 << 40, Length: 1 << 20}}
			last := strings.Repeat("at the end", 100_000)
			image, got := written(t, tr, o, func(p *ntfs.Plan, f *os.File) {
				run, ok := p.Find(end)
				if !ok || run.Offset < 15<<40 {
					t.Fatalf("the end is at %v", run)
				}
				if _, err := f.WriteAt([]byte(last), run.Offset); err != nil {
					t.Fatal(err)
				}
			})
			if n, err := got.Lookup("huge"); err != nil || n.Data.Size() != 1<<30 {
				t.Errorf("huge: %v", err)
			}
			for name, want := range map[string]string{"start": content, "end": last} {
				if got := oracle.Run(t, "ntfscat", "-f", image, name); got != want {
					t.Errorf("ntfscat: %s differs", name)
				}
				if crc := oracle.Run(t, "grub-fstest", image, "crc", "/"+name); !strings.Contains(strings.ToLower(crc), crc32Of(want)) {
					t.Errorf("GRUB: %s has CRC %s", name, crc)
				}
			}
			judgeBad(t, image, badCase{o: o, resizable: true}, false)
		})
	}
}

// TestMostClusters has as many clusters as there can be: 16 TiB to the byte.
func TestMostClusters(t *testing.T) {
	tr := tree.New(anyTime)
	end := reserve(t, tr, "end", 100, 0)
	p, err := ntfs.NewPlan(tr, options(16<<40))
	if err != nil {
		t.Fatal(err)
	}
	if run, ok := p.Find(end); !ok || run.Offset != (1<<32-2)*4096 {
		t.Errorf("the last cluster is at %v", run)
	}
	d := pages{}
	if err := volume.Write(d, p); err != nil {
		t.Fatal(err)
	}
	v, err := ntfs.Open(d, 16<<40)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, problem := range v.Check() {
		t.Error(problem)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("checking it took %d bytes", n)
	}
	if _, err := ntfs.NewPlan(tr, options(16<<40+4096)); err == nil {
		t.Error("one cluster more is too much")
	}
}

// pages is a disk of any size that keeps what is written to it.
type pages map[int64]*[pageSize]byte

const pageSize = 64 << 10

func (d pages) WriteAt(b []byte, off int64) (int, error) {
	for done := 0; done < len(b); {
		at := off + int64(done)
		page := d[at/pageSize]
		if page == nil {
			page = new([pageSize]byte)
			d[at/pageSize] = page
		}
		done += copy(page[at%pageSize:], b[done:])
	}
	return len(b), nil
}

func (d pages) ReadAt(b []byte, off int64) (int, error) {
	for done := 0; done < len(b); {
		at := off + int64(done)
		n := min(len(b)-done, int(pageSize-at%pageSize))
		clear(b[done : done+n])
		if page := d[at/pageSize]; page != nil {
			copy(b[done:done+n], page[at%pageSize:])
		}
		done += n
	}
	return len(b), nil
}
