package inf

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Install is what is done to install a device: an install section, with those that belong to it.
type Install struct {
	// Section is the name of the section with its decoration, as Windows records it.
	Section string
	Copies  []Copy
	// Driver are the registry entries of the driver's own (software) key, Device those of the
	// device's (hardware) key; DelDriver and DelDevice are removals there.
	Driver, DelDriver, Device, DelDevice []RegEntry
	Services                             []Service
	// Include are the other INF files, of Windows itself, and Needs the sections in them, that belong
	// to this installation. Needs of sections in the same file are followed.
	Include, Needs []string
	// CoInstallers says that programs beside the driver take part in an installation.
	CoInstallers bool
	// FeatureScore ranks drivers; lower is better.
	FeatureScore uint8
}

// defaultScore is the FeatureScore of a driver that does not say.
const defaultScore = 0xFF

// Bounds on what one installation does, since a short file can name the same long section many times:
// sections that Needs leads to, and files or registry entries of each kind. Graphics drivers have some
// thousand.
const (
	maxNeeds = 32
	maxItems = 1 << 15
)

// Install reads the install section that a model names, as Windows of an architecture does: the one
// decorated with .ntARCH, else with .nt, else the plain one. A section that is not there is an error.
func (f *File) Install(name string, arch Arch, line int) (*Install, error) {
	in := &Install{FeatureScore: defaultScore}
	for _, suffix := range append(arch.suffixes(), "") {
		if s := f.Section(name + suffix); s != nil {
			in.Section = s.Name
			break
		}
	}
	if in.Section == "" {
		return nil, corrupt(line, "there is no install section [%s] and none for %s", name, arch)
	}
	if score := f.directive(in.Section, "FeatureScore"); len(score) > 0 {
		// Written in hexadecimal without 0x.
		if n, err := parseDWord("0x" + strings.TrimPrefix(strings.ToLower(score[0]), "0x")); err == nil {
			in.FeatureScore = uint8(min(n, defaultScore))
		}
	}
	return in, f.install(in, in.Section, &[]string{})
}

// install adds what a section and those that belong to it do.
func (f *File) install(in *Install, section string, done *[]string) error {
	if slices.ContainsFunc(*done, func(s string) bool { return strings.EqualFold(s, section) }) || len(*done) == maxNeeds {
		return nil
	}
	*done = append(*done, section)
	for _, part := range []string{"", ".HW", ".Services", ".CoInstallers", ".Wdf", ".Interfaces"} {
		in.Include = union(in.Include, f.directive(section+part, "Include"))
		for _, need := range f.directive(section+part, "Needs") {
			if f.Section(need) == nil || part != "" {
				in.Needs = union(in.Needs, []string{need})
			} else if err := f.install(in, need, done); err != nil {
				return err
			}
		}
	}
	if f.Section(section+".CoInstallers") != nil {
		in.CoInstallers = true
	}
	for _, part := range []string{section, section + ".CoInstallers"} {
		copies, err := f.copyFiles(part)
		if err != nil {
			return err
		}
		in.Copies = append(in.Copies, copies...)
		if len(in.Copies) > maxItems {
			return tooMany(section, "files")
		}
	}
	for _, r := range []struct {
		list               *[]RegEntry
		section, directive string
	}{
		{&in.Driver, section, "AddReg"}, {&in.DelDriver, section, "DelReg"},
		{&in.Device, section + ".HW", "AddReg"}, {&in.DelDevice, section + ".HW", "DelReg"},
	} {
		entries, err := f.registry(r.section, r.directive)
		if err != nil {
			return err
		}
		*r.list = append(*r.list, entries...)
		if len(*r.list) > maxItems {
			return tooMany(r.section, "registry entries")
		}
	}
	return f.services(in, section+".Services")
}

func tooMany(section, what string) error {
	return fault.Unsupportedf(fault.NoOffset, "[%s] leads to more than %d %s", section, maxItems, what)
}

// union appends what is not there yet, whatever its case.
func union(list, more []string) []string {
	for _, m := range more {
		if !slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, m) }) {
			list = append(list, m)
		}
	}
	return list
}
