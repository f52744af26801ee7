package ntfs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// foreign reads a volume that others wrote and compares all of it with what ntfs-3g shows.
func foreign(t *testing.T, image string) (*ntfs.Volume, *tree.Tree) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := ntfs.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := v.Tree()
	if err != nil {
		t.Fatal(err)
	}
	m := mounted{t: t, dir: oracle.MountNTFS(t, oracle.WholeFile(image)), tr: tr, records: map[*tree.Node]uint64{}, foreign: true}
	m.directory("", tr.Root)
	for _, n := range tr.Nodes() {
		checkHoles(t, n)
	}
	return v, tr
}

// checkHoles reads what a file's content says are holes: there must be zeros.
func checkHoles(t *testing.T, n *tree.Node) {
	t.Helper()
	data, ok := n.Data.(interface {
		NextData(off int64) (start, end int64)
	})
	if !ok {
		return
	}
	b, err := tree.ReadAll(n.Data, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < n.Data.Size(); {
		start, end := data.NextData(off)
		if start < off || end < start || start == end && end < n.Data.Size() || len(bytes.Trim(b[off:start], "\x00")) > 0 {
			t.Fatalf("%s: after byte %d the next data is said to be from %d to %d", n.Path(), off, start, end)
		}
		if inside, _ := data.NextData(start + (end-start)/2); inside > end {
			t.Fatalf("%s: no data in the middle of %d to %d", n.Path(), start, end)
		}
		off = end
	}
}

// TestReadMkntfs reads what mkntfs makes and ntfs-3g fills, with every size of cluster and sector.
func TestReadMkntfs(t *testing.T) {
	for _, c := range []struct{ sector, cluster int }{
		{512, 512}, {512, 4096}, {512, 65536}, {512, 2 << 20}, {4096, 4096}, {1024, 8192},
	} {
		t.Run(fmt.Sprintf("%d-%d", c.sector, c.cluster), func(t *testing.T) {
			size, fill := int64(64<<20), fillAll
			if c.cluster > 1<<20 { // whatever has a cluster has 2 MiB
				size, fill = 512<<20, specialFiles
			}
			image := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: size, Label: "from mkntfs", Sector: c.sector, Cluster: c.cluster}).Path
			r := rand.New(rand.NewPCG(uint64(c.cluster), 9))
			oracle.EditNTFS(t, oracle.WholeFile(image), func(dir string) error { return fill(r, dir) })
			v, _ := foreign(t, image)
			if v.Label() != "from mkntfs" || v.Dirty() || v.ClusterSize() != int64(c.cluster) {
				t.Errorf("label %q, warnings %q, clusters of %d bytes", v.Label(), v.Warnings(), v.ClusterSize())
			}
			for _, problem := range v.Check() {
				t.Error(problem)
			}
		})
	}
}

// fillAll puts some of everything into a directory on a mounted volume.
func fillAll(r *rand.Rand, dir string) error {
	for _, step := range []func(r *rand.Rand, dir string) error{plainFiles, manyNames, sparseFiles, specialFiles, fragments, streams} {
		if err := step(r, dir); err != nil {
			return err
		}
	}
	return nil
}

