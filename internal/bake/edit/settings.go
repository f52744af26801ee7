package edit

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/firewall"
	"github.com/winbake/packer-plugin-winbake/internal/windows/openssh"
	"github.com/winbake/packer-plugin-winbake/internal/windows/remotedesktop"
	"github.com/winbake/packer-plugin-winbake/internal/windows/sanpolicy"
	"github.com/winbake/packer-plugin-winbake/internal/windows/timezone"
	"github.com/winbake/packer-plugin-winbake/internal/windows/unattend"
)

// RemoteDesktop lets the image be reached through Remote Desktop.
type RemoteDesktop struct {
	remotedesktop.Settings
}

// Apply makes the settings.
func (e *RemoteDesktop) Apply(i *Image) error {
	return remotedesktop.Apply(i.Registry, e.Settings, i.Note)
}

// OpenSSH sets up an OpenSSH server.
type OpenSSH struct {
	openssh.Settings
}

// Apply sets it up.
func (e *OpenSSH) Apply(i *Image) error {
	w, err := i.Windows()
	if err != nil {
		return err
	}
	return openssh.Apply(openssh.Image{Tree: i.Tree, Registry: i.Registry, Machine: w.Arch, Store: i.Store, Note: i.Note}, e.Settings)
}

// FirewallRule adds a rule to the firewall.
type FirewallRule struct {
	firewall.Rule
}

// Apply adds the rule.
func (e *FirewallRule) Apply(i *Image) error { return firewall.Add(i.Registry, e.Rule) }

// EnableFirewallRules puts rules of the image in force.
type EnableFirewallRules struct {
	IDs []string `json:"ids"`
}

// Validate refuses empty names.
func (e *EnableFirewallRules) Validate() error {
	for _, id := range e.IDs {
		if id == "" {
			return fault.Invalidf("a rule needs a name")
		}
	}
	return nil
}

// Apply enables them.
func (e *EnableFirewallRules) Apply(i *Image) error { return firewall.Enable(i.Registry, e.IDs...) }

// SANPolicy says what Windows does with disks that are new to it.
type SANPolicy struct {
	sanpolicy.Settings
}

// Apply sets the policy.
func (e *SANPolicy) Apply(i *Image) error { return sanpolicy.Apply(i.Registry, e.Settings) }

// TimeZone sets the time zone.
type TimeZone struct {
	timezone.Settings
}

// Apply sets the zone.
func (e *TimeZone) Apply(i *Image) error {
	if err := timezone.Apply(i.Registry, e.Settings); err != nil {
		return err
	}
	return i.answer(unattend.Settings{TimeZone: e.Name})
}
