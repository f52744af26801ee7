// Package systemhive applies changes to the SYSTEM hives of real machines and of the stand-in, and lets
// outside judges say what became of them: what was wanted, and nothing else. It is for tests only.
package systemhive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// Samples is the folder of the real hives, as oracle.Sample takes it.
const Samples = "registry/mkorman90+regipy/regipy_tests/data/"

// Image is a SYSTEM hive.
type Image struct {
	Name string
	// Logs are the extensions of the logs beside it, which a dirty hive needs.
	Logs []string
	// Sets are its control sets.
	Sets []string
	// Client says that it is of a client edition.
	Client bool
}

// The hives. Windows10 has OpenSSH.
var (
	Windows7  = Image{Name: "SYSTEM", Sets: []string{"ControlSet001", "ControlSet002"}, Client: true}
	Windows81 = Image{Name: "SYSTEM_2", Sets: []string{"ControlSet001"}, Client: true}
	Dirty10   = Image{Name: "SYSTEM_B", Logs: []string{".LOG1", ".LOG2"}, Sets: []string{"ControlSet001"}, Client: true}
	Windows10 = Image{Name: "SYSTEM_WIN_10_1709", Sets: []string{"ControlSet001"}, Client: true}
	StandIn   = Image{Name: "stand-in", Sets: []string{"ControlSet001"}}
)

// Images are all hives.
var Images = []Image{Windows7, Windows81, Dirty10, Windows10, StandIn}

// Tree returns the stand-in with the hive in place of its own, and the hive as it is before any change,
// clean.
func (i Image) Tree(t testing.TB) (*tree.Tree, []byte) {
	t.Helper()
	tr, err := standin.Windows(standin.Options{Files: 1})
	if err != nil {
		t.Fatal(err)
	}
	if i.Name == StandIn.Name {
		return tr, Read(t, tr)
	}
	data := oracle.Sample(t, Samples+i.Name+".xz")
	Write(t, tr, registry.SystemHive, data)
	for _, log := range i.Logs {
		Write(t, tr, registry.SystemHive+log, oracle.Sample(t, Samples+i.Name+log+".xz"))
	}
	if len(i.Logs) == 0 {
		return tr, data // which the judges read as it is, clean or not
	}
	h, _, err := registry.Load(tr, registry.SystemHive)
	if err != nil {
		t.Fatal(err)
	}
	before, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return tr, before
}

// Salvage returns the hive of a real machine as it is, without its logs.
func (i Image) Salvage(t testing.TB) *regf.Hive {
	t.Helper()
	h, problems := regf.Salvage(oracle.Sample(t, Samples+i.Name+".xz"))
	if h == nil {
		t.Fatal(problems)
		panic("unreachable")
	}
	return h
}

