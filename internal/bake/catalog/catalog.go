// Package catalog says what is in a medium: its images and, if asked, what their trees tell of them: whether
// they boot, and which recovery environment they carry. Nothing is changed.
package catalog

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// Options say what is wanted.
type Options struct {
	// Path is the medium.
	Path string
	// Image selects one of its images, as media.Medium.Find does; empty for all.
	Image string
	// Details reads the tree of each image, which takes about a second for each.
	Details bool
	// Hash reads the whole medium for its SHA-256. SHA256, which is in lower-case hexadecimal, is what it
	// must be; empty for no check.
	Hash   bool
	SHA256 string
}

// Catalog is what is in a medium.
type Catalog struct {
	// Path is the file that the images are in: of a folder its WIM.
	Path string
	// Kind is what media.Medium.Kind says.
	Kind string
	Size int64
	// SHA256 is empty if nobody asked.
	SHA256 string
	Images []Image
}

// Image is one Windows in a medium.
type Image struct {
	media.Image
	// Build is the third number of the version; 0 if there is none.
	Build int
	// Notes are sentences on what is wrong with the image, if anything.
	Notes []string
	// Details are nil if nobody asked.
	Details *Details
}

// Details are what only the tree of an image tells.
type Details struct {
	// BIOS, UEFI and UEFICA2023 say whether the boot files are there: the third for those signed with the
	// "Windows UEFI CA 2023".
	BIOS, UEFI, UEFICA2023 bool
	WinRE                  bool
	// WinREVersion is empty if there is no recovery environment, or its version cannot be told.
	WinREVersion string
}

// Read opens the medium and describes what is in it. An image that is selected, but is not there or cannot be
// baked, is an error that lists those that are there.
func Read(ctx context.Context, o Options) (*Catalog, error) {
	m, err := media.Open(o.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }() // it was only read
	c := &Catalog{Path: m.Path}
	if c.Kind, err = m.Kind(); err != nil {
		return nil, err
	}
	if c.Size, err = m.Size(); err != nil {
		return nil, err
	}
	images := m.Images()
	if o.Image != "" {
		one, err := m.Find(o.Image)
		if err != nil {
			return nil, err
		}
		images = []media.Image{one}
	}
	for _, i := range images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		described, err := describe(m, i, o.Details)
		if err != nil {
			return nil, fault.In(fmt.Sprintf("media: %s: image %d", m.Path, i.Index), err)
		}
		c.Images = append(c.Images, described)
	}
	return c, c.hash(ctx, m, o)
}

// hash fills in the SHA-256, and compares it.
func (c *Catalog) hash(ctx context.Context, m *media.Medium, o Options) (err error) {
	if !o.Hash && o.SHA256 == "" {
		return nil
	}
	if c.SHA256, err = m.SHA256(ctx); err != nil {
		return err
	}
	if o.SHA256 != "" && c.SHA256 != o.SHA256 {
		return fault.Invalidf("media_checksum: the SHA-256 of %s is %s, not %s", m.Path, c.SHA256, o.SHA256)
	}
	return nil
}

func describe(m *media.Medium, i media.Image, details bool) (Image, error) {
	out := Image{Image: i, Build: build(i.Version)}
	if err := m.Usable(i.Index); err != nil {
		out.Notes = append(out.Notes, "It cannot be baked as it is: "+err.Error())
	}
	if !details {
		return out, nil
	}
	t, err := m.Tree(i.Index)
	if err != nil {
		return out, err
	}
	out.inspect(t)
	return out, nil
}

// inspect reads what the tree tells.
func (i *Image) inspect(t *tree.Tree) {
	d := &Details{
		BIOS:       boot.Bootable(t, boot.BIOS, false) == nil,
		UEFI:       boot.Bootable(t, boot.UEFI, false) == nil,
		UEFICA2023: boot.Bootable(t, boot.UEFI, true) == nil,
		WinRE:      winre.Find(t) != "",
	}
	i.Details = d
	info, err := winre.InspectTree(t)
	switch {
	case err != nil:
		i.Notes = append(i.Notes, "Its recovery environment cannot be read: "+err.Error())
	case info != nil:
		d.WinREVersion = info.Version.String()
		i.Notes = append(i.Notes, info.Notes...)
	}
}

// build is the third number of a version such as 10.0.20348.587.
func build(version string) int {
	parts := strings.Split(version, ".")
	if len(parts) < 3 {
		return 0
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil {
		return 0
	}
	return n
}

// Edition is what tells the image from the others: as Setup chooses it, or its EditionID.
func (i *Image) Edition() string { return cmp.Or(i.Flags, i.EditionID) }
