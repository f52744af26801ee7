// Package hostname gives an image the name of its computer.
package hostname

import (
	"errors"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
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

// Apply gives the image the name in every control set. A Windows that has not been set up yet takes its
// name from the answer file, and makes one up where that has none, so there the name goes into the
// answer file, too.
func Apply(t *tree.Tree, r *registry.Registry, target unattend.Target, name string) error {
	sets, err := r.ControlSets()
	if err != nil {
		return err
	}
	for _, set := range sets {
		err := errors.Join(
			r.Set(set+`\Control\ComputerName\ComputerName`, regf.String("ComputerName", strings.ToUpper(name))),
			r.Set(set+`\Services\Tcpip\Parameters`, regf.String("Hostname", name), regf.String("NV Hostname", name)))
		if err != nil {
			return err
		}
	}
	waiting, err := awaitsSetup(r)
	if err != nil || !waiting {
		return err
	}
	answers, err := unattend.Read(t)
	if err != nil {
		return err
	}
	s := unattend.Settings{ComputerName: name}
	if answers == nil {
		answers, err = unattend.New(s, target)
	} else {
		answers, err = unattend.Merge(answers, s, target)
	}
	if err != nil {
		return err
	}
	_, err = unattend.Install(t, answers)
	return err
}

// awaitsSetup says whether the first boot is still to come.
func awaitsSetup(r *registry.Registry) (bool, error) {
	k, err := r.Key(`HKLM\SYSTEM\Setup`)
	if k == nil {
		return false, err
	}
	v, _ := k.Value("SetupType")
	n, err := v.Integer()
	return err == nil && n != 0, nil
}
