package ntfs

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/codec/lznt1"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// streamReader is the value of an attribute that has clusters, or of a resident one. It keeps no state:
// any number of goroutines may read.
type streamReader struct {
	v                 *Volume
	record            uint32 // for errors
	size, initialized int64  // bytes; what is not initialized reads as zeros
	unit              int64  // bytes in a unit of compression; 0 for none
	extents           []extent
	resident          []byte
}

func (v *Volume) streamOf(f *inode, a *stored) *streamReader {
	s := &streamReader{v: v, record: f.record, size: a.size, initialized: a.initialized, extents: a.extents, resident: a.value}
	if a.flags&flagCompressed != 0 && !a.resident {
		s.unit = a.unit * v.g.cluster
	}
	return s
}

// clusters is the number of clusters that the runs account for, holes included.
func (s *streamReader) clusters() int64 {
	if len(s.extents) == 0 {
		return 0
	}
	return s.extents[len(s.extents)-1].end()
}

// held is clusters in bytes.
func (s *streamReader) held() int64 { return s.clusters() * s.v.g.cluster }

// Size is the length of the value in bytes.
func (s *streamReader) Size() int64 { return s.size }

// Position is where the first cluster lies on the volume, in bytes; reading by ascending position
// is fastest.
func (s *streamReader) Position() int64 {
	for i := range s.extents {
		if !s.extents[i].hole() {
			return s.extents[i].lcn * s.v.g.cluster
		}
	}
	return 0
}

// NextData returns the first stretch of bytes from off on that is not known to be zero: neither a
// hole nor beyond what is initialized. It is empty, at the end, when there is none.
func (s *streamReader) NextData(off int64) (start, end int64) {
	limit := min(s.initialized, s.size)
	if s.extents == nil {
		return min(off, limit), limit
	}
	if s.unit > 0 {
		return s.nextUnits(off, limit)
	}
	cluster := s.v.g.cluster
	i, ok := findExtent(s.extents, off/cluster)
	if !ok {
		return s.size, s.size
	}
	for ; i < len(s.extents); i++ {
		if e := &s.extents[i]; !e.hole() {
			start, end = max(off, e.vcn*cluster), min(e.end()*cluster, limit)
			if start >= end {
				break
			}
			return start, end
		}
	}
	return s.size, s.size
}

// nextUnits is NextData for units of compression, whose clusters stand for all of the unit.
func (s *streamReader) nextUnits(off, limit int64) (start, end int64) {
	unit := s.unit / s.v.g.cluster
	i, ok := findExtent(s.extents, off/s.unit*unit)
	for ; ok && i < len(s.extents); i++ {
		e := &s.extents[i]
		first, last := e.vcn/unit*s.unit, (e.end()+unit-1)/unit*s.unit
		if start, end = max(off, first), min(last, limit); !e.hole() && start < end {
			return start, end
		}
	}
	return s.size, s.size
}

// ReadAt reads from the volume; holes cost nothing.
func (s *streamReader) ReadAt(p []byte, off int64) (int, error) {
	return readBounded(p, off, s.size, func(p []byte, off int64) error {
		return fault.In(where(uint64(s.record)), s.fill(p, off))
	})
}

// readBounded is io.ReaderAt's contract around fill, which fills all of p from what has size bytes.
func readBounded(p []byte, off, size int64, fill func(p []byte, off int64) error) (int, error) {
	if off < 0 {
		return 0, fault.Bugf("negative offset %d", off)
	}
	if off >= size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), size-off))
	if n > 0 {
		if err := fill(p[:n], off); err != nil {
			return 0, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *streamReader) fill(p []byte, off int64) error {
	if keep := s.initialized - off; keep < int64(len(p)) {
		keep = max(keep, 0)
		clear(p[keep:])
		p = p[:keep]
	}
	switch {
	case len(p) == 0:
		return nil
	case s.extents == nil:
		copy(p, s.resident[off:])
		return nil
	case s.unit > 0:
		return s.fillUnits(p, off)
	}
	return s.fillRuns(p, off)
}

// fillRuns reads clusters as they are.
func (s *streamReader) fillRuns(p []byte, off int64) error {
	cluster := s.v.g.cluster
	i, ok := findExtent(s.extents, off/cluster)
	for len(p) > 0 {
		if !ok || i >= len(s.extents) {
			return fault.Corruptf(fault.NoOffset, "byte %#x of a stream lies behind its last run", off)
		}
		e := &s.extents[i]
		n := min(int64(len(p)), e.end()*cluster-off)
		if e.hole() {
			clear(p[:n])
		} else if err := s.v.readFull(p[:n], e.lcn*cluster+off-e.vcn*cluster); err != nil {
			return err
		}
		p, off, i = p[n:], off+n, i+1
	}
	return nil
}

// fillUnits reads units of compression.
func (s *streamReader) fillUnits(p []byte, off int64) error {
	return fillChunks(&s.v.cache, s, s.unit, s.size, p, off, s.readUnit)
}

// readUnit decodes the unit of compression that starts at byte off into b. A unit with all its
// clusters is not compressed, one without any is zero.
func (s *streamReader) readUnit(b []byte, off int64) error {
	cluster := s.v.g.cluster
	first := off / cluster
	held := int64(0) // clusters at the start of the unit
	i, _ := findExtent(s.extents, first)
	for end := first + s.unit/cluster; i < len(s.extents) && s.extents[i].vcn < end; i++ {
		e := &s.extents[i]
		if e.hole() {
			continue
		}
		from := max(e.vcn, first)
		if from != first+held {
			return fault.Corruptf(fault.NoOffset, "unit of compression at byte %#x of a stream has a hole before its end", off)
		}
		held += min(e.end(), end) - from
	}
	switch held * cluster {
	case 0:
		clear(b)
		return nil
	case s.unit:
		return s.fillRuns(b, off)
	}
	if first+held < s.clusters() || held*cluster < int64(len(b)) {
		src := s.v.cache.buffer(held * cluster)
		defer s.v.cache.release(src)
		if err := s.fillRuns(*src, off); err != nil {
			return err
		}
		return lznt1.Decode(b, *src)
	}
	return s.fillRuns(b, off) // the last unit of a stream, with no hole behind it
}
