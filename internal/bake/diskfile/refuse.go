package diskfile

import (
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// otherFormats are files that hold no disk that can be read, by what they begin with.
var otherFormats = []struct {
	at          int64
	magic, name string
	disk        bool // of a format that qemu-img reads
}{
	{0, "MSWIM\x00\x00\x00", "a WIM", false},
	{0, "WLPWM\x00\x00\x00", "a pipable WIM", false},
	{0x8001, "CD001", "an ISO image", false},
	{0x8001, "BEA01", "a UDF image", false},
	{0, "KDMV", "a VMDK", true},
	{0x40, "\x7F\x10\xDA\xBE", "a VDI", true},
}

// Refuse says that a file holds no disk that Open reads, although it would be taken for a raw one. instead is
// what to do with a file that holds no disk at all.
func Refuse(r io.ReaderAt, name, instead string) error {
	for _, m := range otherFormats {
		b := make([]byte, len(m.magic))
		if n, _ := r.ReadAt(b, m.at); n < len(b) || string(b) != m.magic {
			continue
		}
		if m.disk {
			instead = "turn it into a raw disk with: qemu-img convert -O raw"
		}
		return fault.Unsupportedf(fault.NoOffset, "%s is %s; %s", name, m.name, instead)
	}
	return nil
}
