package settings

import (
	"path/filepath"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/firewall"
	"github.com/winbake/packer-plugin-winbake/internal/windows/openssh"
	"github.com/winbake/packer-plugin-winbake/internal/windows/remotedesktop"
)

func (c *RemoteDesktopConfig) edit() edit.Edit {
	return &edit.RemoteDesktop{Settings: remotedesktop.Settings{NLA: c.NLA.ToBoolPointer(), Port: c.Port, Shadow: c.Shadow}}
}

func (c *OpenSSHConfig) edit() (edit.Edit, error) {
	s := openssh.Settings{Source: c.Source, Port: c.Port, AuthorizedKeys: c.AuthorizedKeys, DefaultShell: c.DefaultShell}
	if s.Source != "" {
		path, err := filepath.Abs(s.Source)
		if err != nil {
			return nil, fault.In("source", err)
		}
		s.Source = path
	}
	return &edit.OpenSSH{Settings: s}, nil
}

func (c *FirewallRuleConfig) edit() edit.Edit {
	return &edit.FirewallRule{Rule: firewall.Rule{
		ID: c.Name, Name: c.DisplayName, Description: c.Description, Group: c.Group,
		Direction: c.Direction, Action: c.Action, Protocol: c.Protocol,
		LocalPorts: c.LocalPorts, RemotePorts: c.RemotePorts,
		LocalAddresses: c.LocalAddresses, RemoteAddresses: c.RemoteAddresses,
		Program: c.Program, Service: c.Service, Profiles: c.Profiles,
	}}
}
