package standin

import (
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// hives writes the registry of a Windows that has never started.
func (b *builder) hives() {
	for name, hive := range map[string]*regf.Hive{
		"SYSTEM": b.systemHive(), "SOFTWARE": b.softwareHive(),
		"SAM": newHive("SAM"), "SECURITY": newHive("SECURITY"), "DEFAULT": b.defaultHive(),
		"COMPONENTS": newHive("COMPONENTS"), "DRIVERS": newHive("DRIVERS"),
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
	b.set(h, `ControlSet001\Control`, regf.DWord("BootDriverFlags", 0x1C))
	b.set(h, `ControlSet001\Services\partmgr\Parameters`, regf.DWord("SanPolicy", 2))
	for _, s := range []string{"disk", "ntfs", "storahci", "stornvme"} {
		b.set(h, `ControlSet001\Services\`+s, regf.DWord("Type", 1), regf.DWord("Start", 0), regf.DWord("ErrorControl", 1),
			regf.ExpandString("ImagePath", `System32\drivers\`+s+`.sys`))
	}
	b.set(h, `Setup`, regf.DWord("SetupType", 2), regf.DWord("SystemSetupInProgress", 1), regf.DWord("OOBEInProgress", 1),
		regf.String("CmdLine", `oobe\windeploy.exe`))
	b.set(h, `DriverDatabase`, regf.DWord("Version", 0))
	b.set(h, `MountedDevices`)
	b.systemSettings(h)
	return h
}

func (b *builder) softwareHive() *regf.Hive {
	h := newHive("SOFTWARE")
	build := fmt.Sprint(b.o.Build)
	b.set(h, `Microsoft\Windows NT\CurrentVersion`,
		regf.String("ProductName", productName), regf.String("EditionID", "ServerStandard"),
		regf.String("InstallationType", "Server Core"), regf.String("CurrentVersion", "6.3"),
		regf.String("CurrentBuild", build), regf.String("CurrentBuildNumber", build), regf.DWord("UBR", 587),
		regf.DWord("CurrentMajorVersionNumber", 10), regf.DWord("CurrentMinorVersionNumber", 0),
		regf.String("BuildLabEx", build+".1.amd64fre.standin.210507-1500"), regf.String("SystemRoot", `C:\Windows`))
	b.set(h, `Classes`)
	b.set(h, `Policies`)
	b.softwareSettings(h)
	return h
}
