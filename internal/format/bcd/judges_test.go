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

// judge writes data to a file and runs a program on it.
func judge(t *testing.T, data []byte, program string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "@", path)
	}
	out, stderr, _ := oracle.Try(program, args...)
	return out + stderr
}

// Four readers of hives find the loader's device in a store that this package wrote, and a flipped
// byte of it shows in each.
func TestJudges(t *testing.T) {
	loader := `Objects\{11111111-0000-0000-0000-000000000001}\Elements\11000001`
	judges := []struct {
		program string
		read    func(data []byte) string
		device  func(data []byte) string // the device as the program shows it
	}{
		{
			"hivexget",
			func(data []byte) string { return judge(t, data, "hivexget", "@", loader, "Element") },
			func(device []byte) string { return string(device) },
		}, {
			"hivexregedit",
			func(data []byte) string { return judge(t, data, "hivexregedit", "--export", "@", loader) },
			hexBytes(","),
		}, {
			"reged",
			func(data []byte) string {
				out := filepath.Join(t.TempDir(), "out.reg")
				text := judge(t, data, "reged", "-x", "@", "X", loader, out)
				exported, _ := os.ReadFile(out)
				return text + reflow(string(exported))
			},
			hexBytes(","),
		}, {
			"regfexport",
			func(data []byte) string { return regfData(judge(t, data, "regfexport", "-K", loader, "@")) },
			hexBytes(" "),
		},
	}
	good := marshal(t, exampleStore())
	device := EncodeDevice(GPTPartition(gptDisk, rePart))
	at := bytes.Index(good, device)
	if at < 0 || bytes.Count(good, device) != 4 {
		t.Fatalf("device found %d times", bytes.Count(good, device))
	}
	flipped := bytes.ReplaceAll(good, device, append(bytes.Clone(device[:0x20]), append([]byte{device[0x20] ^ 1}, device[0x21:]...)...))
	for _, j := range judges {
		t.Run(j.program, func(t *testing.T) {
			oracle.Need(t, j.program)
			want := j.device(device)
			if got := j.read(good); !strings.Contains(got, want) {
				t.Errorf("does not show the device:\n%s\nwant\n%s", got, want)
			}
			if got := j.read(flipped); strings.Contains(got, want) {
				t.Errorf("does not notice a flipped byte:\n%s", got)
			}
		})
	}
}

// hexBytes returns a function that shows bytes in hexadecimal with a separator.
func hexBytes(separator string) func([]byte) string {
	return func(data []byte) string {
		words := make([]string, len(data))
		for i, b := range data {
			words[i] = string([]byte{"0123456789abcdef"[b>>4], "0123456789abcdef"[b&15]})
		}
		return strings.Join(words, separator)
	}
}

// reflow joins the lines of a .reg file that end in a backslash.
func reflow(s string) string {
	return strings.ReplaceAll(regexp.MustCompile(`\\\r?\n\s*`).ReplaceAllString(s, ""), "\r", "")
}

// regfData takes the bytes from regfexport's dump: "00000000: 00 11 22 ... text".
func regfData(s string) string {
	var words []string
	for _, m := range regexp.MustCompile(`(?m)^[0-9a-f]{8}: ((?:[0-9a-f]{2} +){1,16})`).FindAllStringSubmatch(s, -1) {
		words = append(words, strings.Fields(m[1])...)
	}
	return strings.Join(words, " ")
}

// hivexsh walks the whole store.
func TestHivexsh(t *testing.T) {
	oracle.Need(t, "hivexsh")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("cd Objects\nls\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := exampleStore()
	got := strings.Fields(judge(t, marshal(t, s), "hivexsh", "-f", script, "@"))
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
	s, err := Parse(sample(t, regipyStore))
	if err != nil {
		t.Fatal(err)
	}
	list := string(sample(t, "bcd/mkorman90+regipy/regipy_tests/validation/validation_tests/boot_entry_list_plugin_validation.py"))
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
