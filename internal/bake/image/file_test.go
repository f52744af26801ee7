package image_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
)

// TestWriteContent writes at odd places, from odd places in memory, and in the units that may go past
// the host's cache; whatever way the host takes, the file must hold the bytes.
func TestWriteContent(t *testing.T) {
	const size = 1 << 20
	path := filepath.Join(t.TempDir(), "disk")
	f, err := image.Create(path, size, true)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	memory := make([]byte, 256<<10)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		for k := range memory {
			memory[k] = byte(r.Uint32())
		}
		at, n, off := r.IntN(100), r.IntN(100_000), r.IntN(size-100_000)
		if i < 200 { // aligned in the file, and at first in memory, too
			at, n, off = at&^4095, n&^4095, off&^4095
			if i >= 100 {
				at++
			}
		}
		if _, err := f.WriteContentAt(memory[at:at+n], int64(off)); err != nil {
			t.Fatal(err)
		}
		copy(want[off:], memory[at:at+n])
		if i%10 == 0 {
			if _, err := f.WriteAt(memory[:777], int64(off)); err != nil {
				t.Fatal(err)
			}
			copy(want[off:], memory[:777])
		}
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("reads back differently (%v)", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("is different once closed (%v)", err)
	}
	if _, err := image.Create(path, size, true); err == nil {
		t.Error("a file that is there was replaced")
	}
}
