package ntfs

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// inode is a file as its records have it: the base record with the attributes of all its records.
type inode struct {
	record   uint32
	sequence uint16
	links    uint16
	flags    uint16
	attrs    []stored // pieces of one attribute are joined
	extra    []uint32 // the extension records
	unlisted int      // attributes that the attribute list does not name, and so do not count
}

func (f *inode) reference() uint64 { return reference(f.record, f.sequence) }

func (f *inode) isDir() bool { return f.flags&recordDirectory != 0 }

// find returns an attribute, or nil.
func (f *inode) find(typ uint32, name string) *stored {
	for i := range f.attrs {
		if a := &f.attrs[i]; a.typ == typ && a.name == name {
			return a
		}
	}
	return nil
}

// where names a record in errors.
func where(record uint64) string { return fmt.Sprintf("MFT record %d", record) }

// corrupt says what is wrong with a file.
func (f *inode) corrupt(format string, args ...any) error {
	return fault.In(where(uint64(f.record)), fault.Corruptf(fault.NoOffset, format, args...))
}

// attributeName names an attribute in errors.
func attributeName(typ uint32, name string) string {
	s := fmt.Sprintf("attribute %#x", typ)
	for _, d := range attrDefs {
		if d.typ == typ {
			s = d.name
		}
	}
	if name != "" {
		s += ":" + name
	}
	return s
}

// openMFT finds all of $MFT. Its first piece says where the records are that say where the next one
// is.
func (v *Volume) openMFT() error {
	b := make([]byte, v.g.record)
	if err := v.readFull(b, v.boot.mft*v.g.cluster); err != nil {
		return fault.In(where(recordMFT), err)
	}
	h, attrs, err := v.parseRecord(b)
	if err != nil {
		return fault.In(where(recordMFT), err)
	}
	f := &inode{record: recordMFT, sequence: h.sequence, flags: h.flags, attrs: attrs}
	data := f.find(typeData, "")
	if data == nil || data.resident || data.lowest != 0 || h.flags&recordInUse == 0 {
		return f.corrupt("is not that of the MFT")
	}
	v.mft = v.streamOf(f, data)
	v.mft.size = v.mft.held()
	if f.find(typeAttributeList, "") != nil {
		if err := v.extendMFT(f); err != nil {
			return err
		}
	}
	if v.mft.size = data.size; data.size > v.mft.held() {
		return f.corrupt("the MFT has %d bytes, its runs %d", data.size, v.mft.held())
	}
	// Without holes, and no longer than the volume: all of it is going to be read.
	if slices.ContainsFunc(v.mft.extents, func(e extent) bool { return e.hole() }) || v.mft.clusters() > v.clusters {
		return f.corrupt("the MFT has holes, or %d clusters of %d", v.mft.clusters(), v.clusters)
	}
	v.mft.initialized = data.initialized
	return nil
}

// extendMFT follows the attribute list of the MFT, in order.
func (v *Volume) extendMFT(f *inode) error {
	v.mft.initialized = v.mft.size
	list, err := v.attributeList(f)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.typ != typeData || e.name != "" || e.lowest == 0 {
			continue
		}
		piece, err := v.extension(f, e.where)
		if err != nil {
			return err
		}
		for _, a := range piece {
			if a.typ != typeData || a.name != "" || a.lowest != e.lowest {
				continue
			}
			if a.lowest != v.mft.clusters() {
				return f.corrupt("a piece of the MFT starts at VCN %d, the one before ends at %d", a.lowest, v.mft.clusters())
			}
			v.mft.extents = append(v.mft.extents, a.extents...)
			v.mft.size = v.mft.held()
			v.mft.initialized = v.mft.size
		}
	}
	return nil
}

// records is how many records the MFT has.
func (v *Volume) records() uint64 { return uint64(min(v.mft.initialized/v.g.record, 1<<32)) }

