package wim

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"sync"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// A solid resource holds many blobs one behind the other, compressed as one, with chunks of up to
// 64 MiB: that is what an .esd file is. It begins with a header, then comes the stored size of each
// chunk, then the chunks. A blob's entry in the blob table says where its bytes are among the
// uncompressed ones.

const (
	solidHeaderSize = 16
	// solidMark is the uncompressed size of an entry that is for the resource itself, not for a blob.
	solidMark = 1 << 32
	// maxSolidChunks bounds the chunk tables of a file: 512 GiB of contents in the smallest chunks of
	// LZX and LZMS.
	maxSolidChunks = 1 << 24
)

// solidHeader is what a solid resource begins with.
type solidHeader struct {
	Size   uint64 // 0x00: uncompressed bytes
	Chunk  uint32 // 0x08: uncompressed bytes in a chunk
	Format uint32 // 0x0c
}

func (h *solidHeader) unmarshal(b *[solidHeaderSize]byte) {
	h.Size = binary.LittleEndian.Uint64(b[0:])
	h.Chunk = binary.LittleEndian.Uint32(b[8:])
	h.Format = binary.LittleEndian.Uint32(b[12:])
}

// solid is an open solid resource.
type solid struct {
	blobs storage // what its blobs have in common
	file  resource
	first int64   // where its chunks begin in the file
	ends  []int64 // where each chunk ends, from there on
	size  int64   // uncompressed bytes
	from  int64   // where they begin among those of its run
	keeper
}

// newSolid reads the header and the chunk table of a solid resource. room is how many chunks it may
// have.
func (f *File) newSolid(h resourceHeader, room int64) (*solid, error) {
	if h.Offset < headerSize || h.Offset > uint64(f.size) || h.Stored > uint64(f.size)-h.Offset || h.Stored < solidHeaderSize {
		return nil, fault.Corruptf(fault.NoOffset, "solid resource: %d bytes at %#x do not lie in the file's %d bytes; the file is truncated or damaged", h.Stored, h.Offset, f.size)
	}
	s := &solid{file: resource{storage: &f.plain, offset: int64(h.Offset), stored: int64(h.Stored), size: int64(h.Stored)}}
	var b [solidHeaderSize]byte
	if err := s.file.readFull(b[:], 0); err != nil {
		return nil, err
	}
	var head solidHeader
	head.unmarshal(&b)
	if err := s.setSize(&head, room); err != nil {
		return nil, at(s.file.offset, "solid resource", err)
	}
	s.blobs = f.plain
	s.blobs.chunk, s.blobs.format, s.blobs.solid = int64(head.Chunk), Format(head.Format), s
	if err := s.readEnds(); err != nil {
		return nil, at(s.file.offset+solidHeaderSize, "chunk table of a solid resource", err)
	}
	return s, nil
}

// solidRoom is what the solid resources of a part may take in all, so that many entries for one place
// cannot ask for more memory than there is in the file.
type solidRoom struct {
	bytes  uint64 // stored
	chunks int64
}

func newSolidRoom(part *File) *solidRoom { return &solidRoom{uint64(part.size), maxSolidChunks} }

// solidRun opens the solid resources that the entries at the start of table are of.
func (f *File) solidRun(table []byte, room *solidRoom) ([]*solid, error) {
	run := []*solid{}
	for ; len(table) >= blobEntrySize; table = table[blobEntrySize:] {
		var e blobEntry
		e.unmarshal(table)
		if e.Resource.Flags&resSolid == 0 {
			break
		}
		if e.Resource.Size != solidMark {
			continue
		}
		if e.Resource.Stored > room.bytes {
			return nil, fault.Corruptf(fault.NoOffset, "the solid resources have more bytes than the file")
		}
		s, err := f.newSolid(e.Resource, room.chunks)
		if err != nil {
			return nil, err
		}
		room.bytes -= e.Resource.Stored
		room.chunks -= int64(len(s.ends))
		f.plain.cache.fit(s.blobs.chunk)
		if n := len(run); n > 0 {
			s.from = run[n-1].from + run[n-1].size // no overflow: maxSolidChunks bounds all sizes together
		}
		run = append(run, s)
	}
	return run, nil
}

