package regf

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// checkSalvage salvages a hive and makes sure that what comes out can be written and read.
func checkSalvage(t testing.TB, data []byte) (*Hive, []Problem) {
	t.Helper()
	h, problems := Salvage(data)
	for _, p := range problems {
		if p.Err == nil || p.Offset > int64(len(data)) || p.String() == "" {
			t.Errorf("problem %+v", p)
		}
	}
	if h == nil {
		if len(problems) == 0 {
			t.Error("neither a hive nor a problem")
		}
		return nil, problems
	}
	b := marshal(t, h)
	sameHive(t, parse(t, b), h)
	return h, problems
}

// TestSalvageSound has nothing to salvage.
func TestSalvageSound(t *testing.T) {
	for _, minor := range []uint32{2, 3, 4, 5, 6} {
		b := marshal(t, richHive(t, minor))
		h, problems := checkSalvage(t, b)
		if len(problems) != 0 {
			t.Fatalf("%v", problems)
		}
		sameHive(t, h, parse(t, b))
	}
}

// TestSalvage reads hives with the damages of TestCorrupt: a key beside the damaged one survives.
func TestSalvage(t *testing.T) {
	sound, all := corruptible(t)
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(sound)
			c.apply(b)
			_, err := Parse(b)
			h, problems := checkSalvage(t, b)
			if h == nil || h.Root.Subkey("other") == nil || len(problems) == 0 {
				t.Fatalf("hive %v, problems %v", h, problems)
			}
			var f *fault.Error
			if p := problems[0]; !errors.As(err, &f) || p.Offset != f.Offset || !strings.Contains(p.Err.Error(), f.Detail) {
				t.Errorf("problem %+v\nParse says %v", p, err)
			}
		})
	}
}

// TestSalvageParts says what exactly is lost of a hive.
func TestSalvageParts(t *testing.T) {
	sound, _ := corruptible(t)
	list := func(b []byte) int { _, n := nodeAt(b, "root"); return fileAt(n.SubkeyList) }
	for _, c := range []struct {
		name     string
		damage   func(b []byte) []byte
		keys     string // all paths
		values   int
		problems int
	}{
		{"nothing", func(b []byte) []byte { return b }, `|other|victim|victim\child`, 2, 0},
		{"list of subkeys", func(b []byte) []byte { b[list(b)] = 'x'; return b }, `|other|victim|victim\child`, 2, 2},
		{"size of a cell", func(b []byte) []byte { b[list(b)-1] = 0; return b }, `|other|victim|victim\child`, 2, 1},
		{"key", func(b []byte) []byte { b[fileAt(cellOf(b, "victim"))] = 'x'; return b }, `|other`, 0, 2},
		{"key's name", func(b []byte) []byte { edit("child", func(n *node) { n.NameLen = 999 })(b); return b }, `|other|victim`, 1, 1},
		{"value", func(b []byte) []byte { b[bytes.Index(b, []byte("big"))-valueSize] = 0; return b }, `|other|victim|victim\child`, 1, 1},
		{"value list", func(b []byte) []byte { edit("victim", func(n *node) { n.ValueList++ })(b); return b }, `|other|victim|victim\child`, 1, 1},
		{"too few in a value list", func(b []byte) []byte { edit("victim", func(n *node) { n.Values = 2 })(b); return b }, `|other|victim|victim\child`, 2, 1},
		{"class", func(b []byte) []byte { edit("victim", func(n *node) { n.Class = 8 })(b); return b }, `|other|victim|victim\child`, 2, 1},
		{"root cell", func(b []byte) []byte { return set(0x24, 0x28)(b) }, `|other|victim|victim\child`, 2, 1},
		{"header", func(b []byte) []byte { return append(make([]byte, baseSize), b[baseSize:]...) }, `|other|victim|victim\child`, 2, 2},
		{"header, and size of the bins", func(b []byte) []byte { le.PutUint32(b[0x28:], 4096); return b }, `|other|victim|victim\child`, 2, 1},
		{"dirty", func(b []byte) []byte { return seal(b, 7, 6) }, `|other|victim|victim\child`, 2, 1},
		{"bin header", func(b []byte) []byte { clear(b[baseSize:][:binHeader]); return b }, `|other|victim|victim\child`, 2, 1},
		{"end of the file", func(b []byte) []byte { return b[:baseSize+4096] }, `|other|victim|victim\child`, 1, 2},
		{"bins size too small", func(b []byte) []byte { return set(0x28, 4096)(b) }, `|other|victim|victim\child`, 2, 1},
		{"bins size", func(b []byte) []byte { return set(0x28, 1)(b) }, `|other|victim|victim\child`, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, problems := checkSalvage(t, c.damage(bytes.Clone(sound)))
			if h == nil {
				t.Fatal(problems)
			}
			var paths []string
			values := 0
			walk(h.Root, func(k *Key) { paths, values = append(paths, k.Path()), values+len(k.Values()) })
			if got := strings.Join(paths, "|"); got != c.keys || values != c.values || len(problems) != c.problems {
				t.Errorf("%s, %d values, problems %q", got, values, problems)
			}
		})
	}
}

