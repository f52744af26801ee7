package inspect

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Reparse tags ([MS-FSCC] 2.1.2.1).
const (
	tagMountPoint = 0xA0000003
	tagSymlink    = 0xA000000C
)

var tagNames = map[uint32]string{
	tagMountPoint: "junction", tagSymlink: "symbolic link", 0x80000013: "deduplicated", 0x80000017: "compressed (WOF)", 0x8000001B: "app execution link",
	0x80000008: "WIM mount", 0xA000001D: "WSL link", 0x9000001A: "cloud file",
}

// describeReparse names a reparse point and, of a link, its target: the printed name, or else the
// substitute ([MS-FSCC] 2.1.2.4 and 2.1.2.5).
func describeReparse(r *tree.Reparse) (kind, target string) {
	kind = tagNames[r.Tag]
	if kind == "" {
		kind = fmt.Sprintf("tag %08x", r.Tag)
	}
	names := 8 // bytes before the names
	if r.Tag == tagSymlink {
		names = 12
	} else if r.Tag != tagMountPoint {
		return kind, ""
	}
	le := binary.LittleEndian
	if len(r.Data) < names {
		return kind, ""
	}
	text := func(field int) string {
		from, n := names+int(le.Uint16(r.Data[field:])), int(le.Uint16(r.Data[field+2:]))
		if from+n > len(r.Data) {
			return ""
		}
		return utf16le.Decode(r.Data[from : from+n])
	}
	if target = text(4); target == "" {
		target = strings.TrimPrefix(text(0), `\??\`)
	}
	return kind, target
}
