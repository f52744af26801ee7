package huffman

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/codectest"
)

// randomCode returns the lengths of a complete code of up to n symbols, none longer than maxLen, with
// symbols without a codeword between them.
func randomCode(r *rand.Rand, n, maxLen int) []uint8 {
	leaves := []int{0}
	for len(leaves) < n {
		i := r.IntN(len(leaves))
		if r.IntN(2) == 0 {
			i = len(leaves) - 1 // prefers deep, uneven trees
		}
		if leaves[i] == maxLen {
			i = r.IntN(len(leaves))
		}
		if leaves[i] == maxLen {
			break
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	lengths := make([]uint8, n+n/4)
	for i, at := range r.Perm(len(lengths))[:len(leaves)] {
		lengths[at] = uint8(leaves[i])
	}
	return lengths
}

func TestBuildRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rootBits := 5 + r.IntN(8)
		checkTable(t, randomCode(r, 2+r.IntN(600), 2+r.IntN(MaxLen-1)), rootBits)
	}
}

// TestBuildDeepest builds codes with a codeword at every depth, and as many of the longest as fit into
// every alphabet: the codes that need the largest tables.
func TestBuildDeepest(t *testing.T) {
	for rootBits := 5; rootBits <= 12; rootBits++ {
		k := MaxLen - rootBits
		for subs := 1; subs*(k+1) < 600 && subs < 1<<rootBits; subs++ {
			lengths := make([]uint8, 0, 700)
			for range subs { // subtables of k bits with the fewest codewords that make one
				for l := rootBits + 1; l <= MaxLen; l++ {
					lengths = append(lengths, uint8(l))
				}
				lengths = append(lengths, MaxLen)
			}
			left := 1<<rootBits - subs // the rest of the root, with the fewest codewords
			for left > 0 {
				log := bits.Len(uint(left)) - 1
				lengths = append(lengths, uint8(rootBits-log))
				left -= 1 << log
			}
			checkTable(t, lengths, rootBits)
		}
	}
}

// checkTable builds a table of just the size that TableSize asks for, and looks up every codeword, with
// zeros and with ones behind it.
func checkTable(t *testing.T, lengths []uint8, rootBits int) {
	t.Helper()
	payload := make([]uint32, len(lengths))
	used := 0
	for s := range payload {
		payload[s] = uint32(s) << 8
		if lengths[s] > 0 {
			used++
		}
	}
	table := make([]uint32, TableSize(used, rootBits, MaxLen))
	if err := Build(table, rootBits, lengths, payload); err != nil {
		t.Fatalf("Build: %v", err)
	}
	for s, c := range codectest.Canonical(lengths) {
		if c.Len == 0 {
			continue
		}
		word := uint64(c.Bits) << (64 - c.Len)
		for _, buf := range []uint64{word, word | (1<<(64-c.Len) - 1)} {
			e := table[buf>>(64-rootBits)]
			if e&Link != 0 {
				e = table[Sub(e, buf<<rootBits)]
			}
			if e != uint32(s)<<8+uint32(c.Len) {
				t.Fatalf("symbol %d of %d bits: entry %#x", s, c.Len, e)
			}
		}
	}
}

func TestBuildInvalid(t *testing.T) {
	deep := make([]uint8, 17)
	for i := range deep {
		deep[i] = uint8(min(i+1, MaxLen))
	}
	lacking := append([]uint8(nil), deep...)
	lacking[16] = 0
	for _, c := range []struct {
		name    string
		lengths []uint8
		want    error
	}{
		{"one symbol", []uint8{0, 1, 0}, ErrIncomplete},
		{"one long symbol", []uint8{16}, ErrIncomplete},
		{"half a code", []uint8{2, 2}, ErrIncomplete},
		{"last codeword lacking", lacking, ErrIncomplete},
		{"three halves", []uint8{1, 1, 1}, ErrOversubscribed},
		{"complete and one more", append(deep, 16), ErrOversubscribed},
	} {
		table := make([]uint32, TableSize(32, 7, MaxLen))
		if err := Build(table, 7, c.lengths, make([]uint32, 32)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestBuildEmpty(t *testing.T) {
	table := make([]uint32, 1<<7)
	if err := Build(table, 7, make([]uint8, 8), []uint32{0x500, 1, 2, 3, 4, 5, 6, 7}); err != nil {
		t.Fatalf("empty code: %v", err)
	}
	for i, e := range table {
		if e != 0x500 {
			t.Fatalf("entry %d of an empty code is %#x", i, e)
		}
	}
}

// FuzzBuild takes any lengths: a code or an error, nothing else.
func FuzzBuild(f *testing.F) {
	f.Add([]byte{1, 2, 3, 3}, uint8(7))
	f.Add([]byte{16, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, uint8(11))
	f.Add([]byte{0, 0, 1}, uint8(5))
	f.Fuzz(func(t *testing.T, lengths []byte, root uint8) {
		lengths = lengths[:min(len(lengths), MaxSymbols)]
		for i := range lengths {
			lengths[i] %= MaxLen + 1
		}
		rootBits := 5 + int(root%8)
		table := make([]uint32, TableSize(len(lengths), rootBits, MaxLen))
		if len(lengths) > 0 && slices.Max(lengths) > 0 && Build(table, rootBits, lengths, make([]uint32, len(lengths))) == nil {
			checkTable(t, lengths, rootBits)
		}
	})
}
