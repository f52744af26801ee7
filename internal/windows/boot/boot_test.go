package boot

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

var update = flag.Bool("update", false, "write the golden files anew")

func decimal(n uint16) string     { return fmt.Sprint(n) }
func hexadecimal(n uint32) string { return fmt.Sprintf("%04x", n) }

var (
	disk    = guid.MustParse("d148fb7c-be81-4d12-8dcf-62260299abde")
	espID   = guid.MustParse("ecd43012-88cf-4f80-a8de-8d3719d0653a")
	osID    = guid.MustParse("fb3fd5c6-af83-4c23-9d60-772453d0623d")
	mbrBoot = bcd.MBRPartition(0x43DA9AB1, 1<<20)
	mbrOS   = bcd.MBRPartition(0x43DA9AB1, 0x1F500000)
)

func uefiOptions() Options {
	o := Options{Firmware: UEFI, System: bcd.GPTPartition(disk, espID), OS: On(bcd.GPTPartition(disk, osID)), Time: 0x01DA000000000000}
	o.LoaderID, o.ResumeID = IDs([]byte("seed"))
	return o
}

func biosOptions() Options {
	o := uefiOptions()
	o.Firmware, o.System, o.OS = BIOS, mbrBoot, On(mbrOS)
	return o
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\n, want\n%s", name, got, want)
	}
}

// list shows a tree's files: attributes, size and path.
func list(t *tree.Tree) string {
	var b strings.Builder
	for path, e := range t.Walk() {
		fmt.Fprintf(&b, "%05x %6d %s\n", e.Node.Attributes, tree.SizeOf(e.Node.Data), path)
	}
	return b.String()
}

