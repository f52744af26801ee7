package firewall

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
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

func TestText(t *testing.T) {
	for _, test := range []struct {
		rule Rule
		want string
	}{
		{Rule{ID: "a"}, "v2.30|Action=Allow|Active=TRUE|Dir=In|Name=a|"},
		{
			Rule{
				ID: "sshd", Name: "OpenSSH SSH Server (sshd)", Description: "Inbound rule", Group: "OpenSSH Server", Protocol: "tcp",
				LocalPorts: []string{"22"}, Program: `%SystemRoot%\system32\OpenSSH\sshd.exe`,
			},
			`v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|App=%SystemRoot%\system32\OpenSSH\sshd.exe|Name=OpenSSH SSH Server (sshd)|Desc=Inbound rule|EmbedCtxt=OpenSSH Server|`,
		},
		{
			Rule{
				ID: "b", Direction: "out", Action: "block", Protocol: "udp", Profiles: []string{"public", "domain"},
				LocalPorts: []string{"5000-5010", "22", "80"}, RemotePorts: []string{"1-65535"}, Service: "*", Program: "System",
				LocalAddresses:  []string{"10.0.0.0/8", "fe80::/64", "2001:db8::1"},
				RemoteAddresses: []string{"localsubnet", "192.168.1.1-192.168.1.9", "10.1.2.3/32", "::1-::9", "172.16.0.0/12"},
			},
			"v2.30|Action=Block|Active=TRUE|Dir=Out|Protocol=17|Profile=Domain|Profile=Public|LPort=22|LPort=80|LPort2_10=5000-5010|RPort2_10=1-65535" +
				"|LA4=10.0.0.0/255.0.0.0|LA6=fe80::/64|LA6=2001:db8::1|RA4=LocalSubnet|RA4=192.168.1.1-192.168.1.9|RA4=10.1.2.3|RA4=172.16.0.0/255.240.0.0" +
				"|RA6=LocalSubnet|RA6=::1-::9|App=System|Svc=*|Name=b|",
		},
		{Rule{ID: "c", Protocol: "icmpv6", Profiles: []string{"domain", "private", "public"}}, "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=58|Name=c|"},
		{Rule{ID: "d", Protocol: "047", Program: `C:\a b\c.exe`}, `v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=47|App=C:\a b\c.exe|Name=d|`},
		{Rule{ID: "e", Protocol: "any", Service: "TermService"}, `v2.30|Action=Allow|Active=TRUE|Dir=In|Svc=TermService|Name=e|`},
	} {
		if err := test.rule.Validate(); err != nil {
			t.Errorf("%+v: %v", test.rule, err)
			continue
		}
		text, err := test.rule.text(0x021E)
		if err != nil || text.String() != test.want {
			t.Errorf("%+v:\ngot  %s, %v\nwant %s", test.rule, text, err, test.want)
		}
		if again, err := Parse(text.String()); err != nil || again.String() != text.String() {
			t.Errorf("%s is read back as %s, %v", text, again, err)
		}
	}
}

func TestValidate(t *testing.T) {
	tcp := func(change func(*Rule)) Rule {
		r := Rule{ID: "x", Protocol: "tcp"}
		change(&r)
		return r
	}
	for _, test := range []struct {
		rule Rule
		part string
	}{
		{Rule{}, "id: "},
		{Rule{ID: "a|b"}, "id: "},
		{Rule{ID: strings.Repeat("a", 512)}, "id: "},
		{Rule{ID: "x", Name: "a\nb"}, "name: "},
		{Rule{ID: "x", Name: "All"}, "name: "},
		{Rule{ID: "x", Description: "|"}, "description: "},
		{Rule{ID: "x", Group: strings.Repeat("a", 10001)}, "group: "},
		{Rule{ID: "x", Direction: "In"}, "direction: "},
		{Rule{ID: "x", Action: "deny"}, "action: "},
		{Rule{ID: "x", Protocol: "256"}, "protocol: "},
		{Rule{ID: "x", Protocol: "TCP"}, "protocol: "},
		{Rule{ID: "x", LocalPorts: []string{"22"}}, "local_ports: "},
		{Rule{ID: "x", Protocol: "icmpv4", RemotePorts: []string{"22"}}, "remote_ports: "},
		{tcp(func(r *Rule) { r.LocalPorts = []string{"0"} }), "local_ports: "},
		{tcp(func(r *Rule) { r.LocalPorts = []string{""} }), "local_ports: "},
		{tcp(func(r *Rule) { r.LocalPorts = []string{"22-"} }), "local_ports: "},
		{tcp(func(r *Rule) { r.LocalPorts = []string{"22,23"} }), "local_ports: "},
		{tcp(func(r *Rule) { r.RemotePorts = []string{"65536"} }), "remote_ports: "},
		{tcp(func(r *Rule) { r.RemotePorts = []string{"9-8"} }), "remote_ports: "},
		{Rule{ID: "x", LocalAddresses: []string{"LocalSubnet"}}, "local_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"10.0.0.0/33"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"10.0.0.1/8"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"0.0.0.0/0"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"10.0.0.9-10.0.0.1"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"10.0.0.1-::1"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"fe80::1%1"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"::ffff:10.0.0.1"}}, "remote_addresses: "},
		{Rule{ID: "x", RemoteAddresses: []string{"host"}}, "remote_addresses: "},
		{Rule{ID: "x", Program: "sshd.exe"}, "program: "},
		{Rule{ID: "x", Program: "C:/sshd.exe"}, "program: "},
		{Rule{ID: "x", Program: `C:\a|b`}, "program: "},
		{Rule{ID: "x", Service: `a\b`}, "service: "},
		{Rule{ID: "x", Profiles: []string{"domain", "domain"}}, "profiles: "},
		{Rule{ID: "x", Profiles: []string{""}}, "profiles: "},
		{Rule{ID: "x", Profiles: []string{"work"}}, "profiles: "},
	} {
		if err := test.rule.Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), test.part) {
			t.Errorf("%+v: %v, want %s", test.rule, err, test.part)
		}
	}
}