// closeRun is called when all blobs of a run have been added.
func closeRun(run []*solid) {
	for _, s := range run {
		s.sort()
	}
}

// addSolid takes the entry of a blob in one of the resources of run. Its offset counts the uncompressed
// bytes of all of them.
func (f *File) addSolid(part *File, e *blobEntry, run []*solid) error {
	if e.Resource.Size == solidMark || e.Hash == (hash{}) || e.Resource.Stored == 0 || e.Part != part.header.Part ||
		e.Resource.Flags&resMetadata != 0 && (e.Refs == 0 || part != f) {
		return nil
	}
	off, size := e.Resource.Offset, e.Resource.Stored
	i := sort.Search(len(run), func(i int) bool { return off < uint64(run[i].from+run[i].size) })
	if i < len(run) {
		s := run[i]
		at := off - uint64(s.from)
		if size <= uint64(s.size)-at {
			f.add(resource{storage: &s.blobs, offset: int64(at), size: int64(size)}, e)
			s.expect(int64(at), int64(size))
			return nil
		}
	}
	return fault.Corruptf(fault.NoOffset, "%d bytes at %d are in none of its %d solid resources", size, e.Resource.Offset, len(run))
}

// setSize takes the header, and checks it against the room that there is for it.
func (s *solid) setSize(h *solidHeader, room int64) error {
	format := Format(min(h.Format, 255))
	switch {
	case format > LZMS:
		return fault.Unsupportedf(fault.NoOffset, "compression format %d", h.Format)
	case format != None && !format.legal(int64(h.Chunk)), h.Chunk == 0:
		return fault.Corruptf(fault.NoOffset, "%v with chunks of %d bytes", format, h.Chunk)
	case h.Chunk > 1<<maxChunkLog:
		return fault.Unsupportedf(fault.NoOffset, "%v with chunks of %d bytes, which would all have to be in memory; at most %d are read; export it anew with: wimlib-imagex export --solid", format, h.Chunk, 1<<maxChunkLog)
	}
	n := h.Size / uint64(h.Chunk)
	if h.Size%uint64(h.Chunk) != 0 {
		n++
	}
	if n == 0 || n > uint64(s.file.stored-solidHeaderSize)/5 { // a number of four bytes and a byte each
		return fault.Corruptf(fault.NoOffset, "%d stored bytes cannot hold %d chunks of %v", s.file.stored, n, format)
	}
	if n > uint64(room) {
		return fault.Unsupportedf(fault.NoOffset, "more than %d chunks", maxSolidChunks)
	}
	s.size = int64(h.Size)
	s.ends = make([]int64, n)
	s.first = s.file.offset + solidHeaderSize + 4*int64(n)
	return nil
}

// readEnds reads the chunk table.
func (s *solid) readEnds() error {
	table := make([]byte, 4*len(s.ends))
	if err := s.file.readFull(table, solidHeaderSize); err != nil {
		return err
	}
	end, limit := int64(0), s.file.offset+s.file.stored-s.first
	for i := range s.ends {
		n := int64(binary.LittleEndian.Uint32(table[4*i:]))
		if end += n; n == 0 || n > s.chunkLen(int64(i)) || end > limit {
			return fault.Corruptf(fault.NoOffset, "chunk %d is said to be stored in %d bytes that end at %d of %d", i, n, end, limit)
		}
		s.ends[i] = end
	}
	return nil
}

// chunkLen is the uncompressed length of chunk i.
func (s *solid) chunkLen(i int64) int64 { return min(s.blobs.chunk, s.size-i*s.blobs.chunk) }

