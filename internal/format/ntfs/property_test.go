package ntfs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// TestGeometry builds volumes of random trees with every size of sector and cluster, for the checker
// and other programs.
func TestGeometry(t *testing.T) {
	for _, c := range []struct{ sector, cluster int64 }{
		{512, 512}, {512, 1024}, {512, 2048}, {512, 8192}, {512, 16384}, {512, 32768}, {512, 65536},
		{4096, 4096}, {4096, 8192}, {4096, 65536},
	} {
		t.Run(fmt.Sprintf("%d-%d", c.sector, c.cluster), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(c.cluster), 5))
			tr := randomTree(t, r, 200)
			o := options(96<<20 + 3*4096)
			o.SectorSize, o.ClusterSize = c.sector, c.cluster
			m := build(t, tr, o)
			check(t, m, tr)
			image := saved(t, m)
			for _, j := range generalJudges {
				if c.sector == 4096 && j.program == "7z" {
					continue // it opens no volume with such sectors, mkntfs's neither
				}
				oracle.Need(t, j.program)
				if err := j.judge(image); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestRandom builds volumes of random trees; the checker must accept them and find the trees.
func TestRandom(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 77))
			tr := randomTree(t, r, 1+r.IntN(400))
			check(t, build(t, tr, options(48<<20)), tr)
		})
	}
}

// TestManyTrees writes ten thousand random trees to volumes of any geometry, half of them with bad
// ranges, and reads them back. The checker looks at every tenth volume, other people's programs at
// every 250th.
func TestManyTrees(t *testing.T) {
	const batch = 100
	batches := uint64(100)
	if testing.Short() {
		batches = 5
	}
	for b := range batches {
		t.Run(fmt.Sprint("from ", b*batch), func(t *testing.T) {
			t.Parallel()
			var w treeWriter
			defer func() {
				if t.Failed() {
					t.Logf("this was seed %d", w.seed)
				}
			}()
			for w.seed = b * batch; w.seed < (b+1)*batch && !t.Failed(); w.seed++ {
				w.try(t)
			}
			w.seed-- // after the last one, or the one that failed
			if w.refused > batch/10 {
				t.Errorf("%d trees were refused", w.refused)
			}
		})
	}
}

// treeWriter writes one tree after the other.
type treeWriter struct {
	seed    uint64
	refused int
	buf     memory
}

func (w *treeWriter) try(t *testing.T) {
	r := rand.New(rand.NewPCG(w.seed, 10_000))
	size := 40
	if r.IntN(40) == 0 {
		size = 400
	}
	tr := randomTree(t, r, r.IntN(size))
	if r.IntN(8) == 0 {
		link(t, tr, tr.Root, "large", "", tr.NewFile(tree.Bytes(randomBytes(r, r.IntN(400_000)))))
	}
	if r.IntN(8) == 0 {
		reserve(t, tr, "reserved", 1+r.Int64N(100_000), 1<<r.IntN(16))
	}
	o := randomOptions(t, r, tr)
	p, err := ntfs.NewPlan(tr, o)
	if o.Bad != nil && errors.Is(err, fault.ErrInvalid) && strings.Contains(err.Error(), " piece") {
		w.refused++ // what must be whole does not fit
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(w.buf)) < o.Size {
		w.buf = make(memory, o.Size)
	}
	m := w.buf[:o.Size]
	clear(m)
	if err := volume.Write(m, p); err != nil {
		t.Fatal(err)
	}
	v, got := read(t, m)
	sameTree(t, tr, got)
	for _, problem := range v.Check() {
		t.Error(problem)
	}
	if w.seed%10 == 0 {
		check(t, m, tr)
	}
	if w.seed%250 == 0 {
		image := oracle.WholeFile(saved(t, m))
		oracle.NTFSFix(t, image)
		oracle.NTFSInfo(t, image)
	}
}

// randomOptions are for a volume that has little more room than tr needs.
func randomOptions(t *testing.T, r *rand.Rand, tr *tree.Tree) ntfs.Options {
	o := options(0)
	o.SectorSize, o.ClusterSize = 512, 512<<r.IntN(8)
	if r.IntN(8) == 0 {
		o.SectorSize, o.ClusterSize = 4096, 4096<<r.IntN(5)
	}
	size, err := ntfs.Required(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Size = size + o.SectorSize*r.Int64N(1+(1<<20)/o.SectorSize)
	if r.IntN(2) == 0 {
		return o
	}
	// Records and index blocks are not cut.
	start := max(8192, o.ClusterSize) + 68*max(1024, o.SectorSize) + 3*o.ClusterSize + r.Int64N(64<<10)
	if whole := max(4096, o.ClusterSize); r.IntN(2) == 0 {
		chop(r, &o, start, whole*(1+r.Int64N(4)))
	} else {
		punch(r, &o, start)
	}
	r.Shuffle(len(o.Bad), func(i, k int) { o.Bad[i], o.Bad[k] = o.Bad[k], o.Bad[i] })
	if size, err = ntfs.Required(tr, o); err != nil {
		t.Fatal(err)
	}
	o.Size = max(o.Size, size+size/16/o.SectorSize*o.SectorSize) // pieces take some room
	return o
}

// chop leaves free pieces of the given length or a little more, with room for everything and what
// the pieces themselves take.
func chop(r *rand.Rand, o *ntfs.Options, start, piece int64) {
	const log = 2 << 20 // must not be in too many pieces
	o.Size = 5*o.Size/2 + 64*o.ClusterSize + log
	o.Size -= o.Size % o.SectorSize
	start += log - start%o.ClusterSize
	for at := start; at+o.ClusterSize < o.Size-o.SectorSize; {
		o.Bad = append(o.Bad, volume.Run{Offset: at, Length: o.ClusterSize})
		at += o.ClusterSize + piece
		if r.IntN(10) == 0 {
			at += o.ClusterSize * r.Int64N(20)
		}
	}
}

// punch makes holes of any length in a volume that becomes longer for them.
func punch(r *rand.Rand, o *ntfs.Options, start int64) {
	size := o.Size
	o.Size += o.SectorSize * (size/8/o.SectorSize + r.Int64N(1+size/2/o.SectorSize))
	for left := (o.Size - size) / 2; left > o.ClusterSize; {
		length := min(1+r.Int64N(1+r.Int64N(8*o.ClusterSize)), left)
		if start+length > o.Size-o.SectorSize {
			return
		}
		o.Bad = append(o.Bad, volume.Run{Offset: start, Length: length})
		left -= length + o.ClusterSize
		start += length + r.Int64N(1+r.Int64N(size/8))
	}
}
