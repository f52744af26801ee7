package verify

import (
	"errors"

	"github.com/winbake/packer-plugin-winbake/internal/bake/bootstore"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// maxHive bounds a hive, which is read into memory. A SOFTWARE hive has some 100 MiB.
const maxHive = 512 << 20

// maxProfiles bounds the profiles that are looked at, each of which takes a walk through directories.
const maxProfiles = 1000

// config are the hives of Windows\System32\config. Those that every Windows has come first.
var config = []string{"SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT", "COMPONENTS", "DRIVERS", "BCD-Template", "ELAM", "BBI", "VSMIDK"}

const (
	configFolder = "Windows/System32/config/"
	required     = 2 // of config: without them nothing is a Windows
)

// profiles are the folders with a folder for each account.
var profiles = []string{"Users", "Windows/ServiceProfiles"}

// hives verifies the registry of a Windows, if the volume has one.
func (c *checker) hives(v *volume) {
	if v.ntfs == nil || !v.has(registry.SystemHive) {
		return
	}
	v.windows = true
	for i, name := range config {
		c.hive(v, configFolder+name, i < required)
	}
	for _, folder := range profiles {
		names, err := v.ntfs.Names(folder)
		if missing(err) {
			continue
		}
		if err != nil {
			c.foundAt(Error, "volume", v.at(windowsPath(folder)), err)
			continue
		}
		for _, name := range names[:min(len(names), maxProfiles)] {
			path := folder + "/" + name
			// "Default User" and "All Users" are links.
			if f, err := v.lookup(path); err != nil || !f.Dir {
				continue
			}
			c.hive(v, path+"/NTUSER.DAT", false)
			c.hive(v, path+"/AppData/Local/Microsoft/Windows/UsrClass.dat", false)
		}
	}
	c.checked("%s: hives", v.name())
}

// hive verifies one hive.
func (c *checker) hive(v *volume, path string, must bool) {
	at := v.at(windowsPath(path))
	data, err := v.read(path, maxHive)
	switch {
	case missing(err) && must:
		c.find(Error, "hive", at, "the hive is missing")
		return
	case missing(err):
		return
	case err != nil:
		c.foundAt(Error, "hive", at, err)
		return
	}
	for _, err := range c.clean(v, path, data) {
		at.Offset = nil
		c.foundAt(Error, "hive", at, err)
	}
}

// clean looks at a hive, or at what its logs make of it if it was not closed.
func (c *checker) clean(v *volume, path string, data []byte) []error {
	problems := regf.Check(data)
	if len(problems) != 1 || !errors.Is(problems[0], regf.ErrDirty) {
		return problems
	}
	logs, err := bootstore.Logs(v.read, path, maxHive)
	if err != nil {
		return []error{err}
	}
	data, report, err := regf.Recover(data, logs...)
	if err != nil {
		// No log applies. Windows would not load it, either.
		return []error{fault.Corruptf(4, "%v", err)}
	}
	if report.HeaderRestored {
		problems = append([]error{fault.Corruptf(0, "the header is damaged; Windows would take that of a log: %v", problems[0])}, regf.Check(data)...)
		return problems
	}
	c.find(Warning, "hive-dirty", v.at(windowsPath(path)), "the hive was not closed cleanly: %d pages in its logs are still to be written", report.Pages())
	return regf.Check(data)
}
