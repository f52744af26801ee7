package ntfs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
)

// The checker reads a volume from nothing but its bytes, shares no code with the writer, and reports
// whatever contradicts itself: what chkdsk would look at, as far as it is known.

var le = binary.LittleEndian

// checked is a volume as the checker sees it.
type checked struct {
	image                          io.ReaderAt
	sector, cluster, record, block int64
	vcn                            int64 // bytes that index entries count blocks in
	clusters                       int64
	mft                            []byte
	files                          map[uint32]*checkedFile // by base record
	upcase                         []uint16
	used                           []uint32 // by cluster: 0, or 1 + the record that uses it
	descriptors                    map[uint32][]byte
	children                       map[uint32][]checkedName // by directory
	births                         map[uint32][]byte        // birth ids, by record
	badClusters                    int64
	problems                       []string
}

// checkedFile is a base record with all attributes, wherever they stand.
type checkedFile struct {
	record   uint32
	sequence uint16
	links    uint16
	flags    uint16
	attrs    []*checkedAttr
	pieces   []*checkedAttr // as the records have them
	entries  int            // names found in directories
}

// checkedName is a directory entry.
type checkedName struct {
	name  string
	space byte
	file  *checkedFile
}

type checkedAttr struct {
	typ       uint32
	name      string
	record    uint32 // that holds it
	instance  uint16
	raw       []byte
	resident  bool
	value     []byte // if resident
	runs      [][2]int64
	lowest    int64
	size      int64
	allocated int64
}

// clusters is the length of the runs.
func (a *checkedAttr) clusters() int64 {
	n := int64(0)
	for _, r := range a.runs {
		n += r[1]
	}
	return n
}

const hole = -1

func (v *checked) bad(format string, args ...any) {
	if len(v.problems) < 20 {
		v.problems = append(v.problems, fmt.Sprintf(format, args...))
	}
}

// checkVolume reads a volume of size bytes. Problems that stop it are problems too.
func checkVolume(image io.ReaderAt, size int64) (v *checked) {
	v = &checked{image: image, files: map[uint32]*checkedFile{}, descriptors: map[uint32][]byte{}, children: map[uint32][]checkedName{}, births: map[uint32][]byte{}}
	defer func() {
		if r := recover(); r != nil {
			v.problems = append(v.problems, fmt.Sprintf("stopped by %v", r))
		}
	}()
	v.readBoot(size)
	v.readMFT()
	v.readRecords()
	v.readUpcase()
	v.checkLists()
	v.checkClusters()
	v.checkMetadata()
	v.readSecurity()
	v.checkTree()
	v.checkViews()
	return v
}

func (v *checked) read(off, n int64) []byte {
	b := make([]byte, n)
	if _, err := v.image.ReadAt(b, off); err != nil {
		panic(fmt.Sprintf("reading %d bytes at %d: %v", n, off, err))
	}
	return b
}

func bpbSize(c byte, cluster int64) int64 {
	if c < 0x80 {
		return int64(c) * cluster
	}
	return 1 << (256 - int(c))
}

func (v *checked) readBoot(size int64) {
	b := v.read(0, 512)
	v.sector = int64(le.Uint16(b[11:]))
	v.cluster = int64(b[13]) * v.sector
	v.record = bpbSize(b[0x40], v.cluster)
	v.block = bpbSize(b[0x44], v.cluster)
	v.vcn = v.cluster
	if v.cluster > v.block {
		v.vcn = 512
	}
	sectors := int64(le.Uint64(b[0x28:]))
	v.clusters = sectors / int64(b[13])
	v.used = make([]uint32, v.clusters)
	if string(b[3:11]) != "NTFS    " || b[510] != 0x55 || b[511] != 0xAA {
		panic("no boot sector")
	}
	if (sectors+1)*v.sector != size {
		v.bad("boot sector counts %d sectors in %d bytes", sectors, size)
	}
	if !bytes.Equal(v.read(0, v.sector), v.read(size-v.sector, v.sector)) {
		v.bad("the last sector is not a copy of the boot sector")
	}
	for _, zero := range []span{{0x0E, 0x15}, {0x16, 0x18}, {0x20, 0x24}, {0x50, 0x54}} {
		if slices.Max(b[zero.start:zero.end]) != 0 {
			v.bad("boot sector bytes %#x to %#x are not zero", zero.start, zero.end)
		}
	}
}

type span struct{ start, end int }

