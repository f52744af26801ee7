package systemhive

import (
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// recorder notes that a test would have failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

// Check fails where something was changed that was not wanted, where something wanted is missing, and
// where a type or one byte differs; and not otherwise.
func TestCheckCanFail(t *testing.T) {
	tr, before := StandIn.Tree(t)
	after := Apply(t, tr, func(r *registry.Registry) error {
		return r.Set(`HKLM\SYSTEM\ControlSet001\Services\partmgr\Parameters`, regf.DWord("SanPolicy", 3))
	})
	const key = `ControlSet001\Services\partmgr\Parameters`
	set := func(v oracle.HiveValue) func(oracle.Hive) {
		return func(h oracle.Hive) { Key(t, h, key)["SanPolicy"] = v }
	}
	for _, test := range []struct {
		name   string
		want   func(oracle.Hive)
		failed bool
	}{
		{"as it is", set(DWord(3)), false},
		{"another number", set(DWord(4)), true},
		{"another type", set(Binary(3, 0, 0, 0)), true},
		{"no change", func(oracle.Hive) {}, true},
		{"another key", func(h oracle.Hive) { set(DWord(3))(h); h[`ControlSet001\x`] = nil }, true},
		{"another value", func(h oracle.Hive) { set(DWord(3))(h); Key(t, h, key)["x"] = Multi("a", "b") }, true},
	} {
		r := &recorder{TB: t}
		Check(r, before, after, test.want)
		if r.failed != test.failed {
			t.Errorf("%s: failed %v", test.name, r.failed)
		}
	}
}
