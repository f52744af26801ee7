package driver

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/inf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// addConfigurations records what the kernel needs to set up a device while Windows starts, when nobody
// reads INF files: the settings that each install section makes. Only those with a driver that starts
// at boot need that; without it, Windows installs a device from the package when it finds it.
func (in *injector) addConfigurations() error {
	for _, install := range in.installs {
		if !in.boots(install) {
			continue
		}
		if err := in.addConfiguration(install); err != nil {
			return fault.In("["+install.Section+"]", err)
		}
	}
	return nil
}

func (in *injector) addConfiguration(install *inf.Install) error {
	key := in.packageKey() + `\Configurations\` + install.Section
	device, filters, err := in.splitDevice(install)
	if err != nil {
		return err
	}
	scope, flags := uint32(scopeConfiguration), uint32(0)
	var values []regf.Value
	for _, s := range install.Services {
		scope |= scopeService
		if s.Flags&inf.ServiceAssociated != 0 {
			values = append(values, regf.String("Service", s.Name))
		}
	}
	if len(device)+len(filters) > 0 {
		scope |= scopeDevice
	}
	if install.CoInstallers {
		scope |= scopeCoInstaller
		flags |= configFinish
	}
	values = append(values, filters...)
	if len(install.Include) > 0 {
		values = append(values, regf.MultiString("IncludedInfs", install.Include...))
	}
	values = append(values, regf.DWord("ConfigFlags", flags))
	if in.os.Major >= firstDetailed {
		values = append(values, regf.DWord("ConfigScope", scope))
	}
	if err := in.put(key, values...); err != nil {
		return err
	}
	if err := in.putEntries(key+`\Device`, device, databaseType); err != nil {
		return err
	}
	if err := in.putEntries(key+`\Driver`, install.Driver, databaseType); err != nil {
		return err
	}
	for _, s := range install.Services {
		if err := in.putEntries(key+`\Services\`+s.Name, s.AddReg, databaseType); err != nil {
			return err
		}
	}
	return nil
}

// properties are values of a device's key that Windows keeps as properties of the device. They are set
// when it installs the device ("INF AddReg Directive", special value-entry-name keywords).
var properties = []string{
	"DeviceCharacteristics", "DeviceType", "Security", "Exclusive", "EnumPropPages32",
	"LocationInformationOverride", "ResourcePickerTags", "ResourcePickerExceptions",
}

// splitDevice takes the filter drivers out of the settings of a device: they have a place of their own.
func (in *injector) splitDevice(install *inf.Install) (device []inf.RegEntry, filters []regf.Value, err error) {
	for _, e := range install.Device {
		name := in.inf.Text(e.Name)
		isName := func(s string) bool { return strings.EqualFold(s, name) }
		switch {
		case e.Key != "" || e.Root != "HKR":
			device = append(device, e)
		case slices.ContainsFunc([]string{"UpperFilters", "LowerFilters"}, isName):
			data, err := e.Data(in.inf.Text)
			if err != nil {
				return nil, nil, err
			}
			filters = append(filters, regf.Value{Name: name, Type: regf.REG_MULTI_SZ, Data: data})
		case !slices.ContainsFunc(properties, isName):
			device = append(device, e)
		}
	}
	return device, filters, nil
}

// addDescriptors records what each device is called and which configuration it gets. The texts keep
// their tokens in lower case; Strings has those that are used.
func (in *injector) addDescriptors() error {
	key := in.packageKey()
	for _, d := range in.deviceIDs() {
		if !in.boots(in.install(d.model)) {
			continue
		}
		err := in.put(key+`\Descriptors\`+d.id, regf.String("Configuration", in.install(d.model).Section),
			regf.String("Description", in.lowerTokens(d.model.Description)), regf.String("Manufacturer", in.lowerTokens(d.model.Manufacturer)))
		if err != nil {
			return err
		}
		for _, field := range []string{d.model.Description, d.model.Manufacturer} {
			for _, token := range in.inf.Tokens(field) {
				text, _ := in.inf.String(token)
				if err := in.put(key+`\Strings`, regf.String(token, text)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// lowerTokens is a text as the database holds it: one token in lower case, or what it says.
func (in *injector) lowerTokens(field string) string {
	if isToken(in.inf, field) {
		return strings.ToLower(field)
	}
	return in.inf.Text(field)
}
