package ntfs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
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
