// Package openssh makes an image reachable through SSH: with the OpenSSH server that is in it, or with
// Microsoft's Win32-OpenSSH from a folder or a zip of the host. It does what the capability
// OpenSSH.Server and install-sshd.ps1 do on a running Windows; what sshd does by itself when it starts
// first (host keys, its configuration, its folders) is left to it.
//
// Sources: https://github.com/PowerShell/openssh-portable (contrib/win32: install-sshd.ps1,
// wmain_sshd.c, w32-sshfileperm.c, pwd.c), https://learn.microsoft.com/windows-server/administration/openssh,
// and the SYSTEM hive of a Windows 10 that has the capability. The event log's manifest
// (openssh-events.man) is not registered: sshd works without, but logs to files only.
package openssh

import (
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Settings say how the server shall be set up.
type Settings struct {
	// Source is the absolute path of a folder or zip of Win32-OpenSSH on the host. Without one the
	// server must be in the image already.
	Source string `json:"source,omitempty"`
	// Port is where the server listens. 0 leaves it as it is configured, which is 22 at first.
	Port int `json:"port,omitempty"`
	// AuthorizedKeys are the public keys that let administrators in, each text a key or a file of keys
	// in the form of authorized_keys.
	AuthorizedKeys []string `json:"authorized_keys,omitempty"`
	// DefaultShell is the full path on the image of the program that users get in place of cmd.exe.
	DefaultShell string `json:"default_shell,omitempty"`
}

// Image is what Apply changes.
type Image struct {
	Tree     *tree.Tree
	Registry *registry.Registry
	// Machine is the processor of the image; zero lets Apply find out where it has to know.
	Machine pe.Machine
	// Store reads a content to its end and keeps it until the disk is written. It is needed for a zip.
	Store func(io.Reader) (tree.Content, error)
	// Note hears what the person at the terminal should know, in whole sentences.
	Note func(format string, args ...any)
}

// windowsPath is a full path of a file on the drive that Windows is on.
var windowsPath = regexp.MustCompile(`^[A-Za-z]:\\[^/<>:"|?*]+[^\\/<>:"|?*]$`)

// Validate says what is wrong with the settings, each problem naming its field.
func (s Settings) Validate() error {
	switch {
	case s.Port < 0 || s.Port > 65535:
		return fault.Invalidf("port: %d is not between 1 and 65535", s.Port)
	case s.DefaultShell != "" && !windowsPath.MatchString(s.DefaultShell):
		return fault.Invalidf(`default_shell: %q is no full path of Windows, such as C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`, s.DefaultShell)
	}
	_, err := s.keys()
	return err
}

// place is where the programs are: in the tree, and as Windows writes it.
type place struct{ folder, path string }

var (
	// inBox is where the capability OpenSSH.Server is, in the form that its own registry values have.
	inBox = place{"Windows/System32/OpenSSH", `%SystemRoot%\System32\OpenSSH`}
	// installed is where Win32-OpenSSH goes.
	installed = place{"Program Files/OpenSSH", `C:\Program Files\OpenSSH`}
)

// Names of files.
const (
	daemon        = "sshd.exe"
	agent         = "ssh-agent.exe"
	configDefault = "sshd_config_default"
	data          = "ProgramData/ssh"
)

// Apply sets the server up.
func Apply(i Image, s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	at, err := s.place(i)
	if err != nil {
		return err
	}
	if err := removeHostKeys(i); err != nil {
		return err
	}
	ports, err := s.configure(i, at)
	if err != nil {
		return err
	}
	if err := s.authorize(i); err != nil {
		return err
	}
	if err := s.setRegistry(i); err != nil {
		return err
	}
	if err := startService(i, at); err != nil {
		return err
	}
	return openFirewall(i, at, ports)
}

// place installs the programs of the source, or finds those of the image.
func (s Settings) place(i Image) (place, error) {
	if s.Source != "" {
		return installed, install(i, s.Source)
	}
	places := []place{inBox, installed}
	if used, err := usesInstalled(i); err != nil {
		return place{}, err
	} else if used {
		slices.Reverse(places)
	}
	for _, at := range places {
		if e := i.Tree.Find(at.folder + "/" + daemon); e != nil && !e.Node.IsDir() {
			i.Note("The OpenSSH server of the image in %s is used.", at.path)
			return at, nil
		}
	}
	return place{}, fault.Invalidf("source: the image has no OpenSSH server (neither %s nor %s); give a folder or a zip of Win32-OpenSSH, or an image with the capability OpenSSH.Server",
		inBox.folder+"/"+daemon, installed.folder+"/"+daemon)
}

// removeHostKeys removes the keys by which clients know the machine: all that are made from the image
// would share them. sshd makes new ones when it starts.
func removeHostKeys(i Image) error {
	dir, err := i.Tree.Lookup(data)
	if err != nil || !dir.IsDir() {
		return nil
	}
	var keys []string
	for _, e := range i.Tree.Entries(dir) {
		if strings.HasPrefix(strings.ToLower(e.Name), "ssh_host_") {
			keys = append(keys, e.Name)
		}
	}
	for _, name := range keys {
		if err := i.Tree.Remove(path.Join(data, name)); err != nil {
			return err
		}
	}
	if len(keys) > 0 {
		i.Note("The host keys of the image are removed (%s); each machine makes its own when its OpenSSH server starts.", strings.Join(keys, ", "))
	}
	return nil
}

const software = `HKLM\SOFTWARE\OpenSSH`

// setRegistry makes the server's key, as sshd would at its first start, and sets the default shell.
func (s Settings) setRegistry(i Image) error {
	k, err := i.Registry.Key(software)
	if err != nil {
		return err
	}
	if k == nil {
		if k, err = i.Registry.Create(software); err != nil {
			return err
		}
		k.Security = keySecurity
	}
	if s.DefaultShell == "" {
		return nil
	}
	if e := i.Tree.Find(strings.ReplaceAll(s.DefaultShell[len(`C:\`):], `\`, "/")); e == nil || e.Node.IsDir() {
		i.Note("The default shell %s is not in the image; until it is there, nobody can log in.", s.DefaultShell)
	}
	return i.Registry.Set(software, regf.String("DefaultShell", s.DefaultShell))
}