const key = `\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`

// A rule that is added has the version of the image's own, in every control set; one that is enabled
// differs in one word. Nothing else changes, and doing it again changes nothing.
func TestAsOthersReadIt(t *testing.T) {
	// The tests of the package remotedesktop have the other hives.
	versions := map[string]string{systemhive.Windows7.Name: "v2.10", systemhive.StandIn.Name: "v2.31"}
	for _, image := range []systemhive.Image{systemhive.Windows7, systemhive.StandIn} {
		version := versions[image.Name]
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			const enabled = "RemoteDesktop-UserMode-In-TCP"
			change := func(r *registry.Registry) error {
				return errors.Join(Enable(r, enabled), Add(r, Rule{ID: "web", Name: "Web", Protocol: "tcp", LocalPorts: []string{"80", "8000-8080"}}))
			}
			after := systemhive.Apply(t, tr, change)
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				for _, set := range image.Sets {
					rules := systemhive.Key(t, h, set+key)
					rules["web"] = systemhive.Text(version + "|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=80|LPort2_10=8000-8080|Name=Web|")
					rules[enabled] = enabledRule(t, rules[enabled])
				}
			})
			if again := systemhive.Apply(t, tr, change); string(again) != string(after) {
				t.Error("the second time something else is written")
			}
		})
	}
}

// enabledRule returns what a judge has read of a rule that is not in force, with the one word changed.
func enabledRule(t *testing.T, v oracle.HiveValue) oracle.HiveValue {
	t.Helper()
	from, to := systemhive.Text("|Active=FALSE|"), systemhive.Text("|Active=TRUE|")
	cut := func(v oracle.HiveValue) string { return string(v.Data[:len(v.Data)-2]) }
	if strings.Count(string(v.Data), cut(from)) != 1 {
		t.Fatalf("% x is no rule that is not in force", v.Data)
	}
	v.Data = []byte(strings.Replace(string(v.Data), cut(from), cut(to), 1))
	return v
}

func TestUnknownRule(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	r := registry.Open(tr)
	err := Enable(r, "RemoteDesktop-In")
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "RemoteDesktop-UserMode-In-TCP") {
		t.Error(err)
	}
	if err := Enable(r, "xyz"); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	if _, ok, err := Lookup(r, "remotedesktop-usermode-in-tcp"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if err := r.Set(`HKLM\SYSTEM\ControlSet001`+key, regf.String("broken", "no rule")); err != nil {
		t.Fatal(err)
	}
	if err := Enable(r, "broken"); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "broken") {
		t.Error(err)
	}
}

// Without rules, the version is what the firewall says of itself, or the oldest.
func TestVersionWithoutRules(t *testing.T) {
	for _, test := range []struct {
		values []regf.Value
		want   string
	}{
		{[]regf.Value{regf.DWord("PolicyVersion", 0x21B)}, "v2.27"},
		{[]regf.Value{regf.DWord("PolicyVersion", 0x10000)}, "v2.10"},
		{nil, "v2.10"},
	} {
		tr := tree.New(1)
		h := regf.New("SYSTEM")
		k, err := h.Root.Create(`ControlSet001\Services\SharedAccess\Parameters\FirewallPolicy`)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range test.values {
			k.Set(v)
		}
		data, err := h.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		systemhive.Write(t, tr, registry.SystemHive, data)
		r := registry.Open(tr)
		if err := Add(r, Rule{ID: "x"}); err != nil {
			t.Fatal(err)
		}
		if text, ok, err := Lookup(r, "x"); err != nil || !ok || text.Version().String() != test.want {
			t.Errorf("%v: %v, %v, %v", test.values, text, ok, err)
		}
	}
}
