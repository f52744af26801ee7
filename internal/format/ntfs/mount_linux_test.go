package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// TestMount compares what ntfs-3g shows of random trees with the trees.
func TestMount(t *testing.T) {
	for seed := range uint64(3) {
		tr := randomTree(t, rand.New(rand.NewPCG(seed, 3)), 400)
		v := oracle.WholeFile(saved(t, build(t, tr, options(64<<20))))
		m := mounted{t: t, dir: oracle.MountNTFS(t, v), tr: tr, records: map[*tree.Node]uint64{}}
		m.directory("", tr.Root)
	}
}

// TestMountBad compares volumes in pieces with what ntfs-3g shows of them.
func TestMountBad(t *testing.T) {
	tr := piecesTree(t)
	for _, c := range badCases(96 << 20) {
		t.Run(c.name, func(t *testing.T) {
			v := oracle.WholeFile(saved(t, build(t, tr, c.o)))
			m := mounted{t: t, dir: oracle.MountNTFS(t, v), tr: tr, records: map[*tree.Node]uint64{}}
			m.directory("", tr.Root)
		})
	}
}

// TestMountExtremes shows the extremes to ntfs-3g. Then wimlib captures them from the volume and
// applies them to one of mkntfs: ntfs-3g must see the same there.
func TestMountExtremes(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	tr := extremesTree(t)
	const size = 64 << 20
	image := filepath.Join(t.TempDir(), "ours.img")
	writeImage(t, image, tr, size)
	ours := oracle.WholeFile(image)
	m := mounted{t: t, dir: oracle.MountNTFS(t, ours), tr: tr, records: map[*tree.Node]uint64{}}
	m.directory("", tr.Root)
	archive := filepath.Join(t.TempDir(), "extremes.wim")
	oracle.Run(t, "wimlib-imagex", "capture", image, archive, "--compress=none")
	oracle.CompareNTFS(t, oracle.WimlibNTFS(t, archive, 1, size), ours)
}

type mounted struct {
	t       *testing.T
	dir     string
	tr      *tree.Tree
	records map[*tree.Node]uint64
	foreign bool // the tree was read, the volume is not ours
}

func (m *mounted) directory(path string, dir *tree.Node) {
	m.node(path, nil, dir)
	var want []string
	for _, e := range m.tr.Entries(dir) {
		sub := path + "/" + e.Name
		want = append(want, e.Name)
		if e.Node.IsDir() && e.Node.Reparse() == nil {
			m.directory(sub, e.Node)
		} else {
			m.node(sub, e, e.Node)
		}
	}
	f, err := os.Open(m.dir + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Readdirnames(-1)
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		m.t.Errorf("%s: ntfs-3g lists %q (%v), want %q", path, got, err, want)
	}
}

