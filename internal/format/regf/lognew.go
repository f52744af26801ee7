package regf

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// replayNew applies the logs in the new format and says whether there was anything to apply.
func (r *replay) replayNew() bool {
	logs := r.take(true)
	slices.SortStableFunc(logs, func(a, b txLog) int { return cmp.Compare(a.base.Sequence1, b.base.Sequence1) })
	logs = r.eligible(logs)
	if len(logs) == 0 {
		return false
	}
	applied := false
	next := logs[0].base.Sequence1
	for i := range logs {
		r.entries(&logs[i], &next)
		applied = applied || len(logs[i].report.Entries) > 0
	}
	r.last = next - 1
	return applied
}

// eligible leaves out the logs whose changes are in the hive already. If the hive's header is
// damaged nothing is known about that, and Windows uses the latest log only.
func (r *replay) eligible(logs []txLog) []txLog {
	if r.damaged && len(logs) > 0 {
		for _, l := range logs[:len(logs)-1] {
			l.report.End = fault.Unsupportedf(4, "sequence number %d is not that of the latest log, and the hive's header is damaged", l.base.Sequence1)
		}
		return logs[len(logs)-1:]
	}
	return slices.DeleteFunc(logs, func(l txLog) bool {
		old := l.base.Sequence1 < r.base.Sequence2
		if old {
			l.report.End = fault.Unsupportedf(4, "sequence number %d: the hive, at %d, has these changes already", l.base.Sequence1, r.base.Sequence2)
		}
		return old
	})
}

// entries applies the entries of one log as long as their sequence numbers go on from *next.
func (r *replay) entries(l *txLog, next *uint32) {
	for off := sectorSize; off < len(l.data); {
		var e logEntry
		if l.report.End = e.read(l.data[off:], off, *next); l.report.End != nil {
			return
		}
		p := l.data[off:][:e.Size]
		n, ok := e.pageBytes(p)
		if !ok || !r.fits(e.BinsSize) {
			l.report.End = fault.Corruptf(int64(off), "entry %d: pages or size %#x of the bins", e.Sequence, e.BinsSize)
			return
		}
		if r.damaged {
			r.restore(l, sectorSize)
		}
		r.resize(e.BinsSize)
		r.apply(&e, p)
		l.report.Entries = append(l.report.Entries, LogEntry{e.Sequence, int64(off), int(e.Pages), n})
		off += int(e.Size)
		*next++
	}
}

// read checks the entry at the beginning of p, which is at off in its log. Behind the last entry
// there may be anything, mostly entries of the log's earlier use.
func (e *logEntry) read(p []byte, off int, sequence uint32) error {
	if len(p) < sectorSize || string(p[:4]) != "HvLE" {
		return fault.Unsupportedf(int64(off), "no entry %d here", sequence)
	}
	e.unmarshal(p)
	if e.Sequence != sequence {
		return fault.Unsupportedf(int64(off), "entry %d where %d must be", e.Sequence, sequence)
	}
	if e.Size < sectorSize || e.Size%sectorSize != 0 || int64(e.Size) > int64(len(p)) {
		return fault.Corruptf(int64(off), "entry %d has %d bytes, %d are left in the log", e.Sequence, e.Size, len(p))
	}
	if e.DataHash != marvin(p[entryHead:e.Size]) || e.EntryHash != marvin(p[:entryHead-8]) {
		return fault.Corruptf(int64(off), "entry %d has a wrong hash", e.Sequence)
	}
	return nil
}

// pageBytes returns the size of all pages of the entry p, and whether they fit it and the hive.
func (e *logEntry) pageBytes(p []byte) (n int64, ok bool) {
	room := int64(len(p)) - entryHead - int64(e.Pages)*pageRefSize
	if room < 0 {
		return 0, false
	}
	for i := range int(e.Pages) {
		ref := p[entryHead+i*pageRefSize:]
		off, size := int64(le.Uint32(ref)), int64(le.Uint32(ref[4:]))
		if n += size; n > room || off+size > int64(e.BinsSize) {
			return 0, false
		}
	}
	return n, true
}

// apply copies the pages of the entry p, which has been checked, into the hive.
func (r *replay) apply(e *logEntry, p []byte) {
	refs, data := p[entryHead:], p[entryHead+int(e.Pages)*pageRefSize:]
	for range e.Pages {
		off, size := int(le.Uint32(refs)), int(le.Uint32(refs[4:]))
		copy(r.out[baseSize+off:], data[:size])
		refs, data = refs[pageRefSize:], data[size:]
	}
	flags := le.Uint32(r.out[flagsOffset:])
	le.PutUint32(r.out[flagsOffset:], flags&^1|e.Flags&1)
}
