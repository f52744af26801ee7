package ntfs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
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
	return v, tr
}

// format makes an empty volume with mkntfs.
func format(t *testing.T, size int64, args ...string) string {
	t.Helper()
	oracle.Need(t, "mkntfs")
	image := filepath.Join(t.TempDir(), "mkntfs.img")
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "mkntfs", append(args, "-F", "-q", "-f", image)...)
	return image
}

// TestReadMkntfs reads what mkntfs makes and ntfs-3g fills, with every size of cluster and sector.
func TestReadMkntfs(t *testing.T) {
	for _, c := range []struct{ sector, cluster int }{
		{512, 512}, {512, 4096}, {512, 65536}, {512, 2 << 20}, {4096, 4096}, {1024, 8192},
	} {
		t.Run(fmt.Sprintf("%d-%d", c.sector, c.cluster), func(t *testing.T) {
			size := int64(64 << 20)
			if c.cluster > 1<<20 {
				size = 512 << 20
			}
			image := format(t, size, "-s", fmt.Sprint(c.sector), "-c", fmt.Sprint(c.cluster), "-L", "from mkntfs")
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

// fill puts some of everything into a directory on a mounted volume.
func fill(r *rand.Rand, dir string) error {
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
	for _, cluster := range []string{"512", "4096"} {
		t.Run(cluster, func(t *testing.T) {
			image := format(t, 96<<20, "-c", cluster, "-C")
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