func (m *mounted) node(path string, e *tree.Entry, n *tree.Node) {
	var st unix.Stat_t
	if err := unix.Lstat(m.dir+path, &st); err != nil {
		m.t.Errorf("%s: %v", path, err)
		return
	}
	if first, ok := m.records[n]; ok && first != st.Ino {
		m.t.Errorf("%s: record %d, other names %d", path, st.Ino, first)
	}
	m.records[n] = st.Ino
	if len(n.Names) > 0 && !n.IsDir() && int(st.Nlink) < len(n.Names) {
		m.t.Errorf("%s: %d links, want %d", path, st.Nlink, len(n.Names))
	}
	m.metadata(path, n)
	if e != nil && e.Short != "" && len(n.Names) == 1 { // ntfs-3g does not tell of files with more
		if got := m.xattr(path, "system.ntfs_dos_name"); got != nil && string(got) != e.Short {
			m.t.Errorf("%s: short name %q, want %q", path, got, e.Short)
		}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	m.content(path, n.Data)
	for _, s := range n.Streams {
		m.content(path+":"+s.Name, s.Data)
	}
}

func (m *mounted) content(path string, c tree.Content) {
	want, err := io.ReadAll(tree.NewReader(c))
	if err != nil {
		m.t.Fatal(err)
	}
	if got, err := os.ReadFile(m.dir + path); err != nil || !bytes.Equal(got, want) {
		m.t.Errorf("%s: content differs (%v)", path, err)
	}
}

// metadata compares what ntfs-3g passes on as extended attributes.
func (m *mounted) metadata(path string, n *tree.Node) {
	x := n.Extra
	if x == nil {
		x = &tree.Extra{}
	}
	const kept = 0x3127
	if got := le.Uint32(m.xattr(path, "system.ntfs_attrib")); got&kept != n.Attributes&kept || (got&0x400 != 0) != (x.Reparse != nil) {
		m.t.Errorf("%s: attributes %#x, want %#x", path, got, n.Attributes)
	}
	times := m.xattr(path, "system.ntfs_times")
	for i, want := range []uint64{uint64(n.Created), uint64(n.Modified), uint64(n.Accessed), uint64(n.Modified)} {
		if i == 3 && m.foreign {
			continue // when the record changed, which a tree does not keep
		}
		if got := le.Uint64(times[8*i:]); got != want {
			m.t.Errorf("%s: time %d is %d, want %d", path, i, got, want)
		}
	}
	if want := m.tr.Descriptor(n); want != nil && !bytes.Equal(m.xattr(path, "system.ntfs_acl"), want) {
		m.t.Errorf("%s: security descriptor differs", path)
	}
	reparse := m.xattr(path, "system.ntfs_reparse_data")
	if x.Reparse != nil && (len(reparse) < 8 || le.Uint32(reparse) != x.Reparse.Tag || !bytes.Equal(reparse[8:], x.Reparse.Data)) {
		m.t.Errorf("%s: reparse point % x", path, reparse)
	}
	if got := decodeEAs(m.xattr(path, "system.ntfs_ea")); !slices.EqualFunc(got, x.EA, equalEA) {
		m.t.Errorf("%s: extended attributes %v, want %v", path, got, x.EA)
	}
	if got := m.xattr(path, "system.ntfs_object_id"); !bytes.HasPrefix(got, x.ObjectID) {
		m.t.Errorf("%s: object id % x, want % x", path, got, x.ObjectID)
	}
}

func (m *mounted) xattr(path, name string) []byte {
	buf := make([]byte, 64<<10)
	n, err := unix.Lgetxattr(m.dir+path, name, buf)
	if err != nil {
		if !errors.Is(err, unix.ENODATA) {
			m.t.Errorf("%s: %s: %v", path, name, err)
		}
		return nil
	}
	return buf[:n]
}

// TestLikeWimlib applies a WIM of real files with wimlib and with this package: ntfs-3g must see the
// same on both volumes.
func TestLikeWimlib(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a WIM of real files")
	}
	path := oracle.RealTreeWIM(t, oracle.TreeSpec{Files: 600, Bytes: 20_000_000, Compress: "none"})
	f, err := wim.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := f.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	const size = 256 << 20
	image := filepath.Join(t.TempDir(), "ours.img")
	writeImage(t, image, tr, size)
	ours := oracle.WholeFile(image)
	oracle.JudgeNTFS(t, ours)
	oracle.CompareNTFS(t, oracle.WimlibNTFS(t, path, 1, size), ours)
}

// writeImage writes a volume of tr to a new file.
func writeImage(t *testing.T, image string, tr *tree.Tree, size int64) {
	t.Helper()
	p, err := ntfs.NewPlan(tr, options(size))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := volume.Write(f, p); err != nil {
		t.Fatal(err)
	}
	for _, problem := range checkVolume(f, size).problems {
		t.Error(problem)
	}
}

// TestMountCanFail spoils a volume in a way that only a comparison of contents sees.
func TestMountCanFail(t *testing.T) {
	tr := tree.New(anyTime)
	if _, err := tr.WriteFile("f", tree.Bytes(bytes.Repeat([]byte("abc"), 5000))); err != nil {
		t.Fatal(err)
	}
	m := build(t, tr, options(16<<20))
	at := bytes.Index(m, []byte("abcabcabcabc"))
	m[at] = 'X'
	dir := oracle.MountNTFS(t, oracle.WholeFile(saved(t, m)))
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	if err != nil || !strings.HasPrefix(string(got), "Xbc") {
		t.Errorf("ntfs-3g reads %.10q, %v", got, err)
	}
	if v := fmt.Sprint(checkVolume(bytes.NewReader(m), int64(len(m))).problems); v != "[]" {
		t.Errorf("the checker minds: %s", v)
	}
}

// TestMountReserved has ntfs-3g read what others filled.
func TestMountReserved(t *testing.T) {
	for name, o := range reserveCases() {
		t.Run(name, func(t *testing.T) {
			b, want := filled(t, o, reservedFiles(t))
			v := oracle.WholeFile(saved(t, b))
			oracle.NTFSFix(t, v)
			m := mounted{t: t, dir: oracle.MountNTFS(t, v), tr: want, records: map[*tree.Node]uint64{}}
			m.directory("", want.Root)
		})
	}
}
