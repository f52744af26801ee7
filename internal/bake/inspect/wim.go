package inspect

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// describeWIM tells what is in a WIM.
func describeWIM(f *wim.File) *WIM {
	h := f.Header()
	format, chunk := f.Compression()
	out := &WIM{
		ID: guid.GUID(f.GUID()).String(), Version: fmt.Sprintf("%#x", h.Version), Solid: h.Solid, Compression: format.String(), ChunkSize: chunk,
		Parts: h.Parts, Flags: h.Flags, BootIndex: f.BootIndex(), Integrity: f.Integrity(), Images: []WIMImage{},
	}
	out.Blobs, out.BlobBytes = f.Blobs()
	known := map[tree.Content]*WinRE{} // images share their Winre.wim
	for _, i := range f.Images() {
		image := describeImage(&i)
		image.Metadata = fmt.Sprintf("%x", f.Fingerprint(i.Index))
		if i.Version != (wim.Version{}) { // an image of Windows
			image.recovery(f, known)
		}
		out.Images = append(out.Images, image)
	}
	return out
}

// recovery looks for a Winre.wim in an image.
func (i *WIMImage) recovery(f *wim.File, known map[tree.Content]*WinRE) {
	t, err := f.Tree(i.Index)
	if err != nil {
		i.Problem = err.Error()
		return
	}
	path := winre.Find(t)
	if path == "" {
		return
	}
	c := t.Find(path).Node.Data
	if known[c] == nil {
		known[c] = describeWinRE(path, c)
	}
	i.WinRE = known[c]
}

func describeImage(i *wim.Image) WIMImage {
	return WIMImage{
		Index: i.Index, Name: i.Name, Description: i.Description, Flags: i.Flags, DisplayName: i.DisplayName, DisplayDescription: i.DisplayDescription,
		Directories: i.DirCount, Files: i.FileCount, TotalBytes: i.TotalBytes, HardLinkBytes: i.HardLinkBytes,
		Created: stamp(i.Created.Time()), Modified: stamp(i.Modified.Time()), WIMBoot: i.WIMBoot,
		Product: i.ProductName, Edition: i.EditionID, Installation: i.InstallationType, ProductType: i.ProductType, ProductSuite: i.ProductSuite,
		HAL: i.HAL, SystemRoot: i.SystemRoot, Architecture: i.Arch, Version: i.Version.String(), ServicePack: i.Version.SPLevel, Branch: i.Version.Branch,
		State: i.Servicing.ImageState, Languages: i.Languages, DefaultLanguage: i.DefaultLanguage,
	}
}
