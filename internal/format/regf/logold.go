package regf

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// replayOld applies one log in the old format and says whether there was one.
func (r *replay) replayOld() bool {
	for _, l := range r.preferred(r.take(false)) {
		d, err := l.dirtyPages()
		if err == nil && !r.fits(l.base.BinsSize) {
			err = fault.Corruptf(0x28, "size of the bins %#x", l.base.BinsSize)
		}
		if err != nil {
			l.report.End = err
			continue
		}
		if r.damaged {
			r.restore(&l, l.sector())
		}
		r.base.Root = l.base.Root
		r.resize(l.base.BinsSize)
		e := LogEntry{Sequence: l.base.Sequence1, Offset: int64(l.sector())}
		e.Pages, l.report.End = d.apply(r.out[baseSize:][:l.base.BinsSize])
		e.Bytes = int64(e.Pages) * sectorSize
		l.report.Entries = []LogEntry{e}
		r.last = max(r.base.Sequence1, l.base.Sequence1)
		return true
	}
	return false
}

// preferred returns the logs that may be used, the best first: those that were written together
// with the hive, as their time says, then later ones, the latest first. A later log is of use where
// writing the hive's header failed and left it damaged, and as the second log (.LOG2): Windows turns
// to that after a write error and repeats in it what the first one had.
func (r *replay) preferred(logs []txLog) (order []txLog) {
	when := r.written()
	var later []txLog
	for _, l := range logs {
		switch {
		case l.base.LastWritten == when:
			order = append(order, l)
		case (l.second || r.damaged) && l.base.LastWritten > when:
			later = append(later, l)
		default:
			l.report.End = fault.Unsupportedf(0x0C, "the log was written at %v, the hive at %v", l.base.LastWritten.Time(), when.Time())
		}
	}
	slices.SortStableFunc(later, func(a, b txLog) int { return cmp.Compare(b.base.LastWritten, a.base.LastWritten) })
	return append(order, later...)
}

// written returns the hive's time of the last write, of which the first bin has a copy.
func (r *replay) written() filetime.Time {
	if !r.damaged || len(r.out) < baseSize+binHeader {
		return r.base.LastWritten
	}
	var b bin
	b.unmarshal(r.out[baseSize:])
	return b.Timestamp
}

// sector is the size of a sector of the disk that the log was made for, in bytes.
func (l *txLog) sector() int {
	return sectorSize * int(max(1, min(l.base.Clustering, baseSize/sectorSize)))
}

// dirtyPages is the content of a log in the old format.
type dirtyPages struct {
	bitmap []byte // a bit for each 512 bytes of the bins
	pages  []byte // those whose bit is set
}

// dirtyPages finds the bitmap and the pages, all of which must be there.
func (l *txLog) dirtyPages() (*dirtyPages, error) {
	at := l.sector()
	n := (int(l.base.BinsSize/sectorSize) + 7) / 8
	first := at + (dirtHead+n+at-1)/at*at
	if len(l.data) < first || string(l.data[at:][:dirtHead]) != "DIRT" {
		return nil, fault.Corruptf(int64(at), "no bitmap of dirty pages here")
	}
	d := &dirtyPages{bitmap: l.data[at+dirtHead:][:n], pages: l.data[first:]}
	count := 0
	for _, b := range d.bitmap {
		count += bits.OnesCount8(b)
	}
	if len(d.pages) < count*sectorSize {
		return nil, fault.Corruptf(int64(len(l.data)), "the log ends early: %d bytes for %d dirty pages", len(d.pages), count)
	}
	return d, nil
}

func (d *dirtyPages) has(off int) bool { return d.bitmap[off/sectorSize/8]>>(off/sectorSize%8)&1 != 0 }

// apply copies the pages into the bins, and stops at a bin whose header in the log is broken.
func (d *dirtyPages) apply(bins []byte) (pages int, err error) {
	for off := 0; off < len(bins); {
		size, err := d.binSize(bins, off)
		if err != nil {
			return pages, err
		}
		for end := off + size; off < end; off += sectorSize {
			if d.has(off) {
				copy(bins[off:], d.pages[:sectorSize])
				d.pages = d.pages[sectorSize:]
				pages++
			}
		}
	}
	return pages, nil
}

// binSize returns how far the bin at off goes; at least a page where the hive itself has no bin.
func (d *dirtyPages) binSize(bins []byte, off int) (int, error) {
	dirty := d.has(off)
	p := bins[off:]
	if dirty {
		p = d.pages
	}
	var b bin
	b.unmarshal(p)
	if b.valid(p, off, len(bins)) {
		return int(b.Size), nil
	}
	if dirty {
		return 0, fault.Corruptf(fault.NoOffset, "the log has no bin for offset %#x of the hive", fileOffset(off))
	}
	return binAlign, nil
}