// Write puts a file into a tree.
func Write(t testing.TB, tr *tree.Tree, path string, data []byte) {
	t.Helper()
	if _, err := tr.WriteFile(path, tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
}

// Read returns the hive of a tree.
func Read(t testing.TB, tr *tree.Tree) []byte {
	t.Helper()
	data, err := tree.ReadAll(tr.Find(registry.SystemHive).Node.Data, 1<<26)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Apply changes the registry of a tree, and returns the SYSTEM hive as it is then.
func Apply(t testing.TB, tr *tree.Tree, change func(*registry.Registry) error) []byte {
	t.Helper()
	r := registry.Open(tr)
	if err := errors.Join(change(r), r.Flush()); err != nil {
		t.Fatal(err)
	}
	return Read(t, tr)
}

// File writes a hive to a file that lives as long as the test.
func File(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "SYSTEM")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Check fails the test unless three outside judges read in after what want makes of what they read in
// before, and nothing else. hivexregedit compares everything; regfexport types and sizes of everything;
// reged the keys that want changes.
func Check(t testing.TB, before, after []byte, want func(oracle.Hive)) {
	t.Helper()
	old := oracle.Hivex(t, File(t, before))
	wanted := clone(old)
	want(wanted)
	path := File(t, after)
	oracle.CompareHives(t, wanted, oracle.Hivex(t, path))

	oldShapes, shapes := oracle.RegfExport(t, File(t, before)), oracle.RegfExport(t, path)
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if shapes[key] == nil {
			t.Errorf("regfexport reads no key %s", key)
			continue
		}
		wantShape := oldShapes[key]
		if !sameValues(old[key], wanted[key]) || old[key] == nil {
			got := oracle.RegedKey(t, path, `\`+key)[key]
			oracle.CompareHives(t, oracle.Hive{key: wanted[key]}.NormalStrings(), oracle.Hive{key: got})
			wantShape = shapesOf(wanted[key])
		}
		if !maps.EqualFunc(wantShape, shapes[key], sameShape) {
			t.Errorf("regfexport reads %s otherwise than wanted:\n%v\n%v", key, wantShape, shapes[key])
		}
	}
	if len(shapes) != len(wanted) {
		t.Errorf("regfexport reads %d keys, wanted %d", len(shapes), len(wanted))
	}
}

func clone(h oracle.Hive) oracle.Hive {
	out := oracle.Hive{}
	for key, values := range h {
		out[key] = maps.Clone(values)
	}
	return out
}

func sameValues(a, b map[string]oracle.HiveValue) bool {
	return maps.EqualFunc(a, b, func(x, y oracle.HiveValue) bool { return x.Type == y.Type && string(x.Data) == string(y.Data) })
}

// types are regfexport's names of the types, by number.
var types = []string{
	"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD_LITTLE_ENDIAN", "REG_DWORD_BIG_ENDIAN", "REG_LINK", "REG_MULTI_SZ",
	"REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD_LITTLE_ENDIAN",
}

func shapesOf(values map[string]oracle.HiveValue) map[string]oracle.HiveShape {
	shapes := map[string]oracle.HiveShape{}
	for name, v := range values {
		kind := fmt.Sprint(v.Type)
		if int(v.Type) < len(types) {
			kind = types[v.Type]
		}
		shapes[name] = oracle.HiveShape{Type: kind, Size: len(v.Data)}
	}
	return shapes
}

// sameShape compares types and sizes; that of a string regfexport takes from what it reads beyond the
// end, too.
func sameShape(a, b oracle.HiveShape) bool {
	return a == b || a.Type == b.Type && (a.Type == "REG_SZ" || a.Type == "REG_EXPAND_SZ")
}

// Key returns the values of a key, which must exist; case does not matter.
func Key(t testing.TB, h oracle.Hive, path string) map[string]oracle.HiveValue {
	t.Helper()
	for key, values := range h {
		if strings.EqualFold(key, path) {
			return values
		}
	}
	t.Fatalf("no key %s", path)
	return nil
}

// GetValue checks a value as hivexget prints it.
func GetValue(t testing.TB, hive []byte, key, name, want string) {
	t.Helper()
	oracle.Need(t, "hivexget")
	if got := strings.TrimSpace(oracle.Run(t, "hivexget", File(t, hive), `\`+key, name)); got != want {
		t.Errorf("hivexget %s %s: %q, want %q", key, name, got, want)
	}
}

// DWord is a REG_DWORD, as Windows stores it.
func DWord(n uint32) oracle.HiveValue {
	return oracle.HiveValue{Type: 4, Data: binary.LittleEndian.AppendUint32(nil, n)}
}

// Text is a REG_SZ.
func Text(s string) oracle.HiveValue { return oracle.HiveValue{Type: 1, Data: units(s + "\x00")} }

// Expand is a REG_EXPAND_SZ.
func Expand(s string) oracle.HiveValue { return oracle.HiveValue{Type: 2, Data: units(s + "\x00")} }

// Multi is a REG_MULTI_SZ.
func Multi(items ...string) oracle.HiveValue {
	var text strings.Builder
	for _, item := range items {
		text.WriteString(item + "\x00")
	}
	return oracle.HiveValue{Type: 7, Data: units(text.String() + "\x00")}
}

// Binary is a REG_BINARY.
func Binary(data ...byte) oracle.HiveValue { return oracle.HiveValue{Type: 3, Data: data} }

func units(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
