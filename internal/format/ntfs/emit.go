package ntfs

import (
	"bytes"
	"slices"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// source produces the bytes of a piece of metadata.
type source interface {
	// fill writes the bytes from off on to b, which is zero. It is safe for concurrent use.
	fill(p *Plan, b []byte, off int64) error
}

// sparseSource is a source of which large parts are zero.
type sparseSource interface {
	source
	// live returns the parts that are not zero, in order. The layout is decided already.
	live(p *Plan) []span
}

// span is a range: of bytes of a source, or of clusters.
type span struct{ start, end int64 }

func (s span) length() int64 { return s.end - s.start }

// piece is where part of a source goes: length bytes from byte at of it, to byte offset of the
// volume.
type piece struct {
	offset, length, at int64
	source             source
}

// maxRegion bounds a region: enough for few large writes, and a multiple of every unit inside.
const maxRegion = 1 << 20

// addPieces lists what of some metadata is not zero, and where it goes.
func (p *Plan) addPieces(m metadata) {
	parts := []span{{0, m.size}}
	if s, ok := m.source.(sparseSource); ok {
		parts = s.live(p)
	}
	rest := between(0, m.size, parts)
	var one [1]extent
	for _, e := range p.extents(m.slot, m.size, one[:]) {
		from, to := e.vcn*p.g.cluster, e.end()*p.g.cluster
		for _, part := range rest {
			if start, end := max(part.start, from), min(part.end, to); start < end {
				p.zeros = append(p.zeros, volume.Run{Offset: e.lcn*p.g.cluster + start - from, Length: end - start})
			}
		}
		for _, part := range parts {
			start, end := max(part.start, from), min(part.end, to)
			p.cutPieces(piece{e.lcn*p.g.cluster + start - from, end - start, start, m.source})
		}
	}
}

// cutPieces adds a piece, in parts that fit into regions; none when it has no length.
func (p *Plan) cutPieces(whole piece) {
	for whole.length > 0 {
		n := min(whole.length, maxRegion)
		p.pieces = append(p.pieces, piece{whole.offset, n, whole.at, whole.source})
		whole.offset, whole.at, whole.length = whole.offset+n, whole.at+n, whole.length-n
	}
}

// placeBackup adds the copy of the boot sector, in the partition's last sector.
func (p *Plan) placeBackup() {
	p.cutPieces(piece{p.g.size - p.g.sector, p.g.sector, 0, bootSource{}})
}

// cutRegions joins pieces that are close to one another.
func (p *Plan) cutRegions() {
	for i, q := range p.pieces {
		if k := len(p.regions) - 1; k >= 0 {
			r := &p.regions[k]
			if n := q.offset + q.length - r.Offset; n <= maxRegion && q.offset-r.End() < p.g.cluster {
				r.Length = n
				continue
			}
		}
		p.regions = append(p.regions, volume.Run{Offset: q.offset, Length: q.length})
		p.regionAt = append(p.regionAt, int32(i))
	}
	p.regionAt = append(p.regionAt, int32(len(p.pieces)))
}

// Emit fills buf with region i; buf is as long as the region. It is safe for concurrent use. It
// reads the contents that stand in MFT records.
func (p *Plan) Emit(i int, buf []byte) error {
	r := p.regions[i]
	if int64(len(buf)) != r.Length {
		return fault.Bugf("region %d has %d bytes, the buffer %d", i, r.Length, len(buf))
	}
	clear(buf)
	for _, q := range p.pieces[p.regionAt[i]:p.regionAt[i+1]] {
		at := q.offset - r.Offset
		if err := q.source.fill(p, buf[at:at+q.length], q.at); err != nil {
			return err
		}
	}
	return nil
}

// bytesSource is bytes in memory.
type bytesSource []byte

func (s bytesSource) fill(_ *Plan, b []byte, off int64) error {
	copy(b, s[off:])
	return nil
}

// onesSource is $LogFile: bytes of 0xFF are a log that was closed cleanly.
type onesSource struct{}

var ones = bytes.Repeat([]byte{0xFF}, 4096)

func (onesSource) fill(_ *Plan, b []byte, _ int64) error {
	for len(b) > 0 {
		b = b[copy(b, ones):]
	}
	return nil
}

// bootSource is $Boot.
type bootSource struct{}

func (bootSource) fill(p *Plan, b []byte, off int64) error {
	boot := make([]byte, p.g.bootSize())
	p.putBoot(boot)
	copy(b, boot[off:])
	return nil
}

// noBoot is code for a volume that nothing boots from: ask the BIOS for the next device (INT 18h),
// and wait if it returns.
var noBoot = []byte{0xCD, 0x18, 0xF4, 0xEB, 0xFD}

func (p *Plan) putBoot(b []byte) {
	copy(b, []byte{0xEB, bpbEnd - 2, 0x90})
	copy(b[3:], oemID)
	copy(b[bpbEnd:], noBoot)
	copy(b, p.o.BootCode)
	s := bootSector{
		sector: p.g.sector, cluster: p.g.cluster, record: p.g.record, block: p.g.block,
		sectors: p.g.sectors(), mft: p.firstCluster(recordMFT), mirror: p.firstCluster(recordMirror),
		serial: p.o.Serial,
	}
	if p.o.StartLBA <= 1<<32-1 {
		s.hidden = uint32(p.o.StartLBA) // beyond, no BIOS boots, and nobody else reads the field
	}
	s.put(b)
	b[510], b[511] = 0x55, 0xAA
}

// firstCluster is where the first attribute of a system file that has clusters starts.
func (p *Plan) firstCluster(r uint32) int64 {
	var one [1]extent
	return p.extents(int32(p.files[r].slots), 0, one[:])[0].lcn
}

// clusterBitmapSource is $Bitmap.
type clusterBitmapSource struct{}

// fill says that everything is in use but what is free, also what is past the end of the volume.
func (clusterBitmapSource) fill(p *Plan, b []byte, off int64) error {
	at := off * 8
	first, end := at, at+int64(len(b))*8
	i := sort.Search(len(p.free), func(i int) bool { return p.free[i].end > first })
	for ; i < len(p.free) && p.free[i].start < end; i++ {
		setBits(b, at-first, p.free[i].start-first)
		at = p.free[i].end
	}
	setBits(b, at-first, end-first)
	return nil
}

// live leaves out the zeros of long stretches of free space.
func (clusterBitmapSource) live(p *Plan) []span {
	const least = 4096 // bytes, less is not worth a region of its own
	var free []span
	for _, s := range p.free {
		if s = (span{(s.start + 7) / 8, s.end / 8}); s.length() >= least {
			free = append(free, s)
		}
	}
	return between(0, p.g.bitmapSize(), free)
}

// recordBitmapSource is $MFT:$BITMAP.
type recordBitmapSource struct{}

func (recordBitmapSource) fill(p *Plan, b []byte, off int64) error {
	first := off * 8
	end := first + int64(len(b))*8
	used := []span{{0, reservedEnd}, {recordQuota, systemEnd}, {firstUser, int64(p.nextFree)}}
	if f := p.files[recordMFT].more; f > 0 {
		used = append(used, span{mftMore, mftMore + int64(p.more[f-1].count)})
	}
	for _, s := range used {
		setBits(b, max(s.start, first)-first, min(s.end, end)-first)
	}
	return nil
}

// valueSource is the value of an attribute that usually stands in the record.
type valueSource struct {
	f    *file
	typ  uint32
	name string
}

func (s *valueSource) fill(p *Plan, b []byte, off int64) error {
	list := p.prepare(s.f, nil)
	for i := range list {
		if a := &list[i]; a.typ == s.typ && a.name == s.name {
			v := make([]byte, a.size)
			if err := p.putValue(v, s.f, list, a); err != nil {
				return err
			}
			copy(b, v[off:])
			return nil
		}
	}
	return fault.Bugf("record %d has no attribute %#x %q", s.f.record, s.typ, s.name)
}

// recordSource is $MFT, and its start $MFTMirr.
type recordSource struct{}

func (recordSource) fill(p *Plan, b []byte, off int64) error {
	w := recordWriter{p: p}
	for r := uint32(off / p.g.record); len(b) > 0; r++ {
		if err := w.put(b[:p.g.record], r); err != nil {
			return err
		}
		b = b[p.g.record:]
	}
	return nil
}

// putFree writes a record that is not in use.
func (p *Plan) putFree(b []byte, r uint32) {
	at := attributesAt(p.g.record)
	h := recordHeader{sequence: systemSequence(r), used: at + 8, number: r}
	h.put(b)
	le.PutUint32(b[at:], typeEnd)
	protect(b, usaRecord)
}

// recordWriter writes records one after the other.
type recordWriter struct {
	p     *Plan
	file  *file       // that list is of
	list  []attribute // all attributes of file
	names [][]byte
}

// put writes record r.
func (w *recordWriter) put(b []byte, r uint32) error {
	f, k := w.p.holder(r)
	if f == nil {
		w.p.putFree(b, r)
		return nil
	}
	if f != w.file {
		w.file, w.list = f, w.p.prepare(f, w.list[:0])
	}
	return w.putRecord(b, f, k)
}

func (w *recordWriter) putRecord(b []byte, f *file, k int) error {
	h := recordHeader{sequence: f.sequence, flags: recordInUse, number: w.p.number(f, k)}
	if k > 0 {
		h.sequence, h.base = systemSequence(h.number), f.reference()
	} else {
		h.flags |= f.recordFlags()
	}
	at := attributesAt(w.p.g.record)
	names := at
	w.names = w.names[:0]
	for i := range w.list {
		a := &w.list[i]
		if k == 0 && a.typ == typeFileName {
			h.links++
		}
		if int(a.record) != k {
			continue
		}
		n, err := w.putAttribute(b[at:], f, a)
		if err != nil {
			return err
		}
		if a.typ == typeFileName {
			if len(w.names) == 0 {
				names = at
			}
			w.names = append(w.names, b[at:at+n])
		}
		at += n
		h.next = max(h.next, a.instance+1)
	}
	w.sortNames(b[names:])
	le.PutUint32(b[at:], typeEnd)
	h.used = at + 8
	h.put(b)
	protect(b, usaRecord)
	return nil
}

func (f *file) recordFlags() uint16 {
	switch {
	case f.system != nil:
		return f.system.flags
	case f.node.IsDir():
		return recordDirectory
	}
	return 0
}

// sortNames puts the $FILE_NAME attributes of a record, which start at b, in the order of their
// values, in which Windows keeps indexed attributes.
func (w *recordWriter) sortNames(b []byte) {
	if len(w.names) < 2 {
		return
	}
	for i, n := range w.names {
		w.names[i] = bytes.Clone(n)
	}
	slices.SortFunc(w.names, func(x, y []byte) int { return bytes.Compare(x[residentHead:], y[residentHead:]) })
	for _, n := range w.names {
		b = b[copy(b, n):]
	}
}

// putAttribute writes an attribute and returns its length.
func (w *recordWriter) putAttribute(b []byte, f *file, a *attribute) (int, error) {
	if a.outside {
		return a.putOutside(b, &w.p.g), nil
	}
	n, value := a.putResident(b)
	return n, w.p.putValue(value, f, w.list, a)
}

// putValue writes the value of an attribute that is not data in clusters; list are all attributes of
// the file.
func (p *Plan) putValue(b []byte, f *file, list []attribute, a *attribute) error {
	switch a.typ {
	case typeStandardInformation:
		p.putInformation(b, f)
	case typeAttributeList:
		p.putList(b, f, list)
	case typeFileName:
		p.putFileName(b, &p.links[a.link])
	case typeIndexRoot:
		a.index.putRoot(b, &p.g)
	case typeBitmap:
		a.index.putBitmap(b)
	case typeData:
		if a.content != nil {
			return p.putResident(b, f, a)
		}
		copy(b, a.value)
	default:
		copy(b, a.value)
	}
	return nil
}

func (p *Plan) putResident(b []byte, f *file, a *attribute) error {
	if len(b) == 0 {
		return nil
	}
	data, err := p.readResident(a.content)
	if err != nil {
		return fault.In(pathOf(f.node), err)
	}
	if len(data) != len(b) {
		return fault.In(pathOf(f.node), fault.Bugf("a content of %d bytes has become %d", len(b), len(data)))
	}
	copy(b, data)
	return nil
}

func (p *Plan) readResident(c tree.Content) ([]byte, error) {
	if p.o.ReadResident != nil {
		return p.o.ReadResident(c)
	}
	return tree.ReadAll(c, p.g.record)
}

// putList writes the attribute list: every attribute but the list itself, and its record.
func (p *Plan) putList(b []byte, f *file, list []attribute) {
	for i := range list {
		a := &list[i]
		if a.typ == typeAttributeList {
			continue
		}
		where := f.reference()
		if a.record > 0 {
			r := p.number(f, int(a.record))
			where = reference(r, systemSequence(r))
		}
		b = b[a.putListEntry(b, where):]
	}
}
