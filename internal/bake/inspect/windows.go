package inspect

import (
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
	"github.com/winbake/packer-plugin-winbake/internal/windows/usbboot"
)

// currentSet is what the keys below are relative to that do not begin with HKLM.
const currentSet = `HKLM\SYSTEM\CurrentControlSet`

// settings are the values that decide how Windows treats the disk that it starts from: page file, crash
// dumps, hibernation, native-boot VHDs, disks of others, Windows To Go, USB.
var settings = []struct {
	key   string
	names []string
}{
	{`Control\ComputerName\ComputerName`, []string{"ComputerName"}},
	{`Control\Session Manager\Memory Management`, []string{"PagingFiles", "SwapfileControl"}},
	{`Control\Session Manager\Memory Management\PrefetchParameters`, []string{"EnablePrefetcher", "EnableSuperfetch"}},
	{`Control\CrashControl`, []string{"CrashDumpEnabled", "DedicatedDumpFile"}},
	{`Control\Power`, []string{"HibernateEnabled", "HibernateEnabledDefault"}},
	{`Control\Session Manager\Power`, []string{"HiberbootEnabled"}},
	{`Control`, []string{"BootDriverFlags", "PortableOperatingSystem"}},
	{`Control\FileSystem`, []string{"NtfsDisableLastAccessUpdate"}},
	{`Services\FsDepends\Parameters`, []string{"VirtualDiskExpandOnMount"}},
	{`Services\partmgr\Parameters`, []string{"SanPolicy"}},
	{`HKLM\SOFTWARE\Microsoft\Dfrg\BootOptimizeFunction`, []string{"Enable"}},
	{`HKLM\SOFTWARE\Policies\Microsoft\Windows NT\SystemRestore`, []string{"DisableSR"}},
}

func describeWindows(t *tree.Tree) *Windows {
	out := &Windows{}
	w, err := boot.Detect(t)
	if err != nil {
		out.problem(err)
	}
	out.Name, out.Version, out.Architecture, out.Server = w.Description(), w.Version.String(), w.Arch.Processor(), w.Server
	out.Product, out.Edition, out.Installation, out.Locale = w.ProductName, w.EditionID, w.Installation, w.Locale
	r := registry.Open(t)
	r.Note = func(format string, args ...any) { out.problem(fmt.Errorf(format, args...)) }
	for _, s := range settings {
		path := s.key
		if !strings.HasPrefix(path, `HKLM\`) {
			path = currentSet + `\` + path
		}
		k, err := r.Key(path)
		if err != nil {
			out.problem(err)
			continue
		}
		out.settings(s.key, k, s.names)
	}
	for _, name := range usbboot.Services() {
		k, err := r.Key(currentSet + `\Services\` + name)
		if err == nil && k != nil {
			out.Services = append(out.Services, service(name, k))
		}
	}
	return out
}

func (w *Windows) problem(err error) { w.Problems = append(w.Problems, err.Error()) }

func (w *Windows) settings(key string, k *regf.Key, names []string) {
	if k == nil {
		return
	}
	for _, name := range names {
		if v, ok := k.Value(name); ok {
			w.Settings = append(w.Settings, Setting{Key: key, Value: describeValue(v)})
		}
	}
}

func service(name string, k *regf.Key) Service {
	number := func(name string) *uint64 {
		v, ok := k.Value(name)
		n, err := v.Integer()
		if !ok || err != nil {
			return nil
		}
		return &n
	}
	group, _ := k.Value("Group")
	text, _ := group.Text()
	return Service{Name: name, Start: number("Start"), Group: text, BootFlags: number("BootFlags")}
}
