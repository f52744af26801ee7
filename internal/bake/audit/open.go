package audit

import (
	"errors"
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
	if err := diskfile.Refuse(f, path, instead); err != nil {
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

// instead is what to do with a file that holds no disk.
const instead = "audit a disk that was made from it, or apply it to a folder and give that"

// hostPath makes a path of the tree from what users write.
func hostPath(path string) string { return strings.ReplaceAll(strings.Trim(path, `\/`), `\`, "/") }
