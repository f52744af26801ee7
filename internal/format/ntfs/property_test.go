package ntfs_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

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
