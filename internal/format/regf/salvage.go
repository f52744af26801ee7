package regf

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Problem is something of a damaged hive that Salvage had to leave out or to make up.
type Problem struct {
	// Path is that of the key which lacks it, as Key.Path gives it.
	Path string
	// Offset is where in the file the damage is, in bytes, or fault.NoOffset.
	Offset int64
	// Err says what is wrong; see package fault for its classes.
	Err error
}

// String prints "key path: at offset 0x..: what is wrong".
func (p Problem) String() string {
	if p.Path == "" {
		return p.Err.Error()
	}
	return fmt.Sprintf("key %s: %v", p.Path, p.Err)
}

// Bounds of the list: in a hive full of noise there is no end to it.
const (
	maxProblems     = 10000
	maxProblemPaths = 16 << 20 // bytes of all paths
)

// Salvage reads what can be read of a damaged hive, whatever the damage, and lists what cannot: at
// most 10,000 problems, and one that counts the others. Broken values and keys are left out with
// everything that hangs on them. Where a list of subkeys is broken, keys that name their parent
// are found without it. A broken security descriptor gives way to the parent key's. A hive without
// a root key gives nil. An undamaged hive gives what Parse gives, and no problems.
//
// A dirty hive is read as it is, without the changes in its logs: try Recover first. Values' data
// alias data. Marshal writes the result as a sound hive.
func Salvage(data []byte) (*Hive, []Problem) {
	var s salvage
	h := s.hive(data)
	if s.more > 0 {
		err := fault.Corruptf(fault.NoOffset, "%d more problems", s.more)
		s.problems = append(s.problems, Problem{Offset: fault.NoOffset, Err: err})
	}
	if h == nil || h.Root == nil {
		return nil, s.problems
	}
	return h, s.problems
}

// salvage collects problems.
type salvage struct {
	problems   []Problem
	more       int // that are not in problems
	last       *Key
	path       string       // of last
	paths      int          // bytes of all paths in problems
	incomplete []incomplete // keys that have fewer subkeys than they should
}

// incomplete is a key at a cell.
type incomplete struct {
	key *Key
	off uint32
}

// add lists what is wrong with k, or with the hive if that is nil.
func (s *salvage) add(k *Key, err error) {
	if len(s.problems) == maxProblems || s.paths > maxProblemPaths {
		s.more++
		return
	}
	p := Problem{Offset: fault.NoOffset, Err: err}
	if k != nil {
		if k != s.last {
			s.last, s.path = k, k.Path()
			s.paths += len(s.path)
		}
		p.Path = s.path
	}
	var f *fault.Error
	if errors.As(err, &f) {
		p.Offset = f.Offset
	}
	s.problems = append(s.problems, p)
}

// hive reads a hive; nil, or one without a root, if there is nothing to read.
func (s *salvage) hive(data []byte) *Hive {
	base, h := s.header(data)
	if h == nil {
		return nil
	}
	bins := data[baseSize:]
	bins = bins[:min(len(bins), maxBinsSize)&^(cellAlign-1)]
	if n := int64(base.BinsSize); n > int64(len(bins)) {
		s.add(nil, fault.Corruptf(int64(len(data)), "hive ends early: %d bytes of bins, the header says %d", len(bins), n))
	} else if validBins(base.BinsSize) {
		bins = bins[:extent(bins, int(n))]
	}
	r := newReader(s.scan(bins, base.BinsSize), h)
	r.salvage = s
	s.root(r, base.Root)
	s.orphans(r)
	if n := base.BinsSize; validBins(n) && int64(n) < int64(len(bins)) && r.used[n/cellAlign/64:].count() > 0 {
		s.add(nil, fault.Corruptf(0x28, "size of the bins %#x: records are beyond", n))
	}
	return h
}

// extent returns the end of the bins that follow each other from off on. Behind the hive they may be
// remains, but then nothing points to them.
func extent(bins []byte, off int) int {
	c := cells{bins: bins}
	for {
		n, err := c.binSize(off)
		if err != nil {
			return off
		}
		off += n
	}
}

// header reads the header, or makes one up.
func (s *salvage) header(data []byte) (base baseBlock, h *Hive) {
	err := base.read(data)
	if err == nil && len(data) == baseSize {
		err = fault.Corruptf(baseSize, "hive ends behind its header")
	}
	if err != nil {
		s.add(nil, err)
	}
	if len(data) <= baseSize {
		return base, nil
	}
	base.unmarshal(data)
	if string(data[:4]) != "regf" || base.Checksum != checksum(data) {
		h = New("")
		base.BinsSize = 0 // up to the end of the file
		if base.validVersion() != nil {
			base.Minor = hashMinor
		}
	} else if base.FileType != typePrimary || base.validVersion() != nil {
		return base, nil
	} else {
		h = new(Hive)
		copy(h.base[:], data)
	}
	h.Root, h.Minor, h.FileName, h.LastWritten = nil, base.Minor, decodeFileName(base.FileName[:]), base.LastWritten
	return base, h
}

// scan finds the cells, also those of bins behind the size that the header gives, if it does; there
// damage is no surprise. Where bins or cells do not follow each other as they should, every offset
// is taken for a cell that something points to, as long as no two overlap.
func (s *salvage) scan(bins []byte, size uint32) *cells {
	c := &cells{bins: bins, start: newBitmap(len(bins)), used: newBitmap(len(bins))}
	c.loose, c.guessed = newBitmap(len(bins)), make(map[uint32]int)
	for off := 0; off < len(bins); {
		at, end, err := c.salvageBin(off)
		if err != nil && (!validBins(size) || int64(off) < int64(size)) {
			s.add(nil, err)
		}
		c.loosen(at, end)
		off = end
	}
	return c
}

