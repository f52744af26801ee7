package regf

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestManySubkeys has lists at and beyond the sizes at which Windows splits them, up to lists of
// several lists.
func TestManySubkeys(t *testing.T) {
	for _, minor := range minors {
		for _, n := range []int{1, maxFast, maxFast + 1, maxIndex, maxIndex + 1, 2*maxIndex + 1} {
			t.Run(fmt.Sprintf("%d in minor %d", n, minor), func(t *testing.T) {
				t.Parallel()
				h := New("many")
				h.Minor = minor
				for i := range n {
					create(t, h.Root, fmt.Sprintf("key %d", (i*7919)%n)).Set(DWord("i", uint32(i)))
				}
				sameHive(t, parse(t, marshal(t, h)), h)
				if n > maxIndex {
					checkSome(t, h, "hivexregedit", "python-hivex", "regfinfo", "reged")
				}
			})
		}
	}
}

// checkSome asks only the judges that are named.
func checkSome(t *testing.T, h *Hive, names ...string) {
	t.Helper()
	audit(t, marshal(t, h))
	for _, name := range names {
		for i := range judges {
			if judges[i].name == name {
				t.Run(name, func(t *testing.T) { judges[i].check(t, h) })
			}
		}
	}
}

func TestDeep(t *testing.T) {
	h := New("deep")
	k := create(t, h.Root, strings.Repeat(`level\`, 299)+"last")
	k.Set(String("at", "the bottom"))
	sameHive(t, parse(t, marshal(t, h)), h)
	checkSome(t, h, "python-hivex", "hivexregedit")

	k = create(t, k, strings.Repeat(`level\`, maxDepth-302)+"last")
	b := marshal(t, h)
	sameHive(t, parse(t, b), h)
	k.children = []*Key{{Name: "too deep", hive: h, parent: k}}
	if _, err := h.Marshal(); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "levels") {
		t.Error(err)
	}
}

// TestTooDeep reads a hive that is one level too deep, which Marshal does not write.
func TestTooDeep(t *testing.T) {
	h := New("deep")
	k := create(t, h.Root, strings.Repeat(`k\`, maxDepth-2)+"bottom")
	p, err := newPlan(h)
	if err != nil {
		t.Fatal(err)
	}
	k.children = []*Key{{Name: "too deep", Security: k.Security, hive: h, parent: k}}
	b, err := p.marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(b); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "levels") {
		t.Error(err)
	}
}

func TestLargeValues(t *testing.T) {
	for _, minor := range minors {
		h := New("large")
		h.Minor = minor
		h.Root.Set(Binary("mebibyte", pattern(1<<20)))
		h.Root.Set(Binary("odd", pattern(1<<20+1)))
		sameHive(t, parse(t, marshal(t, h)), h)
		checkSome(t, h, "python-hivex")
	}
}

// TestOneLargeCell reads a value above 16,344 bytes in a single cell in a hive whose version has
// db records: hivex and older Windows leave it so.
func TestOneLargeCell(t *testing.T) {
	h := New("large")
	h.Root.Set(Binary("v", pattern(50000)))
	b := marshal(t, h)
	le.PutUint32(b[0x18:], 5)
	le.PutUint32(b[checksumOffset:], checksum(b))
	if v, _ := parse(t, b).Root.Value("v"); !bytes.Equal(v.Data, pattern(50000)) {
		t.Errorf("%d bytes", len(v.Data))
	}
}

// TestSharedSecurity counts the descriptors in a hive with two, used by a thousand keys.
func TestSharedSecurity(t *testing.T) {
	h := New("root")
	other := append(DefaultSecurity(), 0, 0, 0, 0)
	for i := range 1000 {
		k := create(t, h.Root, fmt.Sprint(i))
		k.Security = DefaultSecurity()
		if i%3 == 0 {
			k.Security = bytes.Clone(other)
		}
	}
	b := marshal(t, h)
	audit(t, b)
	if n := bytes.Count(b, DefaultSecurity()); n != 2 {
		t.Errorf("%d descriptors", n)
	}
	a, c := parse(t, b).Root.Subkey("1"), parse(t, b).Root.Subkey("3")
	if bytes.Equal(a.Security, c.Security) || !bytes.Equal(c.Security, other) {
		t.Error("descriptors mixed up")
	}
}

// TestManyEdits changes a hive of 20,000 keys 10,000 times, and bounds what Parse allocates: with
// the file itself less than four times its size.
func TestManyEdits(t *testing.T) {
	h := New("root")
	h.Minor = 5
	for i := range 20000 {
		k := create(t, h.Root, fmt.Sprintf(`Class %d\{%08x}\Key`, i%100, i))
		k.Set(String("ImagePath", `\SystemRoot\System32\drivers\example.sys`))
		k.Set(DWord("Start", uint32(i)))
	}
	b := marshal(t, h)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h = parse(t, b)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 3*uint64(len(b)) {
		t.Errorf("Parse allocates %d bytes for a hive of %d", n, len(b))
	}
	for i := range 10000 {
		path := fmt.Sprintf(`class %d\{%08x}`, i%100, i)
		if i%2 == 0 {
			create(t, h.Root, path+`\New`).Set(QWord("n", uint64(i)))
		} else if err := h.Root.Delete(path); err != nil {
			t.Fatal(err)
		}
	}
	b = marshal(t, h)
	audit(t, b)
	sameHive(t, parse(t, b), h)
}

func TestMarshalRefuses(t *testing.T) {
	for name, spoil := range map[string]func(h *Hive){
		"minor version":   func(h *Hive) { h.Minor = 1 },
		"security":        func(h *Hive) { h.Root.Security = []byte("short") },
		"absolute":        func(h *Hive) { h.Root.Security = make([]byte, 20) },
		"security offset": func(h *Hive) { h.Root.Security = append([]byte{1, 0, 0, 0x80, 0xFF}, make([]byte, 15)...) },
		"key name":        func(h *Hive) { h.Root.Name = strings.Repeat("n", 1<<15) },
		"class":           func(h *Hive) { h.Root.Class = strings.Repeat("n", 1<<15) },
		"value name":      func(h *Hive) { h.Root.Set(DWord(strings.Repeat("n", 1<<16), 1)) },
		"handle":          func(h *Hive) { h.Root.Set(DWord("n", 1)); h.Root.Flags |= KeyPredefHandle },
	} {
		h := New("root")
		spoil(h)
		if _, err := h.Marshal(); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRenamedByHand checks that Marshal orders keys whose names were assigned.
func TestRenamedByHand(t *testing.T) {
	h := New("root")
	for _, n := range []string{"a", "b", "c"} {
		create(t, h.Root, n).Security = append(DefaultSecurity(), n[0])
	}
	h.Root.Subkey("a").Name = "z"
	b := marshal(t, h)
	audit(t, b)
	if got := names(parse(t, b).Root.Subkeys()); got != "b c z" {
		t.Error(got)
	}
}

// TestWhatSurvives has every field that no method sets.
func TestWhatSurvives(t *testing.T) {
	h := New("root")
	h.FileName = `\??\C:\a long path that does not fit\SYSTEM`
	h.LastWritten = testTime
	for i := 0x70; i < 0xB0; i++ {
		h.base[i] = byte(i)
	}
	k := create(t, h.Root, "k")
	k.Class, k.LastWritten, k.Control, k.Access = "class Ж", testTime, 0xABCD, 0x12345678
	k.Flags = 0xF000 | KeySymLink | KeyVirtualStore
	k.Set(Value{Name: "gone", Flags: TombstoneValue})
	p := create(t, h.Root, "predefined")
	p.Flags, p.handle = KeyPredefHandle, 0x80000002
	n := create(t, h.Root, "no security")
	n.Security = nil
	b := marshal(t, h)
	got := parse(t, b)
	if want := `long path that does not fit\SYSTEM`; got.FileName != want[len(want)-32:] {
		t.Errorf("file name %q", got.FileName)
	}
	h.FileName = got.FileName
	sameHive(t, got, h)
	if !bytes.Equal(b[baseSize+0x14:][:8], b[0x0C:][:8]) {
		t.Error("the first bin has another time than the header")
	}
}
