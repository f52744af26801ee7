package ntfs

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// The steps of Check, as Problem names them.
const (
	CheckCopies       = "copies"     // the copies of the boot sector and of the first records
	CheckTables       = "tables"     // $UpCase and $AttrDef
	CheckLog          = "log"        // the restart pages of $LogFile
	CheckRecords      = "records"    // MFT records, attribute lists, run lists, sizes
	CheckBitmap       = "bitmap"     // $Bitmap against the clusters in use
	CheckRecordBitmap = "mft-bitmap" // the MFT's bitmap against the records in use
	CheckSecurity     = "security"   // $Secure: $SDS, its copy, $SII and $SDH
	CheckIndex        = "index"      // directories: order, balance, bitmaps, what entries lead to
	CheckNames        = "names"      // file names against directory entries
	CheckViews        = "views"      // $ObjId and $Reparse
)

// fewUnits is how many units a table of upper-case letters differs in where it is damaged, and not
// another version's: that of Windows XP differs from the one of Vista and later in hundreds.
const fewUnits = 16

// upcaseKnown compares the table with the one that Windows has written since Vista.
func (c *checker) upcaseKnown(f *inode) error {
	differ, first := 0, 0
	for i, u := range c.fold {
		if u != fold[i] {
			if differ == 0 {
				first = i
			}
			differ++
		}
	}
	if differ > 0 && differ < fewUnits {
		c.bad(f.record, "the upper-case table differs from Windows' in %d units, first in %#x: it says %#x, expected %#x", differ, first, c.fold[first], fold[first])
	}
	return nil
}

// attrDef compares $AttrDef with the table of NTFS 3.1. Windows 2000 allowed other lengths.
func (c *checker) attrDef() error {
	f, err := c.v.file(recordAttrDef)
	if err != nil {
		return err
	}
	b, err := c.v.value(f, typeData, "", 1<<20)
	if err != nil {
		return err
	}
	want := attrDefTable()
	if len(b) < len(want)-attrDefSize {
		return f.corrupt("$AttrDef has %d bytes", len(b))
	}
	for at := 0; at < len(want)-attrDefSize; at += attrDefSize {
		got := b[at : at+attrDefSize]
		if !bytes.Equal(got[:0x84], want[at:at+0x84]) {
			c.bad(recordAttrDef, "$AttrDef names type %#x %q, expected %s",
				le.Uint32(got[0x80:]), utf16le.Decode(bytes.TrimRight(got[:0x80], "\x00")), attributeName(le.Uint32(want[at+0x80:]), ""))
		}
	}
	return nil
}

// log looks at the restart pages of $LogFile: each is sound, or was never written.
func (c *checker) log() error {
	f, err := c.v.file(recordLog)
	if err != nil {
		return err
	}
	log, err := c.v.open(f, typeData, "")
	if err != nil || log == nil {
		return err
	}
	empty := bytes.Repeat([]byte{0xFF}, restartPage)
	for _, off := range []int64{0, restartPage} {
		b := make([]byte, restartPage)
		if n, err := log.ReadAt(b, off); n < len(b) {
			if errors.Is(err, io.EOF) {
				return f.corrupt("$LogFile has %d bytes", log.size)
			}
			return err
		}
		if bytes.Equal(b, empty) {
			continue
		}
		if err := unprotect(b, "RSTR"); err != nil {
			c.problem(fault.In("$LogFile", fault.In(where(recordLog), fault.Corruptf(off, "restart page is damaged: %v", err))))
		}
	}
	return nil
}

// header looks at what parsing a record, which has been unprotected, does not need.
func (c *checker) header(record uint32, b []byte) {
	// Before XP the array begins at 0x2A, where later records have their number behind it.
	if le.Uint16(b[4:]) >= usaRecord {
		if n := le.Uint32(b[0x2C:]); n != record {
			c.bad(record, "says that it is record %d", n)
		}
	}
	if n := le.Uint32(b[0x1C:]); int64(n) != c.v.g.record {
		c.bad(record, "says that it has %d bytes, records have %d", n, c.v.g.record)
	}
	var seen [1 << 10]bool
	for at := int(le.Uint16(b[0x14:])); le.Uint32(b[at:]) != typeEnd; at += int(le.Uint32(b[at+4:])) {
		c.head(record, b[at:])
		n := le.Uint16(b[at+14:])
		if int(n) < len(seen) {
			if seen[n] {
				c.bad(record, "two attributes have instance number %d", n)
			}
			seen[n] = true
		}
	}
}

