package huffman

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// cost returns how many bits a code needs for the given frequencies.
func cost(lengths []uint8, freqs []uint32) (bits int) {
	for s, f := range freqs {
		bits += int(f) * int(lengths[s])
	}
	return bits
}

// packageMerge returns the bits of the shortest code with codewords of at most maxLen bits: the
// algorithm of Larmore and Hirschberg, which adds up pairs of packages maxLen times.
func packageMerge(freqs []uint32, maxLen int) (bits int) {
	var leaves, list []int
	for _, f := range freqs {
		if f > 0 {
			leaves = append(leaves, int(f))
		}
	}
	slices.Sort(leaves)
	for range maxLen {
		pairs := []int{}
		for i := 0; i+1 < len(list); i += 2 {
			pairs = append(pairs, list[i]+list[i+1])
		}
		list = append(pairs, leaves...)
		slices.Sort(list)
	}
	for _, w := range list[:2*len(leaves)-2] {
		bits += w
	}
	return bits
}

// checkCode checks that lengths are a complete code of exactly the symbols that occur.
func checkCode(t *testing.T, lengths []uint8, freqs []uint32, maxLen int) {
	t.Helper()
	space := 0
	for s, l := range lengths {
		if (l > 0) != (freqs[s] > 0) || int(l) > maxLen {
			t.Fatalf("symbol %d occurs %d times and has %d bits of %d", s, freqs[s], l, maxLen)
		}
		if l > 0 {
			space += 1 << (maxLen - int(l))
		}
	}
	if space != 1<<maxLen {
		t.Fatalf("the codewords take %d of %d parts of the code space", space, 1<<maxLen)
	}
}

func TestLengths(t *testing.T) {
	var p Planner
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n, maxLen := 2+r.IntN(300), 7+r.IntN(MaxLen-6)
		n = min(n, 1<<maxLen)
		freqs, lengths := make([]uint32, n+r.IntN(100)), make([]uint8, 400)
		skew := r.Float64() * 3
		for _, s := range r.Perm(len(freqs))[:n] {
			freqs[s] = 1 + uint32(r.ExpFloat64()*float64(uint64(1)<<uint(r.Float64()*skew*4)))
		}
		lengths = lengths[:len(freqs)]
		p.Lengths(lengths, freqs, maxLen)
		checkCode(t, lengths, freqs, maxLen)
		got, want := cost(lengths, freqs), packageMerge(freqs, maxLen)
		if slices.Max(lengths) < uint8(maxLen) && got != want || n<<4 < 1<<maxLen && float64(got) > 1.02*float64(want) {
			t.Fatalf("%d bits, want %d", got, want)
		}
	}
}

// TestLengthsDeep takes frequencies whose tree is as deep as it can be.
func TestLengthsDeep(t *testing.T) {
	var p Planner
	freqs, lengths := make([]uint32, 30), make([]uint8, 30)
	freqs[0], freqs[1] = 1, 1
	for i := 2; i < len(freqs); i++ {
		freqs[i] = freqs[i-1] + freqs[i-2]
	}
	for maxLen := 5; maxLen <= MaxLen; maxLen++ {
		p.Lengths(lengths, freqs, maxLen)
		checkCode(t, lengths, freqs, maxLen)
		if got, want := cost(lengths, freqs), packageMerge(freqs, maxLen); float64(got) > 1.25*float64(want) {
			t.Errorf("codewords of up to %d bits: %d bits, want %d", maxLen, got, want)
		}
	}
}

func TestLengthsFew(t *testing.T) {
	var p Planner
	for _, c := range []struct {
		freqs []uint32
		want  []uint8
	}{
		{[]uint32{0, 0, 0}, []uint8{0, 0, 0}},
		{[]uint32{0, 5, 0}, []uint8{1, 1, 0}},
		{[]uint32{5, 0, 0}, []uint8{1, 1, 0}},
		{[]uint32{0, 0, MaxTotal}, []uint8{1, 0, 1}},
		{[]uint32{0, 1, 1 << 21}, []uint8{0, 1, 1}},
		{[]uint32{3, 1, 9}, []uint8{2, 2, 1}},
	} {
		got := []uint8{9, 9, 9} // what was there before is gone
		if p.Lengths(got, c.freqs, 15); !slices.Equal(got, c.want) {
			t.Errorf("frequencies %d: lengths %d, want %d", c.freqs, got, c.want)
		}
	}
}

// TestWords compares the codewords with the test's own.
func TestWords(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		lengths := randomCode(r, 2+r.IntN(600), 2+r.IntN(MaxLen-1))
		words := make([]Word, len(lengths))
		Words(words, lengths)
		for s, c := range codectest.Canonical(lengths) {
			if words[s].Bits() != c.Bits || words[s].Len() != uint(c.Len) {
				t.Fatalf("symbol %d: %#x, want %v", s, words[s], c)
			}
		}
	}
}
