package codectest

// BitWriter writes bits in 16-bit little-endian units, most significant bit first.
type BitWriter struct {
	out  []byte
	unit uint32
	n    int // bits in unit
}

// Bits appends the low n bits of v, the most significant of them first.
func (w *BitWriter) Bits(v uint32, n int) {
	for n--; n >= 0; n-- {
		w.unit = w.unit<<1 | v>>n&1
		if w.n++; w.n == 16 {
			w.out = append(w.out, byte(w.unit), byte(w.unit>>8))
			w.unit, w.n = 0, 0
		}
	}
}

// Code appends a codeword.
func (w *BitWriter) Code(c Code) { w.Bits(c.Bits, c.Len) }

// Flush fills the last unit with zeros; a unit that is already whole stays.
func (w *BitWriter) Flush() {
	for w.n != 0 {
		w.Bits(0, 1)
	}
}

// Bytes appends whole bytes behind the last unit, which must be whole.
func (w *BitWriter) Bytes(b ...byte) { w.out = append(w.out, b...) }

// Used returns how many bits the last unit has.
func (w *BitWriter) Used() int { return w.n }

// Data returns what has been written, the last unit filled with zeros.
func (w *BitWriter) Data() []byte {
	w.Flush()
	return w.out
}

// Code is one codeword.
type Code struct {
	Bits uint32
	Len  int
}

// Canonical returns the codewords of the canonical code with the given lengths, valid or not.
func Canonical(lengths []uint8) []Code {
	codes := make([]Code, len(lengths))
	next := uint32(0)
	for l := 1; l <= 16; l++ {
		next <<= 1
		for s, n := range lengths {
			if int(n) == l {
				codes[s] = Code{next, l}
				next++
			}
		}
	}
	return codes
}
