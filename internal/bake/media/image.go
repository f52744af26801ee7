package media

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Image describes one Windows in a medium. Fields that the medium does not tell are empty.
type Image struct {
	Index int    // from 1
	Name  string // of the image in a WIM; the product's name on a volume
	// Title is the second name: the display name in a WIM, the label of a volume.
	Title string
	// Description is that of an image in a WIM.
	Description string
	// Flags is the edition as Setup chooses it, such as ServerStandardCore: it tells a Core image
	// from a Desktop one, whose EditionID is the same.
	Flags            string
	EditionID        string // ServerStandard
	ProductName      string
	ProductType      string // WinNT, ServerNT
	InstallationType string // Client, Server, Server Core, WindowsPE
	Arch             string // x86, arm, amd64, arm64
	Version          string // 10.0.20348.587
	Languages        []string
	DefaultLanguage  string

	// Files and Dirs count names, so that a file with two counts twice; the root has none. Bytes is the
	// length of all streams of all names.
	Files, Dirs, Bytes int64

	Created, Modified filetime.Time
}

// selectors are the fields that a selector is compared with, in this order. Flags come before
// edition ids because they tell more.
var selectors = []func(*Image) string{
	func(i *Image) string { return i.Name },
	func(i *Image) string { return i.Title },
	func(i *Image) string { return i.Flags },
	func(i *Image) string { return i.EditionID },
}

// find returns the image that selector names: its number, name, title, flags or edition id, tried
// in that order; case is ignored. An empty selector finds the only image. A selector that fits no
// image, or fits several equally well, is an error that lists the images.
func (m *Medium) find(selector string) (Image, error) {
	want := strings.TrimSpace(selector)
	if want == "" && len(m.images) == 1 {
		return m.images[0], nil
	}
	if want == "" {
		return Image{}, fault.Invalidf("choose an image of %s by index, name or edition; %s", m.Path, m.list())
	}
	if n, err := strconv.Atoi(want); err == nil && n >= 1 && n <= len(m.images) {
		return m.images[n-1], nil
	}
	for _, field := range selectors {
		switch hits := m.matches(want, field); {
		case len(hits) == 1:
			return *hits[0], nil
		case len(hits) > 1:
			return Image{}, fault.Invalidf("%q fits %d images of %s; %s", selector, len(hits), m.Path, m.list())
		}
	}
	return Image{}, fault.Invalidf("no image of %s is called %q; %s", m.Path, selector, m.list())
}

func (m *Medium) matches(want string, field func(*Image) string) []*Image {
	var hits []*Image
	for i := range m.images {
		if strings.EqualFold(field(&m.images[i]), want) {
			hits = append(hits, &m.images[i])
		}
	}
	return hits
}

// list names all images for an error message.
func (m *Medium) list() string {
	if len(m.images) == 0 {
		return "it holds no images"
	}
	all := make([]string, len(m.images))
	for n := range m.images {
		i := &m.images[n]
		all[n] = fmt.Sprintf("%d %q", i.Index, i.Name)
		edition := i.Flags
		if edition == "" {
			edition = i.EditionID
		}
		if edition != "" && edition != i.Name {
			all[n] += fmt.Sprintf(" (%s)", edition)
		}
		if m.source.labelled() && i.Title != "" {
			all[n] += fmt.Sprintf(" on volume %q", i.Title)
		}
	}
	return "it holds: " + strings.Join(all, ", ") + m.source.notes()
}
