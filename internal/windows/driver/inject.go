package driver

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// injector puts one package into one image.
type injector struct {
	*plan
	t *tree.Tree
	r *registry.Registry

	// database is the key of the driver database that the package goes to; empty on Windows 7.
	database  string
	published string // oemN.inf; empty on Windows 7
	changed   bool   // whether anything was not as it had to be
}

const (
	systemDatabase  = `HKLM\SYSTEM\DriverDatabase`
	driversDatabase = `HKLM\DRIVERS\DriverDatabase`
)

// newInjector decides on what the image has to offer, and changes nothing.
func newInjector(t *tree.Tree, r *registry.Registry, pl *plan) (*injector, error) {
	in := &injector{plan: pl, t: t, r: r}
	system, err := r.Key(systemDatabase)
	if err != nil {
		return in, err
	}
	if system == nil {
		return in, nil
	}
	if in.database, err = in.chooseDatabase(system); err != nil {
		return in, err
	}
	in.published, err = in.publishedName(system)
	return in, err
}

// run does it all.
func (in *injector) run() error {
	steps := []func() error{in.checkServices, in.checkEntries, in.storePackage, in.copyFiles, in.addServices}
	if in.database == "" {
		steps = append(steps, in.addCriticalDevices, in.addDevicePath)
	} else {
		steps = append(steps, in.publish, in.addToDatabase, in.lockDown)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (in *injector) report() Report {
	r := Report{
		INF: in.Name(), Provider: in.version.Provider, Class: in.version.Class, Version: in.version.Number.String(), Date: in.version.Date,
		Published: in.published, Folder: in.packageFolder(), DeviceIDs: len(in.deviceIDs()), BootStart: in.bootStart(), Notes: in.notes, Changed: in.changed,
	}
	for _, s := range in.services {
		r.Services = append(r.Services, s.Name)
	}
	return r
}

// put sets values of a key. A key that has them already is not touched, so that a package which is in
// the image changes nothing.
func (in *injector) put(path string, values ...regf.Value) error {
	k, err := in.r.Key(path)
	if err != nil {
		return err
	}
	if k != nil && !slices.ContainsFunc(values, func(v regf.Value) bool { return !has(k, v) }) {
		return nil
	}
	in.changed = true
	return in.r.Set(path, values...)
}

func has(k *regf.Key, want regf.Value) bool {
	v, ok := k.Value(want.Name)
	return ok && v.Type == want.Type && bytes.Equal(v.Data, want.Data)
}

// checkEntries finds what is wrong with identifiers and registry entries before anything is changed.
func (in *injector) checkEntries() error {
	for _, d := range in.deviceIDs() {
		if err := registry.Check(systemDatabase + `\DeviceIds\` + d.id); err != nil {
			return fault.Corruptf(fault.NoOffset, "line %d: %q is no device ID", d.model.Line, d.id)
		}
	}
	for _, install := range in.installs {
		entries := slices.Concat(install.Device, install.Driver)
		for _, s := range install.Services {
			entries = append(entries, s.AddReg...)
		}
		for _, e := range entries {
			if _, err := e.Data(in.inf.Text); err != nil {
				return err
			}
			if key := in.inf.Text(e.Key); e.Root == "HKR" && key != "" && registry.Check(systemDatabase+`\`+strings.Trim(key, `\`)) != nil {
				return fault.Corruptf(fault.NoOffset, "line %d: %q is no registry key", e.Line, key)
			}
		}
	}
	return nil
}

// putFirst makes an item the first one of strings, unless it is in there, and keeps the others.
func (in *injector) putFirst(path, name, item string) error {
	list, err := in.list(path, name)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, item) }) {
		return nil
	}
	return in.put(path, regf.MultiString(name, append([]string{item}, list...)...))
}

func (in *injector) list(path, name string) ([]string, error) {
	k, err := in.r.Key(path)
	if err != nil || k == nil {
		return nil, err
	}
	v, ok := k.Value(name)
	if !ok {
		return nil, nil
	}
	return v.Strings()
}

// write puts a file into the tree, unless it is there with the same bytes.
func (in *injector) write(path string, c tree.Content) error {
	if e := in.t.Find(path); e != nil && !e.Node.IsDir() {
		same, err := sameContent(e.Node.Data, c)
		if same || err != nil {
			return err
		}
	}
	in.changed = true
	_, err := in.t.WriteFile(path, c)
	return err
}

func sameContent(a, b tree.Content) (bool, error) {
	if tree.SizeOf(a) != tree.SizeOf(b) {
		return false, nil
	}
	const piece = 1 << 16
	var pa, pb [piece]byte
	for off, size := int64(0), tree.SizeOf(a); off < size; off += piece {
		n := min(piece, size-off)
		if err := readFull(a, pa[:n], off); err != nil {
			return false, err
		}
		if err := readFull(b, pb[:n], off); err != nil {
			return false, err
		}
		if !bytes.Equal(pa[:n], pb[:n]) {
			return false, nil
		}
	}
	return true, nil
}

func readFull(c tree.Content, p []byte, off int64) error {
	n, err := c.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return err
}

// hasHive says whether the image has the hive of a key.
func (in *injector) hasHive(path string) (bool, error) {
	_, err := in.r.Key(path)
	if errors.Is(err, registry.ErrNoHive) {
		return false, nil
	}
	return err == nil, err
}
