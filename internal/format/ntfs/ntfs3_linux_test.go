package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// ntfs3Volume is a volume for the kernel's driver to read.
type ntfs3Volume struct {
	name    string
	tree    *tree.Tree
	options ntfs.Options
}

// TestNtfs3 has the Linux kernel's driver read volumes of every shape, all in one virtual machine.
func TestNtfs3(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a virtual machine")
	}
	sized := func(size, cluster int64) ntfs.Options {
		o := options(size)
		o.ClusterSize = cluster
		return o
	}
	advanced := options(64 << 20)
	advanced.SectorSize = 4096
	few, single := options(96<<20), options(96<<20)
	few.Bad = scattered(rand.New(rand.NewPCG(60, 60)), few.Size, 60)
	single.Bad = chopped(single, 1)
	volumes := []ntfs3Volume{
		{"empty", tree.New(anyTime), options(3 << 20)},
		{"resident", residentTree(t), options(16 << 20)},
		{"links", linksTree(t, 1024), options(16 << 20)},
		{"streams", streamsTree(t, 300, 200), options(32 << 20)},
		{"directories", directoryTree(t, 0, 1, 5, 6, 7, 38, 39, 40, 1500), options(16 << 20)},
		{"large directory", directoryTree(t, 10500), options(64 << 20)},
		{"descriptors", descriptorTree(t, 3000), options(32 << 20)},
		{"random", linuxTree(t, 31, 2000), options(256 << 20)},
		{"clusters of 512", linuxTree(t, 32, 400), sized(64<<20, 512)},
		{"clusters of 64K", linuxTree(t, 33, 600), sized(512<<20, 64<<10)},
		{"sectors of 4K", linuxTree(t, 36, 300), advanced},
		{"60 bad ranges", linuxTree(t, 37, 400), few},
		{"single clusters", linuxTree(t, 38, 2500), single},
		{"16 TiB", linuxTree(t, 34, 100), sized(16<<40, 64<<10)},
	}
	edited := []ntfs3Volume{
		{"edited", directoryTree(t, 0, 5, 4000), options(64 << 20)},
		{"edited clusters of 64K", directoryTree(t, 0, 5, 700), sized(64<<20, 64<<10)},
	}
	var jobs []oracle.Ntfs3Job
	for _, v := range volumes {
		jobs = append(jobs, oracle.Ntfs3Job{Volume: oracle.WholeFile(v.write(t)), SectorSize: int(v.options.SectorSize)})
	}
	for _, v := range edited {
		jobs = append(jobs, oracle.Ntfs3Job{Volume: oracle.WholeFile(v.write(t)), Edits: editsOf(v.tree)})
	}
	all := append(volumes, edited...)
	for i, got := range oracle.Ntfs3(t, jobs...) {
		t.Run(all[i].name, func(t *testing.T) {
			t.Logf("%d names in %v", len(got.Entries), got.Took)
			if jobs[i].Edits == nil {
				oracle.CompareNtfs3(t, got, all[i].tree)
				return
			}
			applyEdits(t, all[i].tree, jobs[i].Edits)
			compareFiles(t, got, all[i].tree)
			soundAfterEdits(t, jobs[i].Volume)
		})
	}
}

// editsOf are changes to a tree of directoryTree: names leave and enter every directory, in no order,
// and contents of all sizes come and go.
func editsOf(tr *tree.Tree) (edits []guest.Edit) {
	r := rand.New(rand.NewPCG(77, 7))
	for _, dir := range tr.Entries(tr.Root) {
		var there []string
		for _, e := range tr.Entries(dir.Node) {
			there = append(there, dir.Name+"/"+e.Name)
		}
		r.Shuffle(len(there), func(i, k int) { there[i], there[k] = there[k], there[i] })
		for i := range 150 {
			name := fmt.Sprint(dir.Name, "/new ", i)
			edits = append(edits, guest.Edit{Op: guest.Write, Path: name, Size: int64(i * i * 2)})
			for range min(len(there), 8) {
				edits = append(edits, guest.Edit{Op: guest.Remove, Path: there[0]})
				there = there[1:]
			}
			switch i % 10 {
			case 3:
				edits = append(edits, guest.Edit{Op: guest.Rename, Path: name, To: fmt.Sprint("moved ", dir.Name, i)})
			case 5:
				edits = append(edits, guest.Edit{Op: guest.Link, Path: name, To: name + " linked"})
			case 7:
				edits = append(edits, guest.Edit{Op: guest.Truncate, Path: name, Size: int64(i)})
			case 9:
				edits = append(edits, guest.Edit{Op: guest.Mkdir, Path: name + " directory"})
			}
		}
	}
	return edits
}

// applyEdits changes the tree as the guest changes the volume.
func applyEdits(t *testing.T, tr *tree.Tree, edits []guest.Edit) {
	t.Helper()
	for _, e := range edits {
		if err := applyEdit(tr, e); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
	}
}

