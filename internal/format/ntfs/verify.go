package ntfs

import (
	"bytes"
	"hash/maphash"
	"iter"
	"maps"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/upcase"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// maxProblems is how many problems Check lists.
const maxProblems = 50

// Check reads all metadata of the volume and returns what contradicts itself, the first 50 problems
// at most; none for a sound volume. It looks where chkdsk looks, as far as that is known: copies of
// the boot sector and the MFT, the log's restart pages, every record and attribute list, $Bitmap
// against the clusters that files use, both ways; the MFT's bitmap; the order, balance and bitmaps
// of the indexes; names against directory entries and link counts; $Secure, $ObjId and $Reparse
// against the files. Each of the errors is a *fault.Problem.
//
// Contents are not read. A volume with Warnings may have problems that mounting it would mend.
func (v *Volume) Check() []error {
	c := checker{v: v, files: checkedFiles{}, extra: map[uint32]bool{}, used: clusterSet{}}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{CheckCopies, c.copies}, {CheckTables, c.upcase}, {CheckTables, c.attrDef}, {CheckLog, c.log}, {CheckRecords, c.records},
		{CheckBitmap, c.clusters}, {CheckRecordBitmap, c.recordBitmap}, {CheckSecurity, c.security},
		{CheckIndex, c.directories}, {CheckNames, c.names}, {CheckViews, c.views},
	} {
		c.step = step.name
		if err := step.run(); err != nil {
			c.problem(err)
		}
	}
	return c.problems
}

// checker is a check under way.
type checker struct {
	v        *Volume
	fold     *upcase.Table
	files    checkedFiles      // by base record
	extra    map[uint32]bool   // extension records: whether a list names them
	inUse    []byte            // records in use, a bit each
	used     clusterSet        // clusters in use
	objects  map[uint64][]byte // object ids, by file reference
	reparse  map[uint64]uint32 // reparse tags, by file reference
	step     string            // of Check that is under way
	problems []error
}

// checkedNames is what is remembered of a file to compare its names with directories: how many
// there are, and the sum of their hashes, less those that directories have.
type checkedNames struct {
	reference uint64
	left      int
	sum       uint64
	dir       *inode // of a file with indexes
}

// checkedFiles are the files by their records, in pages: there are as many as the volume has files, but
// its MFT may claim to be of any length.
type checkedFiles map[uint32]*[filePage]checkedNames

const filePage = 128

// add returns the place of a file that was not there yet.
func (c checkedFiles) add(record uint32, reference uint64) *checkedNames {
	page := c[record/filePage]
	if page == nil {
		page = new([filePage]checkedNames)
		c[record/filePage] = page
	}
	page[record%filePage] = checkedNames{reference: reference}
	return &page[record%filePage]
}

// find returns a file, or nil.
func (c checkedFiles) find(record uint32) *checkedNames {
	if page := c[record/filePage]; page != nil && page[record%filePage].reference != 0 {
		return &page[record%filePage]
	}
	return nil
}

// all yields the files by ascending record.
func (c checkedFiles) all() iter.Seq2[uint32, *checkedNames] {
	return func(yield func(uint32, *checkedNames) bool) {
		for _, p := range slices.Sorted(maps.Keys(c)) {
			for i := range c[p] {
				if f := &c[p][i]; f.reference != 0 && !yield(p*filePage+uint32(i), f) {
					return
				}
			}
		}
	}
}

func (c *checker) problem(err error) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, &fault.Problem{Check: c.step, Err: err})
	}
}

// bad reports a problem of a record.
func (c *checker) bad(record uint32, format string, args ...any) {
	c.problem(fault.In(where(uint64(record)), fault.Corruptf(fault.NoOffset, format, args...)))
}

// copies compares the boot sector and the start of the MFT with their copies.
func (c *checker) copies() error {
	v := c.v
	boot, backup := make([]byte, v.g.sector), make([]byte, v.g.sector)
	if err := v.readFull(boot, 0); err != nil {
		return err
	}
	if err := v.readFull(backup, v.g.size-v.g.sector); err != nil || !bytes.Equal(boot, backup) {
		c.problem(fault.In("boot sector", fault.Corruptf(v.g.size-v.g.sector, "the copy at the end of the volume differs, or is not there")))
	}
	f, err := v.file(recordMirror)
	if err != nil {
		return err
	}
	mirror, err := v.open(f, typeData, "")
	if err != nil || mirror == nil {
		return err
	}
	a, b := make([]byte, 4*v.g.record), make([]byte, 4*v.g.record)
	if _, err := v.mft.ReadAt(a, 0); err != nil {
		return err
	}
	if _, err := mirror.ReadAt(b, 0); err != nil {
		return err
	}
	if !bytes.Equal(a, b) || mirror.Position() != v.boot.mirror*v.g.cluster {
		c.bad(recordMirror, "the copy of the first records differs from them, or is not where the boot sector says")
	}
	return nil
}