// TestSalvageNothing has files of which nothing can be read.
func TestSalvageNothing(t *testing.T) {
	sound := marshal(t, New("root"))
	for name, data := range map[string][]byte{
		"empty":         nil,
		"another file":  []byte("MZ"),
		"header only":   sound[:baseSize],
		"no bins":       append(bytes.Clone(sound[:baseSize]), 1, 2, 3),
		"zeros":         make([]byte, 3*baseSize),
		"other version": set(0x18, 1)(bytes.Clone(sound)),
		"a log":         set(0x1C, 6)(bytes.Clone(sound)),
	} {
		if h, _ := checkSalvage(t, data); h != nil {
			t.Errorf("%s: a hive", name)
		}
	}
}

// TestSalvageSecurity gives a key with a broken descriptor that of the key above.
func TestSalvageSecurity(t *testing.T) {
	h := New("root")
	top := create(t, h.Root, "top")
	top.Security = append(DefaultSecurity(), 1, 2, 3, 4)
	create(t, top, "below").Security = append(DefaultSecurity(), 5, 6, 7, 8)
	b := marshal(t, h)
	_, n := nodeAt(b, "below")
	b[fileAt(n.Security)] = 'x'
	got, problems := checkSalvage(t, b)
	if len(problems) != 1 || problems[0].Path != `top\below` || !bytes.Equal(got.Root.Subkey(`top\below`).Security, top.Security) {
		t.Errorf("%v", problems)
	}
	_, n = nodeAt(b, "root")
	b[fileAt(n.Security)] = 'x'
	if got, _ := checkSalvage(t, b); !bytes.Equal(got.Root.Security, DefaultSecurity()) {
		t.Errorf("root: %x", got.Root.Security)
	}
}

// TestSalvageBounded has a hive in which everything is wrong: the list of problems ends.
func TestSalvageBounded(t *testing.T) {
	h := New("root")
	h.Minor = 5
	for i := range 3 * maxProblems {
		create(t, h.Root, fmt.Sprintf(`%d\%d`, i/1000, i)).Set(DWord("v", 1))
	}
	b := marshal(t, h)
	b = bytes.ReplaceAll(b, []byte("vk\x01\x00\x04"), []byte("xx\x01\x00\x04"))
	got, problems := checkSalvage(t, b)
	if n := len(got.Root.Subkeys()); n != 3*maxProblems/1000 || len(problems) != maxProblems+1 {
		t.Fatalf("%d keys, %d problems", n, len(problems))
	}
	if got := problems[maxProblems].String(); got != fmt.Sprintf("%d more problems", 2*maxProblems) {
		t.Error(got)
	}
}

// TestSalvageRandom damages hives at random: single bytes, pages of zeros, pages swapped.
func TestSalvageRandom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		b := marshal(t, richHive(t, 3+uint32(seed%3)))
		for range 1 + r.IntN(20) {
			page := func() []byte { return b[baseSize+r.IntN(len(b)/baseSize-1)*binAlign:][:binAlign] }
			switch r.IntN(8) {
			case 0:
				clear(page())
			case 1:
				copy(page(), page())
			default:
				b[baseSize+r.IntN(len(b)-baseSize)] ^= 1 << r.IntN(8)
			}
		}
		checkSalvage(t, b)
	}
}

// TestSalvageSample salvages a real hive that lost pages all over; no program here reads it.
func TestSalvageSample(t *testing.T) {
	t.Parallel()
	data := oracle.Sample(t, regipy+"corrupted_system_hive.xz")
	h, problems := checkSalvage(t, data)
	keys, values := 0, 0
	walk(h.Root, func(k *Key) { keys, values = keys+1, values+len(k.Values()) })
	t.Logf("%d keys, %d values, %d problems", keys, values, len(problems))
	if keys < 1800 || values < 5800 || h.Root.Subkey("Select") == nil {
		t.Errorf("%d keys, %d values", keys, values)
	}
	out := marshal(t, h)
	audit(t, out)
	oracle.Need(t, "python3")
	text, err := readPython(h, tempHive(t, out))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "hivex", text, pythonText(h))
}
