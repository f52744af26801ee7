package ntfs_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// filled writes a volume, then fills its reserved files from outside. want is the tree as it must
// read afterwards.
func filled(t *testing.T, o ntfs.Options, add func(tr *tree.Tree) []*tree.Node) (m memory, want *tree.Tree) {
	t.Helper()
	r := rand.New(rand.NewPCG(41, 41))
	tr := randomTree(t, r, 100)
	reserved := add(tr)
	p, err := ntfs.NewPlan(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	m = make(memory, o.Size)
	if err := volume.Write(m, p); err != nil {
		t.Fatal(err)
	}
	for _, n := range reserved {
		run, ok := p.Find(n)
		content := n.Data.(*tree.Reserved)
		if !ok || run.Length < content.Size() || content.Align() > 0 && run.Offset%content.Align() != 0 {
			t.Fatalf("%s: reserved are %v (%v), %d bytes aligned to %d are wanted", n.Path(), run, ok, content.Size(), content.Align())
		}
		if len(bytes.Trim(m[run.Offset:run.End()], "\x00")) > 0 {
			t.Fatalf("%s: something was written to what is reserved", n.Path())
		}
		b := randomBytes(r, int(content.Size()))
		copy(m[run.Offset:], b)
		n.Data = tree.Bytes(b) // as others read it now
	}
	return m, tr
}

func reserve(t *testing.T, tr *tree.Tree, path string, size, align int64) *tree.Node {
	t.Helper()
	n, err := tr.Reserve(path, size, align)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reservedFiles are of every kind: aligned, tiny, with streams, larger than others.
func reservedFiles(t *testing.T) func(tr *tree.Tree) []*tree.Node {
	return func(tr *tree.Tree) []*tree.Node {
		streams := reserve(t, tr, "images/with streams.vhd", 300_000, 64<<10)
		streams.Streams = []tree.Stream{{Name: "s", Data: tree.Bytes(make([]byte, 10_000))}}
		return []*tree.Node{
			reserve(t, tr, "images/disk.vhd", 8<<20+512, 1<<20), reserve(t, tr, "images/tiny", 100, 0), streams,
			reserve(t, tr, "images/second.vhd", 3<<20, 1<<20), reserve(t, tr, "images/third.vhd", 1_000_000, 0),
		}
	}
}

func reserveCases() map[string]ntfs.Options {
	plain := options(48 << 20)
	bad := options(96 << 20)
	bad.Bad = scattered(rand.New(rand.NewPCG(42, 42)), bad.Size, 8)
	large := options(48<<20 + 512)
	large.ClusterSize = 65536
	return map[string]ntfs.Options{"plain": plain, "bad ranges": bad, "clusters of 64 KiB": large}
}

func TestReserve(t *testing.T) {
	for name, o := range reserveCases() {
		t.Run(name, func(t *testing.T) {
			m, want := filled(t, o, reservedFiles(t))
			check(t, m, want)
			v, got := read(t, m)
			sameTree(t, want, got)
			for _, problem := range v.Check() {
				t.Error(problem)
			}
		})
	}
}

// TestReserveFull has no room but for what is reserved.
func TestReserveFull(t *testing.T) {
	tr := tree.New(anyTime)
	reserve(t, tr, "a/disk.vhd", 20<<20, 0)
	size, err := ntfs.Required(tr, options(0))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ntfs.NewPlan(tr, options(size))
	if err != nil || p.Free() != 0 {
		t.Fatalf("%v, %d bytes are free", err, p.Free())
	}
	o := options(64 << 20)
	for at := int64(10 << 20); at < o.Size; at += 10 << 20 {
		o.Bad = append(o.Bad, volume.Run{Offset: at, Length: 4096})
	}
	_, err = ntfs.NewPlan(tr, o)
	const want = "a/disk.vhd: 20971520 bytes are to be reserved in one piece, aligned to 4096; the longest free piece has 10481664"
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
