package wim

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Image describes one image: what the file's XML data says of it. Any field but Index may be
// empty; only Windows images have those from ProductName on.
type Image struct {
	Index              int    // from 1
	Name               string // unique in the file by convention
	Description        string
	Flags              string // the edition as Setup chooses it, e.g. ServerStandardCore
	DisplayName        string
	DisplayDescription string

	DirCount, FileCount uint64 // names; the root has none
	TotalBytes          uint64 // of all streams of all names, so hard links count again
	HardLinkBytes       uint64 // how much of that is hard links
	Created             filetime.Time
	Modified            filetime.Time
	WIMBoot             bool

	ProductName      string
	EditionID        string // e.g. ServerStandard; a Core image and a Desktop image share it
	InstallationType string // Client, Server, Server Core, WindowsPE
	ProductType      string // WinNT, ServerNT
	ProductSuite     string
	HAL              string
	SystemRoot       string // WINDOWS
	Arch             string // x86, arm, ia64, amd64, arm64; a number if it is none of them
	Version          Version
	Servicing        Servicing
	Languages        []string
	DefaultLanguage  string
	Fallbacks        []Fallback
}

// Version is the version of an image's Windows.
type Version struct {
	Major, Minor, Build uint64
	SPBuild             uint64 // the fourth number (UBR)
	SPLevel             uint64
	Branch              string
}

// String returns "10.0.20348.587", or "" for a version that is not known.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d", v.Major, v.Minor, v.Build, v.SPBuild)
}

// Servicing is the SERVICINGDATA of an image.
type Servicing struct {
	GDRDURevision    string
	PKeyConfigVer    string
	ImageState       string // e.g. IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE
	UpdateImageState string
}

// Fallback is the language that texts come from which Language does not have.
type Fallback struct {
	Language, Fallback string
}

// Images returns the images in the order of their numbers.
func (f *File) Images() []Image { return append([]Image(nil), f.images...) }

// Image returns the image with the given number, from 1.
func (f *File) Image(index int) (Image, error) {
	if index < 1 || index > len(f.images) {
		return Image{}, fault.Invalidf("%s has no image %d, it holds %d", f.src.name, index, len(f.images))
	}
	return f.images[index-1], nil
}