// salvageBin finds the cells of the bin at off. It returns from where on it cannot, and the end.
func (c *cells) salvageBin(off int) (at, end int, err error) {
	size, err := c.binSize(off)
	if err != nil {
		return off, c.nextBin(off), err
	}
	end = off + size
	at, err = c.scanBinCells(off+binHeader, end)
	return at, end, err
}

// nextBin returns where the next bin after off is, or the end.
func (c *cells) nextBin(off int) int {
	for off += binAlign; off < len(c.bins); off += binAlign {
		if _, err := c.binSize(off); err == nil {
			return off
		}
	}
	return len(c.bins)
}

func (c *cells) loosen(off, end int) {
	for ; off < end; off += cellAlign {
		c.loose.set(uint32(off))
	}
}

// maxClaim is the largest cell that is made of loose bytes: larger ones are rare, and looking for
// room takes time.
const maxClaim = 1 << 20

// claim makes a cell of the loose bytes at off, and says whether that is possible.
func (c *cells) claim(off uint32) bool {
	if c.loose == nil || !c.loose.has(off) {
		return false
	}
	size := -int64(int32(le.Uint32(c.bins[off:])))
	if size < cellAlign || size%cellAlign != 0 || size > maxClaim {
		size = c.guess(off)
	}
	end := int64(off) + size
	ok := size >= cellAlign && end <= int64(len(c.bins))
	if ok = ok && c.loose.all(off, uint32(end)); !ok {
		c.loose.clear(off) // nobody need try again
		return false
	}
	for at := off; at < uint32(end); at += cellAlign {
		c.loose.clear(at)
	}
	c.start.set(off)
	return true
}

// guess returns the size that the cell at off must have to hold the record in it, and notes it.
func (c *cells) guess(off uint32) int64 {
	p := c.bins[off+cellHeader:]
	if len(p) < nodeSize {
		return 0
	}
	var content int64
	switch kind := listKind(p[:2]); kind {
	case "nk":
		content = nodeSize + int64(le.Uint16(p[0x48:]))
	case "vk":
		content = valueSize + int64(le.Uint16(p[2:]))
	case "sk":
		content = secSize + int64(le.Uint32(p[0x10:]))
	case "lf", "lh", "li", "ri":
		content = listSize + int64(le.Uint16(p[2:]))*int64(kind.stride())
	default:
		return 0
	}
	if content > maxClaim {
		return 0
	}
	size := cellSize(int(content))
	c.guessed[off] = size
	return int64(size)
}

func (b bitmap) clear(off uint32) { b[off/cellAlign/64] &^= 1 << (off / cellAlign % 64) }

// all says whether every bit from off to before end is set.
func (b bitmap) all(off, end uint32) bool {
	for at := off / cellAlign; at < end/cellAlign; {
		n := min(64-at%64, end/cellAlign-at)
		mask := ^uint64(0) >> (64 - n) << (at % 64)
		if b[at/64]&mask != mask {
			return false
		}
		at += n
	}
	return true
}

// root reads the tree from the root that the header names, else from where Windows puts it, else
// from a key that calls itself the root of a hive.
func (s *salvage) root(r *reader, off uint32) {
	if err := r.root(off); err != nil {
		s.add(nil, err)
	}
	if r.hive.Root == nil {
		_ = r.root(binHeader) // why not is of no interest
	}
	if r.hive.Root != nil {
		return
	}
	r.eachUnusedKey(func(off uint32, n *node) {
		if r.hive.Root == nil && n.Flags&KeyHiveEntry != 0 {
			_ = r.root(off)
		}
	})
}

// eachUnusedKey calls visit for what looks like a key record and has no owner.
func (r *reader) eachUnusedKey(visit func(off uint32, n *node)) {
	for i := range r.start {
		for w := r.start[i]&^r.used[i] | r.loose[i]; w != 0; w &= w - 1 {
			off := uint32(i*64+bits.TrailingZeros64(w)) * cellAlign
			p := r.bins[off+cellHeader:]
			if len(p) < nodeSize || string(p[:2]) != "nk" || int32(le.Uint32(r.bins[off:])) >= 0 {
				continue
			}
			var n node
			n.unmarshal(p)
			visit(off, &n)
		}
	}
}

// orphans gives keys with broken lists of subkeys those that name them as their parent.
func (s *salvage) orphans(r *reader) {
	if len(s.incomplete) == 0 {
		return
	}
	below := make(map[uint32][]uint32)
	r.eachUnusedKey(func(off uint32, n *node) { below[n.Parent] = append(below[n.Parent], off) })
	for len(s.incomplete) > 0 { // reading orphans can add to it
		k := s.incomplete[0]
		s.incomplete = s.incomplete[1:]
		for _, off := range below[k.off] {
			k.key.adopt(r, off)
		}
		k.key.sort()
	}
}

// adopt adds the key at off to k, unless it has got a place meanwhile.
func (k *Key) adopt(r *reader, off uint32) {
	if _, err := r.record(off, nodeSize, "nk", "subkey"); err != nil {
		return
	}
	c := &Key{hive: r.hive, parent: k}
	if ok, _ := r.tree(c, off, k.depth()+1); ok { // a salvage's errors are in its list
		k.children = append(k.children, c)
	}
}

// inherited returns the security that k gets where its own is not to be had.
func (k *Key) inherited() []byte {
	if k.parent == nil {
		return DefaultSecurity()
	}
	return k.parent.Security
}
