package edit

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/driver"
	"github.com/winbake/packer-plugin-winbake/internal/windows/nested"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Driver puts driver packages into the image.
type Driver struct {
	// Paths are the absolute paths of folders, or of INF files, on the machine that bakes.
	Paths []string `json:"paths"`
	// Recurse takes the folders below, too, and of the packages with the same name the one that fits the
	// image best.
	Recurse bool `json:"recurse,omitempty"`
	// Targets are those of package driver; none stands for driver.TargetOS.
	Targets []string `json:"targets,omitempty"`
}

// Validate checks paths and targets, but looks at no file.
func (e *Driver) Validate() error {
	if len(e.Paths) == 0 {
		return fault.Invalidf("paths: name at least one folder or INF file")
	}
	for i, p := range e.Paths {
		if !filepath.IsAbs(p) {
			return fault.Invalidf("paths[%d]: %q is not an absolute path", i, p)
		}
	}
	for _, t := range e.Targets {
		if !slices.Contains(driver.Targets, t) {
			return fault.Invalidf("targets: %q is not one of %q", t, driver.Targets)
		}
	}
	return nil
}

// Apply injects the packages.
func (e *Driver) Apply(i *Image) error {
	if len(e.Targets) == 0 || slices.Contains(e.Targets, driver.TargetOS) {
		w, err := i.Windows()
		if err != nil {
			return err
		}
		if _, err := e.inject(i, w, ""); err != nil {
			return err
		}
	}
	if slices.Contains(e.Targets, driver.TargetWinRE) {
		return e.injectRecovery(i)
	}
	return nil
}

// injectRecovery injects the packages into the recovery environment.
func (e *Driver) injectRecovery(i *Image) error {
	file := nested.WinRE(i.Tree)
	if file == "" {
		return fault.Invalidf("targets: the image has no recovery environment (Winre.wim)")
	}
	err := nested.Edit(i.context, i.Tree, file, nested.Store(i.Store), func(_ wim.Image, t *tree.Tree) (bool, error) {
		w, err := boot.Detect(t)
		if err != nil {
			return false, err
		}
		inner := &Image{Tree: t, Registry: registry.Open(t), Store: i.Store, context: i.context}
		inner.Registry.Note, inner.Registry.Store = i.Note, i.Store
		changed, err := e.inject(inner, w, " into WinRE")
		i.notes = append(i.notes, inner.notes...)
		return changed, errors.Join(err, inner.Registry.Flush())
	})
	return fault.In("targets: "+driver.TargetWinRE, err)
}

// inject injects the packages of all paths into one image, and says whether that has changed it. into says
// which image it is, for the person at the terminal.
func (e *Driver) inject(i *Image, w boot.Windows, into string) (changed bool, err error) {
	for n, path := range e.Paths {
		packages, err := e.find(i, w, path)
		if err != nil {
			return false, fault.In(fmt.Sprintf("paths[%d]", n), err)
		}
		for _, p := range packages {
			report, err := driver.Inject(i.Tree, i.Registry, w, p)
			if err != nil {
				return false, fault.In(fmt.Sprintf("paths[%d]", n), err)
			}
			changed = changed || report.Changed
			i.Note("Driver%s: %s", into, report)
			for _, note := range report.Notes {
				i.Note("Driver%s: %s: %s", into, p.Name(), note)
			}
		}
	}
	return changed, nil
}

// find returns the packages of a path that are to be injected.
func (e *Driver) find(i *Image, w boot.Windows, path string) ([]driver.Package, error) {
	packages, err := driver.Find(path, e.Recurse)
	if err != nil || !e.Recurse {
		return packages, err
	}
	chosen, left, err := driver.Choose(packages, w)
	if err != nil {
		return nil, err
	}
	if names := without(left, chosen); len(names) > 0 {
		i.Note("Not for this Windows, and left out: %s", strings.Join(names, ", "))
	}
	return chosen, nil
}

// without lists the INF files that do not fit and have no namesake that does.
func without(left map[string]error, chosen []driver.Package) []string {
	var names []string
	for path, err := range left {
		name := filepath.Base(path)
		used := slices.ContainsFunc(chosen, func(p driver.Package) bool { return strings.EqualFold(p.Name(), name) })
		if err != nil && !used && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