func (v *checked) readMFT() {
	b := v.read(0, 512)
	start := int64(le.Uint64(b[0x30:])) * v.cluster
	first := v.read(start, v.record)
	mirror := int64(le.Uint64(b[0x38:])) * v.cluster
	n := max(4*v.record, v.cluster)
	if !bytes.Equal(v.read(start, n), v.read(mirror, n)) {
		v.bad("$MFTMirr differs from $MFT")
	}
	attrs := v.attributes(0, v.fixup("MFT record 0", first))
	var data, list *checkedAttr
	for _, a := range attrs {
		switch a.typ {
		case 0x20:
			list = a
		case 0x80:
			data = a
		}
	}
	v.mft = v.readRuns(data.runs)
	if list != nil {
		v.readSplitMFT(v.contents(list))
	}
	v.mft = v.mft[:data.size]
}

// readSplitMFT reads the MFT's other pieces; what says where a piece is must be in those before.
func (v *checked) readSplitMFT(list []byte) {
	for b := list; len(b) > 0; b = b[le.Uint16(b[4:]):] {
		if le.Uint32(b) != 0x80 || le.Uint64(b[8:]) == 0 {
			continue
		}
		r := int64(le.Uint32(b[16:]))
		for _, a := range v.attributes(uint32(r), v.fixup("MFT's own record", v.mft[r*v.record:(r+1)*v.record])) {
			if a.typ == 0x80 && a.instance == le.Uint16(b[24:]) {
				v.mft = append(v.mft, v.readRuns(a.runs)...)
			}
		}
	}
}

// fixup returns a record or block with its update sequence undone.
func (v *checked) fixup(what string, b []byte) []byte {
	b = bytes.Clone(b)
	at, n := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if n != len(b)/512+1 || at+2*n > 510 {
		panic(what + ": bad update sequence array")
	}
	if u := le.Uint16(b[at:]); u == 0 || u == 0xFFFF {
		v.bad("%s: update sequence number is %#x", what, u)
	}
	for i := 1; i < n; i++ {
		if !bytes.Equal(b[i*512-2:i*512], b[at:at+2]) {
			v.bad("%s: sector %d is torn", what, i-1)
		}
		copy(b[i*512-2:], b[at+2*i:at+2*i+2])
	}
	return b
}

// attributes splits a record into its attributes.
func (v *checked) attributes(record uint32, b []byte) []*checkedAttr {
	var out []*checkedAttr
	at := int(le.Uint16(b[0x14:]))
	instances := map[uint16]bool{}
	for le.Uint32(b[at:]) != 0xFFFFFFFF {
		n := int(le.Uint32(b[at+4:]))
		if n < 24 || n%8 != 0 || at+n+8 > len(b) {
			panic(fmt.Sprintf("record %d: attribute at %#x has length %d", record, at, n))
		}
		a := v.attribute(record, b[at:at+n])
		if instances[a.instance] || a.instance >= le.Uint16(b[0x28:]) {
			v.bad("record %d: attribute instance %d is not unique or not below the next", record, a.instance)
		}
		instances[a.instance] = true
		out = append(out, a)
		at += n
	}
	if n := le.Uint16(b[0x28:]); int(n) != len(instances) {
		v.bad("record %d: the next instance is %d after %d attributes", record, n, len(instances))
	}
	if used := le.Uint32(b[0x18:]); int(used) != at+8 || le.Uint32(b[0x1C:]) != uint32(len(b)) {
		v.bad("record %d: says %d bytes are used, %d are", record, used, at+8)
	}
	return out
}

