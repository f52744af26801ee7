package standin

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// hives writes the registry of a Windows that has never started.
func (b *builder) hives() {
	for name, hive := range map[string]*regf.Hive{
		"SYSTEM": b.systemHive(), "SOFTWARE": b.softwareHive(),
		"SAM": newHive("SAM"), "SECURITY": newHive("SECURITY"), "DEFAULT": b.defaultHive(),
		"COMPONENTS": newHive("COMPONENTS"), "DRIVERS": b.driversHive(),
	} {
		n := b.file("Windows/System32/config/"+name, b.marshal(hive))
		n.Security = b.t.AddSecurity(hiveSecurity)
	}
}

func newHive(root string) *regf.Hive {
	h := regf.New(root)
	h.Minor = 5
	h.LastWritten, h.Now = stamp, stamp
	return h
}

func emptyHive(b *builder, root string) []byte { return b.marshal(newHive(root)) }

func (b *builder) marshal(h *regf.Hive) []byte {
	data, err := h.Marshal()
	if err != nil && b.err == nil {
		b.err = err
	}
	return data
}

// set makes a key with values.
func (b *builder) set(h *regf.Hive, path string, values ...regf.Value) {
	k, err := h.Root.Create(path)
	if err != nil {
		if b.err == nil {
			b.err = err
		}
		return
	}
	for _, v := range values {
		k.Set(v)
	}
}

func (b *builder) systemHive() *regf.Hive {
	h := newHive("SYSTEM")
	b.set(h, "Select", regf.DWord("Current", 1), regf.DWord("Default", 1), regf.DWord("Failed", 0), regf.DWord("LastKnownGood", 1))
	b.set(h, `ControlSet001\Control\Session Manager\Memory Management`, regf.MultiString("PagingFiles", `?:\pagefile.sys`))
	b.set(h, `ControlSet001\Control\CrashControl`, regf.DWord("CrashDumpEnabled", 7), regf.DWord("AutoReboot", 1))
	b.set(h, `ControlSet001\Control\Terminal Server`, regf.DWord("fDenyTSConnections", 1))
	b.set(h, `ControlSet001\Control\Nls\Language`, regf.String("Default", "0409"), regf.String("InstallLanguage", "0409"))
	b.set(h, `ControlSet001\Control\MUI\UILanguages\en-US`, regf.DWord("LCID", 0x409), regf.DWord("Type", 0x91))
	b.set(h, `ControlSet001\Control\ProductOptions`, regf.String("ProductType", "ServerNT"))
	b.set(h, `ControlSet001\Services\partmgr\Parameters`, regf.DWord("SanPolicy", 2))
	for _, s := range []string{"disk", "ntfs", "storahci", "stornvme"} {
		b.set(h, `ControlSet001\Services\`+s, regf.DWord("Type", 1), regf.DWord("Start", 0), regf.DWord("ErrorControl", 1),
			regf.ExpandString("ImagePath", `System32\drivers\`+s+`.sys`))
	}
	b.set(h, `Setup`, regf.DWord("SetupType", 2), regf.DWord("SystemSetupInProgress", 1), regf.DWord("OOBEInProgress", 1),
		regf.String("CmdLine", `oobe\windeploy.exe`))
	b.set(h, `MountedDevices`)
	b.systemSettings(h)
	b.usbServices(h)
	b.habits(h)
	if b.o.Build < firstDatabase {
		b.set(h, `ControlSet001\Control\CriticalDeviceDatabase\PCI#CC_0106`, regf.String("ClassGUID", classHDC), regf.String("Service", "storahci"))
		return h
	}
	b.driverDatabase(h, map[string]string{"storahci.inf": classHDC, "stornvme.inf": classSCSI, "machine.inf": classSystem})
	return h
}

// firstDatabase is the first build with a driver database, Windows 8.
const firstDatabase = 9200

// Device classes as the registry writes them.
const (
	classHDC    = "{4d36e96a-e325-11ce-bfc1-08002be10318}"
	classSCSI   = "{4d36e97b-e325-11ce-bfc1-08002be10318}"
	classSystem = "{4d36e97d-e325-11ce-bfc1-08002be10318}"
	classNet    = "{4d36e972-e325-11ce-bfc1-08002be10318}"
)

// driversHive has the packages that do not matter for starting; SYSTEM has the others.
func (b *builder) driversHive() *regf.Hive {
	h := newHive("DRIVERS")
	if b.o.Build >= firstDatabase {
		b.driverDatabase(h, map[string]string{"netloop.inf": classNet})
	}
	return h
}

// driverDatabase lists packages by the names of their INF files, with their classes.
func (b *builder) driverDatabase(h *regf.Hive, packages map[string]string) {
	v := b.version()
	b.set(h, `DriverDatabase`, regf.DWord("Version", uint32(v.Major)<<24|uint32(v.Minor)<<16), regf.DWord("Architecture", 9))
	for name, class := range packages {
		label := name + "_amd64_0123456789abcdef"
		b.set(h, `DriverDatabase\DeviceIds\`+class, regf.Value{Name: name, Type: regf.REG_NONE})
		b.set(h, `DriverDatabase\DriverInfFiles\`+name, regf.MultiString("", label), regf.String("Active", label))
		b.set(h, `DriverDatabase\DriverPackages\`+label, regf.String("", name), regf.String("Provider", "winbake"), regf.DWord("SignerScore", 0x0D000003))
	}
}

// version is what the build calls itself.
func (b *builder) version() pe.Version {
	v := pe.Version{Major: 10, Build: uint16(b.o.Build), Revision: 587}
	switch {
	case b.o.Build < firstDatabase:
		v.Major, v.Minor = 6, 1
	case b.o.Build < 9600:
		v.Major, v.Minor = 6, 2
	case b.o.Build < 10240:
		v.Major, v.Minor = 6, 3
	}
	return v
}

func (b *builder) softwareHive() *regf.Hive {
	h := newHive("SOFTWARE")
	build, v := fmt.Sprint(b.o.Build), b.version()
	const current = `Microsoft\Windows NT\CurrentVersion`
	edition, installation := "ServerStandard", "Server Core"
	if b.preinstallation {
		edition, installation = "WindowsPE", "WindowsPE"
	}
	b.set(h, current,
		regf.String("ProductName", productName), regf.String("EditionID", edition), regf.String("InstallationType", installation),
		regf.String("CurrentBuild", build), regf.String("CurrentBuildNumber", build), regf.DWord("UBR", uint32(v.Revision)),
		regf.String("BuildLabEx", build+".1.amd64fre.standin.210507-1500"), regf.String("SystemRoot", `C:\Windows`))
	if v.Major < 10 {
		b.set(h, current, regf.String("CurrentVersion", fmt.Sprintf("%d.%d", v.Major, v.Minor)))
	} else { // which kept the text of Windows 8.1
		b.set(h, current, regf.String("CurrentVersion", "6.3"),
			regf.DWord("CurrentMajorVersionNumber", uint32(v.Major)), regf.DWord("CurrentMinorVersionNumber", uint32(v.Minor)))
	}
	b.set(h, `Microsoft\Windows\CurrentVersion`, regf.ExpandString("DevicePath", `%SystemRoot%\inf`))
	b.set(h, `Classes`)
	b.set(h, `Policies`)
	b.softwareSettings(h)
	return h
}
