// Package driver puts driver packages into an image that does not run, so that Windows finds them
// when it starts first, and starts from a disk that needs one of them.
//
// Windows has no documented way to do that other than its own DISM. What is written here is what real
// registries show that Windows itself has written, and what others have used for years; for both, and
// for how sure each part is, see docs/formats/drivers.md. Whether a package is signed is not looked
// at: Windows does that, when it loads the driver.
package driver

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// ErrNotFor says that a package has no driver for the image's architecture or version. Its class is
// fault.ErrInvalid.
var ErrNotFor = errors.New("not for this Windows")

// Targets are what a package can be put into: the Windows of the image itself, and its recovery
// environment (see package nested), which is a Windows of its own with its own registry.
var Targets = []string{TargetOS, TargetWinRE}

// The targets by their names in the user's configuration.
const (
	TargetOS    = "os"
	TargetWinRE = "winre"
)

// Report is what was put into an image.
type Report struct {
	// INF is the package's INF file by its name, Provider, Class and Version what that says.
	INF, Provider, Class, Version string
	Date                          filetime.Time
	// Published is the name that Windows has for the INF file, such as oem0.inf; empty on Windows 7,
	// which gives it one itself when it installs the package.
	Published string
	// Folder is where the package is in the image.
	Folder string
	// Services are those that the package adds, DeviceIDs how many names of devices lead to it.
	Services  []string
	DeviceIDs int
	// BootStart says that the image starts a driver of this package before anything else.
	BootStart bool
	// Changed says that the image was changed: the package was not in it before.
	Changed bool
	// Notes are sentences for the person at the terminal.
	Notes []string
}

// String says in a line what was put in: "viostor.inf 100.93.104.24000 of Red Hat, Inc. as oem0.inf:
// service viostor, starts at boot, 4 device IDs".
func (r Report) String() string {
	s := r.INF
	if r.Version != "" {
		s += " " + r.Version
	}
	if r.Provider != "" {
		s += " of " + r.Provider
	}
	if r.Published != "" {
		s += " as " + r.Published
	}
	switch len(r.Services) {
	case 0:
		s += ": no service"
	case 1:
		s += ": service " + r.Services[0]
	default:
		s += ": services " + strings.Join(r.Services, ", ")
	}
	if r.BootStart {
		s += ", starts at boot"
	}
	return fmt.Sprintf("%s, %d device IDs", s, r.DeviceIDs)
}

// Fits says why a package is not for an image: ErrNotFor with what it is for. Nil if it is.
func (p Package) Fits(w boot.Windows) error {
	os, err := target(w)
	if err != nil {
		return err
	}
	if len(p.inf.Models(os)) > 0 {
		return nil
	}
	return &fault.Error{Class: fault.ErrInvalid, Offset: fault.NoOffset, Err: ErrNotFor, Detail: fmt.Sprintf(
		"%s has drivers for %s; the image is Windows %d.%d %s", p.Path, targets(p.inf), os.Major, os.Minor, os.Arch)}
}

// targets lists in words what an INF file has drivers for.
func targets(f *inf.File) string {
	var list []string
	for _, t := range f.Targets() {
		list = append(list, t.String())
	}
	switch n := len(list); n {
	case 0:
		return "no Windows at all"
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
}

var archs = map[pe.Machine]inf.Arch{pe.I386: inf.X86, pe.AMD64: inf.AMD64, pe.ARM: inf.ARM, pe.ARM64: inf.ARM64}

// target is the image as INF files see it. The suites of its edition are not known.
func target(w boot.Windows) (inf.OS, error) {
	arch, ok := archs[w.Arch]
	if !ok {
		return inf.OS{}, fault.Unsupportedf(fault.NoOffset, "no INF file names a Windows for %v", w.Arch)
	}
	os := inf.OS{Arch: arch, Major: int(w.Version.Major), Minor: int(w.Version.Minor), Build: int(w.Version.Build), Product: inf.Workstation}
	if w.Server {
		os.Product = inf.Server
	}
	return os, nil
}

// Inject puts a package into the image that t and r are, which is w. The caller flushes r. The
// package's files are read when the image is written; they must not change until then.
//
// A package that is there already, with the same files, changes nothing. One that is not for this
// Windows gives ErrNotFor; one that lacks files, or needs what winbake cannot do, is an error too, and
// leaves the image as it was.
func Inject(t *tree.Tree, r *registry.Registry, w boot.Windows, p Package) (Report, error) {
	if err := p.Fits(w); err != nil {
		return Report{}, err
	}
	pl, err := newPlan(p, w)
	if err != nil {
		return Report{}, fault.In(p.Path, err)
	}
	in, err := newInjector(t, r, pl)
	if err == nil {
		err = in.run()
	}
	if err != nil {
		return Report{}, fault.In(p.Path, err)
	}
	return in.report(), nil
}
