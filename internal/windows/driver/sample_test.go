package driver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

const virtio = "drivers/amidevous+wimboot-install/win10/drv/virtio-win-0.1.240/"

const hives = "registry/mkorman90+regipy/regipy_tests/data/"

// realImage is a stand-in with a real SYSTEM hive, closed cleanly.
func realImage(t testing.TB, build int, arch pe.Machine, name string) (*tree.Tree, boot.Windows) {
	t.Helper()
	tr, w := image(t, build)
	w.Arch, w.Server = arch, false
	put := func(path, sample string) {
		if _, err := tr.WriteFile(configFolder+path, tree.Bytes(oracle.Sample(t, hives+sample))); err != nil {
			t.Fatal(err)
		}
	}
	put("SYSTEM", name+".xz")
	if name == "SYSTEM_B" {
		put("SYSTEM.LOG1", name+".LOG1.xz")
		put("SYSTEM.LOG2", name+".LOG2.xz")
	}
	h, _, err := registry.Load(tr, configFolder+"SYSTEM")
	if err != nil {
		t.Fatal(err)
	}
	data, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.WriteFile(configFolder+"SYSTEM", tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
	return tr, w
}

// Real registries get what the package says, and lose and change nothing else.
func TestRealHives(t *testing.T) {
	x86 := t.TempDir()
	if err := os.CopyFS(x86, os.DirFS("testdata/stor")); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(x86, "TestStor.inf"))
	_ = os.WriteFile(filepath.Join(x86, "TestStor.inf"), []byte(strings.ReplaceAll(string(text), "NTamd64", "NTx86")), 0o600)
	for _, c := range []struct {
		hive      string
		build     int
		arch      pe.Machine
		stor      string
		published string
		oemInfMap string
	}{
		{"SYSTEM", 7601, pe.I386, x86, "", ""},
		{"SYSTEM_2", 9600, pe.AMD64, "testdata/stor", "oem3.inf", "\xF0"},
		{"SYSTEM_B", 10240, pe.AMD64, "testdata/stor", "oem14.inf", "\xFF\xFE"},
		{"SYSTEM_WIN_10_1709", 18362, pe.AMD64, "testdata/stor", "oem12.inf", "\xFF\xF8"},
	} {
		t.Run(c.hive, func(t *testing.T) {
			tr, w := realImage(t, c.build, c.arch, c.hive)
			before := hive(t, tr, "SYSTEM")
			report := inject(t, tr, w, only(t, c.stor))
			if report.Published != c.published || !report.BootStart {
				t.Error(report)
			}
			after := hive(t, tr, "SYSTEM")
			_ = changes(t, before, after)
			for key, values := range before {
				for name, v := range values {
					if key == "DriverDatabase" && (name == "OemInfMap" || name == "UpdateDate") {
						continue
					}
					if got := after[key][name]; string(got.Data) != string(v.Data) || got.Type != v.Type {
						t.Errorf("%s: value %q has changed", key, name)
					}
				}
			}
			if got := string(after["DriverDatabase"]["OemInfMap"].Data); got != c.oemInfMap {
				t.Errorf("OemInfMap is %x", got)
			}
			for key := range after {
				if before[key] == nil && !strings.Contains(strings.ToLower(key), "teststor") && !strings.Contains(key, "VEN_1B36") && !strings.HasSuffix(key, c.published) {
					t.Errorf("new key %s", key)
				}
			}
		})
	}
}

