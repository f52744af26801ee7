package bcd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// exampleStore has every format, every device and every part of a description.
func exampleStore() *Store {
	loader, resume := guid.MustParse("11111111-0000-0000-0000-000000000001"), guid.MustParse("11111111-0000-0000-0000-000000000002")
	re, options := guid.MustParse("11111111-0000-0000-0000-000000000003"), guid.MustParse("11111111-0000-0000-0000-000000000004")
	esp, c := GPTPartition(gptDisk, espPart), GPTPartition(gptDisk, rePart)
	ramdisk := Ramdisk{Options: options, On: c, Path: `\Recovery\WindowsRE\Winre.wim`}
	s := &Store{
		Description: Description{
			KeyName: KeyNameSystem, System: true, TreatAsSystem: true, FirmwareModified: true,
			GUIDCache: []byte{1, 2, 3}, Other: []regf.Value{regf.DWord("Unheard", 7)},
		},
		Time: filetime.From(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)),
	}
	manager := NewObject(BootManager, TypeBootManager,
		ElemDevice.Device(esp), ElemPath.Text(`\EFI\Microsoft\Boot\bootmgfw.efi`), ElemDescription.Text("Windows Boot Manager"),
		ElemLocale.Text("en-US"), ElemInherit.Objects(GlobalSettings), ElemDefault.Object(loader), ElemBootResumeObject.Object(resume),
		ElemDisplayOrder.Objects(loader, re), ElemToolsDisplayOrder.Objects(MemoryTester), ElemTimeout.Integer(30))
	manager.FirmwareVariable = []byte{9, 8, 7}
	s.Put(
		manager,
		NewObject(loader, TypeOSLoader,
			ElemDevice.Device(c), ElemPath.Text(`\Windows\system32\winload.efi`), ElemDescription.Text("Fenêtres 🪟"),
			ElemRecoverySequence.Objects(re), ElemRecoveryEnabled.Bool(true), ElemIsolatedContext.Bool(true),
			ElemAllowedInMemorySettings.Integers(0x15000075), ElemDisplayMessageOverride.Integer(MessageRecovery),
			ElemOSDevice.Device(c), ElemSystemRoot.Text(`\Windows`), ElemResumeObject.Object(resume),
			ElemNX.Integer(NXOptOut), ElemBootMenuPolicy.Integer(MenuStandard)),
		NewObject(re, TypeOSLoader,
			ElemDevice.Device(ramdisk), ElemOSDevice.Device(ramdisk), ElemDescription.Text("line\nbreak"),
			ElemWinPE.Bool(true), ElemRecoveryOS.Bool(true)),
		NewObject(options, TypeDevice, ElemRamdiskSDIDevice.Device(c), ElemRamdiskSDIPath.Text(`\boot.sdi`)),
		NewObject(resume, TypeResume,
			ElemFileDevice.Device(c), ElemFilePath.Text(`\hiberfil.sys`), ElemResumeBootMenuPolicy.Integer(0)),
		NewObject(MemoryTester, TypeMemoryTester, ElemDevice.Device(Locate{Path: `\EFI\memtest.efi`}), ElemBadMemoryAccess.Bool(true)),
		NewObject(GlobalSettings, TypeInherit, ElemInherit.Objects(DebuggerSettings, EMSSettings, BadMemory)),
		NewObject(BadMemory, TypeInherit),
		NewObject(HypervisorSettings, TypeInheritLoader,
			ElemHypervisorDebugType.Integer(0), ElemHypervisorDebugPort.Integer(1), ElemHypervisorBaudRate.Integer(115200)),
	)
	return s
}

