package ntfs

import "github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"

// attrDef is an entry of $AttrDef: what values an attribute type may have.
type attrDef struct {
	name     string
	typ      uint32
	flags    uint32
	min, max int64
}

// Flags of attrDef.
const (
	defIndexed  = 0x02
	defResident = 0x40
	defLogged   = 0x80 // may be non-resident, and changes are logged
	defAny      = -1
)

// attrDefs is the table of NTFS 3.1; Windows 10 and mkntfs write the same.
var attrDefs = [...]attrDef{
	{"$STANDARD_INFORMATION", typeStandardInformation, defResident, infoSizeOld, infoSize},
	{"$ATTRIBUTE_LIST", typeAttributeList, defLogged, 0, defAny},
	{"$FILE_NAME", typeFileName, defResident | defIndexed, fileNameFixed + 2, fileNameFixed + 2*256},
	{"$OBJECT_ID", typeObjectID, defResident, 0, 256},
	{"$SECURITY_DESCRIPTOR", typeSecurityDescriptor, defLogged, 0, defAny},
	{"$VOLUME_NAME", typeVolumeName, defResident, 2, 256},
	{"$VOLUME_INFORMATION", typeVolumeInformation, defResident, 12, 12},
	{"$DATA", typeData, 0, 0, defAny},
	{"$INDEX_ROOT", typeIndexRoot, defResident, 0, defAny},
	{"$INDEX_ALLOCATION", typeIndexAllocation, defLogged, 0, defAny},
	{"$BITMAP", typeBitmap, defLogged, 0, defAny},
	{"$REPARSE_POINT", typeReparsePoint, defLogged, 0, maxReparse},
	{"$EA_INFORMATION", typeEAInformation, defResident, 8, 8},
	{"$EA", typeEA, 0, 0, maxEA},
	{"$LOGGED_UTILITY_STREAM", 0x100, defLogged, 0, 64 << 10},
}

const (
	attrDefSize = 0xA0
	maxReparse  = 16 << 10
	maxEA       = 64 << 10
)

// attrDefTable is $AttrDef; an empty entry ends it.
func attrDefTable() []byte {
	b := make([]byte, (len(attrDefs)+1)*attrDefSize)
	for i, d := range attrDefs {
		e := b[i*attrDefSize:]
		copy(e, utf16le.Encode(d.name))
		le.PutUint32(e[0x80:], d.typ)
		le.PutUint32(e[0x8C:], d.flags)
		le.PutUint64(e[0x90:], uint64(d.min))
		le.PutUint64(e[0x98:], uint64(d.max))
	}
	return b
}
