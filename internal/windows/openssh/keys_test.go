package openssh

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// pair returns a key pair: a line of authorized_keys, and OpenSSH's form of the private key.
func pair(t *testing.T, seed byte) (public, private string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
	k, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))), string(pem.EncodeToMemory(block))
}

func TestAuthorizedKeys(t *testing.T) {
	a, _ := pair(t, 0)
	b, _ := pair(t, 1)
	tr, _ := systemhive.StandIn.Tree(t)
	withCapability(t, tr)
	s := Settings{AuthorizedKeys: []string{a, "\uFEFF# comment\r\n\r\n" + `from="10.0.0.0/8" ` + b + " me@host\r\n" + a + "\r\n"}}
	_, notes := run(t, tr, s)
	n, err := tr.Lookup("ProgramData/ssh/administrators_authorized_keys")
	if err != nil {
		t.Fatal(err)
	}
	want := a + "\n" + `from="10.0.0.0/8" ` + b + " me@host\n" + a + "\n"
	if got, err := tree.ReadAll(n.Data, 1<<20); err != nil || string(got) != want {
		t.Errorf("%q, %v\nwant %q", got, err, want)
	}
	checkSecurity(t, "keys", tr.Descriptor(n), true, secdesc.FullControl, secdesc.FullControl)
	dir, err := tr.Lookup("ProgramData/ssh")
	if err != nil {
		t.Fatal(err)
	}
	checkSecurity(t, "folder", tr.Descriptor(dir), true, secdesc.FullControl, secdesc.FullControl, secdesc.ReadAndExecute)
	if !strings.Contains(notes, "3 public keys") || strings.Contains(notes, "are replaced") {
		t.Errorf("notes: %s", notes)
	}
	before := dump(t, tr)
	if _, notes := run(t, tr, s); !strings.Contains(notes, "are replaced") || dump(t, tr) != before {
		t.Errorf("the second time something else is written: %s", notes)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	public, private := pair(t, 0)
	secret := strings.Split(private, "\n")[2]
	for name, text := range map[string]string{
		"private":              private,
		"private, indented":    "  " + strings.ReplaceAll(private, "\n", "\r\n"),
		"PuTTY":                "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n" + secret,
		"public, then private": public + "\n" + private,
		"only its middle":      secret,
		"RFC 4716":             "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n",
		"a file's name":        "~/.ssh/id_ed25519.pub",
		"empty":                "",
		"only comments":        "# none\n",
		"cut off":              public[:40],
		"NUL":                  public + "\x00",
		"too long":             public + " " + strings.Repeat("x", maxKey),
	} {
		err := Settings{AuthorizedKeys: []string{public, text}}.Validate()
		if !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(err.Error(), "authorized_keys[1]: ") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range []string{secret, "id_ed25519", public[:40]} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error tells what was given: %v", name, err)
			}
		}
	}
}
