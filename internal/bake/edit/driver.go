package edit

import (
	"path/filepath"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/driver"
)

// Driver puts driver packages into the image.
type Driver struct {
	// Path is the absolute path of a folder, or of one INF file, on the machine that bakes.
	Path string `json:"path"`
	// Recurse takes the folders below, too, and of each package the one that fits the image best.
	Recurse bool `json:"recurse,omitempty"`
	// Targets are OS and WinRE; none stands for OS.
	Targets []string `json:"targets,omitempty"`
}

// What drivers can go into.
const (
	OS    = "os"    // the image itself
	WinRE = "winre" // its recovery environment, Winre.wim
)

// Targets are the accepted values.
var Targets = []string{OS, WinRE}

// Validate checks the path, but does not look at it.
func (e *Driver) Validate() error {
	if !filepath.IsAbs(e.Path) {
		return fault.Invalidf("%q is not an absolute path", e.Path)
	}
	for _, t := range e.Targets {
		if !slices.Contains(Targets, t) {
			return fault.Invalidf("targets: %q is not one of %q", t, Targets)
		}
	}
	return nil
}

// Apply injects the packages.
func (e *Driver) Apply(i *Image) error {
	w, err := i.Windows()
	if err != nil {
		return err
	}
	packages, err := driver.Find(e.Path, e.Recurse)
	if err != nil {
		return err
	}
	if e.Recurse {
		if packages, _, err = driver.Choose(packages, w); err != nil {
			return err
		}
	}
	for _, p := range packages {
		report, err := driver.Inject(i.Tree, i.Registry, w, p)
		if err != nil {
			return err
		}
		i.Note("Driver %s", report)
		for _, n := range report.Notes {
			i.Note("Driver %s: %s", p.Name(), n)
		}
	}
	return nil
}
