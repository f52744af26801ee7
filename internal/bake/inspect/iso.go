package inspect

import (
	"errors"
	"io"
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/iso9660"
	"github.com/winbake/packer-plugin-winbake/internal/format/udf"
)

// isoStores are where install media have their BCD stores.
var isoStores = []string{"boot/bcd", "efi/microsoft/boot/bcd"}

// maxNames bounds the names of a root folder that are shown.
const maxNames = 100

func (s *source) describeISO(depth int) *ISO {
	out := &ISO{FileSystem: "ISO 9660", Boot: []ISOBoot{}, Root: []string{}, Files: []*File{}}
	label, boot, err := iso9660.Describe(s.r)
	if err != nil {
		out.problem(err)
	}
	if label != nil {
		out.Label, out.System, out.Publisher, out.Application, out.Created = label.Volume, label.System, label.Publisher, label.Application, stamp(label.Created)
	}
	switch v := s.disc.(type) {
	case *udf.Volume:
		out.FileSystem, out.Label = "UDF", v.Label()
	case *iso9660.Volume:
		if v.Joliet {
			out.FileSystem = "Joliet"
		}
	}
	for _, b := range boot {
		out.Boot = append(out.Boot, ISOBoot{Platform: b.PlatformName(), Media: b.MediaName(), Bootable: b.Bootable, Sectors: int(b.Sectors), Block: int64(b.Block)})
	}
	entries, err := fs.ReadDir(s.disc, ".")
	if err != nil {
		out.problem(err)
	}
	for _, e := range entries[:min(len(entries), maxNames)] {
		out.Root = append(out.Root, e.Name())
	}
	out.stores(s.disc)
	if depth < maxDepth {
		out.files(s.disc, depth)
	}
	return out
}

func (i *ISO) problem(err error) { i.Problems = append(i.Problems, err.Error()) }

func (i *ISO) files(disc fs.FS, depth int) {
	for _, path := range mediaFiles {
		c, err := media.DiscFile(disc, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			i.problem(fault.In(path, err))
			continue
		}
		i.Files = append(i.Files, inside(path, c, c.Size(), depth+1))
	}
}

func (i *ISO) stores(disc fs.FS) {
	for _, path := range isoStores {
		s, err := bootstore.Read(func(path string, limit int64) ([]byte, error) {
			c, err := media.DiscFile(disc, path)
			if err != nil {
				return nil, err
			}
			if c.Size() > limit {
				return nil, fault.Corruptf(fault.NoOffset, "%s has %d bytes", path, c.Size())
			}
			return io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		}, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		out := describeStore(s, nil)
		out.Path = path
		if err != nil {
			out.Problem = err.Error()
		}
		i.Stores = append(i.Stores, out)
	}
}
