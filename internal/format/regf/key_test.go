package regf

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func names(keys []*Key) string {
	var s []string
	for _, k := range keys {
		s = append(s, k.Name)
	}
	return strings.Join(s, " ")
}

func TestCreateAndFind(t *testing.T) {
	h := New("root")
	h.Now = testTime
	for _, n := range []string{"b", "A", "ÿ", "Z", "_", "a1", "ж", "0"} {
		create(t, h.Root, n)
	}
	if got, want := names(h.Root.Subkeys()), "0 A a1 b Z _ ÿ ж"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
	c := create(t, h.Root, `a\X\y`)
	if c.Path() != `A\X\y` || c.Parent().Name != "X" || h.Root.Subkey(`A\x\Y`) != c || create(t, h.Root, `A\x\Y`) != c {
		t.Errorf("path %q is not found again", c.Path())
	}
	if h.Root.Subkey("") != h.Root || create(t, c, "") != c || c.Subkey("none") != nil || h.Root.Subkey(`A\\X`) != nil {
		t.Error("empty or missing paths")
	}
	if h.Root.Subkey("Ÿ") == nil || h.Root.Subkey("Ж") == nil {
		t.Error("case of letters outside ASCII matters")
	}
	if c.LastWritten != testTime || h.Root.LastWritten != testTime || string(c.Security) != string(h.Root.Security) {
		t.Error("new keys take the time of the hive and the security of their parent")
	}
}

func TestCreateRefuses(t *testing.T) {
	h := New("root")
	deep := strings.Repeat(`k\`, maxDepth-2) + "k"
	create(t, h.Root, deep)
	create(t, h.Root, strings.Repeat("n", maxKeyName))
	for _, path := range []string{`\a`, `a\`, `a\\b`, strings.Repeat("n", maxKeyName+1), deep + `\k`} {
		if _, err := h.Root.Create(path); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%.40q: %v", path, err)
		}
	}
	if h.Root.Subkey("a") != nil {
		t.Error("a refused path left a key")
	}
}

func TestDelete(t *testing.T) {
	h := New("root")
	create(t, h.Root, `a\b\c`)
	create(t, h.Root, `a\d`)
	if err := h.Root.Delete(`A\B`); err != nil || h.Root.Subkey(`a\b`) != nil || h.Root.Subkey(`a\d`) == nil {
		t.Errorf("%v, left %s", err, names(h.Root.Subkey("a").Subkeys()))
	}
	if err := h.Root.Delete(`a\b`); !errors.Is(err, ErrNotFound) || !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("a missing key: %v", err)
	}
	if err := h.Root.Delete(""); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("the root: %v", err)
	}
	checkAll(t, h)
}

func TestRename(t *testing.T) {
	h := New("root")
	k := create(t, h.Root, "b")
	create(t, k, "below")
	create(t, h.Root, "c")
	if err := k.Rename("d"); err != nil || names(h.Root.Subkeys()) != "c d" || h.Root.Subkey(`D\below`) == nil {
		t.Errorf("%v: %s", err, names(h.Root.Subkeys()))
	}
	if err := k.Rename("D"); err != nil || names(h.Root.Subkeys()) != "c D" {
		t.Errorf("to its own name in another case: %v", err)
	}
	for _, name := range []string{"C", "", `x\y`} {
		if err := k.Rename(name); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("to %q: %v", name, err)
		}
	}
	if err := h.Root.Rename("other"); err != nil || h.Root.Name != "other" {
		t.Error(err)
	}
}

func TestValuesKeepTheirPlaces(t *testing.T) {
	h := New("root")
	k := create(t, h.Root, "k")
	for _, n := range []string{"One", "", "Two", "Three"} {
		k.Set(String(n, "x"))
	}
	h.Now = testTime
	k.Set(DWord("TWO", 2))
	k.Set(DWord("four", 4))
	if !k.DeleteValue("one") || k.DeleteValue("one") {
		t.Error("one is deleted once")
	}
	var got []string
	for _, v := range k.Values() {
		got = append(got, v.Name+" "+v.Type.String())
	}
	want := []string{" REG_SZ", "Two REG_DWORD", "Three REG_SZ", "four REG_DWORD"}
	if !slices.Equal(got, want) || k.LastWritten != testTime {
		t.Errorf("%q at %d, want %q", got, k.LastWritten, want)
	}
	if v, ok := k.Value(""); !ok || v.Type != REG_SZ {
		t.Error("no default value")
	}
	if _, ok := k.Value("none"); ok {
		t.Error("a value that is not there")
	}
}

// TestCallersSlices checks that changes to what Subkeys and Values return stay outside.
func TestCallersSlices(t *testing.T) {
	h := New("root")
	for _, n := range []string{"a", "b", "c"} {
		create(t, h.Root, n)
		h.Root.Set(String(n, n))
	}
	for _, k := range h.Root.Subkeys() {
		if err := h.Root.Delete(k.Name); err != nil {
			t.Error(err)
		}
	}
	for _, v := range h.Root.Values() {
		h.Root.DeleteValue(v.Name)
	}
	if len(h.Root.Subkeys())+len(h.Root.Values()) != 0 {
		t.Errorf("left: %s, %d values", names(h.Root.Subkeys()), len(h.Root.Values()))
	}
}