// A package of real hives must look like those that Windows has put there: pvscsi, of VMware, is in
// one of them as it was imported, and lsi_sas3, of Windows itself, in another as it starts.
func TestShapeOfRealPackages(t *testing.T) {
	tr, w := realImage(t, 18362, pe.AMD64, "SYSTEM_WIN_10_1709")
	report := inject(t, tr, w, only(t, "testdata/stor"))
	system := hive(t, tr, "SYSTEM")
	label := filepath.Base(report.Folder)
	for _, c := range []struct {
		ours, theirs string
		without      []string // that ours has not
	}{
		{`DriverDatabase\DriverPackages\` + label, `DriverDatabase\DriverPackages\pvscsi.inf_amd64_b0d59727d712523f`, []string{"OemPath", "SignerName"}},
		{`DriverDatabase\DriverInfFiles\` + report.Published, `DriverDatabase\DriverInfFiles\lsi_sas3i.inf`, nil},
		{`DriverDatabase\DriverPackages\` + label + `\Descriptors\PCI\VEN_1B36&DEV_0001`,
			`DriverDatabase\DriverPackages\vmci.inf_amd64_5e38a278d114b813\Descriptors\PCI\VEN_15AD&DEV_0740`, nil},
		{`DriverDatabase\DeviceIds\PCI\VEN_1B36&DEV_0001&SUBSYS_11001B36`, `DriverDatabase\DeviceIds\PCI\VEN_15AD&DEV_07C0`, nil},
		{`ControlSet001\Services\teststor`, `ControlSet001\Services\vmci`, []string{"Tag", "vwdk.installers"}},
	} {
		ours, theirs := system[c.ours], system[c.theirs]
		if theirs == nil {
			t.Fatalf("no %s", c.theirs)
		}
		for name, v := range theirs {
			if strings.HasPrefix(name, "oem") {
				name = report.Published
			}
			got, ok := ours[name]
			if !ok && !slices.Contains(c.without, name) {
				t.Errorf("%s has no %q", c.ours, name)
			}
			if ok && got.Type != v.Type {
				t.Errorf("%s: %q has type %d, theirs %d", c.ours, name, got.Type, v.Type)
			}
		}
	}
	ours, theirs := system[`DriverDatabase\DriverPackages\`+label]["Version"].Data, system[`DriverDatabase\DriverPackages\pvscsi.inf_amd64_b0d59727d712523f`]["Version"].Data
	if len(ours) != len(theirs) || string(ours[:24]) != string(theirs[:24]) {
		t.Errorf("version % x, theirs % x", ours, theirs)
	}
}

// Every folder of virtio-win goes into every Windows that it is for, and into no other.
func TestVirtioWin(t *testing.T) {
	root := filepath.Join(oracle.SamplesDir(), "drivers")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no sample drivers")
	}
	packages, err := Find(root, true)
	if err != nil {
		t.Fatal(err)
	}
	missing := completeFolders(t, packages)
	for _, build := range []int{7601, 9600, 14393, 20348} {
		tr, w := image(t, build)
		for _, p := range packages {
			folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(p.Path), root))
			amd64 := strings.HasSuffix(folder, "/amd64")
			fits := amd64 && (build >= 9600 || strings.Contains(folder, "/w7/"))
			r := registry.Open(tr)
			report, err := Inject(tr, r, w, p)
			switch {
			case !fits && !errors.Is(err, ErrNotFor):
				t.Errorf("%s on %d: error %v", folder, build, err)
			case fits && missing[p.Path] && (err == nil || !strings.Contains(err.Error(), "viorngum.dll (line ")):
				t.Errorf("%s on %d: error %v", folder, build, err)
			case fits && !missing[p.Path]:
				if err != nil {
					t.Fatalf("%s on %d: %v", folder, build, err)
				}
				checkVirtio(t, report, build)
			}
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		checkServices(t, hive(t, tr, "SYSTEM"), build)
	}
}

// completeFolders tells which packages lack a file: the samples have viorng without its library.
func completeFolders(t *testing.T, packages []Package) map[string]bool {
	missing := map[string]bool{}
	for _, p := range packages {
		if p.Name() == "viorng.inf" {
			_, err := os.Stat(filepath.Join(filepath.Dir(p.Path), "viorngum.dll"))
			missing[p.Path] = errors.Is(err, fs.ErrNotExist)
		}
	}
	return missing
}

func checkVirtio(t *testing.T, r Report, build int) {
	t.Helper()
	storage := r.INF == "viostor.inf" || r.INF == "vioscsi.inf"
	if r.Provider != "Red Hat, Inc." || r.DeviceIDs != 4 || len(r.Services) != 1 || r.BootStart != storage || len(r.Notes) != 0 || (r.Published == "") != (build == 7601) {
		t.Errorf("%d: %+v", build, r)
	}
}

func checkServices(t *testing.T, system oracle.Hive, build int) {
	t.Helper()
	for name, start := range map[string]byte{"viostor": 0, "vioscsi": 0, "netkvm": 3} {
		if build == 7601 && name != "viostor" {
			continue
		}
		k := system[`ControlSet001\Services\`+name]
		if len(k["Start"].Data) != 4 || k["Start"].Data[0] != start {
			t.Errorf("%d: %s: %v", build, name, k["Start"])
		}
		if path := utf16le.Decode(k["ImagePath"].Data); !strings.HasSuffix(path, `System32\drivers\`+name+".sys\x00") || strings.HasPrefix(path, `\`) != (start != 0) {
			t.Errorf("%d: %s: %q", build, name, path)
		}
	}
}

// What a real Windows 11 has recorded of another version of viostor when it imported it, apart from who
// signed it, whence and when it came: lxc/distrobuilder, windows/driver_viostor.go, which puts it into
// images and starts them.
func TestViostorAsWindowsRecordsIt(t *testing.T) {
	path := filepath.Join(oracle.SamplesDir(), virtio+"viostor/w11/amd64")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no sample drivers")
	}
	tr, w := image(t, 20348)
	report := inject(t, tr, w, only(t, path))
	system := hive(t, tr, "SYSTEM")
	label := filepath.Base(report.Folder)
	pack := `DriverDatabase\DriverPackages\` + label
	config := pack + `\Configurations\scsi_inst`
	for _, c := range []struct{ key, name, want string }{
		{`ControlSet001\Services\viostor`, "ErrorControl", "0x4:01 00 00 00"},
		{`ControlSet001\Services\viostor`, "Group", `1:"SCSI miniport\x00"`},
		{`ControlSet001\Services\viostor`, "ImagePath", `2:"System32\\drivers\\viostor.sys\x00"`},
		{`ControlSet001\Services\viostor`, "Owners", `7:"oem0.inf\x00\x00"`},
		{`ControlSet001\Services\viostor`, "Start", "0x4:00 00 00 00"},
		{`ControlSet001\Services\viostor`, "Type", "0x4:01 00 00 00"},
		{`ControlSet001\Services\viostor\Parameters`, "BusType", "0x4:01 00 00 00"},
		{`ControlSet001\Services\viostor\Parameters\PnpInterface`, "5", "0x4:01 00 00 00"},
		{`DriverDatabase`, "OemInfMap", "0x3:80"},
		{`DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1001`, "oem0.inf", "0x3:02 ff 00 00"},
		{`DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00`, "oem0.inf", "0x3:01 ff 00 00"},
		{`DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1042`, "oem0.inf", "0x3:02 ff 00 00"},
		{`DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01`, "oem0.inf", "0x3:01 ff 00 00"},
		{`DriverDatabase\DriverInfFiles\oem0.inf`, "", `7:"` + label + `\x00\x00"`},
		{`DriverDatabase\DriverInfFiles\oem0.inf`, "Active", `1:"` + label + `\x00"`},
		{`DriverDatabase\DriverInfFiles\oem0.inf`, "Configurations", `7:"scsi_inst\x00\x00"`},
		{pack, "", `1:"oem0.inf\x00"`},
		{pack, "Catalog", `1:"viostor.cat\x00"`},
		{pack, "InfName", `1:"viostor.inf\x00"`},
		{pack, "Provider", `1:"Red Hat, Inc.\x00"`},
		{pack, "StatusFlags", "0x4:12 00 00 00"},
		// The date and the version are those of this driver.
		{pack, "Version", "0x3:00 ff 09 00 00 00 00 00 7b e9 36 4d 25 e3 ce 11 bf c1 08 00 2b e1 03 18 00 c0 ca 4a 66 bb d9 01 " +
			"c0 5d 68 00 5d 00 64 00 00 00 00 00 00 00 00 00"},
		{config, "ConfigFlags", "0x4:00 00 00 00"},
		{config, "ConfigScope", "0x4:07 00 00 00"},
		{config, "Service", `1:"viostor\x00"`},
		{config + `\Device\Interrupt Management\Affinity Policy`, "DevicePolicy", "0x4:05 00 00 00"},
		{config + `\Device\Interrupt Management\MessageSignaledInterruptProperties`, "MSISupported", "0x4:01 00 00 00"},
		{config + `\Services\viostor\Parameters`, "BusType", "0x4:01 00 00 00"},
		{config + `\Services\viostor\Parameters\PnpInterface`, "5", "0x4:01 00 00 00"},
		{pack + `\Descriptors\PCI\VEN_1AF4&DEV_1042`, "Configuration", `1:"scsi_inst\x00"`},
		{pack + `\Descriptors\PCI\VEN_1AF4&DEV_1042`, "Description", `1:"%viostorscsi.devicedesc%\x00"`},
		{pack + `\Descriptors\PCI\VEN_1AF4&DEV_1042`, "Manufacturer", `1:"%vendor%\x00"`},
		{pack + `\Strings`, "vendor", `1:"Red Hat, Inc.\x00"`},
		{pack + `\Strings`, "viostorscsi.devicedesc", `1:"Red Hat VirtIO SCSI controller\x00"`},
	} {
		v, ok := system[c.key][c.name]
		if got := show(v); !ok || got != c.want {
			t.Errorf("%s: %q is %s, want %s", c.key, c.name, got, c.want)
		}
	}
}

// Of a whole collection one package of each name is chosen.
func TestChoose(t *testing.T) {
	root := filepath.Join(oracle.SamplesDir(), "drivers")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no sample drivers")
	}
	packages, err := Find(root, true)
	if err != nil {
		t.Fatal(err)
	}
	for build, want := range map[int][]string{
		7601:  {"viostor/w7"},
		9600:  {"NetKVM/w10", "viorng/w10", "vioscsi/w10", "viostor/2k12R2"},
		14393: {"NetKVM/w10", "viorng/w10", "vioscsi/w10", "viostor/w10"},
		20348: {"NetKVM/2k22", "viorng/2k22", "vioscsi/2k22", "viostor/2k22"},
		26100: {"NetKVM/w11", "viorng/w11", "vioscsi/w11", "viostor/w11"},
	} {
		_, w := image(t, build)
		chosen, left, err := Choose(packages, w)
		if err != nil || len(chosen)+len(left) != len(packages) {
			t.Errorf("%d: %d of %d chosen, %d left, error %v", build, len(chosen), len(packages), len(left), err)
		}
		var got []string
		for _, p := range chosen {
			parts := strings.Split(filepath.ToSlash(p.Path), "/")
			got = append(got, strings.Join(parts[len(parts)-4:len(parts)-2], "/"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: %q, want %q", build, got, want)
		}
	}
}

// The other architectures of virtio-win, in images of theirs.
func TestOtherArchitectures(t *testing.T) {
	for folder, c := range map[string]struct {
		machine   pe.Machine
		processor byte
	}{"x86": {pe.I386, 0}, "ARM64": {pe.ARM64, 12}} {
		path := filepath.Join(oracle.SamplesDir(), virtio+"viostor/w10", folder)
		if _, err := os.Stat(path); err != nil {
			t.Skip("no sample drivers")
		}
		tr, w := image(t, 20348)
		p := only(t, path)
		if _, err := Inject(tr, registry.Open(tr), w, p); !errors.Is(err, ErrNotFor) {
			t.Errorf("%s into amd64: %v", folder, err)
		}
		w.Arch = c.machine
		report := inject(t, tr, w, p)
		label := filepath.Base(report.Folder)
		if !report.BootStart || !strings.HasPrefix(label, "viostor.inf_"+strings.ToLower(folder)+"_") {
			t.Errorf("%s: %+v", folder, report)
		}
		if v := hive(t, tr, "SYSTEM")[`DriverDatabase\DriverPackages\`+label]["Version"].Data; len(v) != 48 || v[2] != c.processor || v[3] != 0 {
			t.Errorf("%s: version % x", folder, v)
		}
	}
}
