package boot

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Builds at which the boot entries change.
const (
	build7     = 7600  // Windows 7, Server 2008 R2: the oldest that is supported
	build8     = 9200  // Windows 8, Server 2012
	build10    = 10240 // Windows 10
	build2016  = 14393 // Server 2016
	build1709  = 16299 // Windows 10 1709
	build2019  = 17763 // Server 2019
	build11    = 22000 // Windows 11
	build81    = 9600  // Windows 8.1, Server 2012 R2
	buildLimit = 1 << 16
)

// Windows is what an image is.
type Windows struct {
	Version pe.Version // 10.0.20348.1
	Arch    pe.Machine
	Server  bool
	// ProductName, EditionID and Installation are as in the registry: "Windows Server 2022
	// Standard", "ServerStandard", "Server Core". Empty if the registry cannot be read.
	ProductName, EditionID, Installation string
	// Locale is the default language, "en-US"; empty if it is not known.
	Locale string
}

// Places in the image.
const (
	system32     = "Windows/System32"
	templateFile = system32 + "/config/BCD-Template"
)

// maxTemplate bounds what is read whole; a BCD-Template has 28 KiB.
const maxTemplate = 1 << 20

// programs say what the image is by their headers, the best witness first.
var programs = []string{system32 + "/winload.efi", system32 + "/winload.exe", system32 + "/ntoskrnl.exe"}

// Programs are the files that tell Detect the version of a Windows, besides its hives.
func Programs() []string { return slices.Clone(programs) }

// Detect finds out what image a tree holds: from its programs, and from its registry where that can
// be read, with the logs beside it. A hive that is missing or broken is passed over; no version at
// all is an error.
func Detect(t *tree.Tree) (Windows, error) {
	w, err := fromPrograms(t)
	if err != nil {
		return w, err
	}
	if hive, _, err := registry.Load(t, registry.SoftwareHive); err == nil {
		w.readSoftware(hive.Root.Subkey(`Microsoft\Windows NT\CurrentVersion`))
	}
	if hive, _, err := registry.Load(t, registry.SystemHive); err == nil {
		w.Locale = defaultLanguage(hive)
	}
	if w.Version.Build < build7 {
		return w, fault.Unsupportedf(fault.NoOffset, "the image is Windows %v; Windows 7 and Server 2008 R2 are the oldest that are supported", w.Version)
	}
	return w, nil
}

func fromPrograms(t *tree.Tree) (Windows, error) {
	var first error
	for _, path := range programs {
		n, err := t.Lookup(path)
		if err != nil || n.IsDir() || n.Data == nil {
			continue
		}
		info, err := pe.Read(n.Data)
		if err == nil {
			return Windows{Version: info.Version, Arch: info.Machine}, nil
		}
		if first == nil {
			first = fault.In(path, err)
		}
	}
	if first != nil {
		return Windows{}, first
	}
	return Windows{}, fault.Invalidf("this is no Windows volume: there is no %s", strings.Join(programs, ", no "))
}

// readSoftware takes the names and the version from the key CurrentVersion.
func (w *Windows) readSoftware(k *regf.Key) {
	if k == nil {
		return
	}
	w.ProductName, w.EditionID, w.Installation = text(k, "ProductName"), text(k, "EditionID"), text(k, "InstallationType")
	w.Server = strings.HasPrefix(w.Installation, "Server") || strings.HasPrefix(w.Installation, "Nano Server")
	if w.Installation == "" {
		w.Server = strings.Contains(w.ProductName, "Server")
	}
	build, err := strconv.ParseUint(text(k, "CurrentBuildNumber"), 10, 16)
	if err != nil {
		return
	}
	// CurrentVersion stays "6.3" from Windows 8.1 on; Windows 10 has numbers of its own beside it.
	major, minor, _ := strings.Cut(text(k, "CurrentVersion"), ".")
	v := pe.Version{Build: uint16(build), Major: number(major), Minor: number(minor)}
	if n, ok := dword(k, "CurrentMajorVersionNumber"); ok {
		v.Major = uint16(n)
		n, _ = dword(k, "CurrentMinorVersionNumber")
		v.Minor = uint16(n)
	}
	if n, ok := dword(k, "UBR"); ok && n < buildLimit {
		v.Revision = uint16(n)
	}
	w.Version = v
}

func text(k *regf.Key, name string) string {
	v, _ := k.Value(name)
	s, _ := v.Text()
	return s
}

func dword(k *regf.Key, name string) (uint64, bool) {
	v, ok := k.Value(name)
	if !ok {
		return 0, false
	}
	n, err := v.Integer()
	return n, err == nil
}

func number(s string) uint16 {
	n, _ := strconv.ParseUint(s, 10, 16)
	return uint16(n)
}

// defaultLanguage is the installed user interface language: the one whose number is in
// Nls\Language\InstallLanguage, or the only one.
func defaultLanguage(system *regf.Hive) string {
	control := system.Root.Subkey(registry.CurrentControlSet(system) + `\Control`)
	if control == nil {
		return ""
	}
	languages := control.Subkey(`MUI\UILanguages`)
	if languages == nil {
		return ""
	}
	installed := languages.Subkeys()
	if k := control.Subkey(`Nls\Language`); k != nil {
		id, err := strconv.ParseUint(text(k, "InstallLanguage"), 16, 32)
		for _, l := range installed {
			if n, ok := dword(l, "LCID"); ok && err == nil && n == id {
				return l.Name
			}
		}
	}
	if len(installed) == 1 {
		return installed[0].Name
	}
	return ""
}

var (
	serverName = regexp.MustCompile(`^Windows Server \d{4}( R2)?`)
	clientName = regexp.MustCompile(`^Windows \d+(\.\d)?`)
)

// Description names the image for the boot menu: the product without its edition, "Windows Server
// 2022". bcdboot takes the name from the image's BCD-Template, where it is the same up to Server
// 2016, and just "Windows Server" from 2019 on; the year is what an administrator looks for.
func (w Windows) Description() string {
	name := strings.TrimPrefix(w.ProductName, "Microsoft ")
	if m := serverName.FindString(name); m != "" {
		return m
	}
	if m := clientName.FindString(name); m != "" {
		// Windows 11 calls itself "Windows 10" in the registry.
		if w.Version.Build >= build11 && !w.Server {
			return "Windows 11"
		}
		return m
	}
	if name != "" {
		return name // Hyper-V Server 2008 R2, Azure Stack HCI
	}
	return w.nameByBuild()
}

// nameByBuild is the name as far as the version tells it.
func (w Windows) nameByBuild() string {
	names := []struct {
		build          uint16
		client, server string
	}{
		{build11, "Windows 11", "Windows Server"},
		{build2019, "Windows 10", "Windows Server"},
		{build10, "Windows 10", "Windows Server 2016"},
		{build81, "Windows 8.1", "Windows Server 2012 R2"},
		{build8, "Windows 8", "Windows Server 2012"},
		{build7, "Windows 7", "Windows Server 2008 R2"},
	}
	for _, n := range names {
		if w.Version.Build < n.build {
			continue
		}
		if w.Server {
			return n.server
		}
		return n.client
	}
	return "Windows"
}