func plainFiles(r *rand.Rand, dir string) error {
	for i := range 120 {
		sub := filepath.Join(dir, fmt.Sprint("dir ", i%7), fmt.Sprint("sub ", i%3))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		b := randomBytes(r, r.IntN(1+i*i))
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint("file ", i)), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manyNames links one file 300 times, which needs a long attribute list, and makes twins.
func manyNames(_ *rand.Rand, dir string) error {
	first := filepath.Join(dir, "linked")
	if err := os.WriteFile(first, []byte("many names"), 0o644); err != nil {
		return err
	}
	for i := range 300 {
		if err := os.Link(first, filepath.Join(dir, "dir 1", fmt.Sprint("another name of the linked file, number ", i))); err != nil {
			return err
		}
	}
	for _, twin := range []string{"twin", "Twin", "TWIN"} {
		if err := os.WriteFile(filepath.Join(dir, twin), []byte(twin), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func sparseFiles(r *rand.Rand, dir string) error {
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		return err
	}
	defer f.Close()
	for range 5 {
		if _, err := f.WriteAt(randomBytes(r, 5000), r.Int64N(3<<20)); err != nil {
			return err
		}
	}
	return f.Truncate(4 << 20)
}

// specialFiles have what Windows keeps beside the content.
func specialFiles(r *rand.Rand, dir string) error {
	for i := range 10 {
		path := filepath.Join(dir, fmt.Sprint("special file ", i))
		if err := os.WriteFile(path, randomBytes(r, i*200), 0o644); err != nil {
			return err
		}
		s := oracle.Stage{Path: path}
		s.Attributes(0x27).Times(anyTime+uint64(i), anyTime+2, anyTime+3)
		s.Security(secdesc.Build(secdesc.LocalSystem, secdesc.Users, secdesc.ACE{Mask: uint32(i), SID: secdesc.Everyone}))
		s.ObjectID([16]byte(randomBytes(r, 16))).ShortName(fmt.Sprintf("SPEC~%d.TMP", i))
		if i%2 == 0 {
			s.EA(append(oracle.FullEA("FIRST", randomBytes(r, 20)), oracle.FullEA("SECOND", randomBytes(r, 300*i))...))
		} else {
			s.Reparse(0x80000013, randomBytes(r, 50*i))
		}
		if s.Err != nil {
			return s.Err
		}
	}
	return nil
}

// fragments writes files in turns, so that each has many runs.
func fragments(r *rand.Rand, dir string) error {
	var files []*os.File
	for i := range 3 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint("in pieces ", i)))
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	for range 60 {
		for _, f := range files {
			if _, err := f.Write(randomBytes(r, 4096)); err != nil {
				return err
			}
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

func streams(r *rand.Rand, dir string) error {
	path := filepath.Join(dir, "with streams")
	if err := os.WriteFile(path, []byte("unnamed"), 0o644); err != nil {
		return err
	}
	for i := range 60 {
		if err := os.WriteFile(fmt.Sprint(path, ":stream ", i), randomBytes(r, i*40), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// TestReadCompressed reads files that ntfs-3g compressed: of any size around a unit, that compress
// well, badly and in part, with holes, and changed in place.
func TestReadCompressed(t *testing.T) {
	for _, cluster := range []int{512, 4096} {
		t.Run(fmt.Sprint(cluster), func(t *testing.T) {
			image := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: 96 << 20, Cluster: cluster}).Path
			r := rand.New(rand.NewPCG(5, 55))
			oracle.EditNTFS(t, oracle.WholeFile(image), func(dir string) error { return compressedFiles(r, dir) })
			v, tr := foreign(t, image)
			for _, problem := range v.Check() {
				t.Error(problem)
			}
			count := 0
			for _, n := range tr.Nodes() {
				if n.Attributes&tree.AttrCompressed != 0 && !n.IsDir() {
					count++
				}
			}
			if count < 20 {
				t.Errorf("%d compressed files", count)
			}
		})
	}
}

func compressedFiles(r *rand.Rand, root string) error {
	dir := filepath.Join(root, "compressed")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	s := oracle.Stage{Path: dir}
	if err := s.Attributes(tree.AttrCompressed).Err; err != nil {
		return err
	}
	for i, size := range []int{0, 100, 4095, 4096, 8192, 65535, 65536, 65537, 200_000, 1 << 20} {
		for kind, b := range map[string][]byte{
			"text":  bytes.Repeat([]byte("all work and no play "), size/21+1)[:size],
			"noise": randomBytes(r, size),
			"zeros": make([]byte, size),
			"mixed": append(bytes.Repeat([]byte{7, 7, 9, 8}, size/8), randomBytes(r, size/2)...),
		} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(kind, " ", i)), b, 0o644); err != nil {
				return err
			}
		}
	}
	f, err := os.Create(filepath.Join(dir, "with holes"))
	if err != nil {
		return err
	}
	defer f.Close()
	for _, at := range []int64{300_000, 5, 900_000, 70_000} {
		if _, err := f.WriteAt(bytes.Repeat([]byte("hole "), 3000), at); err != nil {
			return err
		}
	}
	return nil
}

// TestReadFragmented fills a volume with small files, removes every other one, and fills what is
// free with one file: it has thousands of runs, in many pieces.
func TestReadFragmented(t *testing.T) {
	image := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: 12 << 20, Cluster: 512}).Path
	r := rand.New(rand.NewPCG(4, 44))
	content := randomBytes(r, 4<<20)
	oracle.EditNTFS(t, oracle.WholeFile(image), func(dir string) error { return shatter(dir, content) })
	v, tr := foreign(t, image)
	for _, problem := range v.Check() {
		t.Error(problem)
	}
	big := tr.Find("big").Node.Data // ntfs-3g agrees with it from its start; here from its end
	if big.Size() < 1<<20 {
		t.Errorf("the file has %d bytes", big.Size())
	}
	b := make([]byte, 1000)
	for off := big.Size() - 1000; off >= 0; off -= 7919 {
		if _, err := big.ReadAt(b, off); err != nil || !bytes.Equal(b, content[off:off+1000]) {
			t.Fatalf("differs at byte %d (%v)", off, err)
		}
	}
}

