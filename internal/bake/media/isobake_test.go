package media_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

// TestBakeISO bakes a folder and its ISO into the same disk. The bake of the ISO has no folder for
// temporary files, and leaves none beside its outputs: nothing is copied out of the ISO.
func TestBakeISO(t *testing.T) {
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 100}); err != nil {
		t.Fatal(err)
	}
	iso := oracle.Genisoimage(t, dir, "-udf", "-hide", "*")
	outputs := []string{filepath.Join(t.TempDir(), "folder"), filepath.Join(t.TempDir(), "iso")}
	for i, media := range []string{dir, iso} {
		if media == iso {
			for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
				t.Setenv(name, filepath.Join(outputs[0], "nowhere"))
			}
		}
		c := bake.Config{
			Media: media, Image: "ServerStandardCore", Size: 640 << 20, Firmware: layout.BIOS, Formats: []bake.Format{bake.Raw},
			OutputDir: outputs[i], Name: "disk", Label: "Windows", NoChecksums: true,
		}
		if _, err := bake.Run(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := names(t, outputs[0]), names(t, outputs[1]); !slices.Equal(a, b) {
		t.Errorf("the outputs are %v and %v", a, b)
	}
	same(t, filepath.Join(outputs[0], "disk.raw"), filepath.Join(outputs[1], "disk.raw"))
}

func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}

func same(t testing.TB, want, got string) {
	t.Helper()
	a, err := os.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := os.Open(got)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); ; off += int64(len(x)) {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if !slices.Equal(x[:n], y[:m]) {
			t.Fatalf("the disks differ between %d and %d", off, off+int64(n))
		}
		if err != nil || err2 != nil {
			return
		}
	}
}