// parseRecord undoes the protection of a FILE record in place, and parses it.
func (v *Volume) parseRecord(b []byte) (h recordHeader, attrs []stored, err error) {
	if err := unprotect(b, "FILE"); err != nil {
		return h, nil, err
	}
	first, err := h.parse(b)
	if err != nil {
		return h, nil, err
	}
	attrs, err = parseAttributes(b, first, &h, v.clusters)
	return h, attrs, err
}

// readRecord reads one record.
func (v *Volume) readRecord(record uint64) (h recordHeader, attrs []stored, err error) {
	if record >= v.records() {
		return h, nil, fault.In(where(record), fault.Corruptf(fault.NoOffset, "is used, the MFT has %d records", v.records()))
	}
	b := make([]byte, v.g.record)
	if _, err := v.mft.ReadAt(b, int64(record)*v.g.record); err != nil {
		return h, nil, err
	}
	h, attrs, err = v.parseRecord(b)
	return h, attrs, fault.In(where(record), err)
}

// file reads a file by the number of its base record.
func (v *Volume) file(record uint64) (*inode, error) {
	h, attrs, err := v.readRecord(record)
	if err != nil {
		return nil, err
	}
	if h.flags&recordInUse == 0 || h.base != 0 {
		return nil, fault.In(where(record), fault.Corruptf(0x16, "is used, but is not the base record of a file"))
	}
	return v.assemble(uint32(record), &h, attrs)
}

// referenced reads a file and checks that it is the one meant.
func (v *Volume) referenced(ref uint64) (*inode, error) {
	record, sequence := splitReference(ref)
	f, err := v.file(record)
	if err == nil && f.sequence != sequence {
		return nil, f.corrupt("has sequence number %d, %d was meant", f.sequence, sequence)
	}
	return f, err
}

