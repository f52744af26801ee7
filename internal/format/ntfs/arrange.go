package ntfs

import (
	"cmp"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// maxList is the longest attribute list that Windows reads (and ntfs-3g).
const maxList = 256 << 10

// arrange decides how a file's attributes fit into MFT records, and returns them with that decision,
// and the number of records. It depends on nothing but the attributes, so writing a file repeats it
// (prepare) instead of the plan remembering it for every file.
//
// What fits into one record stays there. Else values move to clusters of their own, those first that
// free the most room. If that is not enough, attributes go to extension records, and an attribute
// list tells where.
func (p *Plan) arrange(list []attribute) ([]attribute, int, error) {
	return p.distribute(p.moveOutside(list))
}

// distribute assigns attributes to records once it is decided which values stand outside.
func (p *Plan) distribute(list []attribute) ([]attribute, int, error) {
	if p.recordUse(list) <= int(p.g.record) {
		number(list)
		return list, 1, nil
	}
	rest := make([][]extent, len(list))
	cut := false
	for i := range list {
		if a := &list[i]; a.extents != nil {
			rest[i] = a.cut()
			cut = true
		}
	}
	list, records, err := p.spread(list)
	if err != nil || !cut {
		return list, records, err
	}
	list, records = p.tails(list, slices.Insert(rest, 1, nil), records)
	return list, records, p.fitList(list)
}

// recordUse is how many bytes of a record the attributes take, if all are in it.
func (p *Plan) recordUse(list []attribute) int {
	n := int(p.g.record) - p.recordRoom()
	for i := range list {
		n += list[i].length()
	}
	return n
}

// recordRoom is how many bytes of attributes a record holds, before the mark at their end.
func (p *Plan) recordRoom() int { return int(p.g.record) - attributesAt(p.g.record) - 8 }

// moveOutside takes values out of the record until the rest fits, or nothing is left to move. A
// reserved value is never in it.
func (p *Plan) moveOutside(list []attribute) []attribute {
	for i := range list {
		if _, ok := list[i].content.(*tree.Reserved); ok {
			list[i].outside = true
		}
	}
	excess := p.recordUse(list) - int(p.g.record)
	if excess <= 0 {
		return list
	}
	order := make([]int, 0, len(list))
	for i := range list {
		if list[i].gain() > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(list[b].gain(), list[a].gain()) })
	for _, i := range order {
		if excess <= 0 {
			break
		}
		excess -= list[i].gain()
		list[i].outside = true // an index root is replaced by the caller (growIndexes)
	}
	return list
}

// number gives the attributes of one record their instance numbers.
func number(list []attribute) {
	for i := range list {
		list[i].instance = uint16(i)
	}
}

// spread distributes attributes over several records. $STANDARD_INFORMATION and the list itself must
// be in the base record; the unnamed data and the index stay there too: simple readers look nowhere
// else (GRUB for resident data). What is left of that is short.
func (p *Plan) spread(list []attribute) ([]attribute, int, error) {
	size, err := listSize(list)
	if err != nil {
		return nil, 0, err
	}
	list = slices.Insert(list, 1, attribute{typ: typeAttributeList, size: size})
	rest := p.recordRoom()
	for i := range list {
		if pinned(&list[i]) {
			rest -= list[i].length()
		}
	}
	if rest < 0 {
		rest += list[1].length()
		list[1].outside = true
		rest -= list[1].length()
	}
	if rest < 0 {
		return nil, 0, fault.Bugf("the fixed attributes are %d bytes too long for a record", -rest)
	}
	records := p.deal(list, rest)
	return list, records, nil
}

// listSize is the length of a list of the attributes.
func listSize(list []attribute) (int64, error) {
	size := int64(0)
	for i := range list {
		if list[i].typ != typeAttributeList {
			size += list[i].listEntrySize()
		}
	}
	if size > maxList {
		return 0, fault.Unsupportedf(fault.NoOffset, "an attribute list of %d bytes (too many names, streams and pieces): NTFS allows %d", size, maxList)
	}
	return size, nil
}

func pinned(a *attribute) bool {
	switch a.typ {
	case typeStandardInformation, typeAttributeList, typeIndexRoot, typeIndexAllocation, typeBitmap:
		return true
	}
	return a.typ == typeData && a.name == ""
}

// deal assigns records, in order: rest is the room in the base record. It returns their number.
func (p *Plan) deal(list []attribute, rest int) int {
	record := 0
	var base, instance uint16
	for i := range list {
		a := &list[i]
		if pinned(a) {
			a.instance, base = base, base+1
			continue
		}
		if a.length() > rest {
			record++
			instance = 0
			rest = p.recordRoom()
		}
		rest -= a.length()
		a.record = uint16(record)
		if record == 0 {
			a.instance, base = base, base+1
		} else {
			a.instance, instance = instance, instance+1
		}
	}
	return record + 1
}
