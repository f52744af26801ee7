package regf

import (
	"errors"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// TestCheckSamples looks at every real hive that was closed cleanly, and at what Marshal makes of it:
// there is nothing to find in either.
func TestCheckSamples(t *testing.T) {
	samples(t, func(t *testing.T, data []byte) {
		if isDirty(data) {
			if problems := Check(data); len(problems) != 1 || !errors.Is(problems[0], ErrDirty) {
				t.Errorf("dirty: %v", problems)
			}
			return
		}
		h, err := Parse(data)
		if errors.Is(err, fault.ErrCorrupt) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range Check(data) {
			t.Errorf("original: %v", problem)
		}
		for _, problem := range Check(marshal(t, h)) {
			t.Errorf("written: %v", problem)
		}
	})
}

// TestCheckLongest has a key whose values are longer than it says, as programs believe that size their
// buffers by it.
func TestCheckLongest(t *testing.T) {
	h := New("root")
	h.Root.Set(String("name", "value"))
	sound := marshal(t, h)
	for at, want := range map[int]string{0x3C: "names of 0 bytes", 0x40: "have 0 bytes"} {
		data := append([]byte(nil), sound...)
		data[baseSize+int(le.Uint32(data[0x24:]))+cellHeader+at] = 0
		if problems := Check(data); len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%v, want %q", problems, want)
		}
	}
}

// FuzzCheck reads anything.
func FuzzCheck(f *testing.F) {
	h := New("root")
	for _, name := range []string{"a", "b"} {
		k, err := h.Root.Create(name)
		if err != nil {
			f.Fatal(err)
		}
		k.Set(String("x", "y"))
	}
	sound := marshal(f, h)
	f.Add(uint16(baseSize+0x24), byte(1))
	f.Add(uint16(baseSize+0x30), byte(0xFF))
	f.Add(uint16(baseSize+0x80), byte(8))
	f.Fuzz(func(t *testing.T, at uint16, flip byte) {
		data := append([]byte(nil), sound...)
		data[int(at)%len(data)] ^= flip
		le.PutUint32(data[checksumOffset:], checksum(data))
		for _, problem := range Check(data) {
			if !errors.Is(problem, fault.ErrCorrupt) && !errors.Is(problem, fault.ErrUnsupported) {
				t.Fatalf("class of %v", problem)
			}
		}
	})
}
