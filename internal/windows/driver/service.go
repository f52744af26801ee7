package driver

import (
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// checkServices sees to it that what starts at boot has a file to load, before anything is changed.
func (in *injector) checkServices() error {
	for _, s := range in.services {
		if in.database == "" && strings.Contains(s.Binary, "%13%") {
			return fault.Unsupportedf(fault.NoOffset, "service %s runs from the driver store (dirid 13), which this Windows cannot", s.Name)
		}
		if !isDriver(s) || in.start(s) != bootStart {
			continue
		}
		binary := strings.ToLower(strings.ReplaceAll(in.expand(s.Binary, ""), `\`, "/"))
		if !in.copies(binary) && in.t.Find(binary) == nil {
			return fault.Invalidf("service %s starts at boot, but its driver %s is neither copied by the INF nor in the image", s.Name, s.Binary)
		}
	}
	return nil
}

// copies says whether the package has, or copies, a file to a path in lower case.
func (in *injector) copies(path string) bool {
	for _, install := range in.installs {
		for _, c := range install.Copies {
			dest, ok := in.destination(c)
			if f, err := in.source(c); ok && f != nil && err == nil && strings.ToLower(dest) == path {
				return true
			}
		}
	}
	return false
}

// addServices writes the services into every control set.
func (in *injector) addServices() error {
	return in.r.EachControlSet(func(set string) error {
		for _, s := range in.services {
			if err := in.addService(set+`\Services\`+s.Name, s); err != nil {
				return fault.In("service "+s.Name, err)
			}
		}
		return nil
	})
}

func (in *injector) addService(key string, s inf.Service) error {
	values := []regf.Value{
		regf.DWord("Type", s.Type), regf.DWord("Start", in.start(s)), regf.DWord("ErrorControl", s.ErrorControl),
		regf.ExpandString("ImagePath", in.imagePath(s)),
	}
	for _, v := range []struct{ name, text string }{
		{"DisplayName", in.indirect(s.DisplayName)}, {"Description", in.indirect(s.Description)}, {"Group", s.Group}, {"ObjectName", s.StartName},
	} {
		if v.text == "" && v.name == "ObjectName" && !isDriver(s) {
			v.text = "LocalSystem"
		}
		if v.text != "" {
			values = append(values, regf.String(v.name, v.text))
		}
	}
	if len(s.DependOnService) > 0 {
		values = append(values, regf.MultiString("DependOnService", s.DependOnService...))
	}
	if len(s.DependOnGroup) > 0 {
		values = append(values, regf.MultiString("DependOnGroup", s.DependOnGroup...))
	}
	if s.BootFlags != 0 {
		values = append(values, regf.DWord("BootFlags", s.BootFlags))
	}
	if err := in.put(key, values...); err != nil {
		return err
	}
	if in.start(s) == bootStart {
		// Windows 8 and later writes this for drivers of hardware that it once started without.
		deleted, err := in.r.DeleteKey(key + `\StartOverride`)
		if err != nil {
			return err
		}
		in.changed = in.changed || deleted
	}
	if err := in.putEntries(key, s.AddReg, plainType); err != nil {
		return err
	}
	if in.published == "" {
		return nil
	}
	return in.putFirst(key, "Owners", in.published)
}

// imagePath is where the kernel, or the service manager, finds the program. What starts at boot is
// named relative to the Windows folder, as Windows writes it: the boot loader opens it.
func (in *injector) imagePath(s inf.Service) string {
	switch {
	case !isDriver(s):
		return in.expand(s.Binary, `%SystemRoot%`)
	case in.start(s) == bootStart:
		return strings.TrimPrefix(in.expand(s.Binary, `\SystemRoot`), `\SystemRoot\`)
	}
	return in.expand(s.Binary, `\SystemRoot`)
}

// expand resolves a field with its folders; root stands for the Windows folder, "" for a path in the
// image.
func (in *injector) expand(field, root string) string {
	return in.inf.Expand(field, func(id string) (string, bool) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return "", false
		}
		folder, ok := directories[n]
		if n == inf.DirPackage {
			folder, ok = in.packageFolder(), true
		}
		if !ok || root == "" {
			return folder, ok
		}
		return windowsPath(folder, root), true
	})
}

// indirect is a text that Windows shows. One that is a token refers to the published INF file, so that
// it is shown in the user's language: @oem0.inf,%token%;text.
func (in *injector) indirect(field string) string {
	text := in.inf.Text(field)
	if in.published == "" || !isToken(in.inf, field) {
		return text
	}
	return "@" + in.published + "," + field + ";" + text
}

// isToken says whether a field is one %token% and nothing else.
func isToken(f *inf.File, field string) bool {
	tokens := f.Tokens(field)
	return len(tokens) == 1 && len(field) == len(tokens[0])+2
}
