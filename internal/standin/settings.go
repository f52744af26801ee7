package standin

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

// systemSettings adds to the SYSTEM hive what an administrator changes in a new image, in the shape that
// Windows gives it.
func (b *builder) systemSettings(h *regf.Hive) {
	const set = `ControlSet001\`
	b.firewall(h, set+`Services\SharedAccess\Parameters\FirewallPolicy`)
	b.firewall(h, set+`Services\SharedAccess\Defaults\FirewallPolicy`)
	b.set(h, set+`Services\TermService`, regf.DWord("Type", 0x20), regf.DWord("Start", 3), regf.DWord("ErrorControl", 1),
		regf.ExpandString("ImagePath", `%SystemRoot%\System32\svchost.exe -k NetworkService`),
		regf.String("ObjectName", `NT Authority\NetworkService`), regf.MultiString("DependOnService", "RPCSS"))
	b.set(h, set+`Control\Terminal Server\WinStations\RDP-Tcp`, regf.DWord("PortNumber", 3389), regf.DWord("SecurityLayer", 2),
		regf.DWord("UserAuthentication", 0), regf.DWord("fEnableWinStation", 1))
	b.set(h, set+`Control\ComputerName\ComputerName`, regf.String("", "mnmsrvc"), regf.String("ComputerName", "WIN-STANDIN"))
	b.set(h, set+`Services\Tcpip\Parameters`, regf.String("Hostname", "WIN-STANDIN"), regf.String("NV Hostname", "WIN-STANDIN"))
	b.set(h, set+`Control\Session Manager\Environment`, regf.ExpandString("ComSpec", `%SystemRoot%\system32\cmd.exe`),
		regf.ExpandString("Path", `%SystemRoot%\system32;%SystemRoot%;%SystemRoot%\System32\Wbem;%SYSTEMROOT%\System32\WindowsPowerShell\v1.0\`))
	pacific := zones[0]
	b.set(h, set+`Control\TimeZoneInformation`,
		regf.DWord("Bias", uint32(pacific.bias)), regf.DWord("StandardBias", 0), regf.DWord("DaylightBias", daylightBias),
		regf.DWord("ActiveTimeBias", uint32(pacific.bias)),
		regf.Binary("StandardStart", kernelDate(pacific.standard)), regf.Binary("DaylightStart", kernelDate(pacific.daylight)),
		regf.String("StandardName", pacific.muiStd), regf.String("DaylightName", pacific.muiDlt),
		regf.String("TimeZoneKeyName", pacific.name), regf.DWord("DynamicDaylightTimeDisabled", 0))
}

// firewall makes a policy of the firewall: rules that are not in force, one that is, and the profiles.
func (b *builder) firewall(h *regf.Hive, key string) {
	const (
		host = `|App=%SystemRoot%\system32\svchost.exe|Svc=termservice`
		text = `|EmbedCtxt=@FirewallAPI.dll,-28752|`
	)
	b.set(h, key, regf.DWord("PolicyVersion", 0x21F), regf.DWord("DisableStatefulFTP", 0), regf.DWord("IPSecExempt", 9))
	b.set(h, key+`\FirewallRules`,
		regf.String("RemoteDesktop-UserMode-In-TCP", `v2.31|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=3389`+host+`|Name=@FirewallAPI.dll,-28775|Desc=@FirewallAPI.dll,-28756`+text),
		regf.String("RemoteDesktop-UserMode-In-UDP", `v2.31|Action=Allow|Active=FALSE|Dir=In|Protocol=17|LPort=3389`+host+`|Name=@FirewallAPI.dll,-28776|Desc=@FirewallAPI.dll,-28777`+text),
		regf.String("RemoteDesktop-Shadow-In-TCP", `v2.31|Action=Allow|Active=FALSE|Dir=In|Protocol=6|App=%SystemRoot%\system32\RdpSa.exe|Name=@FirewallAPI.dll,-28778|Desc=@FirewallAPI.dll,-28779`+text[:len(text)-1]+`|Edge=TRUE|Defer=App|`),
		regf.String("CoreNet-DHCP-In", `v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=68|RPort=67|App=%SystemRoot%\system32\svchost.exe|Svc=dhcp|Name=@FirewallAPI.dll,-25301|Desc=@FirewallAPI.dll,-25303|EmbedCtxt=@FirewallAPI.dll,-25000|`))
	for _, profile := range []string{"DomainProfile", "StandardProfile", "PublicProfile"} {
		b.set(h, key+`\`+profile, regf.DWord("EnableFirewall", 1), regf.DWord("DisableNotifications", 0))
	}
}

// date is a change of the time: on the day-th weekday of the month, at an hour.
type date struct{ month, weekday, day, hour uint16 }

// zone is a time zone, with its bias from UTC in minutes. Facts are those of the IANA time zone database.
type zone struct {
	name, display      string
	bias               int32
	standard, daylight date
	muiStd, muiDlt     string
}

const daylightBias = 0xFFFFFFC4 // -60 minutes

var zones = []zone{
	{"Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)", 480, date{11, 0, 1, 2}, date{3, 0, 2, 2}, "@tzres.dll,-212", "@tzres.dll,-211"},
	{"W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", -60, date{10, 0, 5, 3}, date{3, 0, 5, 2}, "@tzres.dll,-322", "@tzres.dll,-321"},
	// Israel's summer begins on a Friday: a weekday that is not zero.
	{"Israel Standard Time", "(UTC+02:00) Jerusalem", -120, date{10, 0, 5, 2}, date{3, 5, 4, 2}, "@tzres.dll,-492", "@tzres.dll,-491"},
	{"UTC", "(UTC) Coordinated Universal Time", 0, date{}, date{}, "@tzres.dll,-932", "@tzres.dll,-931"},
}

// softwareSettings adds what goes with systemSettings to the SOFTWARE hive.
func (b *builder) softwareSettings(h *regf.Hive) {
	for _, z := range zones {
		saving := uint32(daylightBias)
		if z.daylight == (date{}) {
			saving = 0
		}
		tzi := binary.LittleEndian.AppendUint32(nil, uint32(z.bias))
		tzi = binary.LittleEndian.AppendUint32(tzi, 0)
		tzi = binary.LittleEndian.AppendUint32(tzi, saving)
		for _, d := range []date{z.standard, z.daylight} {
			tzi = append(tzi, words(0, d.month, d.weekday, d.day, d.hour, 0, 0, 0)...)
		}
		b.set(h, `Microsoft\Windows NT\CurrentVersion\Time Zones\`+z.name, regf.Binary("TZI", tzi),
			regf.String("Display", z.display), regf.String("Std", z.name), regf.String("Dlt", z.name),
			regf.String("MUI_Std", z.muiStd), regf.String("MUI_Dlt", z.muiDlt))
	}
}

// kernelDate is a date in the order of the key TimeZoneInformation, with the weekday at the end.
func kernelDate(d date) []byte { return words(0, d.month, d.day, d.hour, 0, 0, 0, d.weekday) }

func words(n ...uint16) []byte {
	var b []byte
	for _, w := range n {
		b = binary.LittleEndian.AppendUint16(b, w)
	}
	return b
}

// defaultHive is the hive of whoever is not logged on.
func (b *builder) defaultHive() *regf.Hive {
	h := newHive("DEFAULT")
	b.set(h, `Keyboard Layout\Preload`, regf.String("1", "00000409"))
	return h
}