func shatter(dir string, content []byte) error {
	small := func(i int) string { return filepath.Join(dir, fmt.Sprint("small ", i)) }
	count := 0
	for os.WriteFile(small(count), content[:1500], 0o644) == nil {
		count++
	}
	for i := range count {
		if i%2 == 0 || i == count {
			if err := os.Remove(small(i)); err != nil {
				return err
			}
		}
	}
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	defer f.Close()
	for at := 0; at < len(content); at += 4096 {
		if n, err := f.Write(content[at : at+4096]); err != nil {
			return f.Truncate(int64(at + n)) // the volume is full
		}
	}
	return nil
}

// TestNextData asks for the holes of a sparse file.
func TestNextData(t *testing.T) {
	image := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: 16 << 20}).Path
	oracle.EditNTFS(t, oracle.WholeFile(image), func(dir string) error {
		f, err := os.Create(filepath.Join(dir, "sparse"))
		if err != nil {
			return err
		}
		defer f.Close()
		for _, at := range []int64{1 << 20, 2<<20 + 4096} {
			if _, err := f.WriteAt(make([]byte, 10000), at); err != nil {
				return err
			}
		}
		return f.Truncate(3 << 20)
	})
	_, tr := foreign(t, image)
	data := tr.Find("sparse").Node.Data.(interface {
		NextData(off int64) (start, end int64)
	})
	var got [][2]int64
	for off := int64(0); off < 3<<20; {
		start, end := data.NextData(off)
		got = append(got, [2]int64{start, end})
		off = end
	}
	want := [][2]int64{{1 << 20, 1<<20 + 3*4096}, {2<<20 + 4096, 2<<20 + 4096 + 10000}, {3 << 20, 3 << 20}}
	if !slices.Equal(got, want) {
		t.Errorf("data at %v, want %v", got, want)
	}
}

// TestReadWimlib reads what wimlib applied from a WIM of real files: it must be what is in the WIM.
func TestReadWimlib(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a WIM of real files")
	}
	path := oracle.RealTreeWIM(t, oracle.TreeSpec{Files: 600, Bytes: 20_000_000, Compress: "none"})
	f, err := wim.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := f.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range want.Nodes() {
		if n.Extra != nil {
			n.Extra.EA = nil // which wimlib does not restore
		}
	}
	v, got := foreign(t, oracle.WimlibNTFS(t, path, 1, 256<<20).Path)
	sameTree(t, want, got)
	for _, problem := range v.Check() {
		t.Error(problem)
	}
}

// TestReadWOFSparse reads a compressed file as Windows lays it out, the unnamed data a hole, on a
// volume that ntfs-3g wrote.
func TestReadWOFSparse(t *testing.T) {
	text := codectest.Text(300_000)
	image := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: 16 << 20, Cluster: 512}).Path
	for _, blob := range codectest.Capture(t, "LZX", 32768, text) {
		if blob.Size != len(text) {
			continue // the WIM's own metadata
		}
		oracle.EditNTFS(t, oracle.WholeFile(image), func(dir string) error { return writeWOF(filepath.Join(dir, "packed"), blob) })
	}
	m, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	v, tr := read(t, m)
	if e := tr.Find("packed"); e == nil || e.Node.Streams != nil || e.Node.Extra != nil || e.Node.Attributes != tree.AttrArchive {
		t.Fatalf("found %+v", e)
	}
	if got, err := fs.ReadFile(v.FS(), "packed"); err != nil || !bytes.Equal(got, text) {
		t.Errorf("differs (%v)", err)
	}
}

func writeWOF(path string, blob codectest.WIMBlob) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	if err := os.Truncate(path, int64(blob.Size)); err != nil {
		return err
	}
	if err := os.WriteFile(path+":WofCompressedData", wofStreamOf(blob), 0o644); err != nil {
		return err
	}
	s, r := oracle.Stage{Path: path}, wofReparse(2, 1)
	return s.Reparse(r.Tag, r.Data).Err
}
