// Package sanpolicy is what Windows does with disks that it sees for the first time: take them online or
// leave them offline. It matters where an image starts beside disks that belong to others, as a rescue
// system does.
package sanpolicy

import (
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Settings say which policy Windows shall have.
type Settings struct {
	// Policy is one of Policies.
	Policy string `json:"policy"`
}

// Policies are the names of the policies, after those of diskpart's command "san". The number of each,
// the value SanPolicy, is its place, counted from 1 (Microsoft Learn, VDS_SAN_POLICY).
var Policies = []string{
	"online_all",       // all disks, the default of client editions
	"offline_shared",   // none on a bus that others may share, the default of server editions
	"offline_all",      // none but the one with Windows
	"offline_internal", // none that is built in, the policy of Windows To Go
}

// number is the value SanPolicy, 0 where the policy is none.
func (s Settings) number() uint32 { return uint32(slices.Index(Policies, s.Policy) + 1) }

// Validate says what is wrong with the settings, naming the field.
func (s Settings) Validate() error {
	if s.number() == 0 {
		return fault.Invalidf("san_policy: %q is none of %s", s.Policy, strings.Join(Policies, ", "))
	}
	return nil
}

// Apply sets the policy in every control set, so that it holds whichever Windows starts with.
func Apply(r *registry.Registry, s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	return r.EachControlSet(func(set string) error {
		return r.Set(set+`\Services\partmgr\Parameters`, regf.DWord("SanPolicy", s.number()))
	})
}
