package paging

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

const hives = "registry/mkorman90+regipy/regipy_tests/data/"

// images are SYSTEM hives of real machines and of the stand-in, each in a tree.
var images = []struct {
	name   string
	logs   []string // beside it; SYSTEM_B is dirty and needs them
	sets   []string
	client bool
}{
	{name: "SYSTEM", sets: []string{"ControlSet001", "ControlSet002"}, client: true}, // Windows 7
	{name: "SYSTEM_2", sets: []string{"ControlSet001"}, client: true},
	{name: "SYSTEM_B", logs: []string{".LOG1", ".LOG2"}, sets: []string{"ControlSet001"}, client: true},
	{name: "SYSTEM_WIN_10_1709", sets: []string{"ControlSet001"}, client: true},
	{name: "stand-in", sets: []string{"ControlSet001"}},
}

// imageTree returns the tree of an image, and its hive as it is before, clean.
func imageTree(t *testing.T, name string, logs []string) (*tree.Tree, []byte) {
	t.Helper()
	if name == "stand-in" {
		tr, err := standin.Windows(standin.Options{Files: 1})
		if err != nil {
			t.Fatal(err)
		}
		before, err := tree.ReadAll(tr.Find(registry.SystemHive).Node.Data, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return tr, before
	}
	tr := tree.New(1)
	data := oracle.Sample(t, hives+name+".xz")
	write(t, tr, registry.SystemHive, data)
	for _, log := range logs {
		write(t, tr, registry.SystemHive+log, oracle.Sample(t, hives+name+log+".xz"))
	}
	h, _, err := registry.Load(tr, registry.SystemHive)
	if err != nil {
		t.Fatal(err)
	}
	before, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(logs) == 0 {
		before = data // which the judges read as it is, clean or not
	}
	return tr, before
}

func write(t *testing.T, tr *tree.Tree, path string, data []byte) {
	t.Helper()
	if _, err := tr.WriteFile(path, tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
}

// apply makes the settings, and returns the hive as it is then.
func apply(t *testing.T, tr *tree.Tree, s Settings) []byte {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	r := registry.Open(tr)
	if err := errors.Join(Apply(tr, r, s), r.Flush()); err != nil {
		t.Fatal(err)
	}
	after, err := tree.ReadAll(tr.Find(registry.SystemHive).Node.Data, 1<<26)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func file(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "SYSTEM")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// off makes the changes in what a judge has read that Windows expects for no page file.
func off(h oracle.Hive, set string, client bool) {
	memory, crash := h[set+`\Control\Session Manager\Memory Management`], h[set+`\Control\CrashControl`]
	memory["PagingFiles"] = oracle.HiveValue{Type: uint32(regf.REG_MULTI_SZ), Data: []byte{0, 0}}
	delete(memory, "ExistingPageFiles")
	if client {
		memory["SwapfileControl"] = oracle.HiveValue{Type: uint32(regf.REG_DWORD), Data: []byte{0, 0, 0, 0}}
	}
	crash["CrashDumpEnabled"] = oracle.HiveValue{Type: uint32(regf.REG_DWORD), Data: []byte{0, 0, 0, 0}}
}

// What others read after paging is turned off differs from before in what Windows expects, and in
// nothing else.
func TestOffAsOthersReadIt(t *testing.T) {
	for _, image := range images {
		t.Run(image.name, func(t *testing.T) {
			t.Parallel()
			tr, before := imageTree(t, image.name, image.logs)
			after := file(t, apply(t, tr, Settings{Off: true}))

			want := oracle.Hivex(t, file(t, before))
			for _, set := range image.sets {
				off(want, set, image.client)
			}
			oracle.CompareHives(t, want, oracle.Hivex(t, after))
			compareShapes(t, oracle.RegfExport(t, file(t, before)), oracle.RegfExport(t, after), image.sets)
			for _, set := range image.sets {
				for _, key := range []string{set + `\Control\Session Manager\Memory Management`, set + `\Control\CrashControl`} {
					got := oracle.RegedKey(t, after, `\`+key)[key]
					oracle.CompareHives(t, oracle.Hive{key: want[key]}.NormalStrings(), oracle.Hive{key: got})
				}
				hivexget(t, after, `\`+set+`\Control\Session Manager\Memory Management`, "PagingFiles", "")
				hivexget(t, after, `\`+set+`\Control\CrashControl`, "CrashDumpEnabled", "0")
			}
		})
	}
}

// hivexget checks a value as hivexget prints it.
func hivexget(t *testing.T, hive, key, name, want string) {
	t.Helper()
	oracle.Need(t, "hivexget")
	if got := strings.TrimSpace(oracle.Run(t, "hivexget", hive, key, name)); got != want {
		t.Errorf("hivexget %s %s: %q, want %q", key, name, got, want)
	}
}

// compareShapes compares the types and sizes that regfexport reads, but for the two keys that change.
func compareShapes(t *testing.T, want, got map[string]map[string]oracle.HiveShape, sets []string) {
	t.Helper()
	for _, set := range sets {
		memory := got[set+`\Control\Session Manager\Memory Management`]
		if s := memory["PagingFiles"]; s != (oracle.HiveShape{Type: "REG_MULTI_SZ", Size: 2}) {
			t.Errorf("regfexport reads PagingFiles as %+v", s)
		}
		for _, key := range []string{`\Control\Session Manager\Memory Management`, `\Control\CrashControl`} {
			delete(want, set+key)
			delete(got, set+key)
		}
	}
	for key := range want {
		if !maps.EqualFunc(want[key], got[key], sameShape) {
			t.Errorf("regfexport reads %s otherwise than before:\n%v\n%v", key, want[key], got[key])
		}
	}
	if len(want) != len(got) {
		t.Errorf("regfexport reads %d keys, %d before", len(got), len(want))
	}
}

// sameShape compares types and sizes; that of a string regfexport takes from what it reads beyond the
// end, too.
func sameShape(a, b oracle.HiveShape) bool {
	return a == b || a.Type == b.Type && (a.Type == "REG_SZ" || a.Type == "REG_EXPAND_SZ")
}

// The comparison sees one value of thousands.
func TestComparisonCanFail(t *testing.T) {
	tr, before := imageTree(t, "stand-in", nil)
	want, got := oracle.Hivex(t, file(t, before)), oracle.Hivex(t, file(t, apply(t, tr, Settings{Off: true})))
	if want.String() == got.String() {
		t.Error("no difference is seen")
	}
	off(want, "ControlSet001", false)
	want["Select"]["Current"].Data[3] ^= 1
	if want.String() == got.String() {
		t.Error("a flipped byte is not seen")
	}
}

func value(t *testing.T, tr *tree.Tree, key, name string) string {
	t.Helper()
	k, err := registry.Open(tr).Key(`HKLM\SYSTEM\CurrentControlSet\Control\` + key)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := k.Value(name)
	if !ok {
		return "none"
	}
	if n, err := v.Integer(); err == nil {
		return fmt.Sprint(n)
	}
	items, err := v.Strings()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(items, ";")
}

func TestOffAndOnAgain(t *testing.T) {
	tr, _ := imageTree(t, "stand-in", nil)
	write(t, tr, "pagefile.sys", []byte("pages"))
	apply(t, tr, Settings{Off: true})
	if tr.Find("pagefile.sys") != nil {
		t.Error("the page file is still there")
	}
	for _, step := range []struct {
		settings     Settings
		files, dumps string
	}{
		{Settings{}, `?:\pagefile.sys`, "7"},
		{Settings{Drive: "D"}, `D:\pagefile.sys 0 0`, "7"},
		{Settings{Drive: "C", Initial: 1024, Maximum: 4096}, `C:\pagefile.sys 1024 4096`, "7"},
		{Settings{Off: true}, "", "0"},
	} {
		apply(t, tr, step.settings)
		if got := value(t, tr, `Session Manager\Memory Management`, "PagingFiles"); got != step.files {
			t.Errorf("%+v: PagingFiles %q, want %q", step.settings, got, step.files)
		}
		if got := value(t, tr, "CrashControl", "CrashDumpEnabled"); got != step.dumps {
			t.Errorf("%+v: CrashDumpEnabled %s, want %s", step.settings, got, step.dumps)
		}
	}
}

// A dump file of its own needs no page file, so dumps stay on.
func TestDedicatedDumpFile(t *testing.T) {
	tr, _ := imageTree(t, "stand-in", nil)
	r := registry.Open(tr)
	err := r.Set(`HKLM\SYSTEM\CurrentControlSet\Control\CrashControl`, regf.String("DedicatedDumpFile", `D:\dump.sys`))
	if err := errors.Join(err, r.Flush()); err != nil {
		t.Fatal(err)
	}
	apply(t, tr, Settings{Off: true})
	if got := value(t, tr, "CrashControl", "CrashDumpEnabled"); got != "7" {
		t.Errorf("CrashDumpEnabled %s", got)
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []Settings{{}, {Off: true}, {Drive: "d"}, {Drive: "C", Initial: 16, Maximum: 16}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, test := range []struct {
		s    Settings
		part string
	}{
		{Settings{Off: true, Drive: "C"}, "paging: "},
		{Settings{Drive: "C:"}, "drive: "},
		{Settings{Drive: "1"}, "drive: "},
		{Settings{Initial: 1024, Maximum: 1024}, "drive: "},
		{Settings{Drive: "C", Initial: 15, Maximum: 1024}, "initial: "},
		{Settings{Drive: "C", Initial: 1024, Maximum: 1023}, "maximum: "},
		{Settings{Drive: "C", Maximum: 1024}, "initial: "},
		{Settings{Drive: "C", Initial: 16, Maximum: 1 << 40}, "maximum: "},
	} {
		if err := test.s.Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), test.part) {
			t.Errorf("%+v: %v, want %s", test.s, err, test.part)
		}
	}
}
