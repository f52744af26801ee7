package standin

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Reparse tags ([MS-FSCC] 2.1.2.1).
const (
	tagMountPoint = 0xA0000003
	tagSymlink    = 0xA000000C
)

// junction makes a directory that leads elsewhere ([MS-FSCC] 2.1.2.5).
func (b *builder) junction(path, substitute, printed string) {
	n := b.dir(path)
	n.Attributes |= tree.AttrReparsePoint | tree.AttrHidden | tree.AttrSystem
	n.Ensure().Reparse = &tree.Reparse{Tag: tagMountPoint, Data: mountPointData(substitute, printed)}
}

// symlink makes a relative symbolic link to a directory ([MS-FSCC] 2.1.2.4).
func (b *builder) symlink(path, target string) {
	n := b.dir(path)
	n.Attributes |= tree.AttrReparsePoint
	names := nameFields(target, target)
	data := append(names[:8:8], 1, 0, 0, 0) // flags: relative
	n.Ensure().Reparse = &tree.Reparse{Tag: tagSymlink, Data: append(data, names[8:]...)}
}

func mountPointData(substitute, printed string) []byte { return nameFields(substitute, printed) }

// nameFields is offsets and lengths of the two names, in bytes, and the names with terminators.
func nameFields(substitute, printed string) []byte {
	s, p := utf16le.Encode(substitute), utf16le.Encode(printed)
	var b []byte
	for _, n := range []int{0, len(s), len(s) + 2, len(p)} {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	b = append(append(b, s...), 0, 0)
	return append(append(b, p...), 0, 0)
}
