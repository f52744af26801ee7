package media

import (
	"cmp"
	"crypto/sha1"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// wimSource are the images of a WIM.
type wimSource struct {
	f      *wim.File
	closer io.Closer // the file that the WIM is, or is in
}

// useWIM makes the images of a WIM those of the medium, which will close closer.
func (m *Medium) useWIM(f *wim.File, closer io.Closer) {
	m.source = &wimSource{f, closer}
	for _, i := range f.Images() {
		m.images = append(m.images, wimImage(i))
	}
}

func (s *wimSource) usable(int) error { return nil }

func (s *wimSource) tree(index int) (*tree.Tree, error) { return s.f.Tree(index) }

func (s *wimSource) fingerprint(index int) [sha1.Size]byte { return s.f.Fingerprint(index) }

func (s *wimSource) labelled() bool { return false }

func (s *wimSource) notes() string { return "" }

func (s *wimSource) Close() error {
	if s.closer == nil {
		return nil
	}
	err := s.closer.Close()
	s.closer = nil
	return err
}

func wimImage(i wim.Image) Image {
	return Image{
		Index: i.Index, Name: i.Name, Title: i.DisplayName, Flags: i.Flags, EditionID: i.EditionID,
		ProductName: i.ProductName, ProductType: i.ProductType, InstallationType: i.InstallationType,
		Arch: i.Arch, Version: i.Version.String(), Languages: i.Languages, DefaultLanguage: i.DefaultLanguage,
		Description: cmp.Or(i.DisplayDescription, i.Description),
		Files:       int64(i.FileCount), Dirs: int64(i.DirCount), Bytes: int64(i.TotalBytes),
		Created: i.Created, Modified: i.Modified,
	}
}
