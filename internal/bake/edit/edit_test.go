package edit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/driver"
	"github.com/winbake/packer-plugin-winbake/internal/windows/firewall"
	"github.com/winbake/packer-plugin-winbake/internal/windows/flash"
	"github.com/winbake/packer-plugin-winbake/internal/windows/openssh"
	"github.com/winbake/packer-plugin-winbake/internal/windows/paging"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/remotedesktop"
	"github.com/winbake/packer-plugin-winbake/internal/windows/sanpolicy"
	"github.com/winbake/packer-plugin-winbake/internal/windows/timezone"
	"github.com/winbake/packer-plugin-winbake/internal/windows/unattend"
)

func image(t *testing.T) *tree.Tree {
	t.Helper()
	tr, err := standin.Windows(standin.Options{Files: 1})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// inMemory is a Store for tests.
func inMemory(r io.Reader) (tree.Content, error) {
	b, err := io.ReadAll(r)
	return tree.Bytes(b), err
}

// Every kind of edit survives the way from provisioner to builder.
func TestItemsTravel(t *testing.T) {
	yes := true
	items := []Item{
		{"set[0]", &SetValue{Key: `HKLM\SOFTWARE\A`, Name: "n", Type: regf.REG_BINARY, Data: []byte{0, 255}}},
		{"", &CreateKey{Key: `HKLM\SOFTWARE\A`}},
		{"delete[0]", &DeleteValue{Key: `HKLM\SOFTWARE\A`, Name: "n"}},
		{"delete[1]", &DeleteKey{Key: `HKLM\SOFTWARE\A`}},
		{"paging", &Paging{paging.Settings{Drive: "C", Initial: 16, Maximum: 17}}},
		{"unattend.xml", &AnswerFile{Content: []byte("<a/>"), Settings: unattend.Settings{
			AdministratorPassword: "secret", OOBE: unattend.OOBE{HideEULAPage: &yes}}, Components: []string{"x"}}},
		{"", &SetupComplete{Script: []byte("@echo off")}},
		{"hostname", &Hostname{Name: "n"}},
		{"", &Driver{Paths: []string{"/drivers"}, Recurse: true, Targets: []string{driver.TargetOS, driver.TargetWinRE}}},
		{"time_zone", &TimeZone{timezone.Settings{Name: "UTC"}}},
		{"san_policy", &SANPolicy{sanpolicy.Settings{Policy: "online_all"}}},
		{"remote_desktop", &RemoteDesktop{remotedesktop.Settings{NLA: &yes, Port: 1}}},
		{"openssh", &OpenSSH{openssh.Settings{Source: "/zip", AuthorizedKeys: []string{"k"}}}},
		{"firewall_rule[0]", &FirewallRule{firewall.Rule{ID: "a", LocalPorts: []string{"1"}}}},
		{"enable_firewall_rules", &EnableFirewallRules{IDs: []string{"b"}}},
		{"usb_boot", &USBBoot{}},
		{"flash", &Flash{flash.Settings{Off: []string{flash.Prefetch}}}},
	}
	data, err := json.Marshal(Request{Items: items})
	if err != nil {
		t.Fatal(err)
	}
	var got Request
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Items, items) {
		t.Errorf("%+v", got.Items)
	}
	seen := map[reflect.Type]bool{}
	for _, item := range items {
		seen[reflect.TypeOf(item.Edit)] = true
	}
	for name, empty := range kinds {
		if !seen[reflect.TypeOf(empty())] {
			t.Errorf("no item of kind %s is tested", name)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	_, err := Serve(context.Background(), image(t), inMemory, []byte(`{"items":[{"kind":"explode","edit":{}}]}`))
	if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "not of the same version") {
		t.Error(err)
	}
	if _, err := Serve(context.Background(), image(t), inMemory, []byte(`{"items":7}`)); err == nil {
		t.Error("nonsense is taken as a request")
	}
}

// An error begins with the block that the edit comes from, and says nothing was written.
func TestErrorsNameTheBlock(t *testing.T) {
	tr := image(t)
	before := tr.Find(registry.SystemHive).Node.Data
	_, err := Apply(context.Background(), tr, inMemory, []Item{
		{"set[0]", &SetValue{Key: `HKLM\SYSTEM\A`, Type: regf.REG_SZ}},
		{"set[1]", &SetValue{Key: `HKU\S-1-5-20\A`, Type: regf.REG_SZ}},
	})
	if !errors.Is(err, registry.ErrNoHive) || !strings.HasPrefix(fmt.Sprint(err), `set[1]: HKU\S-1-5-20\A: the image has no file`) {
		t.Error(err)
	}
	if tr.Find(registry.SystemHive).Node.Data.Size() != before.Size() {
		t.Error("the hive was written although an edit failed")
	}
	_, err = Apply(context.Background(), tr, inMemory, []Item{
		{"set[0]", &SetValue{Type: regf.REG_SZ}},
		{"delete[0]", &DeleteKey{Key: `HKCU\A`}},
	})
	for _, part := range []string{"set[0]: key: must not be empty", "delete[0]: key: HKCU\\A: nobody is logged on"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Apply(ctx, image(t), inMemory, []Item{{"", &CreateKey{Key: `HKLM\SYSTEM\A`}}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A name goes into the registry and, before the first boot, into the answer file; what the answer file
// is given later stays beside it.
func TestHostnameAndAnswerFile(t *testing.T) {
	tr := image(t)
	notes, err := Apply(context.Background(), tr, inMemory, []Item{
		{"hostname", &Hostname{Name: "ws2022-01"}},
		{"", &AnswerFile{Settings: unattend.Settings{TimeZone: "UTC"}}},
	})
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	answers, err := unattend.Read(tr)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<ComputerName>ws2022-01</ComputerName>", "<TimeZone>UTC</TimeZone>", `processorArchitecture="amd64"`} {
		if !strings.Contains(string(answers), part) {
			t.Errorf("%s lacks %s", answers, part)
		}
	}
	k, err := registry.Open(tr).Key(`HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName`)
	if err != nil || k == nil {
		t.Fatal(k, err)
	}
	if v, _ := k.Value("ComputerName"); true {
		if name, err := v.Text(); name != "WS2022-01" {
			t.Error(name, err)
		}
	}
	notes, err = Apply(context.Background(), tr, inMemory, []Item{
		{"", &SetValue{Key: `HKLM\SYSTEM\Setup`, Name: "UnattendFile", Type: regf.REG_SZ}},
		{"", &AnswerFile{Content: answers}},
	})
	if err != nil || len(notes) != 2 || !strings.Contains(notes[0], "replaces the one that the image had") || !strings.Contains(notes[1], "UnattendFile") {
		t.Error(err, notes)
	}
	for _, name := range []string{"*", "", "a b", strings.Repeat("x", 16)} {
		if err := (&Hostname{Name: name}).Validate(); err == nil {
			t.Errorf("%q is taken as a name", name)
		}
	}
}
