package ntfs

import (
	"math/rand/v2"
	"testing"
)

// TestClusterSet compares the set with a plain list of bits.
func TestClusterSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const size = 5*setPage + 100
	for range 50 {
		s, plain := clusterSet{}, make([]bool, size)
		for range 40 {
			lcn := r.Int64N(size)
			count := 1 + r.Int64N(min(size-lcn, []int64{3, 100, 2 * setPage}[r.IntN(3)]))
			if r.IntN(4) == 0 {
				lcn, count = lcn/setPage*setPage, min(setPage, size-lcn/setPage*setPage)
			}
			want := int64(-1)
			for i := lcn; i < lcn+count && want < 0; i++ {
				if plain[i] {
					want = i
				}
			}
			if got := s.add(lcn, count); got != want {
				t.Fatalf("%d clusters at %d: %d, want %d", count, lcn, got, want)
			}
			if want < 0 {
				want = lcn + count
			}
			for i := lcn; i < want; i++ {
				plain[i] = true
			}
		}
		for i := range int64(size) {
			if got := s.word(i/64)>>(i%64)&1 == 1; plain[i] != got {
				t.Fatalf("cluster %d: %v", i, got)
			}
		}
	}
}
