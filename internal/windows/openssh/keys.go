package openssh

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// keyFile is where sshd looks for the keys of administrators (its sshd_config, "Match Group
// administrators").
const keyFile = data + "/administrators_authorized_keys"

// maxKey is the longest line of keys that is looked at; a key of RSA with 16,384 bits has 2,800
// characters.
const maxKey = 16 << 10

// keys returns the lines of all public keys. Errors never hold what was given: it might be a private key.
func (s Settings) keys() ([]string, error) {
	var lines []string
	for i, text := range s.AuthorizedKeys {
		field := fmt.Sprintf("authorized_keys[%d]", i)
		if isPrivate(text) {
			return nil, fault.Invalidf("%s: this is a private key; give the public one, whose file ends in .pub, and treat the private one as known to others if this configuration is", field)
		}
		if strings.Contains(text, "---- BEGIN SSH2 PUBLIC KEY") {
			return nil, fault.Invalidf("%s: this public key has the form of RFC 4716; convert it with ssh-keygen -i -f FILE", field)
		}
		before := len(lines)
		for n, line := range strings.Split(strings.TrimPrefix(text, "\uFEFF"), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if !isPublicKey(line) {
				return nil, fault.Invalidf("%s: line %d is no public key in the form of authorized_keys, such as %q", field, n+1, "ssh-ed25519 AAAA... name")
			}
			lines = append(lines, line)
		}
		if len(lines) == before {
			return nil, fault.Invalidf("%s: there is no key in it", field)
		}
	}
	return lines, nil
}

func isPublicKey(line string) bool {
	if len(line) > maxKey || strings.ContainsAny(line, "\x00\r") {
		return false
	}
	_, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	return err == nil
}

// isPrivate recognizes private keys in the forms of OpenSSH, OpenSSL and PuTTY.
func isPrivate(text string) bool {
	return strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "PuTTY-User-Key-File")
}

// authorize writes the keys of administrators, in place of those that the image has.
func (s Settings) authorize(i Image) error {
	lines, err := s.keys()
	if err != nil || len(lines) == 0 {
		return err
	}
	if err := makeFolder(i.Tree, data, dataSecurity); err != nil {
		return err
	}
	if i.Tree.Find(keyFile) != nil {
		i.Note("The keys in %s of the image are replaced.", keyFile)
	}
	n, err := i.Tree.WriteFile(keyFile, tree.Bytes(strings.Join(lines, "\n")+"\n"))
	if err != nil {
		return err
	}
	n.Security = i.Tree.AddSecurity(keysSecurity)
	i.Note("Administrators can log in through SSH with %s.", count(len(lines), "public key"))
	return nil
}

// count is "1 key", "2 keys".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