func printStore(t testing.TB, v *tree.Tree, path string) string {
	t.Helper()
	s, err := ReadStore(v, path)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := s.Print(&b, bcd.PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInstall(t *testing.T) {
	ex := uefiOptions()
	ex.EX = true
	vhd := uefiOptions()
	vhd.OS = InVHD(bcd.GPTPartition(disk, espID), `\hvs.vhd`)
	search := biosOptions()
	search.OS, search.System = Search(), bcd.Boot{}
	for _, c := range []struct {
		name    string
		image   image
		options Options
	}{
		{"server2008r2-bios", server2008R2, biosOptions()},
		{"server2008r2-uefi-vhd", server2008R2, vhd},
		{"windows7-bios", windows7, biosOptions()},
		{"server2012r2-bios-search", server2012R2, search},
		{"server2022-bios", server2022, biosOptions()},
		{"server2022-uefi", server2022, uefiOptions()},
		{"server2022-uefi-ex", server2022, ex},
		{"windows10-uefi", windows10, uefiOptions()},
		{"windows11-arm64-uefi", windows11, uefiOptions()},
	} {
		t.Run(c.name, func(t *testing.T) {
			system := tree.New(2)
			if err := Install(c.image.tree(t), system, c.options); err != nil {
				t.Fatal(err)
			}
			text := list(system) + "\n" + printStore(t, system, c.options.Firmware.StorePath())
			if c.options.Firmware == UEFI {
				text += "\n" + RecoveryStorePath + "\n\n" + printStore(t, system, RecoveryStorePath)
			}
			golden(t, c.name+".txt", text)
		})
	}
}

// Windows and boot manager on one volume, for both firmwares, twice over: nothing moves.
func TestInstallInPlace(t *testing.T) {
	v := server2022.tree(t)
	before := list(v)
	install := func() string {
		for _, o := range []Options{biosOptions(), uefiOptions()} {
			o.System, o.OS = bcd.Boot{}, On(bcd.Boot{})
			if err := Install(v, v, o); err != nil {
				t.Fatal(err)
			}
		}
		return list(v)
	}
	once := install()
	for _, log := range []string{"Boot/BCD.LOG", "boot/bcd.LOG1", "EFI/Microsoft/Boot/BCD.LOG2", "EFI/Microsoft/Recovery/BCD.LOG"} {
		if _, err := v.WriteFile(log, tree.Bytes("of the store that was there")); err != nil {
			t.Fatal(err)
		}
	}
	if install() != once {
		t.Error("a second installation changes something, or leaves logs of the first store")
	}
	if !strings.Contains(once, "00027") || !strings.HasSuffix(once, before[strings.Index(before, "00010      0 Windows"):]) {
		t.Errorf("before\n%s\nafter\n%s", before, once)
	}
	src, err := v.Lookup("Windows/Boot/PCAT/bootmgr")
	if err != nil || src.Attributes != tree.AttrArchive {
		t.Errorf("the image's own bootmgr: %+v, %v", src, err)
	}
}

// The content of boot files is shared with the image, not copied.
type counted struct{ tree.Bytes }

func TestContentsAreShared(t *testing.T) {
	v, system := server2022.tree(t), tree.New(2)
	shared := &counted{tree.Bytes("content")}
	if _, err := v.WriteFile("Windows/Boot/PCAT/bootmgr", shared); err != nil {
		t.Fatal(err)
	}
	src, _ := v.Lookup("Windows/Boot/PCAT/bootmgr")
	src.Attributes |= tree.AttrCompressed
	if err := Install(v, system, biosOptions()); err != nil {
		t.Fatal(err)
	}
	n, err := system.Lookup("bootmgr")
	if err != nil || n.Data != tree.Content(shared) || n.Attributes != managerAttributes {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestDeterministic(t *testing.T) {
	var last []byte
	for range 5 {
		system := tree.New(2)
		if err := Install(server2022.tree(t), system, uefiOptions()); err != nil {
			t.Fatal(err)
		}
		n, err := system.Lookup(UEFI.StorePath())
		if err != nil {
			t.Fatal(err)
		}
		data, err := tree.ReadAll(n.Data, maxStore)
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && !bytes.Equal(data, last) {
			t.Fatal("the same options give different bytes")
		}
		last = data
	}
	if a, b := IDs([]byte("x")); a == b || a.IsZero() {
		t.Error("IDs")
	}
}

func TestMissingFiles(t *testing.T) {
	ex := uefiOptions()
	ex.EX = true
	for path, o := range map[string]Options{
		"Windows/Boot/EFI/bootmgfw.efi": uefiOptions(), "Windows/System32/winload.efi": uefiOptions(),
		"Windows/Boot/PCAT/bootmgr": biosOptions(), "Windows/System32/winload.exe": biosOptions(),
		"Windows/Boot/EFI_EX/bootmgfw_EX.efi": ex,
	} {
		v, system := server2022.tree(t), tree.New(2)
		if err := v.Remove(path); err != nil {
			t.Fatal(err)
		}
		err := Install(v, system, o)
		if !errors.Is(err, fault.ErrInvalid) || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), path+": the image cannot boot on ") {
			t.Errorf("without %s: %v", path, err)
		}
		if system.Root.Len() != 0 {
			t.Errorf("without %s: the system partition was changed", path)
		}
	}
	// What only makes the menu prettier may be missing.
	v := server2022.tree(t)
	for _, path := range []string{"Windows/Boot/Fonts", "Windows/Boot/Resources", "Windows/Boot/EFI/memtest.efi"} {
		if err := v.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	system := tree.New(2)
	if err := Install(v, system, uefiOptions()); err != nil {
		t.Error(err)
	}
	if text := printStore(t, system, UEFI.StorePath()); strings.Contains(text, "memtest") || strings.Contains(text, "toolsdisplayorder") {
		t.Errorf("an entry for a memory tester that is not there:\n%s", text)
	}
}

func TestBadOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"firmware":  func(o *Options) { o.Firmware = 0 },
		"system":    func(o *Options) { o.System = nil },
		"os":        func(o *Options) { o.OS = Place{} },
		"vhd path":  func(o *Options) { o.OS = InVHD(bcd.Boot{}, "x.vhd") },
		"no ids":    func(o *Options) { o.LoaderID = guid.GUID{} },
		"equal ids": func(o *Options) { o.LoaderID = o.ResumeID },
		"EX":        func(o *Options) { o.Firmware, o.EX = BIOS, true },
	} {
		o := uefiOptions()
		change(&o)
		if err := Install(server2022.tree(t), tree.New(2), o); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadBootManager(t *testing.T) {
	v := server2022.tree(t)
	if _, err := v.WriteFile("Windows/Boot/EFI/bootmgfw.efi", tree.Bytes("no program")); err != nil {
		t.Fatal(err)
	}
	if err := Install(v, tree.New(2), uefiOptions()); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "bootmgfw.efi") {
		t.Error(err)
	}
	if _, err := v.WriteFile("Windows/Boot/EFI/bootmgfw.efi", tree.Bytes(pe.Stub(0x5032, pe.Version{}))); err != nil {
		t.Fatal(err)
	}
	if err := Install(v, tree.New(2), uefiOptions()); err == nil {
		t.Error("a boot manager for RISC-V was taken")
	}
}

func TestDetect(t *testing.T) {
	for _, m := range []image{server2008R2, windows7, server2012R2, server2022, windows10, windows11} {
		w, err := Detect(m.tree(t))
		if err != nil {
			t.Fatal(err)
		}
		want := Windows{
			Version: m.version, Arch: m.arch, Server: m.kind != "Client",
			ProductName: m.product, EditionID: "Edition", Installation: m.kind, Locale: m.language,
		}
		if w != want {
			t.Errorf("%+v, want %+v", w, want)
		}
		m.noRegistry = true
		if w, err := Detect(m.tree(t)); err != nil || w.Version != m.version || w.Arch != m.arch || w.ProductName != "" {
			t.Errorf("without registry: %+v, %v", w, err)
		}
	}
}

func TestDetectRefuses(t *testing.T) {
	if _, err := Detect(tree.New(1)); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "winload.efi") {
		t.Error(err)
	}
	vista := server2008R2
	vista.version.Build, vista.version.Minor = 6002, 0
	if _, err := Detect(vista.tree(t)); !errors.Is(err, fault.ErrUnsupported) {
		t.Error(err)
	}
	broken := server2022.tree(t)
	for _, path := range append([]string{registry.SoftwareHive, registry.SystemHive}, programs[0], programs[1]) {
		if _, err := broken.WriteFile(path, tree.Bytes("broken")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Detect(broken); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), programs[0]) {
		t.Error(err)
	}
}

func TestDescription(t *testing.T) {
	for _, c := range []struct {
		product string
		server  bool
		build   uint16
		want    string
	}{
		{"Windows Server 2008 R2 Enterprise", true, 7601, "Windows Server 2008 R2"},
		{"Windows Server 2012 R2 Datacenter", true, 9600, "Windows Server 2012 R2"},
		{"Windows Server 2022 Standard Evaluation", true, 20348, "Windows Server 2022"},
		{"Windows Server 2025 Datacenter", true, 26100, "Windows Server 2025"},
		{"Hyper-V Server 2019", true, 17763, "Hyper-V Server 2019"},
		{"Microsoft Hyper-V Server 2016", true, 14393, "Hyper-V Server 2016"},
		{"Windows 8.1 Pro", false, 9600, "Windows 8.1"},
		{"Windows 10 Enterprise", false, 19045, "Windows 10"},
		{"Windows 10 Enterprise", false, 22631, "Windows 11"},
		{"", true, 20348, "Windows Server"},
		{"", true, 14393, "Windows Server 2016"},
		{"", true, 7601, "Windows Server 2008 R2"},
		{"", false, 9200, "Windows 8"},
		{"", false, 26100, "Windows 11"},
		{"", false, 1, "Windows"},
	} {
		w := Windows{ProductName: c.product, Server: c.server, Version: pe.Version{Build: c.build}}
		if got := w.Description(); got != c.want {
			t.Errorf("%q, build %d: %q, want %q", c.product, c.build, got, c.want)
		}
	}
}

// A template's own settings win over the defaults; its placeholders and notes stay behind.
func TestTemplate(t *testing.T) {
	m := server2022
	m.template = &bcd.Store{}
	m.template.Put(
		bcd.NewObject(bcd.BootManager, bcd.TypeBootManager, bcd.ElemTimeout.Integer(5), bcd.ElemPath.Text(`\elsewhere`), bcd.ElementID(0x26000020).Bool(true)),
		bcd.NewObject(bcd.TemplateLoaderUEFI, bcd.TypeOSLoader,
			bcd.ElemDescription.Text("Windows Server"), bcd.ElemDevice.Device(bcd.Boot{}), bcd.ElemNX.Integer(bcd.NXAlwaysOn),
			bcd.ElemBootStatusPolicy.Integer(1), bcd.ElemRecoverySequence.Objects(bcd.MemoryTester),
			bcd.ElementID(0x46000004).Bool(true), bcd.ElementID(0x21000138).Device(bcd.Boot{})),
		bcd.NewObject(bcd.TemplateLoaderBIOS, bcd.TypeOSLoader, bcd.ElemNX.Integer(bcd.NXAlwaysOff)),
		bcd.NewObject(bcd.EMSSettings, bcd.TypeInherit, bcd.ElemBootEMS.Bool(true)),
		bcd.NewObject(bcd.KernelDebugger, bcd.TypeInheritLoader),
	)
	v := m.tree(t)
	for name, o := range map[string]Options{"template-uefi.txt": uefiOptions(), "template-bios.txt": biosOptions()} {
		s, err := NewStore(v, o)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := s.Print(&b, bcd.PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
	// A template that is broken is as good as none.
	if _, err := v.WriteFile(templateFile, tree.Bytes("broken")); err != nil {
		t.Fatal(err)
	}
	if s, err := NewStore(v, uefiOptions()); err != nil || s.Object(bcd.KernelDebugger) != nil {
		t.Error(err)
	}
}

// The devices in a store are, byte for byte, those of Microsoft's tools; hivex reads them.
func TestDeviceBytes(t *testing.T) {
	oracle.Need(t, "hivexget")
	const nulls = "00000000000000000000000000000000"
	gpt := nulls + "06000000000000004800000000000000" + "c6d53ffb83af234c9d60772453d0623d0000000000000000" +
		"7cfb48d181be124d8dcf62260299abde" + nulls
	mbr := nulls + "06000000000000004800000000000000" + "0000501f000000000000000000000000" + "0000000001000000" +
		"b19ada43000000000000000000000000" + nulls
	locate := nulls + "08000000000000001e00000000000000" + "00000000%s000000000000"
	search := uefiOptions()
	search.OS = Search()
	for _, c := range []struct {
		options  Options
		id, want string
	}{
		{uefiOptions(), "11000001", gpt}, {uefiOptions(), "21000001", gpt},
		{biosOptions(), "11000001", mbr}, {biosOptions(), "21000001", mbr},
		{search, "11000001", fmt.Sprintf(locate, "02000012")}, {search, "21000001", fmt.Sprintf(locate, "02000022")},
	} {
		system := tree.New(2)
		if err := Install(server2022.tree(t), system, c.options); err != nil {
			t.Fatal(err)
		}
		path := hostFile(t, system, c.options.Firmware.StorePath())
		got := oracle.Run(t, "hivexget", path, `Objects\`+c.options.LoaderID.Braced()+`\Elements\`+c.id, "Element")
		if fmt.Sprintf("%x", got) != c.want {
			t.Errorf("%v %s: %x, want %s", c.options.Firmware, c.id, got, c.want)
		}
	}
}

// Three other programs read the same from every store.
func TestStoresAreHives(t *testing.T) {
	for _, o := range []Options{uefiOptions(), biosOptions(), withRecovery(uefiOptions()), withRecovery(biosOptions()), withoutRecovery(biosOptions())} {
		system := tree.New(2)
		if err := Install(server2022.tree(t), system, o); err != nil {
			t.Fatal(err)
		}
		for _, store := range []string{UEFI.StorePath(), RecoveryStorePath, BIOS.StorePath()} {
			if system.Find(store) == nil {
				continue
			}
			path := hostFile(t, system, store)
			hivex := oracle.Hivex(t, path)
			oracle.CompareHives(t, hivex.NormalStrings(), oracle.Reged(t, path).NormalStrings())
			shapes := oracle.RegfExport(t, path)
			for key, values := range hivex {
				for name, v := range values {
					if shapes[key][name].Size != len(v.Data) {
						t.Errorf("%s: %s: %s: regfexport says %+v, hivex %d bytes", store, key, name, shapes[key][name], len(v.Data))
					}
				}
			}
			if len(hivex) < 40 {
				t.Errorf("%s: only %d keys", store, len(hivex))
			}
		}
	}
}

// hostFile puts a file of a tree where other programs can read it.
func hostFile(t *testing.T, v *tree.Tree, path string) string {
	t.Helper()
	n, err := v.Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := tree.ReadAll(n.Data, maxStore)
	if err != nil {
		t.Fatal(err)
	}
	host := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(host, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return host
}
