package openssh

import (
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/firewall"
)

const (
	services     = `\Services\`
	sshd         = services + "sshd"
	sshAgent     = services + "ssh-agent"
	environment  = `\Control\Session Manager\Environment`
	ownProcess   = 0x10
	automatic    = 2
	onDemand     = 3
	errorNormal  = 1
	localService = "LocalSystem"
)

// privileges are what sshd needs to log users on (install-sshd.ps1, and the capability).
var privileges = []string{
	"SeAssignPrimaryTokenPrivilege", "SeTcbPrivilege", "SeBackupPrivilege", "SeRestorePrivilege", "SeImpersonatePrivilege",
}

// service returns the values of a service's key, as New-Service and "sc.exe privs" leave them.
func service(image, name, description string, start uint32) []regf.Value {
	return []regf.Value{
		regf.DWord("Type", ownProcess),
		regf.DWord("Start", start),
		regf.DWord("ErrorControl", errorNormal),
		regf.ExpandString("ImagePath", image),
		regf.String("DisplayName", name),
		regf.String("ObjectName", localService),
		regf.String("Description", description),
		regf.MultiString("RequiredPrivileges", privileges...),
	}
}

// sshdService is the service sshd for programs in a place. The capability's path has no spaces, and no
// quotes.
func sshdService(at place, start uint32) []regf.Value {
	image := at.path + `\` + daemon
	if at == installed {
		image = `"` + image + `"`
	}
	return service(image, "OpenSSH SSH Server",
		"SSH protocol based service to provide secure encrypted communications between two untrusted hosts over an insecure network.", start)
}

// usesInstalled says whether the service of the image runs Win32-OpenSSH, and not the capability's sshd.
func usesInstalled(i Image) (bool, error) {
	k, err := i.Registry.Key(`HKLM\SYSTEM\CurrentControlSet` + sshd)
	if k == nil {
		return false, err
	}
	v, _ := k.Value("ImagePath")
	image, _ := v.Text()
	return strings.Contains(strings.ToLower(image), `\program files\openssh\`), nil
}

// startService lets sshd start with Windows, in every control set. The service is made where it is
// missing.
func startService(i Image, at place) error {
	sets, err := i.Registry.ControlSets()
	if err != nil {
		return err
	}
	for _, set := range sets {
		k, err := i.Registry.Key(set + sshd)
		if err != nil {
			return err
		}
		values := []regf.Value{regf.DWord("Start", automatic)}
		if k == nil {
			values = sshdService(at, automatic)
		}
		if err := i.Registry.Set(set+sshd, values...); err != nil {
			return err
		}
	}
	i.Note("The OpenSSH server starts with Windows.")
	return nil
}

// register makes both services anew, as install-sshd.ps1 does, in every control set, and adds the folder
// to the search path of all users.
func register(i Image) error {
	return i.Registry.EachControlSet(func(set string) error {
		for _, old := range []string{sshd, sshAgent} {
			if _, err := i.Registry.DeleteKey(set + old); err != nil {
				return err
			}
		}
		agentValues := service(`"`+installed.path+`\`+agent+`"`, "OpenSSH Authentication Agent",
			"Agent to hold private keys used for public key authentication.", onDemand)
		for _, key := range []struct {
			path   string
			values []regf.Value
		}{
			{sshd, sshdService(installed, onDemand)},
			{sshAgent, agentValues},
			{sshAgent + `\Security`, []regf.Value{regf.Binary("Security", agentSecurity)}},
		} {
			if err := i.Registry.Set(set+key.path, key.values...); err != nil {
				return err
			}
		}
		return addToPath(i, set)
	})
}

// addToPath adds the folder to the machine's search path if it is not there.
func addToPath(i Image, set string) error {
	k, err := i.Registry.Key(set + environment)
	if k == nil {
		return err
	}
	v, ok := k.Value("Path")
	if !ok {
		return nil // nor would anything else be found
	}
	path, err := v.Text()
	if err != nil {
		return fault.In(set+environment+`\Path`, err)
	}
	for _, folder := range strings.Split(path, ";") {
		folder = strings.TrimRight(strings.Trim(folder, `" `), `\`)
		if strings.EqualFold(folder, installed.path) || strings.EqualFold(folder, `%ProgramFiles%\OpenSSH`) {
			return nil
		}
	}
	changed := regf.ExpandString(v.Name, strings.TrimRight(path, ";")+";"+installed.path)
	changed.Type = v.Type // a Path without variables may be REG_SZ
	return i.Registry.Set(set+environment, changed)
}

// ruleID is the id of the capability's rule.
const ruleID = "OpenSSH-Server-In-TCP"

// openFirewall lets connections to the server in. The capability's own rule is for the usual port and for
// its own program, and holds in newer versions of Windows for private networks only; where it does not
// fit, a rule of one's own is added.
func openFirewall(i Image, at place, ports []string) error {
	program := at.path + `\` + daemon
	text, ok, err := firewall.Lookup(i.Registry, ruleID)
	if err != nil {
		return err
	}
	if ok && fits(text, program, ports) {
		return firewall.Enable(i.Registry, ruleID)
	}
	rule := firewall.Rule{
		ID: ruleID, Name: "OpenSSH SSH Server (sshd)", Description: "Inbound rule for OpenSSH SSH Server (sshd)",
		Group: "OpenSSH Server", Protocol: "tcp", LocalPorts: ports, Program: program,
	}
	if ok {
		rule.ID, rule.Group = "winbake-"+ruleID, "winbake"
		i.Note("The firewall rule %s of the image does not fit; %s lets connections to port %s in from all networks.", ruleID, rule.ID, strings.Join(ports, ", "))
	}
	return fault.In("port", firewall.Add(i.Registry, rule))
}

// fits says whether a rule lets connections to the ports of a program in, from wherever they come.
func fits(rule firewall.Text, program string, ports []string) bool {
	is := func(key string, want ...string) bool {
		got := rule.Values(key)
		return len(got) == len(want) && strings.EqualFold(strings.Join(got, "|"), strings.Join(want, "|"))
	}
	app := len(rule.Values("App")) == 0 || is("App", program)
	for _, limit := range []string{"Profile", "RA4", "RA6", "LA4", "LA6", "RPort", "RPort2_10", "Svc", "IFType", "IF", "Security"} {
		if len(rule.Values(limit)) > 0 {
			return false
		}
	}
	return app && is("Action", "Allow") && is("Dir", "In") && is("Protocol", "6") && is("LPort", ports...)
}
