package regf

import (
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// cells gives access to the bins of a hive. It knows where the allocated cells are, and which of
// them have been used, so that no offset can point into the middle of something, and no two
// records can own the same cell.
type cells struct {
	bins  []byte // from the first bin to the end of the last
	start bitmap // a bit for every 8 bytes: an allocated cell starts here
	used  bitmap // its owner has been found
	sound bool   // everything has been checked; start and used are gone

	// For Salvage; nil else. A bit in loose is for 8 bytes where cells could not be told apart,
	// guessed has the sizes of cells that do not say so themselves.
	loose   bitmap
	guessed map[uint32]int
}

// bitmap has one bit for each possible start of a cell.
type bitmap []uint64

func newBitmap(size int) bitmap { return make(bitmap, (size/cellAlign+63)/64) }

func (b bitmap) has(off uint32) bool { return b[off/cellAlign/64]>>(off/cellAlign%64)&1 != 0 }
func (b bitmap) set(off uint32)      { b[off/cellAlign/64] |= 1 << (off / cellAlign % 64) }

// count returns the number of bits that are set.
func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// scanCells walks all bins and their cells.
func scanCells(bins []byte) (*cells, error) {
	c := &cells{bins: bins, start: newBitmap(len(bins)), used: newBitmap(len(bins))}
	for off := 0; off < len(bins); {
		n, err := c.scanBin(off)
		if err != nil {
			return nil, err
		}
		off += n
	}
	return c, nil
}

// scanBin checks the bin at off and returns its size.
func (c *cells) scanBin(off int) (int, error) {
	size, err := c.binSize(off)
	if err != nil {
		return 0, err
	}
	_, err = c.scanBinCells(off+binHeader, off+size)
	return size, err
}

// binSize checks the header of the bin at off and returns the bin's size.
func (c *cells) binSize(off int) (int, error) {
	p := c.bins[off:]
	if len(p) < binHeader || string(p[:4]) != "hbin" {
		return 0, corrupt(off, "no bin here: signature %q", p[:min(4, len(p))])
	}
	var b bin
	b.unmarshal(p)
	if int64(b.Offset) != int64(off) {
		return 0, corrupt(off, "bin says it is at %#x", b.Offset)
	}
	if !b.valid(p, off, len(c.bins)) {
		return 0, corrupt(off, "bin size %#x", b.Size)
	}
	return int(b.Size), nil
}

// scanBinCells walks the cells up to end, and returns where it stopped.
func (c *cells) scanBinCells(off, end int) (int, error) {
	for off < end {
		n := int(int32(le.Uint32(c.bins[off:])))
		size := max(n, -n)
		if size < cellAlign || size%cellAlign != 0 || size > end-off {
			return off, corrupt(off, "cell size %d, %d bytes are left in the bin", size, end-off)
		}
		if n < 0 {
			c.start.set(uint32(off))
		}
		off += size
	}
	return end, nil
}

// get returns the content of the allocated cell at off, which must hold at least need bytes. what
// names it in errors.
func (c *cells) get(off uint32, need int, what string) ([]byte, error) {
	if c.sound {
		return c.bins[int(off)+cellHeader : int(off)+c.size(off)], nil
	}
	if off%cellAlign != 0 || int64(off) >= int64(len(c.bins)) || !c.start.has(off) && !c.claim(off) {
		return nil, fault.Corruptf(fault.NoOffset, "%s: no cell at %#x", what, fileOffset(int(off)))
	}
	p := c.bins[int(off)+cellHeader : int(off)+c.size(off)]
	if len(p) < need {
		return nil, corrupt(int(off), "%s: %d bytes in a cell of %d", what, need, len(p))
	}
	return p, nil
}

// size returns the size of the allocated cell at off.
func (c *cells) size(off uint32) int {
	if n, ok := c.guessed[off]; ok {
		return n
	}
	return -int(int32(le.Uint32(c.bins[off:])))
}

// take is get for a cell that only one record may own.
func (c *cells) take(off uint32, need int, what string) ([]byte, error) {
	p, err := c.get(off, need, what)
	if err != nil || c.sound {
		return p, err
	}
	if c.used.has(off) {
		return nil, corrupt(int(off), "%s: the cell belongs to another record already", what)
	}
	c.used.set(off)
	return p, nil
}

// record is take for a cell that begins with a signature.
func (c *cells) record(off uint32, need int, signature, what string) ([]byte, error) {
	p, err := c.take(off, need, what)
	if err != nil {
		return nil, err
	}
	if string(p[:2]) != signature {
		return nil, corrupt(int(off), "%s: signature %q, must be %q", what, p[:2], signature)
	}
	return p, nil
}

// corrupt is fault.Corruptf at an offset in the bins.
func corrupt(off int, format string, args ...any) error {
	return fault.Corruptf(fileOffset(off), format, args...)
}

func fileOffset(off int) int64 { return int64(off) + baseSize }
