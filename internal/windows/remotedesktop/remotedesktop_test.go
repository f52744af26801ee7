package remotedesktop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/firewall"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// apply makes the settings, and returns the hive and the notes.
func apply(t *testing.T, tr *tree.Tree, s Settings) (hive []byte, notes string) {
	t.Helper()
	note := func(format string, args ...any) { notes += fmt.Sprintf(format, args...) + "\n" }
	hive = systemhive.Apply(t, tr, func(r *registry.Registry) error { return Apply(r, s, note) })
	return hive, notes
}

const rules = `\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`

// activate changes what a judge has read of a rule as Windows does when the rule is enabled.
func activate(t *testing.T, values map[string]oracle.HiveValue, ids ...string) {
	t.Helper()
	bytesOf := func(s string) string { return string(systemhive.Text(s).Data[:2*len(s)]) }
	for _, id := range ids {
		v, ok := values[id]
		if !ok {
			t.Fatalf("no rule %s", id)
		}
		v.Data = []byte(strings.Replace(string(v.Data), bytesOf("|Active=FALSE|"), bytesOf("|Active=TRUE|"), 1))
		values[id] = v
	}
}

// On every hive, other readers find the settings and the rules in force, and nothing else changed.
func TestAsOthersReadIt(t *testing.T) {
	modern := []string{"RemoteDesktop-UserMode-In-TCP", "RemoteDesktop-UserMode-In-UDP"}
	for _, image := range systemhive.Images {
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			after, notes := apply(t, tr, Settings{})
			if notes != "" {
				t.Error(notes)
			}
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				for _, set := range image.Sets {
					systemhive.Key(t, h, set+server)["fDenyTSConnections"] = systemhive.DWord(0)
					station := systemhive.Key(t, h, set+listener)
					station["PortNumber"], station["UserAuthentication"] = systemhive.DWord(3389), systemhive.DWord(1)
					station["SecurityLayer"] = systemhive.DWord(2)
					if image.Name == systemhive.Windows7.Name { // somebody had split the rule of this machine
						activate(t, systemhive.Key(t, h, set+rules), "RemoteDesktop-In-TCP", "RemoteDesktop-In-TCP_1", "RemoteDesktop-UserMode-In-TCP")
					} else {
						activate(t, systemhive.Key(t, h, set+rules), modern...)
					}
				}
			})
			for _, set := range image.Sets {
				systemhive.GetValue(t, after, set+server, "fDenyTSConnections", "0")
				systemhive.GetValue(t, after, set+listener, "SecurityLayer", "2")
			}
			if again, _ := apply(t, tr, Settings{}); string(again) != string(after) {
				t.Error("the second time something else is written")
			}
		})
	}
}

// Another port has rules of its own; Windows' own stay as they are.
func TestOtherPort(t *testing.T) {
	tr, before := systemhive.StandIn.Tree(t)
	off := false
	after, notes := apply(t, tr, Settings{Port: 13389, NLA: &off, Shadow: true})
	if !strings.Contains(notes, "13389") {
		t.Errorf("notes: %q", notes)
	}
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		const set = "ControlSet001"
		h[set+server]["fDenyTSConnections"] = systemhive.DWord(0)
		station := h[set+listener]
		station["PortNumber"], station["UserAuthentication"] = systemhive.DWord(13389), systemhive.DWord(0)
		activate(t, h[set+rules], shadow)
		for kind, number := range map[string]string{"TCP": "6", "UDP": "17"} {
			h[set+rules]["winbake-RemoteDesktop-In-"+kind] = systemhive.Text("v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=" + number +
				"|LPort=13389|Name=Remote Desktop (" + kind + "-In)|Desc=Inbound rule for Remote Desktop|EmbedCtxt=winbake|")
		}
	})
}

// An image without rules of its own gets some, and a service that may not start may.
func TestDisabledServiceAndNoRules(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	r := registry.Open(tr)
	const set = `HKLM\SYSTEM\ControlSet001`
	_, err := r.DeleteKey(set + rules)
	err = errors.Join(err, r.Set(set+service, regf.DWord("Start", 4)), r.Set(set+listener, regf.DWord("fEnableWinStation", 0)),
		r.Set(policies, regf.DWord("fDenyTSConnections", 1)),
		r.Set(`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, regf.String("EditionID", "CoreSingleLanguage")), r.Flush())
	if err != nil {
		t.Fatal(err)
	}
	after, notes := apply(t, tr, Settings{Shadow: true})
	systemhive.GetValue(t, after, "ControlSet001"+service, "Start", "3")
	systemhive.GetValue(t, after, "ControlSet001"+listener, "fEnableWinStation", "1")
	for _, part := range []string{"3389", shadow, "policy", "CoreSingleLanguage"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note of %q: %s", part, notes)
		}
	}
	text, ok, err := firewall.Lookup(registry.Open(tr), "winbake-RemoteDesktop-In-TCP")
	if err != nil || !ok || !text.Active() {
		t.Errorf("%v, %v, %v", text, ok, err)
	}
}

func TestWithoutService(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	r := registry.Open(tr)
	if _, err := r.DeleteKey(`HKLM\SYSTEM\ControlSet001` + service); err != nil {
		t.Fatal(err)
	}
	if err := Apply(r, Settings{}, t.Logf); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "TermService") {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []Settings{{}, {Port: 1}, {Port: 65535}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []Settings{{Port: -1}, {Port: 65536}} {
		if err := s.Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), "port: ") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