func (v *checked) attribute(record uint32, raw []byte) *checkedAttr {
	a := &checkedAttr{typ: le.Uint32(raw), record: record, instance: le.Uint16(raw[14:]), raw: raw, resident: raw[8] == 0}
	if at := map[bool]uint16{true: 24, false: 64}[a.resident]; le.Uint16(raw[10:]) != at || raw[8] > 1 || le.Uint16(raw[12:]) != 0 {
		v.bad("record %d: attribute %#x has the head % x", record, a.typ, raw[:16])
	}
	if n := int(raw[9]); n > 0 {
		at := int(le.Uint16(raw[10:]))
		a.name = utf16le.Decode(raw[at : at+2*n])
	}
	if a.resident {
		at, n := int(le.Uint16(raw[20:])), int(le.Uint32(raw[16:]))
		a.value, a.size = raw[at:at+n], int64(n)
		if align8(at+n) != len(raw) || at != align8(24+2*int(raw[9])) {
			v.bad("record %d: attribute %#x of %d bytes has a value of %d at %d", record, a.typ, len(raw), n, at)
		}
		if (raw[22] == 1) != (a.typ == 0x30) {
			v.bad("record %d: attribute %#x has indexed flag %d", record, a.typ, raw[22])
		}
		return a
	}
	a.allocated, a.size = int64(le.Uint64(raw[40:])), int64(le.Uint64(raw[48:]))
	a.runs = decodeRuns(raw[le.Uint16(raw[32:]):])
	if b := raw[le.Uint16(raw[32:]):]; b[0]>>4 > 1 && signed(b[1+b[0]&15:][:b[0]>>4]) == signed(b[1+b[0]&15:][:b[0]>>4-1]) {
		v.bad("record %d: attribute %#x: run list % x is longer than it needs", record, a.typ, b)
	}
	a.lowest = int64(le.Uint64(raw[16:]))
	if next := int64(le.Uint64(raw[24:])) + 1; next != a.lowest+a.clusters() || le.Uint64(raw[34:])&(1<<48-1) != 0 {
		v.bad("record %d: attribute %#x %q: %d clusters from %d to %d", record, a.typ, a.name, a.clusters(), a.lowest, next)
	}
	return a
}

// join makes one attribute of each that is in pieces, and checks its sizes.
func (v *checked) join(f *checkedFile) {
	f.pieces = f.attrs
	f.attrs = nil
	for _, a := range f.pieces {
		if a.lowest == 0 {
			whole := *a
			f.attrs = append(f.attrs, &whole)
		}
	}
	for _, a := range f.attrs {
		if a.resident {
			continue
		}
		v.extend(f, a)
		initialized := a.size
		for _, r := range a.runs {
			if r[0] == hole {
				initialized = 0
			}
		}
		if got := int64(le.Uint64(a.raw[56:])); got != initialized {
			v.bad("record %d: attribute %#x: %d of %d bytes are initialized", f.record, a.typ, got, a.size)
		}
		if total := a.clusters(); total*v.cluster != a.allocated || a.size > a.allocated || a.size <= a.allocated-v.cluster {
			v.bad("record %d: attribute %#x %q: %d clusters, %d allocated, size %d", f.record, a.typ, a.name, total, a.allocated, a.size)
		}
	}
}

// extend adds the runs of a's further pieces, each of which follows on those before.
func (v *checked) extend(f *checkedFile, a *checkedAttr) {
	left := 0
	for _, p := range f.pieces {
		if p.lowest == 0 || p.typ != a.typ || p.name != a.name {
			continue
		}
		left++
		if slices.Max(p.raw[40:64]) != 0 {
			v.bad("record %d: a further piece of attribute %#x %q has sizes", f.record, a.typ, a.name)
		}
	}
	for more := true; more; {
		more = false
		for _, p := range f.pieces {
			if p.lowest > 0 && p.lowest == a.clusters() && p.typ == a.typ && p.name == a.name {
				a.runs = append(slices.Clone(a.runs), p.runs...)
				left--
				more = true
			}
		}
	}
	if left != 0 {
		v.bad("record %d: pieces of attribute %#x %q overlap, or leave something out", f.record, a.typ, a.name)
	}
}

func align8(n int) int { return (n + 7) &^ 7 }

func decodeRuns(b []byte) [][2]int64 {
	var out [][2]int64
	lcn := int64(0)
	for b[0] != 0 {
		n, m := int(b[0]&15), int(b[0]>>4)
		run := [2]int64{hole, signed(b[1 : 1+n])}
		if m > 0 {
			lcn += signed(b[1+n : 1+n+m])
			run[0] = lcn
		}
		out = append(out, run)
		b = b[1+n+m:]
	}
	return out
}

func signed(b []byte) int64 {
	x := int64(0)
	for i := len(b) - 1; i >= 0; i-- {
		x = x<<8 | int64(b[i])
	}
	shift := 64 - 8*len(b)
	return x << shift >> shift
}

// contents reads a whole attribute.
func (v *checked) contents(a *checkedAttr) []byte {
	if a.resident {
		return a.value
	}
	return v.readRuns(a.runs)[:a.size]
}

