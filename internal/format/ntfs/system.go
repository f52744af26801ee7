package ntfs

import (
	"bytes"
	"hash/crc64"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// systemFile is one of the files that belong to the volume itself.
type systemFile struct {
	name       string
	flags      uint16 // of the record, beside "in use"
	attributes uint32
	size       int64 // of the unnamed data, as $FILE_NAME repeats it
	list       []attribute
}

const hiddenSystem = tree.AttrHidden | tree.AttrSystem

// systemFiles are the files of every volume but the root. The reserved records have no name.
var systemFiles = map[uint32]systemFile{
	recordMFT:     {name: "$MFT"},
	recordMirror:  {name: "$MFTMirr"},
	recordLog:     {name: "$LogFile"},
	recordVolume:  {name: "$Volume"},
	recordAttrDef: {name: "$AttrDef"},
	recordBitmap:  {name: "$Bitmap"},
	recordBoot:    {name: "$Boot"},
	recordBad:     {name: "$BadClus"},
	recordSecure:  {name: "$Secure", flags: recordViewIndex, attributes: attrViewIndex},
	recordUpCase:  {name: "$UpCase"},
	recordExtFile: {name: "$Extend", flags: recordDirectory},
	recordQuota:   {name: "$Quota", flags: recordExtend | recordViewIndex, attributes: attrViewIndex},
	recordObjID:   {name: "$ObjId", flags: recordExtend | recordViewIndex, attributes: attrViewIndex},
	recordReparse: {name: "$Reparse", flags: recordExtend | recordViewIndex, attributes: attrViewIndex},
}

// defineSystem enters the volume's own files; what they hold comes later (describeSystem).
func (p *Plan) defineSystem() {
	for r := range uint32(systemEnd) {
		f := &p.files[r]
		f.record, f.sequence, f.security = r, systemSequence(r), idReadData
		s, ok := systemFiles[r]
		if !ok && (r < reservedFirst || r >= reservedEnd) {
			continue // the root, and records that are not in use
		}
		s.attributes |= hiddenSystem
		p.system[r] = &s
		f.system = &s
		switch r {
		case recordVolume, recordSecure, recordExtFile, recordQuota, recordObjID, recordReparse:
			f.security = idReadWrite
		}
	}
	p.files[recordRoot].security = 0 // the tree's
}

// systemSequence is the sequence number of a record that is not a file of the tree.
func systemSequence(r uint32) uint16 {
	if r >= 1 && r < recordQuota {
		return uint16(r)
	}
	return 1
}

// describeSystem lists the attributes of the volume's own files.
func (p *Plan) describeSystem() error {
	for r, s := range p.system {
		if s == nil {
			continue
		}
		if s.name == "" || r == recordBoot {
			// A descriptor of their own, since these must be readable before $Secure is.
			p.files[r].security = 0
			s.list = append(s.list, attribute{typ: typeStandardInformation, size: infoSizeOld, fixed: true})
		} else {
			s.list = append(s.list, attribute{typ: typeStandardInformation, size: infoSize, fixed: true})
		}
		s.list = p.appendNames(s.list, &p.files[r])
	}
	if err := p.describeObjects(); err != nil {
		return err
	}
	p.describeQuota()
	p.describeSecure()
	p.describeSmall()
	p.describeLarge()
	return nil
}

func (p *Plan) give(r uint32, a ...attribute) {
	p.system[r].list = append(p.system[r].list, a...)
}

// stream is an attribute whose clusters src fills.
func stream(typ uint32, name string, size int64, src source) attribute {
	return attribute{typ: typ, name: name, size: size, source: src, outside: true}
}

// small is a resident attribute.
func small(typ uint32, name string, value []byte) attribute {
	return attribute{typ: typ, name: name, size: int64(len(value)), value: value, fixed: true}
}

// describeSmall lists what the files with resident contents hold.
func (p *Plan) describeSmall() {
	if p.o.Label != "" {
		p.give(recordVolume, small(typeVolumeName, "", utf16le.Encode(p.o.Label)))
	}
	p.give(recordVolume,
		small(typeVolumeInformation, "", []byte{8: 3, 9: 1, 11: 0}), // version 3.1, not dirty
		small(typeData, "", nil))
	bad := p.g.clusters() * p.g.cluster
	p.give(recordBad, small(typeData, "", nil), attribute{typ: typeData, name: "$Bad", size: bad, outside: true, hole: true})
	for r := uint32(reservedFirst); r < reservedEnd; r++ {
		p.give(r, small(typeSecurityDescriptor, "", systemDescriptor(readWrite)), small(typeData, "", nil))
	}
	p.system[recordExtFile].list = appendIndex(p.system[recordExtFile].list, p.files[recordExtFile].index, &p.g)
}

// describeLarge lists the contents that are clusters.
func (p *Plan) describeLarge() {
	data := func(r uint32, size int64, src source) {
		p.give(r, stream(typeData, "", size, src))
		p.system[r].size = size
	}
	data(recordMFT, p.mftSize(), recordSource{})
	p.give(recordMFT, stream(typeBitmap, "", p.mftBitmapSize(), recordBitmapSource{}))
	data(recordMirror, p.g.mirrorSize(), recordSource{})
	data(recordLog, p.g.logSize(), onesSource{})
	table := attrDefTable()
	data(recordAttrDef, int64(len(table)), bytesSource(table))
	data(recordBitmap, p.g.bitmapSize(), clusterBitmapSource{})
	p.give(recordBoot, small(typeSecurityDescriptor, "", systemDescriptor(readData)))
	data(recordBoot, p.g.bootSize(), bootSource{})
	upcase := fold.Bytes()
	data(recordUpCase, int64(len(upcase)), bytesSource(upcase))
	p.give(recordUpCase, small(typeData, "$Info", upcaseInfo(upcase)))
}

func (p *Plan) mftSize() int64       { return int64(p.records) * p.g.record }
func (p *Plan) mftBitmapSize() int64 { return (int64(p.records) + 63) / 64 * 8 }

// upcaseInfo is $UpCase:$Info, which Windows 8 and later write: the CRC-64 of the table, and the
// version of the system that made it, left zero as mkntfs does.
func upcaseInfo(table []byte) []byte {
	b := make([]byte, 32)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint64(b[8:], crc64.Checksum(table, crc64.MakeTable(0x9A6C9329AC4BC9B5)))
	return b
}

// describeSecure lists $Secure: the descriptors and two indexes of them.
func (p *Plan) describeSecure() {
	s := p.security
	p.give(recordSecure, stream(typeData, "$SDS", s.size, s))
	p.giveIndexes(recordSecure, s.byHash(), s.byID())
}

// giveIndexes adds indexes to a file of the system. Those that do not fit into the record together
// get blocks, the longer first.
func (p *Plan) giveIndexes(r uint32, all ...*index) {
	base := p.system[r].list
	for {
		var roots, allocations, bitmaps []attribute
		for _, x := range all {
			l := appendIndex(nil, x, &p.g)
			roots = append(roots, l[0])
			if x.large {
				allocations, bitmaps = append(allocations, l[1]), append(bitmaps, l[2])
			}
		}
		list := append(base[:len(base):len(base)], roots...)
		p.system[r].list = append(append(list, allocations...), bitmaps...)
		if p.recordUse(p.system[r].list) <= int(p.g.record) || !growLongest(all, p.g.block) {
			return
		}
	}
}

// growLongest gives blocks to the longest index that has none. It returns false when all have some.
func growLongest(all []*index, block int64) bool {
	var longest *index
	for _, x := range all {
		if !x.large && (longest == nil || x.bytes > longest.bytes) {
			longest = x
		}
	}
	if longest == nil {
		return false
	}
	longest.grow(block)
	return true
}

// describeQuota lists $Quota as an unused volume has it: the defaults, and administrators, who own
// what the system creates.
func (p *Plan) describeQuota() {
	const ownerDefault, ownerAdmins = 1, 0x100
	entry := func(flags uint32, owner []byte) []byte {
		b := make([]byte, 0x30)
		le.PutUint32(b, 2) // version
		le.PutUint32(b[4:], flags)
		le.PutUint64(b[16:], uint64(p.o.Time))
		for i := 24; i < 40; i++ {
			b[i] = 0xFF // neither threshold nor limit
		}
		return append(b, owner...)
	}
	id := func(v uint32) []byte { return le.AppendUint32(nil, v) }
	const useDefaults = 1
	byID := viewKeys{
		viewEntry(id(ownerDefault), entry(useDefaults, nil), nil),
		viewEntry(id(ownerAdmins), entry(0, secdesc.Administrators), nil),
	}
	bySID := viewKeys{viewEntry(secdesc.Administrators, id(ownerAdmins), []byte{0x20})}
	p.giveIndexes(recordQuota, newIndex("$O", 0, collateSID, bySID), newIndex("$Q", 0, collateULong, byID))
}

// describeObjects lists $ObjId and $Reparse: which files have an object id or a reparse point.
func (p *Plan) describeObjects() error {
	var objects, reparse viewKeys
	for i := range p.files {
		f := &p.files[i]
		if f.node == nil {
			continue
		}
		if x := f.node.Extra; x != nil && x.ObjectID != nil {
			ref := le.AppendUint64(nil, f.reference())
			objects = append(objects, viewEntry(x.ObjectID[:16], objectData(ref, x.ObjectID), nil))
		}
		if r := reparseOf(f.node); r != nil {
			key := le.AppendUint64(le.AppendUint32(nil, r.Tag), f.reference())
			reparse = append(reparse, viewEntry(key, nil, nil))
		}
	}
	sortULongs(objects)
	sortULongs(reparse)
	for i := 1; i < len(objects); i++ {
		if bytes.Equal(entryKey(objects[i-1]), entryKey(objects[i])) {
			return fault.Corruptf(fault.NoOffset, "two files have the same object id %x", entryKey(objects[i]))
		}
	}
	p.giveIndexes(recordObjID, newIndex("$O", 0, collateULongs, objects))
	p.giveIndexes(recordReparse, newIndex("$R", 0, collateULongs, reparse))
	return nil
}

// objectData is the data of an entry of $ObjId: the file, and the three birth ids. A file that only
// has its id was born with it.
func objectData(ref, id []byte) []byte {
	b := append([]byte(nil), ref...)
	if len(id) == objectIDLong {
		return append(b, id[16:]...)
	}
	b = append(b, make([]byte, 16)...)
	b = append(b, id...)
	return append(b, make([]byte, 16)...)
}

const (
	objectIDShort = 16
	objectIDLong  = 64
)
