package driver

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// addCriticalDevices tells Windows 7, which has no driver database, what service the devices need that
// it starts from.
func (in *injector) addCriticalDevices() error {
	return in.r.EachControlSet(func(set string) error {
		for _, d := range in.deviceIDs() {
			if !in.boots(in.install(d.model)) {
				continue
			}
			if err := in.addCriticalDevice(set+`\Control\CriticalDeviceDatabase\`+strings.ReplaceAll(d.id, `\`, "#"), in.install(d.model)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (in *injector) addCriticalDevice(key string, install *inf.Install) error {
	values := []regf.Value{regf.String("ClassGUID", strings.ToUpper(in.version.ClassGUID.Braced()))}
	for _, s := range install.Services {
		if s.Flags&inf.ServiceAssociated != 0 {
			values = append(values, regf.String("Service", s.Name))
		}
	}
	_, filters, err := in.splitDevice(install)
	if err != nil {
		return err
	}
	return in.put(key, append(values, filters...)...)
}

// addDevicePath adds the package's folder to where Windows 7 looks for drivers of devices that it finds.
func (in *injector) addDevicePath() error {
	const (
		key      = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion`
		name     = "DevicePath"
		standard = `%SystemRoot%\inf`
	)
	k, err := in.r.Key(key)
	if err != nil {
		return err
	}
	path := ""
	if k != nil {
		v, ok := k.Value(name)
		if ok {
			if path, err = v.Text(); err != nil {
				return err
			}
		}
	}
	if path == "" {
		path = standard
	}
	folder := windowsPath(in.packageFolder(), `%SystemRoot%`)
	for part := range strings.SplitSeq(path, ";") {
		if strings.EqualFold(part, folder) {
			return nil
		}
	}
	return in.put(key, regf.ExpandString(name, path+";"+folder))
}