// upcase reads the table that names are compared with.
func (c *checker) upcase() error {
	c.fold = fold
	f, err := c.v.file(recordUpCase)
	if err != nil {
		return err
	}
	b, err := c.v.value(f, typeData, "", 2*upcase.Size)
	if err != nil {
		return err
	}
	if len(b) != 2*upcase.Size {
		return f.corrupt("$UpCase has %d bytes", len(b))
	}
	c.fold = new(upcase.Table)
	for i := range c.fold {
		c.fold[i] = le.Uint16(b[2*i:])
	}
	return c.upcaseKnown(f)
}

// records reads every record and gathers what the later steps compare.
func (c *checker) records() error {
	c.objects, c.reparse = map[uint64][]byte{}, map[uint64]uint32{}
	c.inUse = make([]byte, c.v.records()/8+1)
	err := c.v.scanRecords(func(record uint64, b []byte) error {
		if string(b[:4]) != "FILE" || le.Uint16(b[0x16:])&recordInUse == 0 {
			return nil
		}
		c.inUse[record/8] |= 1 << (record % 8)
		if le.Uint64(b[0x20:]) != 0 {
			c.extra[uint32(record)] = c.extra[uint32(record)]
			if _, _, err := c.v.parseRecord(b); err != nil {
				c.problem(fault.In(where(record), err))
				return nil
			}
			c.header(uint32(record), b)
			return nil
		}
		f, err := c.v.inUse(record, b)
		if err != nil {
			c.problem(err)
			return nil
		}
		c.header(uint32(record), b)
		c.file(f)
		return nil
	})
	for _, r := range slices.Sorted(maps.Keys(c.extra)) {
		if !c.extra[r] {
			c.bad(r, "is an extension record that no file names")
		}
	}
	return err
}

// file looks at one file.
func (c *checker) file(f *inode) {
	for _, r := range f.extra {
		c.extra[r] = true
	}
	e := c.files.add(f.record, f.reference())
	links := 0
	for i := range f.attrs {
		a := &f.attrs[i]
		if i > 0 {
			c.order(f, &f.attrs[i-1], a)
		}
		c.sizes(f, a)
		for _, x := range a.extents {
			c.use(f, a, x)
		}
		switch a.typ {
		case typeFileName:
			links++
			c.name(f, e, a)
		case typeIndexRoot:
			e.dir = f
		}
	}
	if int(f.links) != links {
		c.bad(f.record, "link count is %d, there are %d names", f.links, links)
	}
	if f.isDir() != (f.find(typeIndexRoot, dirIndex) != nil) {
		c.bad(f.record, "flags %#x and index %s disagree whether it is a directory", f.flags, dirIndex)
	}
	if !f.isDir() && f.find(typeData, "") == nil && !f.systems() {
		c.bad(f.record, "is a file, and has no $DATA")
	}
	if f.unlisted > 0 {
		c.bad(f.record, "the attribute list does not name %d attributes that there are", f.unlisted)
	}
	e.dir = c.indexesOnly(e.dir)
	c.special(f)
}

// indexesOnly keeps what a file's indexes need, out of the scan's buffer.
func (c *checker) indexesOnly(f *inode) *inode {
	if f == nil {
		return nil
	}
	d := &inode{record: f.record, sequence: f.sequence, flags: f.flags}
	for _, a := range f.attrs {
		switch a.typ {
		case typeIndexRoot, typeIndexAllocation, typeBitmap:
			a.value = bytes.Clone(a.value)
			d.attrs = append(d.attrs, a)
		}
	}
	return d
}

func (c *checker) name(f *inode, e *checkedNames, a *stored) {
	n, err := parseFileName(a.value)
	if err != nil {
		c.bad(f.record, "%v", err)
		return
	}
	e.left++
	e.sum += n.hash()
}

// hash stands for a name, its directory and its name space.
func (n *fileName) hash() uint64 { return maphash.Comparable(nameSeed, *n) }

var nameSeed = maphash.MakeSeed()

