package media

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
)

// kind is what a file holds.
type kind int

const (
	kindUnknown kind = iota
	kindWIM
	kindVolume // a volume, from its boot sector on
	kindDisk   // a disk, from its partition table on
)

// mark is a signature: bytes at an offset that only files of one kind have.
type mark struct {
	at    int64
	magic string
	name  string // for formats that are not read
}

const dynamicVHD = "a dynamic VHD"

var (
	markWIM  = mark{at: 0, magic: "MSWIM\x00\x00\x00"}
	markNTFS = mark{at: 3, magic: "NTFS    "}
	markBoot = mark{at: 510, magic: "\x55\xAA"}

	// isoMarks are volume descriptors, in sector 16 of an ISO 9660 or UDF file system.
	isoMarks = []mark{{at: 0x8001, magic: "CD001"}, {at: 0x8001, magic: "BEA01"}}
	// convertible are the formats of disks that qemu-img turns into raw ones.
	convertible = []mark{
		{0, vhd.Cookie, dynamicVHD}, {0, "vhdxfile", "a VHDX"}, {0, "QFI\xFB", "a qcow2 image"},
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

// detect says what a file of size bytes is, by its content, and how many bytes from its start on are
// that. What cannot be baked is an error that says what to do.
func detect(r io.ReaderAt, size int64, path string) (kind, int64, error) {
	isWIM, err := markWIM.in(r)
	if err != nil {
		return kindUnknown, 0, fault.In(path, err)
	}
	if isWIM {
		return kindWIM, size, nil
	}
	if size, err = diskSize(r, size, path); err != nil {
		return kindUnknown, 0, err
	}
	for _, m := range isoMarks {
		if is, _ := m.in(r); is {
			return kindUnknown, 0, isoError(path)
		}
	}
	for _, m := range convertible {
		if is, _ := m.in(r); is {
			return kindUnknown, 0, convertError(path, m.name)
		}
	}
	bootable, err := markBoot.in(r)
	if err != nil {
		return kindUnknown, 0, fault.In(path, err)
	}
	volume, err := markNTFS.in(r)
	switch {
	case err != nil:
		return kindUnknown, 0, fault.In(path, err)
	case bootable && volume:
		return kindVolume, size, nil
	case bootable:
		return kindDisk, size, nil
	}
	if err := checkName(path); err != nil {
		return kindUnknown, 0, err
	}
	return kindUnknown, 0, fault.In("media: "+path, fault.Corruptf(0,
		"this is no WIM (MSWIM), no disk (55 AA at the end of the first sector), no fixed VHD and no NTFS volume; if it is one, it is damaged"))
}

// diskSize is the length of the disk in a file: all of it, unless a VHD's footer follows.
func diskSize(r io.ReaderAt, size int64, path string) (int64, error) {
	footer := make([]byte, vhd.FooterSize)
	if size < vhd.FooterSize {
		return size, nil
	}
	if _, err := r.ReadAt(footer, size-vhd.FooterSize); err != nil && !errors.Is(err, io.EOF) {
		return 0, fault.In(path, err)
	}
	if !bytes.HasPrefix(footer, []byte(vhd.Cookie)) {
		return size, nil
	}
	f, err := vhd.Parse(footer, size)
	if other, ok := errors.AsType[*vhd.OtherKind](err); ok {
		if other.Kind == vhd.Differencing {
			return 0, mergeError(path)
		}
		return 0, convertError(path, dynamicVHD)
	}
	return f.Size, fault.In("media: "+path, err)
}

// checkName turns down what has the name of something that is known, but is not that or cannot be read.
func checkName(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".iso":
		return isoError(path)
	case ".esd":
		return fault.In("media: "+path, fault.Corruptf(0, "this is no ESD (MSWIM): it is damaged, or encrypted so that only Windows Setup can read it"))
	}
	return nil
}

func isoError(path string) error {
	return fault.Unsupportedf(fault.NoOffset, "media: %s is an ISO image; copy its sources/install.wim out and give that, or give the folder of a mounted or extracted ISO", path)
}

// convertError names a format and how to leave it.
func convertError(path, format string) error {
	return fault.Unsupportedf(fault.NoOffset, "media: %s is %s; turn it into a raw disk with: qemu-img convert -O raw %s disk.raw", path, format, path)
}

// mergeError is for a differencing VHD, which has to meet its parent first, as only Windows can have it.
func mergeError(path string) error {
	return fault.Unsupportedf(fault.NoOffset, "media: %s is a differencing VHD: part of its disk is in another file; merge the two in Windows first, with: Merge-VHD", path)
}
