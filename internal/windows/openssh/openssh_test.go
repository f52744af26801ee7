package openssh

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

const exampleConfig = "# sshd_config\r\n\r\n#Port 22\r\n#AddressFamily any\r\nAuthorizedKeysFile\t.ssh/authorized_keys\r\n\r\n" +
	"Match Group administrators\r\n       AuthorizedKeysFile __PROGRAMDATA__/ssh/administrators_authorized_keys\r\n"

// run applies the settings, and returns the SYSTEM hive and the notes.
func run(t *testing.T, tr *tree.Tree, s Settings) (hive []byte, notes string) {
	t.Helper()
	r := registry.Open(tr)
	note := func(format string, args ...any) { notes += fmt.Sprintf(format, args...) + "\n" }
	if err := errors.Join(Apply(Image{Tree: tr, Registry: r, Store: keep, Note: note}, s), r.Flush()); err != nil {
		t.Fatal(err)
	}
	return systemhive.Read(t, tr), notes
}

// fails applies the settings and returns why that did not work.
func fails(t *testing.T, tr *tree.Tree, s Settings) error {
	t.Helper()
	err := Apply(Image{Tree: tr, Registry: registry.Open(tr), Store: keep, Note: t.Logf}, s)
	if err == nil {
		t.Fatalf("%+v is taken", s)
	}
	return err
}

func keep(r io.Reader) (tree.Content, error) {
	data, err := io.ReadAll(r)
	return tree.Bytes(data), err
}

// withCapability puts the files of the capability into a tree.
func withCapability(t *testing.T, tr *tree.Tree) {
	t.Helper()
	systemhive.Write(t, tr, inBox.folder+"/sshd.exe", pe.Stub(pe.AMD64, pe.Version{Major: 8}))
	systemhive.Write(t, tr, inBox.folder+"/sshd_config_default", []byte(exampleConfig))
}

// entry is a file of a source.
type entry struct{ name, data string }

// release is a small Win32-OpenSSH.
func release(top string, machine pe.Machine) []entry {
	return []entry{
		{top + "sshd.exe", string(pe.Stub(machine, pe.Version{Major: 9, Minor: 8}))},
		{top + "ssh-agent.exe", string(pe.Stub(machine, pe.Version{Major: 9, Minor: 8}))},
		{top + "sshd_config_default", exampleConfig},
		{top + "moduli", strings.Repeat("0123456789abcdef", 4096)},
		{top + "empty/LICENSE.txt", ""},
	}
}

