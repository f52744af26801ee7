package audit

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhd"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// inspectPath audits what is at a path: one Image for each Windows, or one that says why there is
// none.
func inspectPath(path string, advisories []winre.Advisory) []*Image {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []*Image{newImage(path, KindDisk).fail(fault.Invalidf("there is no %s", path))}
	case err != nil:
		return []*Image{newImage(path, KindDisk).fail(err)}
	case info.IsDir():
		return []*Image{inspectFolder(path, advisories)}
	case !info.Mode().IsRegular():
		return []*Image{newImage(path, KindDisk).fail(fault.Invalidf("%s is neither a file nor a folder; copy a device to a file first, or mount it and give the folder", path))}
	}
	f, err := os.Open(path)
	if err != nil {
		return []*Image{newImage(path, KindDisk).fail(err)}
	}
	defer f.Close()
	if isManifest(f) {
		return []*Image{inspectManifest(path, f, info.Size())}
	}
	r, size, err := openDisk(f, info.Size(), path)
	if err != nil {
		return []*Image{newImage(path, KindDisk).fail(err)}
	}
	return inspectDisk(path, r, size, advisories)
}

// openDisk returns the disk that a file holds, whatever the format of the file.
func openDisk(r io.ReaderAt, size int64, name string) (io.ReaderAt, int64, error) {
	for _, m := range otherFormats {
		b := make([]byte, len(m.magic))
		if n, _ := r.ReadAt(b, m.at); n == len(b) && string(b) == m.magic {
			return nil, 0, fault.Unsupportedf(fault.NoOffset, "%s is %s; %s", name, m.name, m.advice)
		}
	}
	size, err := withoutFooter(r, size)
	return r, size, fault.In(name, err)
}

// withoutFooter is the length of the disk in a file: all of it, unless the footer of a fixed VHD
// follows.
func withoutFooter(r io.ReaderAt, size int64) (int64, error) {
	footer := make([]byte, vhd.FooterSize)
	if size < vhd.FooterSize {
		return size, nil
	}
	if n, err := r.ReadAt(footer, size-vhd.FooterSize); n < len(footer) {
		return 0, err
	}
	if !bytes.HasPrefix(footer, []byte(vhd.Cookie)) {
		return size, nil
	}
	f, err := vhd.Parse(footer, size)
	return f.Size, err
}

const (
	convert = "turn it into a raw disk with: qemu-img convert -O raw"
	extract = "audit a disk that was made from it, or apply it to a folder and give that"
)

// otherFormats are files that hold no disk that can be read here, by what they begin with.
var otherFormats = []struct {
	at                  int64
	magic, name, advice string
}{
	{0, "MSWIM\x00\x00\x00", "a WIM", extract},
	{0x8001, "CD001", "an ISO image", extract},
	{0, "vhdxfile", "a VHDX", convert},
	{0, "QFI\xFB", "a qcow2 image", convert},
	{0, vhd.Cookie, "a dynamic VHD", convert},
	{0, "KDMV", "a VMDK", convert},
	{0x40, "\x7F\x10\xDA\xBE", "a VDI", convert},
}

// hostPath makes a path of the tree from what users write.
func hostPath(path string) string { return strings.ReplaceAll(strings.Trim(path, `\/`), `\`, "/") }