func marshal(t testing.TB, s *Store) []byte {
	t.Helper()
	data, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func printed(t testing.TB, s *Store, o PrintOptions) string {
	t.Helper()
	var b strings.Builder
	if err := s.Print(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStoreRoundTrip(t *testing.T) {
	s := exampleStore()
	data := marshal(t, s)
	if !bytes.Equal(data, marshal(t, exampleStore())) {
		t.Error("equal stores give different bytes")
	}
	back, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := printed(t, back, PrintOptions{}), printed(t, s, PrintOptions{}); got != want {
		t.Errorf("printed after a round trip:\n%s\nbefore:\n%s", got, want)
	}
	if !bytes.Equal(marshal(t, back), data) {
		t.Error("written again, the bytes differ")
	}
	d := back.Description
	if d.KeyName != KeyNameSystem || !d.System || !d.TreatAsSystem || !d.FirmwareModified || len(d.GUIDCache) != 3 || len(d.Other) != 1 {
		t.Errorf("description: %+v", d)
	}
	if !bytes.Equal(back.Object(BootManager).FirmwareVariable, []byte{9, 8, 7}) || back.Root != DefaultRoot {
		t.Error("firmware variable or root name lost")
	}
}

// The bytes of W10U2, W10B (Windows-made stores): facts about their sk records.
func TestSecurity(t *testing.T) {
	const tail = "0102000000000005200000002002000001 01000000000005 12000000"
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{keySecurity, "01000480 48000000 58000000 00000000 14000000 02003400 02000000 00001800 19000600 01020000000000052000000020020000 00001400 3f000f00 010100000000000512000000" + tail},
		{descriptionSecurity, "01000480 48000000 58000000 00000000 14000000 02003400 02000000 00001800 3f000f00 01020000000000052000000020020000 00001400 3f000f00 010100000000000512000000" + tail},
	} {
		if want := vector(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("security descriptor\n%x, want\n%x", c.got, want)
		}
	}
	hive, err := regf.Parse(marshal(t, exampleStore()))
	if err != nil {
		t.Fatal(err)
	}
	if hive.Minor != 3 {
		t.Errorf("hive version 1.%d", hive.Minor)
	}
	checkSecurity(t, hive.Root, keySecurity)
	checkSecurity(t, hive.Root.Subkey(keyDescription), descriptionSecurity)
	for _, o := range hive.Root.Subkey(keyObjects).Subkeys() {
		checkSecurity(t, o, keySecurity)
		checkSecurity(t, o.Subkey(keyDescription), keySecurity)
	}
}

func checkSecurity(t *testing.T, k *regf.Key, want []byte) {
	t.Helper()
	if !bytes.Equal(k.Security, want) {
		t.Errorf("security of %q is %x", k.Path(), k.Security)
	}
}

func TestMarshalRefusesMismatches(t *testing.T) {
	for _, e := range []Element{
		ElemPath.Bool(true), ElemDefault.Text("{bootmgr}"), ElemTimeout.Text("30"), ElemDevice.Integer(1),
		ElemTimeout.Integers(1, 2), ElemTimeout.Integers(), ElemWinPE.Integer(1), ElemDisplayOrder.Text("x"),
		{ElemAllowedInMemorySettings, regf.Binary("Element", []byte{1})},
	} {
		s := &Store{}
		s.Put(NewObject(BootManager, TypeBootManager, e))
		if _, err := s.Marshal(); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), e.ID.String()) {
			t.Errorf("%v %v: %v", e.ID, e.Value, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	hive := func(change func(objects *regf.Key)) []byte {
		h := regf.New("x")
		objects, err := h.Root.Create(`Objects`)
		if err != nil {
			t.Fatal(err)
		}
		change(objects)
		data, err := h.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	create := func(k *regf.Key, path string, v regf.Value) {
		k, err := k.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		k.Set(v)
	}
	g := BootManager.Braced()
	for name, change := range map[string]func(*regf.Key){
		"object name": func(k *regf.Key) { create(k, `nonsense\Description`, regf.DWord("Type", 1)) },
		"no type":     func(k *regf.Key) { create(k, g+`\Description`, regf.DWord("Typ", 1)) },
		"text type":   func(k *regf.Key) { create(k, g+`\Description`, regf.String("Type", "1")) },
		"no description": func(k *regf.Key) {
			create(k, g+`\Elements\12000002`, regf.String("Element", "x"))
		},
		"element name": func(k *regf.Key) {
			create(k, g+`\Description`, regf.DWord("Type", 1))
			create(k, g+`\Elements\12`, regf.String("Element", "x"))
		},
		"no element": func(k *regf.Key) {
			create(k, g+`\Description`, regf.DWord("Type", 1))
			create(k, g+`\Elements\12000002`, regf.String("Elephant", "x"))
		},
	} {
		if _, err := Parse(hive(change)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty, err := regf.New("x").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(empty); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("a hive that is no store: %v", err)
	}
	if _, err := Parse([]byte("MZ")); err == nil {
		t.Error("no hive: no error")
	}
}

func TestResolveAndEdit(t *testing.T) {
	s := exampleStore()
	if o := s.Resolve(Default); o == nil || o.Type != TypeOSLoader {
		t.Fatalf("default: %v", o)
	}
	if s.Resolve(Current) != nil || s.Resolve(BootManager) == nil {
		t.Error("resolve")
	}
	loader := s.Resolve(Default)
	copied := loader.Clone(RamdiskOptions)
	copied.Delete(ElemNX)
	if _, ok := loader.Element(ElemNX); !ok {
		t.Error("a change of the clone shows in the original")
	}
	if !s.Remove(loader.ID) || s.Remove(loader.ID) || s.Resolve(Default) != nil {
		t.Error("remove")
	}
	if copied.Delete(ElemNX) || len(copied.Elements()) != len(loader.Elements())-1 {
		t.Error("delete")
	}
}

// sampleStores are real stores in the folder of sample files.
var sampleStores = []string{
	"bcd/EricZimmerman+Registry/Registry.Test/Hives/BCD",
	"bcd/chaunqingren+MBR-DualBootType-GRUB2/boot/bcd",
	"bcd/chaunqingren+MBR-DualBootType-GRUB2/efi/microsoft/boot/bcd",
	"bcd/chaunqingren+MBR-DualBootType-GRUB2/efi/microsoft/bootia32/bcd",
	"bcd/mhkarimi1383+windeploy-linux/BCD",
	"bcd/mhkarimi1383+windeploy-linux/BCD-efi",
	regipyStore,
}

// regipyStore comes with a list of what another parser sees in it.
const regipyStore = "bcd/mkorman90+regipy/regipy_tests/data/BCD.xz"

// hivex sees the same keys and values in a sample and in what this package makes of it.
func TestSamplesRoundTrip(t *testing.T) {
	for _, name := range sampleStores {
		t.Run(name, func(t *testing.T) {
			data := oracle.Sample(t, name)
			s, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			out := marshal(t, s)
			oracle.CompareHives(t, oracle.Hivex(t, file(t, data)), oracle.Hivex(t, file(t, out)))
			back, err := Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			if text := printed(t, s, PrintOptions{Verbose: true}); text != printed(t, back, PrintOptions{Verbose: true}) ||
				strings.Contains(text, "unknown") || strings.Contains(text, "(element") {
				t.Errorf("printed:\n%s", text)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(marshal(f, exampleStore()))
	small := &Store{}
	small.Put(NewObject(BootManager, TypeBootManager, ElemTimeout.Integer(3), ElemDevice.Device(Boot{})))
	f.Add(marshal(f, small))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		text := printed(t, s, PrintOptions{})
		for _, o := range s.InPrintOrder() {
			for _, e := range o.Elements() {
				values, err := s.Values(o, e, PrintOptions{})
				for _, v := range values {
					if err == nil && !strings.Contains(text, strings.TrimRight(v, " ")) {
						t.Errorf("%q is not what is printed", v)
					}
				}
			}
		}
		out, err := s.Marshal()
		if err != nil {
			return // an element that is not well formed
		}
		back, err := Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		if again := printed(t, back, PrintOptions{}); again != text {
			t.Fatalf("printed\n%s\nafter a round trip\n%s", text, again)
		}
	})
}
