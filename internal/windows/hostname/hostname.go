// Package hostname gives an image the name of its computer.
package hostname

import (
	"errors"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/unattend"
)

// Validate says why a computer cannot have the name.
func Validate(name string) error {
	if name == "*" || name == "" {
		return fault.Invalidf("Windows makes up a name by itself where none is given; leave it out")
	}
	s := unattend.Settings{ComputerName: name}
	err := s.Validate()
	var f *fault.Error
	if errors.As(err, &f) {
		return fault.Invalidf("%s", f.Detail)
	}
	return err
}

// Apply gives the image the name in every control set. A Windows whose first boot is still to come takes
// its name from the answer file, and makes one up where that has none.
func Apply(r *registry.Registry, name string) error {
	return r.EachControlSet(func(set string) error {
		return errors.Join(
			r.Set(set+`\Control\ComputerName\ComputerName`, regf.String("ComputerName", strings.ToUpper(name))),
			r.Set(set+`\Services\Tcpip\Parameters`, regf.String("Hostname", name), regf.String("NV Hostname", name)))
	})
}
