package inspect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// sampleFile writes a sample to a file of its own.
func sampleFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(strings.TrimSuffix(name, filepath.Ext(name))))
	save(t, path, string(oracle.Sample(t, name)))
	return path
}

// hives are samples of several versions, of Windows and of others.
var hives = []string{
	"registry/log2timeline+dfwinreg/test_data/NTUSER.DAT", "registry/log2timeline+dfwinreg/test_data/SAM",
	"registry/williballenthin+python-registry/tests/reg_samples/UNICODE_TESTS", "registry/mkorman90+regipy/regipy_tests/data/SYSTEM_WIN_10_1709.xz",
	"bcd/EricZimmerman+Registry/Registry.Test/Hives/BCD", "bcd/mkorman90+regipy/regipy_tests/data/BCD.xz",
}

// TestHives compares the figures of hives, and all values of some keys, with what hivex reads.
func TestHives(t *testing.T) {
	oracle.Need(t, "hivexregedit")
	for _, name := range hives {
		path := sampleFile(t, name)
		want := oracle.Hivex(t, path)
		f := one(t, path, inspect.Place{})
		h := f.Hive
		values := 0
		for _, key := range want {
			values += len(key)
		}
		if h == nil || h.Keys != len(want)-1 || h.Values != values || h.Dirty != (h.Sequence[0] != h.Sequence[1]) {
			t.Errorf("%s: %+v, hivex reads %d keys, %d values", name, h, len(want)-1, values)
			continue
		}
		seen := 0
		for key, all := range want {
			if seen++; seen > 12 {
				break
			}
			sameKey(t, path, key, all)
		}
	}
}

func sameKey(t *testing.T, path, key string, want map[string]oracle.HiveValue) {
	t.Helper()
	f := inspect.Run([]string{path}, inspect.Options{Key: &key}).Files[0]
	if f.Error != "" || len(f.Key.Values) != len(want) {
		t.Errorf("%q: %s, %+v, hivex reads %d values", key, f.Error, f.Key, len(want))
		return
	}
	for _, v := range f.Key.Values {
		w := want[v.Name]
		if data := fmt.Sprintf("%x", w.Data); v.Size != len(w.Data) || v.Data != data[:min(len(data), len(v.Data))] {
			t.Errorf("%q %q: %+v, hivex reads %x", key, v.Name, v, w)
		}
	}
}

// TestStores lists every object and element of BCD stores that Windows made.
func TestStores(t *testing.T) {
	for _, name := range oracle.Samples(t, "bcd") {
		data := oracle.Sample(t, name)
		store, err := bcd.Parse(data)
		if err != nil {
			continue // a script beside them
		}
		path := filepath.Join(t.TempDir(), "x")
		save(t, path, string(data))
		f := one(t, path, inspect.Place{})
		if f.Kind != inspect.KindBCD || f.Store == nil || len(f.Store.Objects) != len(store.Objects()) {
			t.Fatalf("%s: %+v", name, f)
		}
		for _, o := range f.Store.Objects {
			i := slices.IndexFunc(store.Objects(), func(x *bcd.Object) bool { return x.ID.Braced() == o.ID })
			if i < 0 || len(o.Elements) != len(store.Objects()[i].Elements()) || o.Title == "" {
				t.Errorf("%s: %+v", name, o)
			}
			for _, e := range o.Elements {
				if e.Problem != "" || e.Name == "" {
					t.Errorf("%s %s: %+v", name, o.ID, e)
				}
			}
		}
	}
}

// TestDirtyHive reads a hive with the logs beside it, and says what became of them.
func TestDirtyHive(t *testing.T) {
	const folder = "registry/mkorman90+regipy/regipy_tests/data/"
	dir := t.TempDir()
	path := filepath.Join(dir, "NTUSER.DAT")
	save(t, path, string(oracle.Sample(t, folder+"transactions_NTUSER.DAT.xz")))
	alone := inspect.Run([]string{path}, inspect.Options{}).Files[0]
	if alone.Hive == nil || !alone.Hive.Dirty || alone.Error == "" && alone.Hive.Logs == "" {
		t.Errorf("%+v, %+v", alone, alone.Hive)
	}
	save(t, path+".LOG1", string(oracle.Sample(t, folder+"transactions_ntuser.dat.log1.xz")))
	save(t, path+".log2", string(oracle.Sample(t, folder+"transactions_ntuser.dat.log2.xz")))
	f := one(t, path, inspect.Place{})
	if !f.Hive.Dirty || f.Hive.Logs != "replayed" {
		t.Errorf("%+v", f.Hive)
	}
}

// TestCurrentControlSet resolves what Windows resolves.
func TestCurrentControlSet(t *testing.T) {
	path := sampleFile(t, "registry/mkorman90+regipy/regipy_tests/data/SYSTEM_WIN_10_1709.xz")
	key := `CurrentControlSet\Control\Session Manager`
	f := inspect.Run([]string{path}, inspect.Options{Key: &key}).Files[0]
	if f.Error != "" || len(f.Key.Values) == 0 {
		t.Errorf("%+v", f)
	}
	key = `nothing\there`
	if f := inspect.Run([]string{path}, inspect.Options{Key: &key}).Files[0]; !strings.Contains(f.Error, "ControlSet001") || f.Key != nil {
		t.Errorf("%+v", f)
	}
}

// TestNothing is what can be wrong with a path.
func TestNothing(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "x.txt")
	save(t, text, strings.Repeat("text ", 1000))
	empty := filepath.Join(dir, "empty")
	save(t, empty, "")
	for path, want := range map[string]string{text: "no WIM", empty: "no WIM", dir: "folder", filepath.Join(dir, "no"): "there is no"} {
		r := inspect.Run([]string{path}, inspect.Options{})
		if f := r.Files[0]; !strings.Contains(f.Error, want) || f.Kind != inspect.KindUnknown || f.Path != path || !r.Unreadable() {
			t.Errorf("%+v", f)
		}
		if err := inspect.Cat(os.Stdout, path, inspect.Place{}, "x"); err == nil {
			t.Error(path)
		}
	}
}
