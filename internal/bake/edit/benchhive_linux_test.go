package edit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
)

const (
	benchServices = 700
	benchDrivers  = 3000
	benchDevices  = 3000
	benchEdits    = 10_000
)

// benchHive makes a hive in the shape of the SYSTEM hive of a Windows 10, which has as many bytes and
// values but a quarter fewer keys: 15 MB, 60,000 keys, 99,000 values of 36 bytes on average, 230 security
// descriptors, up to 3,000 subkeys in one key.
func benchHive(t testing.TB) []byte {
	t.Helper()
	h := regf.New("CMI-CreateHive{winbake}")
	h.Minor, h.Now = 5, 132000000000000000
	b := hiveBuilder{t, h}
	b.key(`Select`, regf.DWord("Current", 1), regf.DWord("Default", 1), regf.DWord("Failed", 0))
	for i := range benchServices {
		b.service(i)
	}
	for i := range benchDrivers {
		b.driver(i)
	}
	for i := range benchDevices {
		b.device(i)
	}
	data, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type hiveBuilder struct {
	t testing.TB
	*regf.Hive
}

func (b hiveBuilder) key(path string, values ...regf.Value) *regf.Key {
	k, err := b.Root.Create(path)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, v := range values {
		k.Set(v)
	}
	return k
}

func serviceKey(i int) string { return fmt.Sprintf(`ControlSet001\Services\Service%03d`, i) }

func driverKey(i int) string {
	return fmt.Sprintf(`DriverDatabase\DriverPackages\driver%04d.inf_amd64_%016x`, i, uint64(i+1)*0x9E3779B97F4A7C15)
}

func deviceKey(i int) string {
	return fmt.Sprintf(`DriverDatabase\DeviceIds\PCI\VEN_%04X&DEV_%04X&SUBSYS_%08X`, 0x1000+i/50, i, i*0x10001)
}

// service is a service as SCM keeps it; every third has a descriptor of its own.
func (b hiveBuilder) service(i int) {
	path := serviceKey(i)
	k := b.key(path,
		regf.DWord("Type", 0x20), regf.DWord("Start", uint32(i%5)), regf.DWord("ErrorControl", 1),
		regf.ExpandString("ImagePath", fmt.Sprintf(`%%SystemRoot%%\System32\svchost.exe -k Group%02d -p`, i%40)),
		regf.String("DisplayName", fmt.Sprintf(`@%%SystemRoot%%\System32\service%03d.dll,-100`, i)),
		regf.String("ObjectName", `NT AUTHORITY\LocalService`),
		regf.MultiString("DependOnService", "RpcSs", "http"))
	if i%3 == 0 {
		k.Security = secdesc.Build(secdesc.LocalSystem, secdesc.LocalSystem,
			secdesc.ACE{Mask: secdesc.FullKeyControl, SID: secdesc.LocalSystem},
			secdesc.ACE{Mask: 0x20000 | uint32(i), SID: secdesc.LocalSystem})
	}
	b.key(path+`\Parameters`, regf.ExpandString("ServiceDll", fmt.Sprintf(`%%SystemRoot%%\System32\service%03d.dll`, i)), regf.DWord("ServiceDllUnloadOnStop", 1))
	b.key(path+`\Security`, regf.Binary("Security", make([]byte, 168)))
	b.key(path+`\TriggerInfo\0`, regf.DWord("Type", 1), regf.DWord("Action", 1), regf.Binary("GUID", make([]byte, 16)))
}

// driver is what the driver store knows of a package.
func (b hiveBuilder) driver(i int) {
	path := driverKey(i)
	b.key(path,
		regf.MultiString("", fmt.Sprintf("oem%d.inf", i)), regf.Binary("Version", make([]byte, 40)), regf.String("Provider", "Microsoft"),
		regf.DWord("SignerScore", 0x0D000003), regf.DWord("StatusFlags", 0x12), regf.Binary("FileSize", make([]byte, 8)))
	for j := range 2 {
		hardware := fmt.Sprintf(`PCI\VEN_%04X&DEV_%04X`, 0x1000+j, i)
		b.key(path+`\Descriptors\`+hardware, regf.String("Configuration", fmt.Sprintf("Install_%d.NTamd64", j)),
			regf.String("Description", fmt.Sprintf("%%device%d.description%%", j)), regf.String("Manufacturer", "%vendor%"))
		install := path + fmt.Sprintf(`\Configurations\Install_%d.NTamd64`, j)
		b.key(install, regf.DWord("ConfigFlags", 0), regf.String("Service", fmt.Sprintf("Service%03d", i%benchServices)))
		b.key(install+`\Device\Interrupt Management`, regf.DWord("MSISupported", 1))
		b.key(install+`\Services\`+fmt.Sprintf("Service%03d", i%benchServices), regf.DWord("Start", 3), regf.DWord("Type", 1),
			regf.ExpandString("ImagePath", fmt.Sprintf(`\SystemRoot\System32\drivers\driver%04d.sys`, i)))
	}
	b.key(path+`\Properties`, regf.Binary("Blob", make([]byte, 300)))
	b.key(path+`\Strings`,
		regf.String("device0.description", fmt.Sprintf("Example Network Adapter #%d", i)), regf.String("device1.description", "Example Storage Controller"),
		regf.String("vendor", "Example Corporation"), regf.String("disk", "Installation media for Windows"))
}

// device is an id that drivers of the driver store are for.
func (b hiveBuilder) device(i int) {
	b.key(deviceKey(i), regf.Binary(fmt.Sprintf("driver%04d.inf", i%benchDrivers), []byte{1, 0xFF, 0, 0}))
}

// change is an edit and the same for hivexregedit: the key below \, deleted or with one line about a
// value, or with none.
type change struct {
	edit   edit.Edit
	key    string
	value  string
	delete bool
}

const benchRoot = `HKLM\SYSTEM\`

func set(key string, v regf.Value) change {
	name := `"` + v.Name + `"`
	if v.Name == "" {
		name = "@"
	}
	text := fmt.Sprintf("hex(%x):%s", uint32(v.Type), strings.ReplaceAll(fmt.Sprintf("% x", v.Data), " ", ","))
	if v.Type == regf.REG_DWORD {
		n, _ := v.Integer()
		text = fmt.Sprintf("dword:%08x", n)
	}
	if v.Type == regf.REG_SZ {
		s, _ := v.Text()
		text = `"` + strings.ReplaceAll(s, `\`, `\\`) + `"`
	}
	return change{edit: &edit.SetValue{Key: benchRoot + key, Name: v.Name, Type: v.Type, Data: v.Data}, key: key, value: name + "=" + text}
}

// benchChanges are 10,000 edits of all kinds all over the hive: values replaced, added and removed in
// keys that exist, new keys, keys deleted.
func benchChanges() []change {
	var all []change
	for i := 0; len(all) < benchEdits; i++ {
		service, driver, device := serviceKey(i%benchServices), driverKey(i*7%benchDrivers), deviceKey(i%benchDevices)
		all = append(all,
			set(service, regf.DWord("Start", uint32(4-i%2))),
			set(service, regf.ExpandString("ImagePath", fmt.Sprintf(`%%SystemRoot%%\System32\changed%d.exe`, i))),
			set(service, regf.String(fmt.Sprintf("Added%d", i), `C:\Program Files\Example\example.exe`)),
			change{edit: &edit.DeleteValue{Key: benchRoot + service, Name: "DependOnService"}, key: service, value: `"DependOnService"=-`},
			set(driver+`\Strings`, regf.String("vendor", fmt.Sprintf("Another Corporation, division %d", i))),
			set(driver+`\Properties`, regf.Binary("Added", []byte(strings.Repeat("0123", 16)))),
		)
		created := fmt.Sprintf(`ControlSet001\Services\New%04d`, i)
		all = append(all,
			change{edit: &edit.CreateKey{Key: benchRoot + created}, key: created},
			set(created, regf.DWord("Type", 1)),
			set(created+`\Parameters`, regf.MultiString("Names", "one", "two", fmt.Sprint(i))),
			change{edit: &edit.DeleteKey{Key: benchRoot + device}, key: device, delete: true},
		)
	}
	return all[:benchEdits]
}

// regText is what hivexregedit merges. Lines about the same key share its section, which spares it
// looking for the key again; each value is there once.
func regText(changes []change) string {
	var b strings.Builder
	b.WriteString("Windows Registry Editor Version 5.00\n")
	last := ""
	for _, c := range changes {
		switch {
		case c.delete:
			fmt.Fprintf(&b, "\n[-\\%s]\n", c.key)
			last = ""
			continue
		case c.key != last:
			fmt.Fprintf(&b, "\n[\\%s]\n", c.key)
			last = c.key
		}
		if c.value != "" {
			b.WriteString(c.value + "\n")
		}
	}
	return b.String()
}

// material is the files that both programs start with.
type material struct{ hive, request, reg string }

func newMaterial(t testing.TB) material {
	dir := t.TempDir()
	m := material{filepath.Join(dir, "hive"), filepath.Join(dir, "request.json"), filepath.Join(dir, "edits.reg")}
	changes := benchChanges()
	var r edit.Request
	for i, c := range changes {
		r.Items = append(r.Items, edit.Item{Origin: fmt.Sprintf("set[%d]", i), Edit: c.edit})
	}
	write(t, m.hive, benchHive(t))
	write(t, m.request, encode(t, r))
	write(t, m.reg, []byte(regText(changes)))
	return m
}

func write(t testing.TB, path string, data []byte) {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
