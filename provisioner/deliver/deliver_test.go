package deliver

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/offline"
	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// machine is a communicator of a machine that runs: it answers every command in the same way, and
// keeps what it was sent.
type machine struct {
	packersdk.MockCommunicator
	code   int
	output string
	got    bytes.Buffer
}

func (m *machine) Start(_ context.Context, cmd *packersdk.RemoteCmd) error {
	m.got.WriteString(cmd.Command)
	if cmd.Stdin != nil {
		io.Copy(&m.got, cmd.Stdin)
	}
	io.WriteString(cmd.Stdout, m.output)
	cmd.SetExited(m.code)
	return nil
}

func secret() []edit.Item {
	return []edit.Item{{Edit: &edit.SetValue{Key: `HKLM\SOFTWARE\A`, Name: "password", Type: regf.REG_SZ, Data: []byte("hunter2")}}}
}

func TestOtherMachines(t *testing.T) {
	for _, m := range []*machine{
		{code: 0},
		{code: 127, output: "winbake-hello: command not found"},
		{code: 0, output: "winbake edits 99"},
	} {
		err := Edits(context.Background(), packersdk.TestUi(t), m, secret())
		if err == nil || !strings.Contains(err.Error(), "works only with winbake's builders") {
			t.Errorf("%+v: %v", m, err)
		}
		if got := m.got.String(); got != edit.HelloCommand {
			t.Errorf("it was sent %q", got)
		}
	}
}

func TestEdits(t *testing.T) {
	tr := tree.New(1)
	data, err := regf.New("SOFTWARE").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	tr.WriteFile(registry.SoftwareHive, tree.Bytes(data))
	comm := offline.New(context.Background(), tr)
	defer comm.Close()
	if err := Edits(context.Background(), packersdk.TestUi(t), comm, secret()); err != nil {
		t.Fatal(err)
	}
	k, err := registry.Open(tr).Key(`HKLM\SOFTWARE\A`)
	if err != nil || k == nil {
		t.Fatal(k, err)
	}
	items := append(secret(), edit.Item{Origin: "set[1]", Edit: &edit.SetValue{Key: `HKLM\SAM\x`}})
	err = Edits(context.Background(), packersdk.TestUi(t), comm, items)
	if err == nil || !strings.HasPrefix(err.Error(), `set[1]: HKLM\SAM\x: the image has no file Windows/System32/config/SAM`) {
		t.Error(err)
	}
}

func TestCheckBuilder(t *testing.T) {
	for kind, fine := range map[string]bool{"": true, "winbake-golden": true, "bake-golden": true, "golden": true, "qemu": false, "null": false, "marigolden": false} {
		err := CheckBuilder(common.PackerConfig{PackerBuilderType: kind})
		if (err == nil) != fine {
			t.Errorf("%q: %v", kind, err)
		}
	}
}