// head looks at what every attribute begins with.
func (c *checker) head(record uint32, b []byte) {
	const formAt, indexedAt = 8, 22
	typ := le.Uint32(b)
	if !definedType(typ) {
		c.bad(record, "has an attribute of type %#x, which $AttrDef does not define", typ)
	}
	if typ == typeFileName && b[formAt] == 0 && b[indexedAt] != 1 {
		c.bad(record, "$FILE_NAME is not marked as indexed")
	}
}

// typePropertySet is of Windows NT 4 (linux-ntfs documentation, "$AttrDef").
const typePropertySet = 0xF0

// definedType says whether an attribute may have a type. Those from 0x1000 on are for programs to define; there is no
// way to, and none has.
func definedType(typ uint32) bool {
	return typ == typePropertySet || slices.ContainsFunc(attrDefs[:], func(d attrDef) bool { return d.typ == typ })
}

// order compares two attributes that follow one another in a file.
func (c *checker) order(f *inode, a, b *stored) {
	if a.typ < b.typ {
		return
	}
	names := cmp.Or(c.fold.Compare(utf16le.Units(a.name), utf16le.Units(b.name)), slices.Compare(utf16le.Units(a.name), utf16le.Units(b.name)))
	if a.typ > b.typ || names > 0 {
		c.bad(f.record, "%s stands after %s", attributeName(b.typ, b.name), attributeName(a.typ, a.name))
	} else if names == 0 && a.typ != typeFileName {
		c.bad(f.record, "%s stands there twice", attributeName(a.typ, a.name))
	}
}

// systems says whether a file is one of the volume's own, of which some have indexes or streams with names
// only, such as $Secure and $UsnJrnl.
func (f *inode) systems() bool {
	if f.record < reservedEnd || f.flags&(recordExtend|recordViewIndex) != 0 {
		return true
	}
	a := f.find(typeFileName, "")
	if a == nil {
		return false
	}
	n, err := parseFileName(a.value)
	parent, _ := splitReference(n.parent)
	return err == nil && parent == recordExtFile
}

// sizes compares what an attribute says of its length with its runs, and of its form with its runs.
func (c *checker) sizes(f *inode, a *stored) {
	const known = flagLZNT1 | flagEncrypted | flagSparse
	switch {
	case a.flags&^known != 0:
		c.bad(f.record, "%s has flags %#x, of which %#x are not defined", attributeName(a.typ, a.name), a.flags, a.flags&^known)
	case a.flags&flagLZNT1 != 0 && !a.resident && a.unit == 0:
		c.bad(f.record, "%s is compressed in units of no clusters", attributeName(a.typ, a.name))
	}
	if a.resident {
		return
	}
	if held := a.next * c.v.g.cluster; a.allocated != held {
		c.bad(f.record, "%s says that %d bytes are allocated, its runs have %d", attributeName(a.typ, a.name), a.allocated, held)
	}
	if a.flags&(flagSparse|flagCompressed) != 0 || f.record == recordBad {
		return
	}
	if slices.ContainsFunc(a.extents, func(e extent) bool { return e.hole() }) {
		c.bad(f.record, "%s has a hole and is not marked as sparse", attributeName(a.typ, a.name))
	}
}

// indexKind looks at what an index says of its order.
func (c *checker) indexKind(f *inode, name string) {
	root := f.find(typeIndexRoot, name)
	if root == nil || name != dirIndex {
		return
	}
	if typ, rule := le.Uint32(root.value), le.Uint32(root.value[4:]); typ != typeFileName || rule != collateFileName {
		c.bad(f.record, "index %s is of attribute %#x in the order %d, expected %#x and %d", name, typ, rule, typeFileName, collateFileName)
	}
}
