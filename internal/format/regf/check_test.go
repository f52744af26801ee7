package regf

import (
	"errors"
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
