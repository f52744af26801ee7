package ntfs

import (
	"slices"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// A run list that does not fit where the survey put the attribute is cut. What the survey left room
// for stays there, so nothing else of the file moves; the rest are further pieces of the attribute,
// each with the VCN it starts at, in records of their own. The attribute list names every piece.

// more is the records of a file that the survey did not know of, and its new attribute list.
type more struct {
	file  *file
	first uint32 // record
	count int
	slot  int32 // of the list; 0 when it is resident
}

// Records of $MFT's own pieces: Windows and ntfs-3g keep these free for them, since they must be in
// the MFT's first piece.
const (
	mftMore    = 16
	mftMoreEnd = recordQuota
)

// scatter finds records for run lists that do not fit, and clusters for the attribute lists.
func (p *Plan) scatter() error {
	var files []int32
	for _, f := range p.fragments {
		files = append(files, f.file)
	}
	if len(p.bad) > 0 {
		files = append(files, recordBad)
	}
	slices.Sort(files)
	for _, i := range slices.Compact(files) {
		if err := p.scatterFile(i); err != nil {
			return p.of(i, err)
		}
	}
	for _, m := range p.lists {
		if p.files[m.file].more == 0 { // else the list is another one now
			p.grown = append(p.grown, m)
		}
	}
	for _, m := range p.grown {
		if _, err := p.locate(m.file, m.slot, m.size, 1); err != nil {
			return err
		}
		if p.baseUse(p.prepare(&p.files[m.file], nil)) > int(p.g.record) {
			return p.of(m.file, fault.Invalidf("the attribute list, %d bytes, is in too many pieces for a record: the bad ranges leave too little room in one piece", m.size))
		}
	}
	return nil
}

// scatterFile gives a file the records that its run lists need.
func (p *Plan) scatterFile(i int32) error {
	f := &p.files[i]
	list, records, err := p.distribute(p.located(f, p.describe(f, nil)))
	if err != nil {
		return err
	}
	if records == int(f.records) {
		return nil
	}
	m := more{file: f, first: p.nextFree, count: records - int(f.records)}
	switch i {
	case recordLog: // Linux at least reads it before it reads attribute lists
		return fault.Invalidf("the log, %d bytes, would be in more pieces between the bad ranges than a record lists", f.system.size)
	case recordMFT:
		if m.first = mftMore; m.count > mftMoreEnd-mftMore {
			return fault.Invalidf("the MFT is in too many pieces: they need %d records, %d are kept for them", m.count, mftMoreEnd-mftMore)
		}
	default:
		p.nextFree += uint32(m.count)
	}
	if l := &list[1]; l.outside {
		m.slot = int32(len(p.slots))
		p.slots = append(p.slots, 0)
		p.grown = append(p.grown, metadata{m.slot, i, l.size, &valueSource{f, typeAttributeList, ""}})
	}
	p.more = append(p.more, m)
	f.more = int32(len(p.more))
	return nil
}

// number returns the number of the file's k-th record.
func (p *Plan) number(f *file, k int) uint32 {
	switch {
	case k == 0:
		return f.record
	case k < int(f.records):
		return f.extra + uint32(k-1)
	}
	return p.more[f.more-1].first + uint32(k-int(f.records))
}

// holder returns the file that record r belongs to and which of its records r is; no file when the
// record is free.
func (p *Plan) holder(r uint32) (f *file, k int) {
	if r < systemEnd && p.files[r].records > 0 {
		return &p.files[r], 0
	}
	i := sort.Search(len(p.more), func(i int) bool { return p.more[i].first > r }) - 1
	if i >= 0 && r < p.more[i].first+uint32(p.more[i].count) {
		return p.more[i].file, int(p.more[i].file.records) + int(r-p.more[i].first)
	}
	if r < firstUser || r >= p.nextFree {
		return nil, 0
	}
	users := p.files[systemEnd:]
	if i = sort.Search(len(users), func(i int) bool { return users[i].record > r }); i == 0 {
		f = &p.files[recordRoot]
	} else {
		f = &users[i-1]
	}
	if r == f.record {
		return f, 0
	}
	return f, int(r-f.extra) + 1
}

// located moves values out of the record and says where all that are outside have their clusters.
// That of the attribute list is known after distribute only.
func (p *Plan) located(f *file, list []attribute) []attribute {
	list = p.moveOutside(list)
	slot := int32(f.slots)
	for i := range list {
		switch a := &list[i]; {
		case a.hole && f == &p.files[recordBad]:
			a.extents = badRuns(p.bad, p.g.clusters())
		case a.outside && !a.hole:
			p.address(a, slot)
			slot++
		}
	}
	return list
}

// address says where an attribute's clusters are.
func (p *Plan) address(a *attribute, slot int32) {
	if a.lcn = p.slots[slot]; a.lcn < 0 {
		a.extents = p.fragments[-1-a.lcn].extents
		a.lcn = a.extents[0].lcn
	}
}

// prepare lists a file's attributes with all that is decided about them.
func (p *Plan) prepare(f *file, list []attribute) []attribute {
	list = p.located(f, p.describe(f, list))
	outside := 0
	for i := range list {
		if list[i].outside && !list[i].hole {
			outside++
		}
	}
	list, _, err := p.distribute(list)
	if err != nil {
		return nil // planFile would have failed
	}
	if len(list) > 1 && list[1].typ == typeAttributeList && list[1].outside {
		slot := int32(f.slots) + int32(outside)
		if f.more > 0 {
			slot = p.more[f.more-1].slot
		}
		p.address(&list[1], slot)
	}
	return list
}

// cut takes from an attribute the runs that the survey left no room for.
func (a *attribute) cut() (rest []extent) {
	n := fitRuns(a.extents, runsReserve)
	a.extents, rest = a.extents[:n], a.extents[n:]
	return rest
}

// fitRuns is how many runs of a list fit into room bytes, with the mark at its end.
func fitRuns(list []extent, room int) int {
	var buf [runsReserve + 8]byte
	last := int64(0)
	for i := range list {
		room -= len(appendExtentRun(buf[:0], &list[i], &last))
		if room < 1 {
			return i
		}
	}
	return len(list)
}

// appendExtentRun adds a run of a run list; last is the address of the one before.
func appendExtentRun(dst []byte, e *extent, last *int64) []byte {
	if e.hole() {
		return appendRun(dst, e.count, 0, true)
	}
	delta := e.lcn - *last
	*last = e.lcn
	return appendRun(dst, e.count, delta, false)
}

// appendRuns adds a whole run list without its end mark.
func appendRuns(dst []byte, list []extent) []byte {
	last := int64(0)
	for i := range list {
		dst = appendExtentRun(dst, &list[i], &last)
	}
	return dst
}

// tails puts the runs that did not fit into further records: rest[i] are those of list[i]. It
// returns all attributes, in order, and the number of records.
func (p *Plan) tails(list []attribute, rest [][]extent, records int) ([]attribute, int) {
	out := make([]attribute, 0, len(list)+len(rest))
	room := 0
	var instance uint16
	for i := range list {
		out = append(out, list[i])
		for runs := rest[i]; len(runs) > 0; {
			a := list[i]
			if room < a.outsideHead()+runsReserve {
				room = p.recordRoom()
				instance = 0
				records++
			}
			n := fitRuns(runs, room-a.outsideHead())
			a.extents, runs = runs[:n], runs[n:]
			a.record, a.instance = uint16(records-1), instance
			room -= a.length()
			instance++
			out = append(out, a)
		}
	}
	return out, records
}

// fitList makes the attribute list as long as it has become, outside the record if it must be.
func (p *Plan) fitList(list []attribute) (err error) {
	l := &list[1]
	if l.size, err = listSize(list); err != nil {
		return err
	}
	l.outside = l.outside || p.baseUse(list) > int(p.g.record)
	return nil
}

// baseUse is how many bytes of the base record the attributes in it take.
func (p *Plan) baseUse(list []attribute) int {
	n := int(p.g.record) - p.recordRoom()
	for i := range list {
		if list[i].record == 0 {
			n += list[i].length()
		}
	}
	return n
}
