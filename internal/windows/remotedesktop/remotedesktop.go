// Package remotedesktop lets an image be reached through Remote Desktop (RDP): the server is told to
// accept connections, its service may start, and the firewall lets them in.
package remotedesktop

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/firewall"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Settings say how Remote Desktop shall be reached.
type Settings struct {
	// NLA, network level authentication, wants users to prove who they are before they see a logon
	// screen. Nil stands for true.
	NLA *bool `json:"nla,omitempty"`
	// Port is where the server listens, TCP and UDP; 0 stands for 3389.
	Port int `json:"port,omitempty"`
	// Shadow lets administrators watch sessions of others (RdpSa.exe), too.
	Shadow bool `json:"shadow,omitempty"`
}

// DefaultPort is the port of the protocol ([MS-RDPBCGR] 2.1).
const DefaultPort = 3389

// Validate says what is wrong with the settings, each problem naming its field.
func (s Settings) Validate() error {
	if s.Port < 0 || s.Port > 65535 {
		return fault.Invalidf("port: %d is not between 1 and 65535", s.Port)
	}
	return nil
}

func (s Settings) nla() bool { return s.NLA == nil || *s.NLA }

func (s Settings) port() int {
	if s.Port == 0 {
		return DefaultPort
	}
	return s.Port
}

const (
	server   = `\Control\Terminal Server`
	listener = server + `\WinStations\RDP-Tcp`
	service  = `\Services\TermService`
	policies = `HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services`
)

// Kinds of start of a service.
const (
	onDemand = 3
	disabled = 4
)

// securityTLS is the value SecurityLayer that network level authentication needs (Microsoft Learn,
// Win32_TSGeneralSetting).
const securityTLS = 2

// Apply makes the settings in every control set, so that they hold whichever Windows starts with. What
// the person at the terminal should know goes to note, in whole sentences.
func Apply(r *registry.Registry, s Settings, note func(format string, args ...any)) error {
	if err := s.Validate(); err != nil {
		return err
	}
	served := false
	err := r.EachControlSet(func(set string) error {
		has, err := s.apply(r, set)
		served = served || has
		return err
	})
	if err != nil {
		return err
	}
	if !served {
		return fault.Invalidf("the image has no service TermService, so nothing would answer on the port of Remote Desktop")
	}
	if err := s.openFirewall(r, note); err != nil {
		return err
	}
	return warn(r, note)
}

// apply makes the settings in one control set and says whether it has the service.
func (s Settings) apply(r *registry.Registry, set string) (bool, error) {
	k, err := r.Key(set + service)
	if k == nil {
		return false, err
	}
	if v, _ := k.Value("Start"); isNumber(v, disabled) {
		if err := r.Set(set+service, regf.DWord("Start", onDemand)); err != nil {
			return false, err
		}
	}
	if err := r.Set(set+server, regf.DWord("fDenyTSConnections", 0)); err != nil {
		return false, err
	}
	station, err := r.Create(set + listener)
	if err != nil {
		return false, err
	}
	station.Set(regf.DWord("PortNumber", uint32(s.port())))
	if !s.nla() {
		station.Set(regf.DWord("UserAuthentication", 0))
	} else {
		station.Set(regf.DWord("UserAuthentication", 1))
		station.Set(regf.DWord("SecurityLayer", securityTLS))
	}
	if v, _ := station.Value("fEnableWinStation"); isNumber(v, 0) {
		station.Set(regf.DWord("fEnableWinStation", 1))
	}
	return true, nil
}

func isNumber(v regf.Value, want uint64) bool {
	n, err := v.Integer()
	return err == nil && n == want
}

// The ids of Windows' own rules. Up to Windows 7 the kernel listened (the first); later ones have the
// others.
var (
	portRules = []string{"RemoteDesktop-In-TCP", "RemoteDesktop-UserMode-In-TCP", "RemoteDesktop-UserMode-In-UDP"}
	shadow    = "RemoteDesktop-Shadow-In-TCP"
)

// openFirewall enables Windows' own rules, which are for the usual port only, or adds rules.
func (s Settings) openFirewall(r *registry.Registry, note func(string, ...any)) error {
	var enable []string
	if s.port() == DefaultPort {
		ids, err := present(r, portRules...)
		if err != nil {
			return err
		}
		enable = ids
	}
	own := len(enable) == 0
	if s.Shadow {
		ids, err := present(r, shadow)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			note("The image has no firewall rule %s, so shadowing stays as it is.", shadow)
		}
		enable = append(enable, ids...)
	}
	if err := firewall.Enable(r, enable...); err != nil || !own {
		return err
	}
	note("Remote Desktop gets firewall rules of its own for port %d.", s.port())
	return s.addRules(r)
}

// present returns the rules with these ids that the image has. Windows splits a rule that differs between
// kinds of networks, as it can on a machine that was in use, and numbers what it splits off.
func present(r *registry.Registry, ids ...string) ([]string, error) {
	var found []string
	for _, id := range ids {
		for n := 0; ; n++ {
			name := id
			if n > 0 {
				name = fmt.Sprintf("%s_%d", id, n)
			}
			_, ok, err := firewall.Lookup(r, name)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			found = append(found, name)
		}
	}
	return found, nil
}

// addRules adds rules for the port. They name no program: which one listens differs between versions.
func (s Settings) addRules(r *registry.Registry) error {
	for _, protocol := range []string{"tcp", "udp"} {
		kind := strings.ToUpper(protocol)
		err := firewall.Add(r, firewall.Rule{
			ID:          "winbake-RemoteDesktop-In-" + kind,
			Name:        fmt.Sprintf("Remote Desktop (%s-In)", kind),
			Description: "Inbound rule for Remote Desktop",
			Group:       "winbake",
			Protocol:    protocol,
			LocalPorts:  []string{strconv.Itoa(s.port())},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// warn tells of what the settings cannot change: a policy that overrides them, and an edition without the
// server.
func warn(r *registry.Registry, note func(string, ...any)) error {
	k, err := r.Key(policies)
	if err == nil && k != nil {
		if v, _ := k.Value("fDenyTSConnections"); isNumber(v, 1) {
			note(`A policy of the image forbids Remote Desktop all the same: %s, value fDenyTSConnections.`, policies)
		}
	}
	// An image without a readable SOFTWARE hive has no policies either.
	k, err = r.Key(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`)
	if err != nil || k == nil {
		return nil
	}
	v, _ := k.Value("EditionID")
	if edition, _ := v.Text(); strings.HasPrefix(edition, "Core") {
		note("The edition of the image (%s, Windows Home) has no Remote Desktop server, whatever its settings are.", edition)
	}
	return nil
}
