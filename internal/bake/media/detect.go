package media

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
)

// kind is what a file holds.
type kind int

const (
	kindUnknown kind = iota
	kindWIM
	kindVolume // a volume, from its boot sector on
	kindDisk   // a disk, from its partition table on
	kindISO    // an optical disc
)

// mark is a signature: bytes at an offset that only files of one kind have.
type mark struct {
	at    int64
	magic string
	name  string // for formats that are not read
}

var (
	markNTFS = mark{at: 3, magic: "NTFS    "}
	markBoot = mark{at: 510, magic: "\x55\xAA"}

	// isoMarks are volume descriptors, in sector 16 of an ISO 9660 or UDF file system.
	isoMarks = []mark{{at: 0x8001, magic: "CD001"}, {at: 0x8001, magic: "BEA01"}}
	// convertible are the formats of disks that qemu-img turns into raw ones.
	convertible = []mark{
		{0, "KDMV", "a VMDK"}, {0x40, "\x7F\x10\xDA\xBE", "a VDI"},
	}
)

func (m mark) in(r io.ReaderAt) (bool, error) {
	b := make([]byte, len(m.magic))
	if n, err := r.ReadAt(b, m.at); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return false, err
	}
	return string(b) == m.magic, nil
}

// detect says what a file of size bytes is, by its content, and returns the disk or volume in it, if
// that is what it is. What cannot be baked is an error that says what to do.
func detect(r io.ReaderAt, size int64, path string) (kind, *io.SectionReader, error) {
	isWIM, err := wim.Recognize(r)
	if err != nil {
		return kindUnknown, nil, fault.In(path, err)
	}
	if isWIM {
		return kindWIM, nil, nil
	}
	in, size, _, err := diskfile.Open(r, size, "media: "+path)
	if err != nil {
		return kindUnknown, nil, err
	}
	disk := io.NewSectionReader(in, 0, size)
	for _, m := range isoMarks {
		if is, _ := m.in(disk); is {
			return kindISO, disk, nil
		}
	}
	for _, m := range convertible {
		if is, _ := m.in(disk); is {
			return kindUnknown, nil, convertError(path, m.name)
		}
	}
	bootable, err := markBoot.in(disk)
	if err != nil {
		return kindUnknown, nil, fault.In(path, err)
	}
	volume, err := markNTFS.in(disk)
	switch {
	case err != nil:
		return kindUnknown, nil, fault.In(path, err)
	case bootable && volume:
		return kindVolume, disk, nil
	case bootable:
		return kindDisk, disk, nil
	}
	return kindUnknown, nil, unknownError(path)
}

// unknownError is for a file that is nothing that is known.
func unknownError(path string) error {
	if strings.EqualFold(filepath.Ext(path), ".iso") {
		return fault.Unsupportedf(fault.NoOffset, "media: %s has the name of an ISO, but there is no UDF (BEA01) and no ISO 9660 (CD001) in it; give the ISO as it was downloaded, or its %s", path, installWIM)
	}
	if err := checkName(path); err != nil {
		return err
	}
	return fault.In("media: "+path, fault.Corruptf(0,
		"this is no WIM (MSWIM), no ISO (BEA01 or CD001), no disk (55 AA at the end of the first sector), no VHD, VHDX or qcow2 image, and no NTFS volume; if it is one, it is damaged"))
}

// checkName turns down what has the name of something that is known, but is not that or cannot be read.
func checkName(path string) error {
	if strings.EqualFold(filepath.Ext(path), ".esd") {
		return fault.In("media: "+path, fault.Corruptf(0, "this is no ESD (MSWIM): it is damaged, or encrypted so that only Windows Setup can read it"))
	}
	return nil
}

// convertError names a format and how to leave it.
func convertError(path, format string) error {
	return fault.Unsupportedf(fault.NoOffset, "media: %s is %s; turn it into a raw disk with: qemu-img convert -O raw %s disk.raw", path, format, path)
}

// Kind is what a file holds, for those who do more with it than bake it.
type Kind = kind

// The kinds: a WIM, a bare NTFS volume, a disk, an optical disc.
const (
	WIM    Kind = kindWIM
	Volume Kind = kindVolume
	Disk   Kind = kindDisk
	ISO    Kind = kindISO
)

// Detect says what a file of size bytes is, by its content, and returns the disk, disc or volume in it,
// nil for a WIM. What is none of the kinds is an error that says what to do.
func Detect(r io.ReaderAt, size int64, path string) (Kind, *io.SectionReader, error) {
	return detect(r, size, path)
}