func (v *checked) readRuns(runs [][2]int64) []byte {
	var b []byte
	for _, r := range runs {
		if r[0] == hole {
			b = append(b, make([]byte, r[1]*v.cluster)...)
		} else {
			b = append(b, v.read(r[0]*v.cluster, r[1]*v.cluster)...)
		}
	}
	return b
}

func (v *checked) readRecords() {
	var extra []*checkedAttr
	bases := map[uint32]uint64{}
	for r := uint32(0); int64(r) < int64(len(v.mft))/v.record; r++ {
		b := v.fixup(fmt.Sprintf("MFT record %d", r), v.mft[int64(r)*v.record:int64(r+1)*v.record])
		if string(b[:4]) != "FILE" || le.Uint32(b[0x2C:]) != r {
			v.bad("MFT record %d says %q, number %d", r, b[:4], le.Uint32(b[0x2C:]))
		}
		if le.Uint16(b[0x16:])&1 == 0 {
			continue
		}
		attrs := v.attributes(r, b)
		if base := le.Uint64(b[0x20:]); base != 0 {
			bases[r] = base
			extra = append(extra, attrs...)
			continue
		}
		v.files[r] = &checkedFile{record: r, sequence: le.Uint16(b[0x10:]), links: le.Uint16(b[0x12:]), flags: le.Uint16(b[0x16:]), attrs: attrs}
	}
	for _, a := range extra {
		f := v.files[uint32(bases[a.record])]
		if f == nil || uint64(f.sequence) != bases[a.record]>>48 {
			v.bad("record %d has no base %#x", a.record, bases[a.record])
			continue
		}
		f.attrs = append(f.attrs, a)
	}
	for _, f := range v.files {
		v.join(f)
	}
}

func (f *checkedFile) all(typ uint32) []*checkedAttr {
	var out []*checkedAttr
	for _, a := range f.attrs {
		if a.typ == typ {
			out = append(out, a)
		}
	}
	return out
}

func (f *checkedFile) find(typ uint32, name string) *checkedAttr {
	for _, a := range f.attrs {
		if a.typ == typ && a.name == name {
			return a
		}
	}
	return nil
}

func (v *checked) readUpcase() {
	b := v.contents(v.files[10].find(0x80, ""))
	v.upcase = make([]uint16, 65536)
	for i := range v.upcase {
		v.upcase[i] = le.Uint16(b[2*i:])
	}
}

// compareFolded orders two names case-insensitively, then as they are.
func (v *checked) compareFolded(a, b []uint16) int {
	up := func(s []uint16) []uint16 {
		s = slices.Clone(s)
		for i := range s {
			s[i] = v.upcase[s[i]]
		}
		return s
	}
	if c := slices.Compare(up(a), up(b)); c != 0 {
		return c
	}
	return slices.Compare(a, b)
}

// checkLists compares every attribute list with the attributes there are, and their order.
func (v *checked) checkLists() {
	for _, f := range v.files {
		byRecord := map[uint32][]*checkedAttr{}
		for _, a := range f.pieces {
			byRecord[a.record] = append(byRecord[a.record], a)
		}
		for r, attrs := range byRecord {
			if !slices.IsSortedFunc(attrs, v.compareAttrs) {
				v.bad("record %d: attributes are not in order", r)
			}
		}
		list := f.find(0x20, "")
		if list == nil {
			if len(byRecord) > 1 {
				v.bad("record %d: %d records without an attribute list", f.record, len(byRecord))
			}
			continue
		}
		v.checkList(f, v.contents(list))
	}
}

func (v *checked) compareAttrs(a, b *checkedAttr) int {
	if a.typ != b.typ {
		return int(a.typ) - int(b.typ)
	}
	if c := v.compareFolded(utf16le.Units(a.name), utf16le.Units(b.name)); c != 0 {
		return c
	}
	return bytes.Compare(a.value, b.value)
}

