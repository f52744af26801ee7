package bcd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestPrintGolden(t *testing.T) {
	s := exampleStore()
	bad := s.Object(HypervisorSettings)
	bad.Set(Element{ElemHypervisorLaunchType, ElemPath.Text("four").Value}, Element{0x2800AAAA, ElemWinPE.Bool(true).Value})
	s.Put(NewObject(guid.MustParse("11111111-0000-0000-0000-000000000009"), 0x20200009), NewObject(NTLDR, TypeNTLDR),
		NewObject(guid.MustParse("11111111-0000-0000-0000-00000000000a"), 0x40000000, ElementID(0x15000007).Integer(1<<32)))
	golden(t, "print.txt", printed(t, s, PrintOptions{}))
	golden(t, "print-verbose.txt", printed(t, s, PrintOptions{Verbose: true}))
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

// file puts data into a file that lives as long as the test.
func file(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hiveOf is what a reader of hives must find in a store.
func hiveOf(s *Store) oracle.Hive {
	h := oracle.Hive{"": {}, keyDescription: {}, keyObjects: {}}
	put := func(key string, values ...regf.Value) {
		h[key] = map[string]oracle.HiveValue{}
		for _, v := range values {
			h[key][v.Name] = oracle.HiveValue{Type: uint32(v.Type), Data: v.Data}
		}
	}
	d := s.Description
	put(keyDescription, append([]regf.Value{
		regf.String("KeyName", d.KeyName), regf.DWord("System", 1), regf.DWord("TreatAsSystem", 1),
		regf.DWord("FirmwareModified", 1), regf.Binary("GuidCache", d.GUIDCache),
	}, d.Other...)...)
	for _, o := range s.Objects() {
		path := `Objects\` + o.ID.Braced()
		put(path)
		put(path+`\Description`, regf.DWord("Type", uint32(o.Type)))
		if o.FirmwareVariable != nil {
			put(path+`\Description`, regf.DWord("Type", uint32(o.Type)), regf.Binary("FirmwareVariable", o.FirmwareVariable))
		}
		put(path + `\Elements`)
		for _, e := range o.Elements() {
			put(path+`\Elements\`+e.ID.String(), e.Value)
		}
	}
	return h
}

// Four readers of hives find in a written store what was put in; those that look at the data notice
// a flipped byte.
func TestJudges(t *testing.T) {
	s := exampleStore()
	s.Resolve(Default).Set(ElemDescription.Text("Fenêtres")) // reged has no characters above U+FFFF
	want, good := hiveOf(s), marshal(t, s)
	device := EncodeDevice(GPTPartition(gptDisk, rePart))
	if n := bytes.Count(good, device); n != 4 {
		t.Fatalf("the loader's device is there %d times", n)
	}
	other := bytes.Clone(device)
	other[0x20] ^= 1
	bad := bytes.ReplaceAll(good, device, other)

	t.Run("hivexregedit", func(t *testing.T) {
		oracle.CompareHives(t, want, oracle.Hivex(t, file(t, good)))
		if oracle.Hivex(t, file(t, bad)).String() == want.String() {
			t.Error("does not notice a flipped byte")
		}
	})
	t.Run("reged", func(t *testing.T) {
		oracle.CompareHives(t, want.NormalStrings(), oracle.Reged(t, file(t, good)).NormalStrings())
		if oracle.Reged(t, file(t, bad)).String() == oracle.Reged(t, file(t, good)).String() {
			t.Error("does not notice a flipped byte")
		}
	})
	t.Run("hivexget", func(t *testing.T) {
		oracle.Need(t, "hivexget")
		loader := `Objects\{11111111-0000-0000-0000-000000000001}\Elements\11000001`
		get := func(data []byte) string { return oracle.Run(t, "hivexget", file(t, data), loader, "Element") }
		if get(good) != string(device) || get(bad) != string(other) {
			t.Errorf("%x, want %x", get(good), device)
		}
	})
	t.Run("regfexport", func(t *testing.T) {
		shapes := oracle.RegfExport(t, file(t, good))
		for key, values := range want {
			for name, v := range values {
				if got := shapes[key][name]; got.Size != len(v.Data) {
					t.Errorf("%s: %s: %+v, want %d bytes", key, name, got, len(v.Data))
				}
			}
		}
	})
}

// hivexsh walks the whole store.
func TestHivexsh(t *testing.T) {
	oracle.Need(t, "hivexsh")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("cd Objects\nls\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := exampleStore()
	got := strings.Fields(oracle.Run(t, "hivexsh", "-f", script, file(t, marshal(t, s))))
	var want []string
	for _, o := range s.Objects() {
		want = append(want, o.ID.Braced())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("hivexsh lists %q, want %q", got, want)
	}
}

// regipy, another reader of BCD stores, publishes what it finds in the Windows 10 store of its
// tests. Its list says, for each application with a device, where it is and what it is called.
func TestRegipyList(t *testing.T) {
	s, err := Parse(oracle.Sample(t, regipyStore))
	if err != nil {
		t.Fatal(err)
	}
	list := string(oracle.Sample(t, "bcd/mkorman90+regipy/regipy_tests/validation/validation_tests/boot_entry_list_plugin_validation.py"))
	entry := regexp.MustCompile(`(?s)"guid": "(.*?)",.*?"type": "(.*?)",.*?"name": "(.*?)",\s*"gpt_disk": "(.*?)",\s*"gpt_partition": "(.*?)",\s*"image_path": "(.*?)",`)
	entries := entry.FindAllStringSubmatch(list, -1)
	if len(entries) != 8 {
		t.Fatalf("%d entries in the list", len(entries))
	}
	for _, m := range entries {
		o := s.Object(guid.MustParse(m[1]))
		if o == nil {
			t.Errorf("no object %s", m[1])
			continue
		}
		text := func(id ElementID) string {
			e, _ := o.Element(id)
			s, err := e.Text()
			if err != nil {
				t.Error(err)
			}
			return s
		}
		if text(ElemDescription) != m[3] || text(ElemPath) != strings.ReplaceAll(m[6], `\\`, `\`) {
			t.Errorf("%s: description %q, path %q", m[1], text(ElemDescription), text(ElemPath))
		}
		e, _ := o.Element(ElemDevice)
		d, err := e.Device()
		if _, ok := d.(Ramdisk); ok {
			continue // regipy reads a RAM disk's bytes as if they were a partition's
		}
		if want := GPTPartition(guid.MustParse(m[4]), guid.MustParse(m[5])); err != nil || d != want {
			t.Errorf("%s: device %v, want %v (%v)", m[1], d, want, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		object ObjectType
		id     ElementID
		name   string
	}{
		{TypeBootManager, 0x23000003, "default"},
		{TypeOSLoader, 0x23000003, "resumeobject"},
		{TypeInheritLoader, 0x250000F5, "hypervisorbaudrate"},
		{TypeOSLoader, 0x21000001, "osdevice"},
		{TypeResume, 0x21000001, "filedevice"},
		{TypeResume, 0x21000026, "custom:21000026"},
		{TypeDevice, 0x31000003, "ramdisksdidevice"},
		{TypeOSLoader, 0x31000003, "custom:31000003"},
		{TypeOSLoader, 0x46000010, "custom:46000010"},
		{TypeMemoryTester, 0x26000003, "cacheenable"},
		{TypeInherit, 0x15000011, "debugtype"},
	} {
		if got := c.object.Name(c.id); got != c.name {
			t.Errorf("%08x %v: %s, want %s", c.object, c.id, got, c.name)
		}
		if id, ok := c.object.ElementByName(c.name); !ok || id != c.id {
			t.Errorf("%08x %s: %v, want %v", c.object, c.name, id, c.id)
		}
	}
	if _, ok := TypeOSLoader.ElementByName("filedevice"); ok {
		t.Error("an OS loader has no filedevice")
	}
}

// A table that gives one name twice would make ElementByName depend on chance.
func TestNamesAreUnique(t *testing.T) {
	tables := names()
	all := []nameTable{tables.device}
	for _, table := range tables.applications {
		all = append(all, table)
	}
	for _, table := range all {
		seen := map[string]ElementID{}
		for _, part := range []nameTable{tables.library, table} {
			for id, n := range part {
				if other, twice := seen[n.name]; twice {
					t.Errorf("%s is %v and %v", n.name, id, other)
				}
				seen[n.name] = id
				if f := id.Format(); len(n.values) > 0 && f != FormatInteger {
					t.Errorf("%v %s has names of values but format %d", id, n.name, f)
				}
			}
		}
	}
}

func TestParseID(t *testing.T) {
	for _, s := range []string{"{bootmgr}", "9dea862c-5cdd-4e70-acc1-f32b344d4795"} {
		if id, err := ParseID(s); err != nil || id != BootManager {
			t.Errorf("%s: %v, %v", s, id, err)
		}
	}
	if _, err := ParseID("{bootmanager}"); err == nil {
		t.Error("an alias that does not exist")
	}
}
