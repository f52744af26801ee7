package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
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
	if err := refuse(f, path); err != nil {
		return []*Image{newImage(path, KindDisk).fail(err)}
	}
	r, size, format, err := diskfile.Open(f, info.Size(), path)
	if err != nil {
		return []*Image{newImage(path, KindDisk).fail(err)}
	}
	images := inspectDisk(path, r, size, advisories)
	for _, i := range images {
		i.Format = format
	}
	return images
}

// otherFormats are files that hold no disk that can be read, by what they begin with.
var otherFormats = []struct {
	at                  int64
	magic, name, advice string
}{
	{0, "MSWIM\x00\x00\x00", "a WIM", extract},
	{0x8001, "CD001", "an ISO image", extract},
	{0, "KDMV", "a VMDK", convert},
	{0x40, "\x7F\x10\xDA\xBE", "a VDI", convert},
}

const (
	convert = "turn it into a raw disk with: qemu-img convert -O raw"
	extract = "audit a disk that was made from it, or apply it to a folder and give that"
)

// refuse names a file that holds no disk.
func refuse(r io.ReaderAt, name string) error {
	for _, m := range otherFormats {
		b := make([]byte, len(m.magic))
		if n, _ := r.ReadAt(b, m.at); n == len(b) && string(b) == m.magic {
			return fault.Unsupportedf(fault.NoOffset, "%s is %s; %s", name, m.name, m.advice)
		}
	}
	return nil
}

// hostPath makes a path of the tree from what users write.
func hostPath(path string) string { return strings.ReplaceAll(strings.Trim(path, `\/`), `\`, "/") }
