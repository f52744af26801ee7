package huffman

import "testing"

// BenchmarkBuild builds a code with the lengths of an ordinary LZX main code.
func BenchmarkBuild(b *testing.B) {
	counts := []int{35, 0, 0, 0, 0, 2, 4, 23, 72, 127, 130, 65, 22, 16}
	lengths := make([]uint8, 496)
	at := 0
	for l, n := range counts {
		for range n {
			lengths[at*171%len(lengths)] = uint8(l) // 171 and 496 have no common factor
			at++
		}
	}
	payload := make([]uint32, len(lengths))
	table := make([]uint32, TableSize(len(lengths), 11, MaxLen))
	for b.Loop() {
		if err := Build(table, 11, lengths, payload); err != nil {
			b.Fatal(err)
		}
	}
}
