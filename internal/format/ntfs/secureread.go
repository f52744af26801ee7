package ntfs

import (
	"bytes"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// sdsEntry is where $SII says a security descriptor is in $SDS.
type sdsEntry struct {
	hash   uint32
	offset int64
	length int64 // with the header
}

// parseSDS reads the 20 bytes that stand before a descriptor, and in the indexes.
func parseSDS(b []byte) (id uint32, e sdsEntry) {
	return le.Uint32(b[4:]), sdsEntry{le.Uint32(b), int64(le.Uint64(b[8:])), int64(le.Uint32(b[16:]))}
}

// readSecure reads where the security descriptors are.
func (v *Volume) readSecure() error {
	f, err := v.file(recordSecure)
	if err != nil {
		return err
	}
	if v.sds, err = v.open(f, typeData, "$SDS"); err != nil {
		return err
	}
	v.secure = map[uint32]sdsEntry{}
	return v.walkIndex(f, "$SII", func(e *treeEntry) error {
		if len(e.key) != 4 || len(e.data) < sdsHeader {
			return f.corrupt("$SII has an entry of %d and %d bytes", len(e.key), len(e.data))
		}
		id, s := parseSDS(e.data)
		if id != le.Uint32(e.key) || s.length < sdsHeader || s.length > sdsHeader+maxDescriptor || s.offset < 0 {
			return f.corrupt("$SII: id %#x is %#x, %d bytes at %d", le.Uint32(e.key), id, s.length, s.offset)
		}
		v.secure[id] = s
		return nil
	})
}

// descriptor returns a security descriptor by its id. If it is damaged its copy counts.
func (v *Volume) descriptor(id uint32) ([]byte, error) {
	e, ok := v.secure[id]
	if !ok || v.sds == nil {
		return nil, fault.In("$Secure", fault.Corruptf(fault.NoOffset, "no security descriptor has id %#x", id))
	}
	var first error
	for _, off := range []int64{e.offset, e.offset + sdsBlock} {
		sd, err := v.descriptorAt(id, e, off)
		if err == nil {
			return sd, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, fault.In("$Secure:$SDS", first)
}

func (v *Volume) descriptorAt(id uint32, e sdsEntry, off int64) ([]byte, error) {
	if off > v.sds.size-e.length {
		return nil, fault.Corruptf(off, "descriptor of %d bytes ends after the stream", e.length)
	}
	b := make([]byte, e.length)
	if _, err := v.sds.ReadAt(b, off); err != nil {
		return nil, err
	}
	sd := b[sdsHeader:]
	gotID, got := parseSDS(b)
	if gotID != id || got != e || hash(sd) != e.hash {
		return nil, fault.Corruptf(off, "descriptor %#x: its header says %#x, its hash is %#x, expected %#x", id, gotID, hash(sd), e.hash)
	}
	return sd, nil
}

// readObjects reads the birth ids of files with an object id.
func (v *Volume) readObjects() error {
	v.births = map[uint64][]byte{}
	f, err := v.extendFile("$ObjId")
	if f == nil || err != nil {
		return err
	}
	return v.walkIndex(f, "$O", func(e *treeEntry) error {
		if len(e.key) != objectIDShort || len(e.data) < 8 {
			return f.corrupt("$O has an entry of %d and %d bytes", len(e.key), len(e.data))
		}
		if len(e.data) >= 8+objectIDLong-objectIDShort {
			v.births[le.Uint64(e.data)] = bytes.Clone(e.data[8 : 8+objectIDLong-objectIDShort])
		}
		return nil
	})
}

// extendFile returns a file of $Extend by its name, or nil. Volumes of NTFS 3 all have the
// directory, but not all have every file.
func (v *Volume) extendFile(name string) (*inode, error) {
	dir, err := v.file(recordExtFile)
	if err != nil {
		return nil, err
	}
	return v.child(dir, name)
}