func applyEdit(tr *tree.Tree, e guest.Edit) error {
	var err error
	switch e.Op {
	case guest.Write:
		_, err = tr.WriteFile(e.Path, tree.Bytes(guest.Content(e.Size)))
	case guest.Remove:
		err = tr.Remove(e.Path)
	case guest.Mkdir:
		_, err = tr.MkdirAll(e.Path)
	case guest.Truncate:
		n := tr.Find(e.Path).Node
		n.Data = n.Data.(tree.Bytes)[:e.Size]
	case guest.Rename, guest.Link:
		old := tr.Find(e.Path)
		dir, lookup := tr.Lookup(path.Dir("/" + e.To))
		if lookup != nil {
			return lookup
		}
		if _, err = tr.Link(dir, path.Base(e.To), "", old.Node); e.Op == guest.Rename {
			tr.Unlink(old)
		}
	}
	return err
}

// compareFiles compares names, links and contents; the driver has its own idea of the rest of what it
// makes.
func compareFiles(t *testing.T, got oracle.Ntfs3Volume, want *tree.Tree) {
	t.Helper()
	names := 1 // the root
	for path, e := range want.Walk() {
		names++
		g, ok := got.Entries[path]
		switch {
		case !ok:
			t.Errorf("%s: is not shown", path)
		case e.Node.IsDir():
		default:
			b, err := tree.ReadAll(e.Node.Data, 1<<20)
			if err != nil || g.Size != int64(len(b)) || !bytes.Equal(g.Sum, guest.Sum(b)) || int(g.Links) != len(e.Node.Names) {
				t.Errorf("%s: %d bytes, %d links, want %d, %d (%v)", path, g.Size, g.Links, len(b), len(e.Node.Names), err)
			}
		}
	}
	if len(got.Entries) != names {
		t.Errorf("%d names are shown, want %d", len(got.Entries), names)
	}
}

// soundAfterEdits has our reader and the other judges check what the driver left.
func soundAfterEdits(t *testing.T, v oracle.Volume) {
	t.Helper()
	f, err := os.Open(v.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ntfs.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range opened.Check() {
		t.Error(problem)
	}
	if opened.Dirty() {
		t.Errorf("is dirty: %q", opened.Warnings())
	}
	oracle.JudgeNTFS(t, v)
}

// write puts the volume into a file, with holes for zeros.
func (v ntfs3Volume) write(t *testing.T) string {
	t.Helper()
	p, err := ntfs.NewPlan(v.tree, v.options)
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	f := longFile(t, v.options.Size)
	defer f.Close()
	if err := volume.Write(sparse{f}, p); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// longFile makes a file of zeros where files may be that long: ext4 ends below 16 TiB, tmpfs does not.
func longFile(t *testing.T, size int64) *os.File {
	t.Helper()
	shared, err := os.MkdirTemp("/dev/shm", "winbake")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(shared) })
	}
	for _, dir := range []string{t.TempDir(), shared} {
		f, err := os.Create(filepath.Join(dir, "volume.img"))
		if err != nil {
			continue
		}
		if err := f.Truncate(size); err == nil {
			return f
		}
		f.Close()
	}
	oracle.Missing(t, "there is no place for a file of %d bytes", size)
	return nil
}

// sparse leaves zeros out.
type sparse struct{ f *os.File }

func (s sparse) WriteAt(p []byte, off int64) (int, error) {
	const unit = 64 << 10
	for at := 0; at < len(p); at += unit {
		if b := p[at:min(at+unit, len(p))]; !bytes.Equal(b, zeroUnit[:len(b)]) {
			if n, err := s.f.WriteAt(b, off+int64(at)); err != nil {
				return at + n, err
			}
		}
	}
	return len(p), nil
}

var zeroUnit [64 << 10]byte

// linuxTree is a random tree without what the driver cannot show: names that are no Unicode, of which
// it leaves the lone surrogates out, and links that lead nowhere.
func linuxTree(t *testing.T, seed uint64, files int) *tree.Tree {
	t.Helper()
	tr := randomTree(t, rand.New(rand.NewPCG(seed, seed)), files)
	var odd []string
	for path, e := range tr.Walk() {
		if r := e.Node.Reparse(); r != nil && r.Tag == 0xA0000003 {
			r.Data = junctionData(`C:\Users\Public`)
		}
		if !utf8.ValidString(e.Name) {
			odd = append(odd, path)
		}
	}
	for _, path := range odd {
		if err := tr.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // gone with its directory
			t.Fatal(err)
		}
	}
	return tr
}

// junctionData is what stands behind the header of a junction's reparse point ([MS-FSCC] 2.1.2.5).
func junctionData(target string) []byte {
	substitute, printed := utf16le.Encode(`\??\`+target), utf16le.Encode(target)
	b := le.AppendUint16(nil, 0)
	for _, x := range []int{len(substitute), len(substitute) + 2, len(printed)} {
		b = le.AppendUint16(b, uint16(x))
	}
	return slices.Concat(b, substitute, []byte{0, 0}, printed, []byte{0, 0})
}

func descriptorTree(t *testing.T, count int) *tree.Tree {
	tr := tree.New(anyTime)
	for i := range count {
		n := tr.NewFile(nil)
		n.Security = tr.AddSecurity(secdesc.Build(secdesc.LocalSystem, secdesc.Users, secdesc.ACE{Mask: uint32(i), SID: secdesc.Everyone}))
		link(t, tr, tr.Root, fmt.Sprint(i), "", n)
	}
	return tr
}
