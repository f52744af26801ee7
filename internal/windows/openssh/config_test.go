package openssh

import (
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

func TestSetPort(t *testing.T) {
	const match = "Match Group administrators\n  Port 1\n"
	for _, test := range []struct{ before, after string }{
		{exampleConfig, strings.Replace(exampleConfig, "#Port 22\r\n", "Port 2222\r\n", 1)},
		{"", "Port 2222\n"},
		{match, "Port 2222\n" + match},
		{"a b\nPort 22\nx y\nport=23\n" + match, "a b\nPort 2222\nx y\n" + match},
		{"#Port 22\n  PORT\t\"22\"\n", "#Port 22\nPort 2222\n"},
		{"# Port numbers are listed below\nA b\n", "Port 2222\n# Port numbers are listed below\nA b\n"},
		{"Port 22", "Port 2222\n"},
	} {
		got := setPort(test.before, "2222")
		if got != test.after {
			t.Errorf("%q becomes %q, want %q", test.before, got, test.after)
		}
		if ports := portsOf(got); !slices.Equal(ports, []string{"2222"}) {
			t.Errorf("%q has the ports %v", got, ports)
		}
		if again := setPort(got, "2222"); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	}
	if ports := portsOf("Port 22\nPort 2222\nPort 22\n" + match); !slices.Equal(ports, []string{"22", "2222"}) {
		t.Errorf("%v", ports)
	}
}

func TestPort(t *testing.T) {
	const rules = `ControlSet001\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`
	rule := func(group, port string) string {
		return `v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=` + port + `|App=%SystemRoot%\System32\OpenSSH\sshd.exe` +
			`|Name=OpenSSH SSH Server (sshd)|Desc=Inbound rule for OpenSSH SSH Server (sshd)|EmbedCtxt=` + group + `|`
	}
	read := func(tr *tree.Tree) string {
		n, err := tr.Lookup("ProgramData/ssh/sshd_config")
		if err != nil {
			t.Fatal(err)
		}
		got, err := tree.ReadAll(n.Data, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}

	// From the default.
	tr, _ := systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	hive, notes := run(t, tr, Settings{Port: 2222})
	if got := read(tr); got != strings.Replace(exampleConfig, "#Port 22", "Port 2222", 1) || !strings.Contains(notes, "2222") {
		t.Errorf("%q; notes: %s", got, notes)
	}
	systemhive.GetValue(t, hive, rules, ruleID, rule("OpenSSH Server", "2222"))

	// Left alone, the firewall follows the configuration of the image.
	tr, _ = systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	systemhive.Write(t, tr, config, []byte("Port 24\n"))
	hive, _ = run(t, tr, Settings{})
	systemhive.GetValue(t, hive, rules, ruleID, rule("OpenSSH Server", "24"))

	// The usual port can be asked for, too.
	hive, _ = run(t, tr, Settings{Port: 22})
	if got := read(tr); got != "Port 22\n" {
		t.Errorf("%q", got)
	}
	systemhive.GetValue(t, hive, rules, "winbake-"+ruleID, rule("winbake", "22"))

	// There must be something to set it in.
	if err := tr.Remove(config); err != nil {
		t.Fatal(err)
	}
	if err := tr.Remove(inBox.folder + "/" + configDefault); err != nil {
		t.Fatal(err)
	}
	if err := fails(t, tr, Settings{Port: 2222}); !strings.HasPrefix(err.Error(), "port: ") {
		t.Error(err)
	}
	run(t, tr, Settings{Port: 22})
}