// special looks at what has to do with $Secure, $ObjId and $Reparse.
func (c *checker) special(f *inode) {
	info := f.find(typeStandardInformation, "")
	if info == nil || len(info.value) < infoSizeOld {
		c.bad(f.record, "has no $STANDARD_INFORMATION, or a short one")
		return
	}
	if len(info.value) >= infoSize {
		id := le.Uint32(info.value[52:])
		if _, ok := c.v.secure[id]; id != 0 && !ok {
			c.bad(f.record, "security id %#x is not in $Secure", id)
		}
	}
	if id := f.find(typeObjectID, ""); id != nil {
		c.objects[f.reference()] = bytes.Clone(id.value)
	}
	r, err := c.v.value(f, typeReparsePoint, "", maxReparse)
	if err != nil || r != nil && len(r) < 8 {
		c.bad(f.record, "reparse point has %d bytes (%v)", len(r), err)
		return
	}
	const reparsePoint = 0x400
	if (r != nil) != (le.Uint32(info.value[32:])&reparsePoint != 0) {
		c.bad(f.record, "attributes %#x and the reparse point disagree", le.Uint32(info.value[32:]))
	}
	if r != nil {
		c.reparse[f.reference()] = le.Uint32(r)
	}
}

// use counts the clusters of an attribute.
func (c *checker) use(f *inode, a *stored, e extent) {
	if e.hole() {
		return
	}
	if lcn := c.used.add(e.lcn, e.count); lcn >= 0 {
		c.bad(f.record, "%s uses cluster %d, which is in use already", attributeName(a.typ, a.name), lcn)
	}
}

// clusters compares $Bitmap with the clusters in use.
func (c *checker) clusters() error {
	f, err := c.v.file(recordBitmap)
	if err != nil {
		return err
	}
	bitmap, err := c.v.open(f, typeData, "")
	if err != nil || bitmap == nil {
		return err
	}
	if bitmap.size*8 < c.v.clusters {
		return f.corrupt("$Bitmap has %d bytes for %d clusters", bitmap.size, c.v.clusters)
	}
	lost, missing := span{-1, 0}, span{-1, 0}
	buf := make([]byte, 64<<10)
	words := (c.v.clusters + 63) / 64
	for at := int64(0); at < words; {
		n, err := bitmap.ReadAt(buf, at*8)
		if n == 0 {
			return err
		}
		clear(buf[n:])
		for i := 0; i < n && at < words; i, at = i+8, at+1 {
			got, used := le.Uint64(buf[i:]), c.used.word(at)
			first := at * 64
			if rest := c.v.clusters - first; rest < 64 {
				got &= 1<<rest - 1
			}
			lost.addBits(first, got&^used)
			missing.addBits(first, used&^got)
		}
	}
	c.report(missing, "%d clusters from %d on are used, but free in $Bitmap")
	c.report(lost, "%d clusters from %d on are in use in $Bitmap, but by no file")
	return nil
}

// addBits counts the bits of a word of clusters: start is the first one, end their number.
func (s *span) addBits(first int64, word uint64) {
	for i := int64(0); word != 0; i, word = i+1, word>>1 {
		if word&1 == 0 {
			continue
		}
		if s.start < 0 {
			s.start = first + i
		}
		s.end++
	}
}

func (c *checker) report(s span, format string) {
	if s.end > 0 {
		c.bad(recordBitmap, format, s.end, s.start)
	}
}

// maxBitmap bounds the bitmap of a number of records or index blocks. Windows makes it some room to grow.
func maxBitmap(number int64) int64 { return number/8 + 1<<20 }

// recordBitmap compares the MFT's bitmap with the records in use.
func (c *checker) recordBitmap() error {
	f, err := c.v.file(recordMFT)
	if err != nil {
		return err
	}
	b, err := c.v.value(f, typeBitmap, "", maxBitmap(int64(c.v.records())))
	if err != nil {
		return err
	}
	for r := range int64(len(b)) * 8 {
		used := r/8 < int64(len(c.inUse)) && c.inUse[r/8]>>(r%8)&1 == 1
		if marked := b[r/8]>>(r%8)&1 == 1; marked != used {
			c.bad(recordMFT, "the bitmap says %v for record %d, which says %v", marked, r, used)
		}
	}
	if len(b) < len(bytes.TrimRight(c.inUse, "\x00")) {
		c.bad(recordMFT, "the bitmap has %d bytes for %d records", len(b), c.v.records())
	}
	return nil
}