// assemble gathers the attributes of a file whose base record has been parsed.
func (v *Volume) assemble(record uint32, h *recordHeader, attrs []stored) (*inode, error) {
	f := &inode{record: record, sequence: h.sequence, links: h.links, flags: h.flags, attrs: attrs}
	var err error
	if f.find(typeAttributeList, "") != nil {
		err = v.gather(f)
	}
	if err != nil {
		return nil, err
	}
	for i := range f.attrs {
		if err := v.checkAttribute(f, &f.attrs[i]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// checkAttribute compares the sizes of an attribute with its runs.
func (v *Volume) checkAttribute(f *inode, a *stored) error {
	if a.resident {
		return nil
	}
	if a.lowest != 0 {
		return fault.In(where(uint64(f.record)), a.corrupt("starts at VCN %d", a.lowest))
	}
	if a.size > a.next*v.g.cluster {
		return fault.In(where(uint64(f.record)), a.corrupt("%d bytes in %d clusters", a.size, a.next))
	}
	if a.flags&flagCompressed != 0 && a.unit*v.g.cluster > maxChunk {
		return fault.In(where(uint64(f.record)), a.corrupt("compressed in units of %d clusters", a.unit))
	}
	return nil
}

// attributeList reads a file's attribute list, in the base record.
func (v *Volume) attributeList(f *inode) ([]listEntry, error) {
	b, err := v.value(f, typeAttributeList, "", maxList)
	if err != nil {
		return nil, err
	}
	list, err := parseList(b)
	return list, fault.In(where(uint64(f.record)), err)
}

// extension reads one of f's extension records.
func (v *Volume) extension(f *inode, ref uint64) ([]stored, error) {
	record, sequence := splitReference(ref)
	h, attrs, err := v.readRecord(record)
	if err != nil {
		return nil, err
	}
	if h.flags&recordInUse == 0 || h.sequence != sequence || h.base != f.reference() {
		return nil, fault.In(where(record), fault.Corruptf(0x10,
			"is no extension of record %d: its base is %#x, its sequence number %d, expected %#x and %d",
			f.record, h.base, h.sequence, f.reference(), sequence))
	}
	return attrs, nil
}

// gather replaces f's attributes by all that its attribute list names.
func (v *Volume) gather(f *inode) error {
	list, err := v.attributeList(f)
	if err != nil {
		return err
	}
	parts := map[uint64][]stored{f.reference(): f.attrs}
	var all []stored
	for _, e := range list {
		if e.typ == typeAttributeList {
			continue
		}
		attrs, ok := parts[e.where]
		if !ok {
			if attrs, err = v.extension(f, e.where); err != nil {
				return err
			}
			record, _ := splitReference(e.where)
			f.extra = append(f.extra, uint32(record))
		}
		i := slices.IndexFunc(attrs, func(a stored) bool {
			return a.instance == e.instance && a.typ == e.typ && a.name == e.name && a.lowest == e.lowest
		})
		if i < 0 {
			return f.corrupt("the attribute list names %s in record %d, which is not there", attributeName(e.typ, e.name), e.where&(1<<48-1))
		}
		if all, err = join(f, all, attrs[i]); err != nil {
			return err
		}
		parts[e.where] = slices.Delete(slices.Clone(attrs), i, i+1)
	}
	for _, attrs := range parts {
		f.unlisted += len(attrs)
	}
	f.unlisted-- // the list itself
	after := slices.IndexFunc(all, func(a stored) bool { return a.typ > typeAttributeList })
	if after < 0 {
		after = len(all)
	}
	f.attrs = slices.Insert(all, after, *f.find(typeAttributeList, ""))
	return nil
}

// join adds an attribute, or a further piece of the last one.
func join(f *inode, all []stored, a stored) ([]stored, error) {
	if a.lowest == 0 {
		return append(all, a), nil
	}
	if len(all) == 0 {
		return nil, f.corrupt("the attribute list starts with a piece from VCN %d on", a.lowest)
	}
	last := &all[len(all)-1]
	if last.typ != a.typ || last.name != a.name || last.resident || last.next != a.lowest {
		return nil, f.corrupt("%s: its piece from VCN %d on does not follow the one before", attributeName(a.typ, a.name), a.lowest)
	}
	for _, e := range a.extents {
		last.extents = appendExtent(last.extents, e)
	}
	last.next = a.next
	return all, nil
}

// value returns the whole value of an attribute, or nil when there is none.
func (v *Volume) value(f *inode, typ uint32, name string, limit int64) ([]byte, error) {
	a := f.find(typ, name)
	if a == nil {
		return nil, nil
	}
	return v.valueOf(f, a, limit)
}

func (v *Volume) valueOf(f *inode, a *stored, limit int64) ([]byte, error) {
	if a.size > limit {
		return nil, f.corrupt("%s has %d bytes; %d are possible", attributeName(a.typ, a.name), a.size, limit)
	}
	if a.resident {
		return bytes.Clone(a.value), nil
	}
	b := make([]byte, a.size)
	if len(b) == 0 {
		return b, nil
	}
	_, err := v.streamOf(f, a).ReadAt(b, 0)
	return b, err
}

// open returns an attribute as a stream, or nil when there is none.
func (v *Volume) open(f *inode, typ uint32, name string) (*streamReader, error) {
	a := f.find(typ, name)
	if a == nil {
		return nil, nil
	}
	if a.flags&flagEncrypted != 0 {
		return nil, fault.In(where(uint64(f.record)), fault.Unsupportedf(fault.NoOffset, "%s is encrypted (EFS)", attributeName(typ, name)))
	}
	if method := a.flags & flagCompressed; method > flagLZNT1 {
		return nil, fault.In(where(uint64(f.record)), fault.Unsupportedf(fault.NoOffset, "%s is compressed with method %d", attributeName(typ, name), method))
	}
	return v.streamOf(f, a), nil
}

// findExtent returns the position in list of the extent that holds vcn.
func findExtent(list []extent, vcn int64) (int, bool) {
	return slices.BinarySearchFunc(list, vcn, func(e extent, vcn int64) int {
		switch {
		case e.end() <= vcn:
			return -1
		case e.vcn > vcn:
			return 1
		}
		return 0
	})
}
