package inf

import "strings"

// Flags of AddService ("INF AddService Directive").
const (
	// ServiceTagToFront asks for the driver to be the first of its group.
	ServiceTagToFront = 0x1
	// ServiceAssociated marks the service that drives the device; the others are filters and helpers.
	ServiceAssociated = 0x2
)

// Service is a service that an install section adds.
type Service struct {
	Line  int
	Name  string
	Flags uint32
	// DisplayName, Description and Binary are fields to be resolved; Windows keeps their tokens.
	DisplayName, Description, Binary string
	Type, Start, ErrorControl        uint32
	StartName                        string
	// BootFlags are the boot scenarios in which the driver starts early all the same.
	BootFlags uint32
	Group     string
	// DependOnService and DependOnGroup are the parts of Dependencies.
	DependOnService, DependOnGroup []string
	// Security is a security descriptor in text form (SDDL), or empty.
	Security       string
	AddReg, DelReg []RegEntry
}

// services reads the AddService directives of a section. A service without a name says that the
// device needs none.
func (f *File) services(in *Install, section string) error {
	for _, l := range f.lines(section) {
		name := f.Text(l.Value(0))
		if !l.HasKey || !strings.EqualFold(f.Text(l.Key), "AddService") || name == "" {
			continue
		}
		flags, err := f.number(l.Value(1), l.Number)
		if err != nil {
			return err
		}
		s := Service{Line: l.Number, Name: name, Flags: flags}
		if err := f.service(&s, f.Text(l.Value(2))); err != nil {
			return err
		}
		in.Services = append(in.Services, s)
	}
	return nil
}

// service reads a service install section.
func (f *File) service(s *Service, section string) error {
	if f.Section(section) == nil {
		return corrupt(s.Line, "there is no service install section [%s]", section)
	}
	for _, e := range []struct {
		key string
		n   *uint32
	}{{"ServiceType", &s.Type}, {"StartType", &s.Start}, {"ErrorControl", &s.ErrorControl}, {"BootFlags", &s.BootFlags}} {
		l, ok := f.entry(section, e.key)
		if !ok && e.n != &s.BootFlags {
			return corrupt(s.Line, "[%s] has no %s", section, e.key)
		}
		var err error
		if *e.n, err = f.number(l.Value(0), l.Number); err != nil {
			return err
		}
	}
	s.DisplayName, s.Description, s.Binary = f.raw(section, "DisplayName"), f.raw(section, "Description"), f.raw(section, "ServiceBinary")
	if s.Binary == "" {
		return corrupt(s.Line, "[%s] has no ServiceBinary", section)
	}
	s.StartName, s.Group, s.Security = f.value(section, "StartName"), f.value(section, "LoadOrderGroup"), f.value(section, "Security")
	for _, d := range f.directive(section, "Dependencies") {
		if group, ok := strings.CutPrefix(d, "+"); ok {
			s.DependOnGroup = append(s.DependOnGroup, group)
		} else {
			s.DependOnService = append(s.DependOnService, d)
		}
	}
	var err error
	if s.AddReg, err = f.registry(section, "AddReg"); err != nil {
		return err
	}
	s.DelReg, err = f.registry(section, "DelReg")
	return err
}
