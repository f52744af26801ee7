package openssh

import (
	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const inherit = secdesc.ObjectInherit | secdesc.ContainerInherit

var (
	// programSecurity lets everybody run the programs and only administrators change them: sshd does
	// not use a file that others can write to.
	programSecurity = secdesc.BuildProtected(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Flags: inherit, Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
		secdesc.ACE{Flags: inherit, Mask: secdesc.FullControl, SID: secdesc.Administrators},
		secdesc.ACE{Flags: inherit, Mask: secdesc.ReadAndExecute, SID: secdesc.Everyone})
	// dataSecurity is that of ProgramData\ssh as sshd makes it (wmain_sshd.c).
	dataSecurity = secdesc.BuildProtected(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Flags: inherit, Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
		secdesc.ACE{Flags: inherit, Mask: secdesc.FullControl, SID: secdesc.Administrators},
		secdesc.ACE{Flags: inherit, Mask: secdesc.ReadAndExecute, SID: secdesc.AuthenticatedUsers})
	// keysSecurity is that of administrators_authorized_keys: sshd takes the file from no others' hands.
	keysSecurity = secdesc.BuildProtected(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
		secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.Administrators})
	// keySecurity is that of HKLM\SOFTWARE\OpenSSH (wmain_sshd.c).
	keySecurity = secdesc.BuildProtected(secdesc.Administrators, secdesc.LocalSystem,
		secdesc.ACE{Flags: inherit, Mask: secdesc.FullKeyControl, SID: secdesc.LocalSystem},
		secdesc.ACE{Flags: inherit, Mask: secdesc.FullKeyControl, SID: secdesc.Administrators},
		secdesc.ACE{Flags: inherit, Mask: secdesc.ReadKey, SID: secdesc.AuthenticatedUsers})
	// agentSecurity is that of the service ssh-agent, which every user may start (install-sshd.ps1). The
	// capability has the same.
	agentSecurity = secdesc.Build(secdesc.LocalSystem, secdesc.LocalSystem,
		secdesc.ACE{Mask: 0x000201FD, SID: secdesc.LocalSystem},
		secdesc.ACE{Mask: 0x000F01FF, SID: secdesc.Administrators},
		secdesc.ACE{Mask: 0x0002018D, SID: secdesc.Interactive},
		secdesc.ACE{Mask: 0x0002018D, SID: secdesc.Service},
		secdesc.ACE{Mask: 0x00000010, SID: secdesc.AuthenticatedUsers})
)

// makeFolder makes the folder at path, with a security of its own, where it is missing.
func makeFolder(t *tree.Tree, path string, security []byte) error {
	if e := t.Find(path); e != nil && e.Node.IsDir() {
		return nil
	}
	dir, err := t.MkdirAll(path)
	if err == nil {
		dir.Security = t.AddSecurity(security)
	}
	return err
}