// archive writes a zip, and returns its path.
func archive(t *testing.T, write func(*zip.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "OpenSSH.zip")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, entries []entry) string {
	t.Helper()
	return archive(t, func(w *zip.Writer) {
		for _, e := range entries {
			f, err := w.Create(e.name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(e.data)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func folder(t *testing.T, entries []entry) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		path := filepath.Join(dir, filepath.FromSlash(e.name))
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(e.data), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// dump lists a tree: paths, securities and contents.
func dump(t *testing.T, tr *tree.Tree) string {
	t.Helper()
	var b strings.Builder
	for path, e := range tr.Walk() {
		fmt.Fprintf(&b, "%s %x", path, tr.Descriptor(e.Node))
		if !e.Node.IsDir() && tree.SizeOf(e.Node.Data) < 1<<20 {
			data, err := tree.ReadAll(e.Node.Data, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %x", data)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// On a Windows that has the capability, only the kind of start changes.
func TestCapabilityAsOthersReadIt(t *testing.T) {
	tr, before := systemhive.Windows10.Tree(t)
	withCapability(t, tr)
	after, notes := run(t, tr, Settings{})
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		systemhive.Key(t, h, `ControlSet001\Services\sshd`)["Start"] = systemhive.DWord(2)
	})
	systemhive.GetValue(t, after, `ControlSet001\Services\sshd`, "Start", "2")
	if !strings.Contains(notes, "System32") {
		t.Errorf("notes: %s", notes)
	}
	if tr.Find(data) != nil {
		t.Error("ProgramData/ssh is made, which is sshd's own work")
	}
}

// A service and a rule that are missing are made as the capability leaves them: then the hive is that of
// the machine that has them, with the service starting by itself.
func TestCapabilityIsMadeAsWindowsLeavesIt(t *testing.T) {
	tr, before := systemhive.Windows10.Tree(t)
	withCapability(t, tr)
	const rules = `HKLM\SYSTEM\ControlSet001\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`
	systemhive.Apply(t, tr, func(r *registry.Registry) error {
		_, err1 := r.DeleteKey(`HKLM\SYSTEM\ControlSet001\Services\sshd`)
		_, err2 := r.DeleteValue(rules, ruleID)
		return errors.Join(err1, err2)
	})
	after, _ := run(t, tr, Settings{})
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		systemhive.Key(t, h, `ControlSet001\Services\sshd`)["Start"] = systemhive.DWord(2)
		rule := systemhive.Key(t, h, rules[len(`HKLM\SYSTEM\`):])
		// Windows writes its paths in either case.
		rule[ruleID] = systemhive.Text(`v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|App=%SystemRoot%\System32\OpenSSH\sshd.exe` +
			`|Name=OpenSSH SSH Server (sshd)|Desc=Inbound rule for OpenSSH SSH Server (sshd)|EmbedCtxt=OpenSSH Server|`)
	})
}

// The security of ssh-agent, which install-sshd.ps1 writes in text form, has the bytes that Windows has.
func TestAgentSecurity(t *testing.T) {
	v, _ := systemhive.Windows10.Salvage(t).Root.Subkey(`ControlSet001\Services\ssh-agent\Security`).Value("Security")
	if !bytes.Equal(v.Data, agentSecurity) {
		t.Errorf("% x\nwant % x", agentSecurity, v.Data)
	}
}

// wanted makes the changes of an installation in what a judge has read.
func wanted(h oracle.Hive) {
	const set = "ControlSet001"
	values := func(image, name, description string, start uint32) map[string]oracle.HiveValue {
		return map[string]oracle.HiveValue{
			"Type": systemhive.DWord(0x10), "Start": systemhive.DWord(start), "ErrorControl": systemhive.DWord(1),
			"ImagePath": systemhive.Expand(image), "DisplayName": systemhive.Text(name), "ObjectName": systemhive.Text("LocalSystem"),
			"Description": systemhive.Text(description),
			"RequiredPrivileges": systemhive.Multi("SeAssignPrimaryTokenPrivilege", "SeTcbPrivilege", "SeBackupPrivilege",
				"SeRestorePrivilege", "SeImpersonatePrivilege"),
		}
	}
	h[set+`\Services\sshd`] = values(`"C:\Program Files\OpenSSH\sshd.exe"`, "OpenSSH SSH Server",
		"SSH protocol based service to provide secure encrypted communications between two untrusted hosts over an insecure network.", 2)
	h[set+`\Services\ssh-agent`] = values(`"C:\Program Files\OpenSSH\ssh-agent.exe"`, "OpenSSH Authentication Agent",
		"Agent to hold private keys used for public key authentication.", 3)
	h[set+`\Services\ssh-agent\Security`] = map[string]oracle.HiveValue{"Security": systemhive.Binary(agentSecurity...)}
	path := h[set+environment]
	path["Path"] = systemhive.Expand(`%SystemRoot%\system32;%SystemRoot%;%SystemRoot%\System32\Wbem;%SYSTEMROOT%\System32\WindowsPowerShell\v1.0\;C:\Program Files\OpenSSH`)
	h[set+`\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`][ruleID] = systemhive.Text(
		`v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|App=C:\Program Files\OpenSSH\sshd.exe` +
			`|Name=OpenSSH SSH Server (sshd)|Desc=Inbound rule for OpenSSH SSH Server (sshd)|EmbedCtxt=OpenSSH Server|`)
}

// A zip, with Microsoft's folder in it or without, and a folder give the same image; what others read is
// what install-sshd.ps1 leaves; and installing again changes nothing.
func TestInstall(t *testing.T) {
	entries := release("OpenSSH-Win64/", pe.AMD64)
	backslashes := slices.Clone(entries)
	for i := range backslashes {
		backslashes[i].name = strings.ReplaceAll(backslashes[i].name, "/", `\`)
	}
	var first string
	for name, source := range map[string]string{
		"zip": zipped(t, entries), "flat zip": zipped(t, release("", pe.AMD64)), "zip of .NET": zipped(t, backslashes),
		"folder": folder(t, entries), "flat folder": folder(t, release("", pe.AMD64)),
	} {
		tr, before := systemhive.StandIn.Tree(t)
		after, notes := run(t, tr, Settings{Source: source})
		systemhive.Check(t, before, after, wanted)
		if !strings.Contains(notes, "5 files") {
			t.Errorf("%s: notes: %s", name, notes)
		}
		got := dump(t, tr)
		if first == "" {
			first = got
			checkFiles(t, tr)
		}
		if got != first {
			t.Errorf("%s gives another image than the others", name)
		}
		if again, _ := run(t, tr, Settings{Source: source}); !bytes.Equal(again, after) || dump(t, tr) != got {
			t.Errorf("%s: the second time something else is written", name)
		}
	}
}

// checkFiles checks contents and securities of what was installed.
func checkFiles(t *testing.T, tr *tree.Tree) {
	t.Helper()
	for _, e := range release("", pe.AMD64) {
		n, err := tr.Lookup("Program Files/OpenSSH/" + e.name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := tree.ReadAll(n.Data, 1<<20); err != nil || string(got) != e.data {
			t.Errorf("%s: %v", e.name, err)
		}
		checkSecurity(t, e.name, tr.Descriptor(n), false, secdesc.FullControl, secdesc.FullControl, secdesc.ReadAndExecute)
	}
	dir, err := tr.Lookup("Program Files/OpenSSH")
	if err != nil {
		t.Fatal(err)
	}
	checkSecurity(t, "folder", tr.Descriptor(dir), true, secdesc.FullControl, secdesc.FullControl, secdesc.ReadAndExecute)
	k, err := registry.Open(tr).Key(software)
	if err != nil || k == nil {
		t.Fatal(err)
	}
	checkSecurity(t, "key", k.Security, true, secdesc.FullKeyControl, secdesc.FullKeyControl, secdesc.ReadKey)
}

// checkSecurity checks the masks of a descriptor's entries, its owner, and whether it is protected.
func checkSecurity(t *testing.T, what string, sd []byte, protected bool, masks ...uint32) {
	t.Helper()
	le := binary.LittleEndian
	if len(sd) < 20 {
		t.Errorf("%s has no security", what)
		return
	}
	if got := le.Uint16(sd[2:])&0x1000 != 0; got != protected {
		t.Errorf("%s: protected %v", what, got)
	}
	if !bytes.HasPrefix(sd[le.Uint32(sd[4:]):], secdesc.Administrators) {
		t.Errorf("%s: the owner is not Administrators", what)
	}
	at := le.Uint32(sd[16:])
	var got []uint32
	pos := at + 8
	for range le.Uint16(sd[at+4:]) {
		got = append(got, le.Uint32(sd[pos+4:]))
		pos += uint32(le.Uint16(sd[pos+2:]))
	}
	if !slices.Equal(got, masks) {
		t.Errorf("%s: rights %#x, want %#x", what, got, masks)
	}
}

// What the image has already gives way, and its rule stays.
func TestInstallOverCapability(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	run(t, tr, Settings{})
	systemhive.Write(t, tr, "Program Files/OpenSSH/old.dll", []byte("old"))
	after, notes := run(t, tr, Settings{Source: zipped(t, release("", pe.AMD64)), Port: 2222})
	if tr.Find("Program Files/OpenSSH/old.dll") != nil {
		t.Error("a file of an older version is left")
	}
	systemhive.GetValue(t, after, `ControlSet001\Services\sshd`, "ImagePath", `"C:\Program Files\OpenSSH\sshd.exe"`)
	const rules = `ControlSet001\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`
	systemhive.GetValue(t, after, rules, "winbake-"+ruleID, `v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=2222|App=C:\Program Files\OpenSSH\sshd.exe`+
		`|Name=OpenSSH SSH Server (sshd)|Desc=Inbound rule for OpenSSH SSH Server (sshd)|EmbedCtxt=winbake|`)
	for _, part := range []string{"is replaced", "is not used", "port 2222", "winbake-" + ruleID} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note of %q: %s", part, notes)
		}
	}
	// From now on the installed one is the image's own.
	if _, notes := run(t, tr, Settings{}); !strings.Contains(notes, `C:\Program Files\OpenSSH is used`) {
		t.Errorf("notes: %s", notes)
	}
}

// The rule of newer Windows holds for private networks only.
func TestRuleForPrivateNetworks(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	const rules = `HKLM\SYSTEM\ControlSet001\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`
	private := `v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Private|LPort=22|App=%SystemRoot%\system32\OpenSSH\sshd.exe|Name=x|`
	systemhive.Apply(t, tr, func(r *registry.Registry) error { return r.Set(rules, regf.String(ruleID, private)) })
	after, _ := run(t, tr, Settings{})
	systemhive.GetValue(t, after, rules[len(`HKLM\SYSTEM\`):], ruleID, private)
	k, err := registry.Open(tr).Key(rules)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := k.Value("winbake-" + ruleID); !ok || v.Type != regf.REG_SZ {
		t.Error("no rule for all networks")
	}
}

func TestDefaultShell(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	const shell = `C:\Windows\System32\ntoskrnl.exe`
	if _, notes := run(t, tr, Settings{DefaultShell: shell}); strings.Contains(notes, shell) {
		t.Errorf("notes: %s", notes)
	}
	k, err := registry.Open(tr).Key(software)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := k.Value("DefaultShell")
	if got, err := v.Text(); got != shell || v.Type != regf.REG_SZ || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, notes := run(t, tr, Settings{DefaultShell: `C:\none.exe`}); !strings.Contains(notes, `C:\none.exe is not in the image`) {
		t.Errorf("notes: %s", notes)
	}
}

func TestHostKeys(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	for _, name := range []string{"ssh_host_rsa_key", "SSH_HOST_ed25519_key.pub", "sshd.pid"} {
		systemhive.Write(t, tr, data+"/"+name, []byte("key"))
	}
	_, notes := run(t, tr, Settings{})
	if tr.Find(data+"/ssh_host_rsa_key") != nil || tr.Find(data+"/ssh_host_ed25519_key.pub") != nil || tr.Find(data+"/sshd.pid") == nil {
		t.Error("other files are removed than the host keys")
	}
	if !strings.Contains(notes, "ssh_host_rsa_key") {
		t.Errorf("notes: %s", notes)
	}
}

func TestWithoutServer(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	if err := fails(t, tr, Settings{}); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(err.Error(), "source: ") {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		s    Settings
		part string
	}{
		{Settings{Port: -1}, "port: "},
		{Settings{Port: 65536}, "port: "},
		{Settings{DefaultShell: "powershell.exe"}, "default_shell: "},
		{Settings{DefaultShell: "C:/x.exe"}, "default_shell: "},
		{Settings{DefaultShell: `C:\`}, "default_shell: "},
		{Settings{AuthorizedKeys: []string{""}}, "authorized_keys[0]: "},
	} {
		if err := test.s.Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), test.part) {
			t.Errorf("%+v: %v, want %s", test.s, err, test.part)
		}
	}
}
