package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// image returns a tree with a SYSTEM hive of two control sets, a SOFTWARE hive and the default user's.
func image(t *testing.T) *tree.Tree {
	t.Helper()
	tr := tree.New(5000)
	system := regf.New("SYSTEM")
	system.Minor = 5
	for key, values := range map[string][]regf.Value{
		`Select`:                               {regf.DWord("Current", 2)},
		`ControlSet001\Services\disk`:          {regf.DWord("Start", 0)},
		`ControlSet002\Services\disk`:          {regf.DWord("Start", 3)},
		`ControlSet002\Hardware Profiles\0001`: {regf.DWord("n", 1)},
	} {
		k, err := system.Root.Create(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			k.Set(v)
		}
	}
	link(t, system, `ControlSet002\Hardware Profiles\Current`, `\Registry\Machine\System\CurrentControlSet\Hardware Profiles\0001`)
	link(t, system, `ControlSet002\Loop`, `\Registry\Machine\System\CurrentControlSet\Loop`)
	link(t, system, `ControlSet002\Away`, `\Device\Harddisk0`)
	put(t, tr, SystemHive, system)
	put(t, tr, SoftwareHive, regf.New("SOFTWARE"))
	put(t, tr, "Users/Default/NTUSER.DAT", regf.New("ROOT"))
	return tr
}

func link(t *testing.T, h *regf.Hive, key, target string) {
	t.Helper()
	k, err := h.Root.Create(key)
	if err != nil {
		t.Fatal(err)
	}
	k.Flags |= regf.KeySymLink
	k.Set(regf.LinkTarget(target))
}

