package flash

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// windows is what the hives come from.
var windows = map[string]boot.Windows{
	systemhive.Windows7.Name:  {Version: pe.Version{Major: 6, Minor: 1, Build: 7601}},
	systemhive.Windows81.Name: {Version: pe.Version{Major: 6, Minor: 3, Build: 9600}},
	systemhive.Dirty10.Name:   {Version: pe.Version{Major: 10, Build: 14393}},
	systemhive.Windows10.Name: {Version: pe.Version{Major: 10, Build: 18362}},
	systemhive.StandIn.Name:   {Version: pe.Version{Major: 10, Build: 20348}, Server: true},
}

// turnOff returns the hive as it is then, and what was noted.
func turnOff(t *testing.T, tr *tree.Tree, w boot.Windows, options ...string) (after []byte, notes []string) {
	t.Helper()
	after = systemhive.Apply(t, tr, func(r *registry.Registry) error {
		note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
		return Apply(Image{Tree: tr, Registry: r, Windows: w, Note: note}, Settings{Off: options})
	})
	return after, notes
}

// values are what others must find below a control set: the key, the value, and its number.
type value struct {
	key, name string
	n         uint32
}

func wanted(name string, w boot.Windows) []value {
	const manager = `\Control\Session Manager\`
	v := w.Version.Build
	switch name {
	case ExpandVirtualDisk:
		return []value{{`\Services\FsDepends\Parameters`, "VirtualDiskExpandOnMount", 4}}
	case Hibernation:
		values := []value{{`\Control\Power`, "HibernateEnabled", 0}}
		if v >= 9200 {
			values = append(values, value{manager + "Power", "HiberbootEnabled", 0})
		}
		if v == 18362 { // the hive that has it
			values = append(values, value{`\Control\Power`, "HibernateEnabledDefault", 0})
		}
		return values
	case Prefetch:
		const parameters = manager + `Memory Management\PrefetchParameters`
		return []value{{parameters, "EnablePrefetcher", 0}, {parameters, "EnableSuperfetch", 0}, {`\Services\SysMain`, "Start", 4}}
	case Defragmentation:
		return []value{{`\Services\defragsvc`, "Start", 4}}
	case LastAccess:
		n := uint32(1)
		if v >= 17134 {
			n = 0x80000001
		}
		return []value{{`\Control\FileSystem`, "NtfsDisableLastAccessUpdate", n}}
	case InternalDisks:
		if v >= 9200 {
			return []value{{`\Services\partmgr\Parameters`, "SanPolicy", 4}}
		}
	}
	return nil
}

// All options together change what they say in every control set, as others read it, and nothing else; and so
// does each by itself.
func TestAsOthersReadIt(t *testing.T) {
	for _, image := range systemhive.Images {
		w := windows[image.Name]
		t.Run(image.Name, func(t *testing.T) { check(t, image, w, Options()) })
	}
	for _, name := range Options() {
		t.Run(name, func(t *testing.T) { check(t, systemhive.StandIn, windows[systemhive.StandIn.Name], []string{name}) })
	}
}

func check(t *testing.T, image systemhive.Image, w boot.Windows, options []string) {
	t.Parallel()
	tr, before := image.Tree(t)
	if image.Logs != nil { // what is not changed is not written either
		before = systemhive.Apply(t, tr, func(r *registry.Registry) error { _, err := r.Create(`HKLM\SYSTEM`); return err })
	}
	after, _ := turnOff(t, tr, w, options...)
	systemhive.Check(t, before, after, func(h oracle.Hive) {
		for _, set := range image.Sets {
			for _, option := range options {
				for _, v := range wanted(option, w) {
					systemhive.Key(t, h, set+v.key)[v.name] = systemhive.DWord(v.n)
				}
			}
		}
	})
	if len(options) == 1 {
		return
	}
	for _, v := range wanted(Hibernation, w) {
		systemhive.GetValue(t, after, image.Sets[0]+v.key, v.name, fmt.Sprint(v.n))
	}
}

func text(t *testing.T, tr *tree.Tree, key, name string) string {
	t.Helper()
	k, err := registry.Open(tr).Key(key)
	if err != nil {
		t.Fatal(err)
	}
	if k == nil {
		return "none"
	}
	v, _ := k.Value(name)
	if n, err := v.Integer(); err == nil {
		return fmt.Sprint(n)
	}
	s, _ := v.Text()
	return s
}

// What is in the other hive, and the file of a hibernated machine.
func TestBesidesSystem(t *testing.T) {
	const (
		restore  = `HKLM\SOFTWARE\Policies\Microsoft\Windows NT\SystemRestore`
		optimize = `HKLM\SOFTWARE\Microsoft\Dfrg\BootOptimizeFunction`
	)
	for _, server := range []bool{true, false} {
		tr, _ := systemhive.StandIn.Tree(t)
		systemhive.Write(t, tr, "hiberfil.sys", []byte("memory"))
		turnOff(t, tr, boot.Windows{Version: pe.Version{Major: 10, Build: 20348}, Server: server}, Options()...)
		want := map[bool]string{true: "none", false: "1"}[server]
		if got := text(t, tr, restore, "DisableSR"); got != want {
			t.Errorf("server %v: DisableSR %s", server, got)
		}
		if got := text(t, tr, optimize, "Enable"); got != "N" {
			t.Errorf("Enable %s", got)
		}
		if tr.Find("hiberfil.sys") != nil {
			t.Error("hiberfil.sys is still there")
		}
	}
}

func TestNothing(t *testing.T) {
	tr, before := systemhive.StandIn.Tree(t)
	if after, notes := turnOff(t, tr, windows["stand-in"]); string(after) != string(before) || len(notes) > 0 {
		t.Error("without options something has changed", notes)
	}
}

// A service that the image does not have is not made.
func TestWithoutServices(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	services := []string{`HKLM\SYSTEM\ControlSet001\Services\SysMain`, `HKLM\SYSTEM\ControlSet001\Services\defragsvc`}
	systemhive.Apply(t, tr, func(r *registry.Registry) error {
		_, err := r.DeleteKey(services[0])
		_, err2 := r.DeleteKey(services[1])
		return errors.Join(err, err2)
	})
	turnOff(t, tr, windows["stand-in"], Prefetch, Defragmentation)
	for _, s := range services {
		if got := text(t, tr, s, "Start"); got != "none" {
			t.Errorf("%s was made", s)
		}
	}
}

func TestOldKnowsNoInternalDisks(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	_, notes := turnOff(t, tr, windows[systemhive.Windows7.Name], InternalDisks)
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "Windows 6.1 cannot keep internal disks offline") {
		t.Error(notes)
	}
}

func TestValidate(t *testing.T) {
	if err := (Settings{Off: []string{"paging"}}).Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(fmt.Sprint(err), `off: "paging" is none of expand_virtual_disk, `) {
		t.Error(err)
	}
	if err := (Settings{Off: Options()}).Validate(); err != nil {
		t.Error(err)
	}
}

// An error says which option it is about.
func TestErrorsNameTheOption(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	tr.Unlink(tr.Find(registry.SoftwareHive))
	err := Apply(Image{Tree: tr, Registry: registry.Open(tr), Windows: windows["stand-in"]}, Settings{Off: []string{Defragmentation}})
	if !errors.Is(err, registry.ErrNoHive) || !strings.HasPrefix(fmt.Sprint(err), "defragmentation: ") {
		t.Error(err)
	}
}
