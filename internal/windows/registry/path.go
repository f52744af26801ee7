package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

const (
	configFolder = "Windows/System32/config"
	// SystemHive is the file of HKLM\SYSTEM. A volume that has it is one that Windows is on.
	SystemHive = configFolder + "/SYSTEM"
	// SoftwareHive is the file of HKLM\SOFTWARE.
	SoftwareHive = configFolder + "/SOFTWARE"

	currentControlSet = "CurrentControlSet"
)

// place is where a key is: the file of its hive, and its path in there.
type place struct{ file, path string }

func (p place) join(path string) place {
	return place{p.file, strings.Trim(p.path+`\`+path, `\`)}
}

// mounts are the hives by the place that Windows gives them, in the order in which messages name them.
var mounts = []struct{ root, name, file string }{
	{machine, "SYSTEM", SystemHive},
	{machine, "SOFTWARE", SoftwareHive},
	{machine, "SAM", configFolder + "/SAM"},
	{machine, "SECURITY", configFolder + "/SECURITY"},
	{machine, "DRIVERS", configFolder + "/DRIVERS"},
	{machine, "COMPONENTS", configFolder + "/COMPONENTS"},
	{users, ".DEFAULT", configFolder + "/DEFAULT"},
	{users, "Default", "Users/Default/NTUSER.DAT"},
	{users, "S-1-5-18", configFolder + "/DEFAULT"},
	{users, "S-1-5-19", "Windows/ServiceProfiles/LocalService/NTUSER.DAT"},
	{users, "S-1-5-20", "Windows/ServiceProfiles/NetworkService/NTUSER.DAT"},
}

// Files are the files of all hives that Key looks into, with their transaction logs.
func Files() []string {
	var out []string
	for _, m := range mounts {
		if slices.Contains(out, m.file) {
			continue
		}
		out = append(out, m.file)
		for _, extension := range LogExtensions {
			out = append(out, m.file+extension)
		}
	}
	return out
}

const (
	machine = "HKLM"
	users   = "HKU"
)

// roots are the names of the predefined keys, and what stands for them.
var roots = map[string]string{
	"HKLM": machine, "HKEY_LOCAL_MACHINE": machine,
	"HKU": users, "HKEY_USERS": users,
	// Without users, HKEY_CLASSES_ROOT is what all of them share.
	"HKCR": machine + `\SOFTWARE\Classes`, "HKEY_CLASSES_ROOT": machine + `\SOFTWARE\Classes`,
	"HKCC":                machine + `\SYSTEM\CurrentControlSet\Hardware Profiles\Current`,
	"HKEY_CURRENT_CONFIG": machine + `\SYSTEM\CurrentControlSet\Hardware Profiles\Current`,
}

// absent are keys that a running Windows has and an image has not, and what to do instead.
var absent = map[string]string{
	"HKCU":                             `nobody is logged on in an image; for future users write HKU\Default\...`,
	"HKEY_CURRENT_USER":                `nobody is logged on in an image; for future users write HKU\Default\...`,
	machine + `\HARDWARE`:              "Windows makes this key when it starts; no file holds it",
	machine + `\BCD00000000`:           "the boot configuration is made by winbake itself, on the system partition",
	"HKEY_PERFORMANCE_DATA":            "performance data exist on a running system only",
	"HKEY_CURRENT_USER_LOCAL_SETTINGS": "nobody is logged on in an image",
}

// Check says what is wrong with the path of a key, without an image to look into.
func Check(path string) error {
	_, err := parse(path)
	return err
}

// parse finds the place of a key path. Besides the form that reg.exe takes, it takes that of
// regedit's address bar (Computer\HKEY_LOCAL_MACHINE) and of PowerShell (HKLM:\).
func parse(path string) (place, error) {
	rest := strings.TrimSuffix(path, `\`)
	if first, below, ok := strings.Cut(rest, `\`); ok && strings.EqualFold(first, "Computer") {
		rest = below
	}
	root, below, _ := strings.Cut(rest, `\`)
	root = strings.ToUpper(strings.TrimSuffix(root, ":"))
	if why, ok := absent[root]; ok {
		return place{}, fault.Invalidf("%s: %s", path, why)
	}
	base, ok := roots[root]
	if !ok {
		return place{}, fault.Invalidf("%s: a key begins with %s", path, places())
	}
	root, below, _ = strings.Cut(strings.TrimSuffix(base+`\`+below, `\`), `\`)
	p, err := mounted(root, below)
	if err != nil {
		return place{}, fault.Invalidf("%s: %s", path, err)
	}
	if err := checkNames(p.path); err != nil {
		return place{}, fault.Invalidf("%s: %s", path, err)
	}
	return p, nil
}

// mounted finds the hive that is mounted below HKLM or HKU.
func mounted(root, path string) (place, error) {
	name, below, _ := strings.Cut(path, `\`)
	for _, m := range mounts {
		if m.root == root && strings.EqualFold(m.name, name) {
			return place{m.file, below}, nil
		}
	}
	if why, ok := absent[root+`\`+strings.ToUpper(name)]; ok {
		return place{}, fmt.Errorf("%s", why)
	}
	return place{}, fmt.Errorf("no hive of an image is there; a key begins with %s", places())
}

// places lists where hives are.
func places() string {
	var names []string
	for _, m := range mounts {
		if !strings.HasPrefix(m.name, "S-1-") {
			names = append(names, m.root+`\`+m.name)
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// parseNative reads a path in the kernel's form, \REGISTRY\MACHINE\SYSTEM\...
func parseNative(path string) (place, error) {
	for prefix, root := range map[string]string{`\registry\machine\`: machine, `\registry\user\`: users} {
		if len(path) > len(prefix) && strings.EqualFold(path[:len(prefix)], prefix) {
			return parse(root + `\` + path[len(prefix):])
		}
	}
	return place{}, fault.Corruptf(fault.NoOffset, "its target %q is no key of the machine", path)
}

func checkNames(path string) error {
	if path == "" {
		return nil
	}
	for name := range strings.SplitSeq(path, `\`) {
		if err := regf.CheckKeyName(name); err != nil {
			return err
		}
	}
	return nil
}

// resolveControlSet replaces CurrentControlSet, which exists on a running system only, by the control
// set that Select names.
func (h *hive) resolveControlSet(p place) (place, error) {
	first, below, _ := strings.Cut(p.path, `\`)
	if h.file != SystemHive || !strings.EqualFold(first, currentControlSet) {
		return p, nil
	}
	name := CurrentControlSet(h.Hive)
	if h.Root.Subkey(name) == nil {
		return p, fault.In(h.file, fault.Corruptf(fault.NoOffset, "Select names %s, which is not there", name))
	}
	return place{p.file, strings.TrimSuffix(name+`\`+below, `\`)}, nil
}

// CurrentControlSet returns the name of the control set that a SYSTEM hive starts with, such as
// ControlSet001: the one of Select\Current, or the first.
func CurrentControlSet(system *regf.Hive) string {
	current := uint64(1)
	if k := system.Root.Subkey("Select"); k != nil {
		v, _ := k.Value("Current")
		if n, err := v.Integer(); err == nil && n > 0 && n < 1000 {
			current = n
		}
	}
	return fmt.Sprintf("ControlSet%03d", current)
}

// cutLast cuts the last name off a path.
func cutLast(path string) (above, name string) {
	i := strings.LastIndexByte(path, '\\')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