func (v *checked) checkList(f *checkedFile, b []byte) {
	count := 0
	var last *checkedAttr
	for ; len(b) > 0; count++ {
		n := int(le.Uint16(b[4:]))
		where := uint32(le.Uint64(b[16:]))
		i := slices.IndexFunc(f.pieces, func(a *checkedAttr) bool {
			return a.record == where && a.instance == le.Uint16(b[24:]) && a.typ == le.Uint32(b)
		})
		if i < 0 {
			v.bad("record %d: the list names attribute %#x in record %d, which is not there", f.record, le.Uint32(b), where)
			return
		}
		a := f.pieces[i]
		if a.name != utf16le.Decode(b[b[7]:int(b[7])+2*int(b[6])]) || int64(le.Uint64(b[8:])) != a.lowest {
			v.bad("record %d: the list misnames attribute %#x", f.record, a.typ)
		}
		if last != nil && (last.typ > a.typ || last.typ == a.typ && v.compareFolded(utf16le.Units(last.name), utf16le.Units(a.name)) > 0) ||
			a.lowest > 0 && (last.name != a.name || last.lowest >= a.lowest) {
			v.bad("record %d: the list is not in order", f.record)
		}
		last, b = a, b[n:]
	}
	if count != len(f.pieces)-1 {
		v.bad("record %d: the list names %d of %d attributes", f.record, count, len(f.pieces)-1)
	}
}

// checkClusters compares $Bitmap with the clusters that files use.
func (v *checked) checkClusters() {
	for _, f := range v.files {
		for _, a := range f.attrs {
			for _, r := range a.runs {
				v.use(f, a, r)
			}
		}
	}
	bitmap := v.contents(v.files[6].find(0x80, ""))
	for c := range int64(len(bitmap)) * 8 {
		want := c >= v.clusters || v.used[c] != 0
		if got := bitmap[c/8]>>(c%8)&1 == 1; got != want {
			v.bad("$Bitmap says %v for cluster %d of %d, expected %v", got, c, v.clusters, want)
		}
	}
	if int64(len(bitmap))*8 < v.clusters {
		v.bad("$Bitmap has %d bytes for %d clusters", len(bitmap), v.clusters)
	}
}

func (v *checked) use(f *checkedFile, a *checkedAttr, run [2]int64) {
	if run[0] == hole {
		return
	}
	for c := run[0]; c < run[0]+run[1]; c++ {
		if c < 0 || c >= v.clusters {
			v.bad("record %d: attribute %#x %q uses cluster %d of %d", f.record, a.typ, a.name, c, v.clusters)
			return
		}
		if v.used[c] != 0 {
			v.bad("cluster %d belongs to records %d and %d", c, v.used[c]-1, f.record)
		}
		v.used[c] = f.record + 1
	}
}

// checkMetadata looks at the files with fixed contents.
func (v *checked) checkMetadata() {
	bitmap := v.contents(v.files[0].find(0xB0, ""))
	for r := range uint32(len(bitmap)) * 8 {
		inUse := int64(r+1)*v.record <= int64(len(v.mft)) && le.Uint16(v.mft[int64(r)*v.record+0x16:])&1 == 1
		if got := bitmap[r/8]>>(r%8)&1 == 1; got != inUse {
			v.bad("$MFT:$BITMAP says %v for record %d", got, r)
		}
	}
	if log := v.contents(v.files[2].find(0x80, "")); slices.Min(log) != 0xFF {
		v.bad("$LogFile is not empty")
	}
	if info := v.files[3].find(0x70, "").value; !bytes.Equal(info[8:], []byte{3, 1, 0, 0}) {
		v.bad("$VOLUME_INFORMATION is % x", info)
	}
	v.checkBad(v.files[8].find(0x80, "$Bad"))
	if b := v.files[7].find(0x80, ""); b.runs[0][0] != 0 || b.size < 8192 {
		v.bad("$Boot is %v", b.runs)
	}
	flags := map[uint32]uint16{5: 3, 9: 9, 11: 3, 24: 13, 25: 13, 26: 13}
	var records []int
	for r, f := range v.files {
		records = append(records, int(r))
		if want := max(1, flags[r]); r < 64 && f.flags != want {
			v.bad("record %d has flags %#x, want %#x", r, f.flags, want)
		}
	}
	sort.Ints(records)
	if !slices.Equal(records[:16], []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
		v.bad("system records are %v", records[:16])
	}
}

// checkBad checks that bad clusters stand at their own addresses, the rest of $Bad is a hole.
func (v *checked) checkBad(a *checkedAttr) {
	at := int64(0)
	for i, r := range a.runs {
		if r[0] != hole && r[0] != at || i > 0 && (r[0] == hole) == (a.runs[i-1][0] == hole) {
			v.bad("$BadClus:$Bad has run %v at %d", r, at)
		}
		if r[0] != hole {
			v.badClusters += r[1]
		}
		at += r[1]
	}
	if a.size != v.clusters*v.cluster {
		v.bad("$BadClus:$Bad has %d bytes", a.size)
	}
}
