package regf

import (
	"errors"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestOddHives rewrites the hives of yarp's tests: wrong orders and parents, bad lists, names cut in
// the middle, layered keys. What Parse refuses is salvaged.
func TestOddHives(t *testing.T) {
	eachSample(t, "registry/"+odd, "Carving", func(t *testing.T, data []byte) {
		data = forceClean(data)
		h, err := Parse(data)
		saved, problems := checkSalvage(t, data)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) || len(problems) == 0 {
				t.Errorf("%v, problems %v", err, problems)
			}
			t.Log(err, problems)
			return
		}
		if len(problems) != 0 {
			t.Errorf("problems %v", problems)
		}
		sameHive(t, saved, h)
		out := marshal(t, h)
		again := parse(t, out)
		sameHive(t, again, h)
		same(t, "rewritten twice", string(marshal(t, again)), string(out))
	})
}

// TestJunkNames keeps names that no Windows API would make but some programs do, and two keys or
// values of the same name.
func TestJunkNames(t *testing.T) {
	for _, minor := range minors {
		h := New("")
		h.Minor = minor
		for i, name := range []string{"", "\x00", "nu\x00l", "new\r\nline", `back\slash`, "dup", "DUP", "dup", "\xED\xA0\x80", "ÿ\xED\xB0\x80", "\uFFFF"} {
			k := create(t, h.Root, string(rune('a'+i)))
			k.Name = name
			k.values = []Value{DWord(name, 1), DWord(name, 2), String("x", name)}
		}
		h.Root.sort()
		b := marshal(t, h)
		sameHive(t, parse(t, b), h)
		saved, problems := checkSalvage(t, b)
		if len(problems) != 0 {
			t.Fatal(problems)
		}
		sameHive(t, saved, h)
	}
}