func put(t *testing.T, tr *tree.Tree, file string, h *regf.Hive) {
	t.Helper()
	data, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.WriteFile(file, tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
}

// hiveOf reads a hive back from the tree.
func hiveOf(t *testing.T, tr *tree.Tree, file string) *regf.Hive {
	t.Helper()
	h, clean, err := Load(tr, file)
	if err != nil || !clean {
		t.Fatalf("%s: clean %v, %v", file, clean, err)
	}
	return h
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]place{
		`HKLM\SYSTEM\Select`:                     {SystemHive, "Select"},
		`HKLM\SYSTEM`:                            {SystemHive, ""},
		`hklm\system\`:                           {SystemHive, ""},
		`HKEY_LOCAL_MACHINE\Software\A\b`:        {SoftwareHive, `A\b`},
		`Computer\HKEY_LOCAL_MACHINE\SOFTWARE\A`: {SoftwareHive, "A"},
		`HKLM:\SOFTWARE\A`:                       {SoftwareHive, "A"},
		`HKLM\SAM\SAM\Domains`:                   {configFolder + "/SAM", `SAM\Domains`},
		`HKLM\SECURITY\Policy`:                   {configFolder + "/SECURITY", "Policy"},
		`HKLM\DRIVERS\DriverDatabase`:            {configFolder + "/DRIVERS", "DriverDatabase"},
		`HKLM\COMPONENTS\x`:                      {configFolder + "/COMPONENTS", "x"},
		`HKU\.DEFAULT\Control Panel`:             {configFolder + "/DEFAULT", "Control Panel"},
		`HKEY_USERS\S-1-5-18\x`:                  {configFolder + "/DEFAULT", "x"},
		`HKU\Default\Software`:                   {"Users/Default/NTUSER.DAT", "Software"},
		`HKU\S-1-5-20\x`:                         {"Windows/ServiceProfiles/NetworkService/NTUSER.DAT", "x"},
		`HKCR\.txt`:                              {SoftwareHive, `Classes\.txt`},
		`HKCC\System`:                            {SystemHive, `CurrentControlSet\Hardware Profiles\Current\System`},
	} {
		if got, err := parse(path); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", path, got, err, want)
		}
	}
	for path, part := range map[string]string{
		``: "a key begins with HKLM\\SYSTEM, ", `SYSTEM\Select`: "a key begins with", `HKXX\A`: "a key begins with",
		`HKLM`: "no hive of an image is there", `HKLM\Other\A`: "no hive of an image is there", `HKU\S-1-5-21-1\A`: "no hive",
		`HKCU\Software`: `write HKU\Default\`, `HKLM\HARDWARE\A`: "when it starts", `HKLM\BCD00000000`: "boot configuration",
		`HKLM\SYSTEM\\A`: "a key name is empty", `\HKLM\SYSTEM`: "a key begins with",
		`HKLM\SYSTEM\` + strings.Repeat("x", 256): "256 characters",
	} {
		if err := Check(path); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("%s: %v, want %q", path, err, part)
		}
	}
}

func TestCurrentControlSetIsTheSelected(t *testing.T) {
	tr := image(t)
	r := Open(tr)
	if err := r.Set(`HKLM\SYSTEM\CurrentControlSet\Services\disk`, regf.DWord("Start", 1)); err != nil {
		t.Fatal(err)
	}
	if sets, err := r.ControlSets(); err != nil || fmt.Sprint(sets) != `[HKLM\SYSTEM\ControlSet001 HKLM\SYSTEM\ControlSet002]` {
		t.Errorf("%v, %v", sets, err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	root := hiveOf(t, tr, SystemHive).Root
	for key, want := range map[string]uint64{`ControlSet001\Services\disk`: 0, `ControlSet002\Services\disk`: 1} {
		v, _ := root.Subkey(key).Value("Start")
		if n, _ := v.Integer(); n != want {
			t.Errorf("%s: %d, want %d", key, n, want)
		}
	}
	if root.Subkey("CurrentControlSet") != nil {
		t.Error("a key CurrentControlSet was made")
	}
}

func TestLinksAreFollowed(t *testing.T) {
	tr := image(t)
	r := Open(tr)
	if err := r.Set(`HKCC\System\New`, regf.String("a", "b")); err != nil {
		t.Fatal(err)
	}
	if k, err := r.Key(`HKLM\SYSTEM\ControlSet002\Hardware Profiles\0001\System\New`); k == nil {
		t.Errorf("the key is not where the link leads: %v", err)
	}
	for key, part := range map[string]string{`Loop\x`: "chain", `Away\x`: "no key of the machine"} {
		if _, err := r.Key(`HKLM\SYSTEM\CurrentControlSet\` + key); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if gone, err := r.DeleteKey(`HKCC`); !gone || err != nil {
		t.Fatal(gone, err)
	}
	profiles, _ := r.Key(`HKLM\SYSTEM\CurrentControlSet\Hardware Profiles`)
	if profiles.Subkey("Current") != nil || profiles.Subkey("0001") == nil {
		t.Error("not the link was removed, but what it leads to")
	}
}

func TestDelete(t *testing.T) {
	r := Open(image(t))
	for _, test := range []struct {
		key  string
		want bool
	}{
		{`HKLM\SYSTEM\ControlSet001\services\DISK`, true},
		{`HKLM\SYSTEM\ControlSet001\Services\disk`, false},
		{`HKLM\SYSTEM\Nowhere\At\All`, false},
	} {
		if got, err := r.DeleteKey(test.key); got != test.want || err != nil {
			t.Errorf("%s: %v, %v", test.key, got, err)
		}
	}
	for _, root := range []string{`HKLM\SYSTEM`, `HKLM\SYSTEM\CurrentControlSet`, `HKU\Default`} {
		if _, err := r.DeleteKey(root); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", root, err)
		}
	}
	if gone, err := r.DeleteValue(`HKLM\SYSTEM\Select`, "CURRENT"); !gone || err != nil {
		t.Error(gone, err)
	}
	if gone, err := r.DeleteValue(`HKLM\SYSTEM\Select`, "Current"); gone || err != nil {
		t.Error(gone, err)
	}
	if gone, err := r.DeleteValue(`HKLM\SYSTEM\Nowhere`, "x"); gone || err != nil {
		t.Error(gone, err)
	}
}

func TestNewKeysInherit(t *testing.T) {
	r := Open(image(t))
	services, err := r.Create(`HKLM\SYSTEM\ControlSet001\Services`)
	if err != nil {
		t.Fatal(err)
	}
	services.Security = secdesc.Build(secdesc.LocalSystem, secdesc.LocalSystem,
		secdesc.ACE{Mask: secdesc.FullKeyControl, SID: secdesc.Administrators},
		secdesc.ACE{Flags: secdesc.ContainerInherit, Mask: secdesc.GenericAll, SID: secdesc.LocalSystem})
	k, err := r.Create(`HKLM\SYSTEM\ControlSet001\Services\new\Parameters`)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := secdesc.InheritKey(services.Security)
	if !bytes.Equal(k.Parent().Security, want) || bytes.Equal(want, services.Security) {
		t.Error("the new key has not what its parent passes on")
	}
	if want, _ = secdesc.InheritKey(want); !bytes.Equal(k.Security, want) {
		t.Error("the key below has not what its own parent passes on")
	}
	if !bytes.Contains(k.Security, []byte{0x3F, 0, 0x0F, 0}) {
		t.Errorf("GENERIC_ALL does not stand for KEY_ALL_ACCESS: %x", k.Security)
	}
	services.Security = secdesc.Build(secdesc.LocalSystem, secdesc.LocalSystem, secdesc.ACE{Mask: secdesc.FullKeyControl, SID: secdesc.LocalSystem})
	if k, _ = r.Create(`HKLM\SYSTEM\ControlSet001\Services\second`); !bytes.Equal(k.Security, services.Security) {
		t.Error("a key whose parent passes nothing on does not share its descriptor")
	}
}

func TestFlushWritesOnceAndEmptiesLogs(t *testing.T) {
	tr := image(t)
	for _, log := range []string{".LOG1", ".LOG2"} {
		tr.WriteFile(SystemHive+log, tree.Bytes("an old log"))
	}
	software := tr.Find(SoftwareHive).Node.Data
	r := Open(tr)
	if _, err := r.Key(`HKLM\SOFTWARE\Nothing`); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := r.Set(fmt.Sprintf(`HKLM\SYSTEM\A\%d`, i), regf.DWord("n", uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.hives) != 2 {
		t.Errorf("%d hives are open", len(r.hives))
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	if &software.(tree.Bytes)[0] != &tr.Find(SoftwareHive).Node.Data.(tree.Bytes)[0] {
		t.Error("a hive that was only read was written")
	}
	h := hiveOf(t, tr, SystemHive)
	if k := h.Root.Subkey(`A\99`); k == nil || k.LastWritten != tr.Now {
		t.Errorf("%+v", k)
	}
	for _, log := range []string{".LOG1", ".LOG2"} {
		if n, _ := tr.Lookup(SystemHive + log); n == nil || tree.SizeOf(n.Data) != 0 {
			t.Errorf("%s is not empty", log)
		}
	}
	if tr.Find(SystemHive+".LOG") != nil {
		t.Error("a log was made that was not there")
	}
}

func TestMissingAndBrokenHives(t *testing.T) {
	tr := image(t)
	tr.WriteFile(SoftwareHive, tree.Bytes("no hive"))
	r := Open(tr)
	if err := r.Set(`HKLM\COMPONENTS\x`); !errors.Is(err, ErrNoHive) || !strings.HasPrefix(fmt.Sprint(err), `HKLM\COMPONENTS\x: the image has no file Windows/System32/config/COMPONENTS`) {
		t.Error(err)
	}
	if err := r.Set(`HKLM\SOFTWARE\x`); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), SoftwareHive) {
		t.Error(err)
	}
	tr = image(t)
	h := hiveOf(t, tr, SystemHive)
	h.Root.Delete("ControlSet002")
	put(t, tr, SystemHive, h)
	if err := Open(tr).Set(`HKLM\SYSTEM\CurrentControlSet\x`); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), "Select names ControlSet002") {
		t.Error(err)
	}
}

// A hive that was not closed and has no logs is taken as it is, if it is whole, and that is said.
func TestDirtyHive(t *testing.T) {
	dirty := func(tr *tree.Tree) []byte {
		data, _ := tree.ReadAll(tr.Find(SystemHive).Node.Data, maxHive)
		data = bytes.Clone(data)
		data[4]++ // the first sequence number
		sum := uint32(0)
		for i := 0; i < 0x1FC; i += 4 {
			sum ^= uint32(data[i]) | uint32(data[i+1])<<8 | uint32(data[i+2])<<16 | uint32(data[i+3])<<24
		}
		copy(data[0x1FC:], []byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
		return data
	}
	tr := image(t)
	tr.WriteFile(SystemHive, tree.Bytes(dirty(tr)))
	r := Open(tr)
	var notes []string
	r.Note = func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if err := r.Set(`HKLM\SYSTEM\x`); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "was not closed cleanly") {
		t.Fatal(err, notes)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	hiveOf(t, tr, SystemHive)

	tr = image(t)
	data := dirty(tr)
	copy(data[len(data)-100:], bytes.Repeat([]byte{0xFF}, 100)) // the last cells
	copy(data[4096+32:], bytes.Repeat([]byte{0xFF}, 64))        // the root key
	tr.WriteFile(SystemHive, tree.Bytes(data))
	if _, err := Open(tr).Key(`HKLM\SYSTEM`); !errors.Is(err, regf.ErrDirty) {
		t.Error(err)
	}
}

func TestNewValue(t *testing.T) {
	for _, test := range []struct {
		kind, text string
		items      []string
		want       string // type and data in hexadecimal, or part of the error
	}{
		{"", "ab", nil, "REG_SZ 610062000000"},
		{"reg_expand_sz", "%a%", nil, "REG_EXPAND_SZ 25006100250000 00"},
		{"REG_MULTI_SZ", "", []string{"a", "b"}, "REG_MULTI_SZ 61000000620000000000"},
		{"REG_MULTI_SZ", "", nil, "REG_MULTI_SZ 0000"},
		{"REG_DWORD", "1", nil, "REG_DWORD 01000000"},
		{"REG_DWORD", "0xFFFFFFFF", nil, "REG_DWORD ffffffff"},
		{"REG_DWORD_BIG_ENDIAN", "258", nil, "REG_DWORD_BIG_ENDIAN 00000102"},
		{"REG_QWORD", "0x1FFFFFFFF", nil, "REG_QWORD ffffffff01000000"},
		{"REG_BINARY", "01,ff 0x00", nil, "REG_BINARY 01ff00"},
		{"REG_NONE", "", nil, "REG_NONE "},
		{"REG_LINK", `\a`, nil, "REG_LINK 5c006100"},
		{"REG_DWORD", "4294967296", nil, "whole number from 0 to 4294967295"},
		{"REG_DWORD", "-1", nil, "whole number"},
		{"REG_DWORD", "", nil, "whole number"},
		{"REG_DWORD", "0x", nil, "whole number"},
		{"REG_QWORD", "18446744073709551616", nil, "whole number"},
		{"REG_BINARY", "0", nil, "pairs of hexadecimal digits"},
		{"REG_BINARY", "zz", nil, "pairs of hexadecimal digits"},
		{"REG_SZ", "a\x00b", nil, "NUL"},
		{"REG_SZ", "", []string{"a"}, "a list is for REG_MULTI_SZ only"},
		{"REG_MULTI_SZ", "a", nil, "write values ="},
		{"REG_MULTI_SZ", "", []string{"a", ""}, "item 2 is empty"},
		{"DWORD", "1", nil, `"DWORD" is not one of REG_SZ, `},
	} {
		kind, err := ParseType(test.kind)
		var v regf.Value
		if err == nil {
			v, err = NewValue("n", kind, test.text, test.items)
		}
		got := fmt.Sprintf("%s %x", v.Type, v.Data)
		if err != nil {
			if !errors.Is(err, fault.ErrInvalid) {
				t.Errorf("%+v: class of %v", test, err)
			}
			got = err.Error()
		}
		if want := strings.ReplaceAll(test.want, "0000 00", "000000"); got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s %q %q: %s, want %s", test.kind, test.text, test.items, got, want)
		}
	}
	if _, err := NewValue(strings.Repeat("x", 16384), regf.REG_SZ, "", nil); err == nil {
		t.Error("a name of 16384 characters")
	}
}

// TestStoreTakesHives writes a hive through a store: the content in the tree is what the store returns.
func TestStoreTakesHives(t *testing.T) {
	flush := func(store func(io.Reader) (tree.Content, error)) (tree.Content, error) {
		tr := image(t)
		r := Open(tr)
		r.Store = store
		if err := r.Set(`HKLM\SYSTEM\New\Key`, regf.String("a", "b")); err != nil {
			t.Fatal(err)
		}
		err := r.Flush()
		return tr.Find(SystemHive).Node.Data, err
	}
	want, err := flush(nil)
	if err != nil {
		t.Fatal(err)
	}
	var kept tree.Content
	got, err := flush(func(r io.Reader) (tree.Content, error) {
		data, err := io.ReadAll(r)
		kept = tree.NewPart(bytes.NewReader(data), 0, int64(len(data)))
		return kept, err
	})
	if err != nil || got != kept {
		t.Fatalf("%v in the tree, not what the store keeps; %v", got, err)
	}
	if data, err := tree.ReadAll(got, 1<<20); err != nil || !bytes.Equal(data, want.(tree.Bytes)) {
		t.Errorf("%d bytes, not those without a store; %v", len(data), err)
	}
	if _, err := flush(func(io.Reader) (tree.Content, error) { return nil, io.ErrShortWrite }); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("no room: %v", err)
	}
}
