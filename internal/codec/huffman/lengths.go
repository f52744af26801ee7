package huffman

// symbolBits is the width of a symbol in a key of Planner.
const symbolBits = 10

// MaxTotal bounds the sum of the frequencies that a Planner takes.
const MaxTotal = 1<<(32-symbolBits) - 1

// Planner makes codes for an encoder: from how often each symbol occurs to how long its codeword is.
// The zero value is ready to use. It is kept for its memory, and must not be used by two goroutines at
// once.
type Planner struct {
	keys, spare [MaxSymbols]uint32 // frequency and symbol, the rarest first
	tree        [MaxSymbols]uint32
}

// Lengths fills lengths with those of a complete code of codewords of at most maxLen bits: a shortest
// one where maxLen allows it, else one close to it. Symbols that do not occur get no codeword. Decoders
// want complete codes: where only one symbol occurs, another gets a codeword too.
//
// freqs has as many symbols as lengths, at most MaxSymbols, of which at most 1<<maxLen may occur. Their
// sum is at most MaxTotal.
func (p *Planner) Lengths(lengths []uint8, freqs []uint32, maxLen int) {
	clear(lengths)
	keys := p.sort(freqs)
	switch len(keys) {
	case 0:
		return
	case 1:
		s := symbol(keys[0])
		lengths[s], lengths[max(1-s, 0)] = 1, 1
		return
	}
	count := p.depths(keys, maxLen)
	complete(&count, maxLen)
	at := len(keys)
	for l := 1; l <= maxLen; l++ {
		for range count[l] {
			at--
			lengths[symbol(keys[at])] = uint8(l)
		}
	}
}

// symbol returns the symbol of a key.
func symbol(key uint32) int { return int(key & (1<<symbolBits - 1)) }

// sort returns the keys of the symbols that occur in the order of their frequency: a radix sort, a
// byte at a time.
func (p *Planner) sort(freqs []uint32) []uint32 {
	keys, spare := p.keys[:0], p.spare[:]
	most := uint32(0)
	for s, f := range freqs {
		if f > 0 {
			keys = append(keys, f<<symbolBits|uint32(s))
			most = max(most, f)
		}
	}
	for shift := symbolBits; most > 0; shift, most = shift+8, most>>8 {
		var start [256]uint16
		for _, k := range keys {
			start[uint8(k>>shift)]++
		}
		at := uint16(0)
		for i, n := range start {
			start[i] = at
			at += n
		}
		spare = spare[:len(keys)]
		for _, k := range keys {
			i := uint8(k >> shift)
			spare[start[i]] = k
			start[i]++
		}
		keys, spare = spare, keys
	}
	return keys
}

// depths returns how many leaves of a Huffman tree are at which depth, those below maxLen counted at
// maxLen. It is the algorithm of Moffat and Katajainen, "In-place calculation of minimum-redundancy
// codes" (1995): tree first holds weights, then parents, then depths of inner nodes.
func (p *Planner) depths(keys []uint32, maxLen int) (count [MaxLen + 1]int) {
	n := len(keys)
	tree := p.tree[:n]
	leaf, root := 0, 0 // the lightest leaf and inner node that have no parent yet
	for next := range n - 1 {
		weight := uint32(0)
		for range 2 {
			if leaf < n && (root == next || keys[leaf]>>symbolBits <= tree[root]) {
				weight += keys[leaf] >> symbolBits
				leaf++
			} else {
				weight += tree[root]
				tree[root] = uint32(next)
				root++
			}
		}
		tree[next] = weight
	}
	tree[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		tree[i] = tree[tree[i]] + 1
	}
	room, left, depth := 1, n, 0 // room: nodes at this depth
	for i := n - 2; left > 0; depth++ {
		inner := 0
		for i >= 0 && tree[i] == uint32(depth) {
			inner++
			i--
		}
		count[min(depth, maxLen)] += room - inner
		left -= room - inner
		room = 2 * inner
	}
	return count
}

// complete makes codewords longer until all fit: wherever the longest ones are too many, one of them
// and the longest of the others become a pair one bit below that other.
func complete(count *[MaxLen + 1]int, maxLen int) {
	excess := -1 << maxLen
	for l, n := range count[:maxLen+1] {
		excess += n << (maxLen - l)
	}
	for ; excess > 0; excess-- {
		l := maxLen - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1] += 2
		count[maxLen]--
	}
}

// Word is a codeword: its bits, and from bit 16 on their number.
type Word uint32

// Bits returns the codeword's bits, the first one uppermost.
func (w Word) Bits() uint32 { return uint32(w & 0xffff) }

// Len returns how many bits the codeword has.
func (w Word) Len() uint { return uint(w >> 16) }

// Words fills words with the codewords of the code that has the given lengths; a symbol without a
// codeword gets an empty one.
func Words(words []Word, lengths []uint8) {
	var next [MaxLen + 2]uint32
	for _, l := range lengths {
		next[l+1]++
	}
	next[1] = 0
	for l := 2; l < len(next); l++ {
		next[l] = (next[l] + next[l-1]) << 1
	}
	words = words[:len(lengths)]
	for s, l := range lengths {
		words[s] = 0
		if l > 0 {
			words[s] = Word(uint32(l)<<16 | next[l]&0xffff)
			next[l]++
		}
	}
}
