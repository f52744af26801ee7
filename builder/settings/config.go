//go:generate go tool packer-sdc struct-markdown
//go:generate go tool packer-sdc mapstructure-to-hcl2 -type Config,PagingConfig,RemoteDesktopConfig,OpenSSHConfig,FirewallRuleConfig

// Package settings is what everybody sets in a Windows image, as attributes and blocks that all
// builders of winbake share. Each stands for the same edits that the provisioners make.
package settings

import (
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
)

// What is set in Windows. It is applied before the provisioners run, so that they have the last word.
type Config struct {
	// The name of the computer, up to 15 characters. Left out, Windows makes one up when it is set up.
	Hostname string `mapstructure:"hostname"`
	// The time zone by Windows' own name, such as `W. Europe Standard Time` (`tzutil /l` lists them). The
	// image must know it.
	TimeZone string `mapstructure:"time_zone"`
	// What Windows does with disks that are new to it: `online_all` (the default of client editions),
	// `offline_shared` (the default of servers: disks on a shared bus stay offline), `offline_all`, or
	// `offline_internal` (as Windows To Go: internal disks stay offline).
	SANPolicy string `mapstructure:"san_policy"`
	// Whether Windows has a page file: `false` turns it off, together with what needs one: the swap
	// file of client editions and crash dumps, unless they go to a file of their own. `true` is a page
	// file that Windows manages. Left out, the image stays as it is. For a page file of a certain size,
	// there is a [block](#page-file) of the same name.
	Paging config.Trilean `mapstructure:"paging"`
	// A page file of a certain size. In HCL, this block is called `paging`.
	PagingFile *PagingConfig `mapstructure:"paging_file"`
	// Lets the image be reached through Remote Desktop. See [below](#remote-desktop).
	RemoteDesktop *RemoteDesktopConfig `mapstructure:"remote_desktop"`
	// Sets up an OpenSSH server. See [below](#openssh).
	OpenSSH *OpenSSHConfig `mapstructure:"openssh"`
	// Adds rules to the firewall. See [below](#firewall-rules).
	FirewallRules []FirewallRuleConfig `mapstructure:"firewall_rule"`
	// Rules that the image has, to be put in force, by the names that `Get-NetFirewallRule` shows, such as
	// `FPS-ICMP4-ERQ-In`.
	EnableFirewallRules []string `mapstructure:"enable_firewall_rules"`
}

// A page file of a certain size.
type PagingConfig struct {
	// How large the page file is at first, such as `4GiB`: whole MiB, at least 16. Left out, Windows manages
	// the size.
	Initial string `mapstructure:"initial"`
	// How large it may become. Defaults to `initial`.
	Maximum string `mapstructure:"maximum"`
	// The letter of the drive that it is on. Defaults to `C`.
	Drive string `mapstructure:"drive"`
}

// Spec completes the specification of a builder: the block that stands for paging_file has the name of
// the attribute paging, as Windows people would write it.
func Spec(s hcldec.ObjectSpec) hcldec.ObjectSpec {
	s["paging_file"] = &hcldec.BlockSpec{TypeName: "paging", Nested: hcldec.ObjectSpec((*PagingConfig)(nil).FlatMapstructure().HCL2Spec())}
	return s
}

// A block without attributes sets what Windows' own dialog sets.
type RemoteDesktopConfig struct {
	// Whether users have to prove who they are before they see a logon screen (network level
	// authentication). Defaults to `true`.
	NLA config.Trilean `mapstructure:"nla"`
	// The port, TCP and UDP. Defaults to 3389.
	Port int `mapstructure:"port"`
	// Whether administrators may watch the sessions of others. Defaults to `false`.
	Shadow bool `mapstructure:"shadow"`
}

// The server starts with Windows, and the firewall lets it be reached. Host keys are made by each machine
// when it starts first; those of a disk that is the media are removed.
type OpenSSHConfig struct {
	// A folder or zip of Microsoft's Win32-OpenSSH on this machine, for the image's architecture. Left
	// out, the server must be in the image already, as the capability `OpenSSH.Server` leaves it.
	Source string `mapstructure:"source"`
	// The port. Left out, it stays as it is configured: 22 in a new image.
	Port int `mapstructure:"port"`
	// The public keys that let administrators in, each a key or a file of keys: `[file("id.pub")]`. They go
	// into `C:\ProgramData\ssh\administrators_authorized_keys`, in place of those that are there.
	AuthorizedKeys []string `mapstructure:"authorized_keys"`
	// The program that users get in place of cmd.exe, such as
	// `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`.
	DefaultShell string `mapstructure:"default_shell"`
}

// A rule of the Windows firewall. What is left out is not limited.
type FirewallRuleConfig struct {
	// The name by which programs know the rule.
	Name string `mapstructure:"name" required:"true"`
	// The name that people see. Defaults to `name`.
	DisplayName string `mapstructure:"display_name"`
	// What the rule is for.
	Description string `mapstructure:"description"`
	// The group that it is shown in.
	Group string `mapstructure:"group"`
	// `in` or `out`. Defaults to `in`.
	Direction string `mapstructure:"direction"`
	// `allow` or `block`. Defaults to `allow`.
	Action string `mapstructure:"action"`
	// `tcp`, `udp`, `icmpv4`, `icmpv6`, a number, or `any`. Defaults to `any`.
	Protocol string `mapstructure:"protocol"`
	// Ports (`"22"`) and ranges (`"5000-5010"`) of this machine, of TCP or UDP.
	LocalPorts []string `mapstructure:"local_ports"`
	// Ports and ranges of the other machine.
	RemotePorts []string `mapstructure:"remote_ports"`
	// Addresses, ranges (`"10.0.0.1-10.0.0.9"`) and networks (`"10.0.0.0/8"`) of this machine.
	LocalAddresses []string `mapstructure:"local_addresses"`
	// Those of the other machine, or `LocalSubnet`, `DNS`, `DHCP`, `WINS` or `DefaultGateway`.
	RemoteAddresses []string `mapstructure:"remote_addresses"`
	// The program, such as `%SystemRoot%\system32\svchost.exe`, or `System`.
	Program string `mapstructure:"program"`
	// The service by its short name.
	Service string `mapstructure:"service"`
	// The kinds of network: `domain`, `private`, `public`.
	Profiles []string `mapstructure:"profiles"`
}