// start is where the stored bytes of chunk i begin in the file.
func (s *solid) start(i int64) int64 {
	if i == 0 {
		return s.first
	}
	return s.first + s.ends[i-1]
}

// place is start in all parts of a split file.
func (s *solid) place(i int64) int64 { return s.blobs.base + s.start(i) }

// position is about where an uncompressed byte is stored in the file: it grows with off.
func (s *solid) position(off int64) int64 {
	i := off / s.blobs.chunk
	stored := s.start(i+1) - s.start(i)
	return s.start(i) + int64(float64(off-i*s.blobs.chunk)/float64(s.chunkLen(i))*float64(stored))
}

// readFull fills p with the uncompressed bytes from off, which must all be in the resource.
func (s *solid) readFull(p []byte, off int64) error {
	if s.kept(p, off) {
		return nil
	}
	for len(p) > 0 {
		i := off / s.blobs.chunk
		c, err := s.blobs.cache.get(s, i, off-i*s.blobs.chunk)
		if err != nil {
			return fault.In(s.blobs.src.name, err)
		}
		n := copy(p, c.data[off-i*s.blobs.chunk:])
		s.blobs.cache.release(c)
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// decode fills data with chunk i.
func (s *solid) decode(i int64, data []byte) error {
	start := s.start(i)
	n := s.start(i+1) - start
	if n == int64(len(data)) { // stored as it is
		return s.blobs.src.readFull(data, start)
	}
	w, err := newWorker(s.blobs.format, s.blobs.chunk)
	if err != nil {
		return err
	}
	defer w.release()
	w.grow(n)
	if err := s.blobs.src.readFull(w.raw, start); err != nil {
		return err
	}
	if err := w.decoder.Decode(data, w.raw); err != nil {
		return at(start, s.blobs.format.String()+" chunk", err)
	}
	if cap(w.raw) > 2*batchSize { // it would stay with an idle worker
		w.raw = nil
	}
	return nil
}

const (
	// keptSize is the largest blob that a keeper keeps: those that NTFS has inside its MFT records.
	keptSize = 1 << 10
	// keptTotal bounds what it keeps in all.
	keptTotal = 64 << 20
)

// keeper remembers the small blobs of chunks that have been decoded. A volume has thousands of them
// in its MFT, in another order than the medium; without the keeper each of them could cost the
// decoding of a whole chunk.
type keeper struct {
	small []span // of the small blobs, by offset
	mu    sync.RWMutex
	bytes map[int64][]byte // by offset
	total int
}

// span is where a blob lies in a solid resource.
type span struct{ off, size int64 }

// expect tells the keeper of a blob.
func (s *solid) expect(off, size int64) {
	if size <= keptSize && s.blobs.chunk >= aheadSize {
		s.small = append(s.small, span{off, size})
	}
}

// sort ends the calls of expect.
func (k *keeper) sort() {
	slices.SortFunc(k.small, func(a, b span) int { return cmp.Compare(a.off, b.off) })
	k.bytes = map[int64][]byte{}
}

// keep copies the small blobs of a chunk that starts at off.
func (k *keeper) keep(off int64, chunk []byte) {
	i, _ := slices.BinarySearchFunc(k.small, off, func(s span, off int64) int { return cmp.Compare(s.off, off) })
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.small[i:] {
		at := s.off - off
		if at+s.size > int64(len(chunk)) || k.total >= keptTotal {
			return
		}
		if at >= 0 && k.bytes[s.off] == nil {
			k.bytes[s.off] = slices.Clone(chunk[at : at+s.size])
			k.total += int(s.size)
		}
	}
}

// kept fills p with the bytes of a small blob that starts at off, if they are at hand.
func (k *keeper) kept(p []byte, off int64) bool {
	if len(p) > keptSize {
		return false
	}
	k.mu.RLock()
	b := k.bytes[off]
	k.mu.RUnlock()
	if len(b) < len(p) {
		return false
	}
	copy(p, b)
	return true
}
