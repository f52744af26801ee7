package outdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func open(t *testing.T, path string, force bool) *Dir {
	t.Helper()
	d, err := Open(path, force)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// A bake that fails leaves nothing of what Open made.
func TestUnusedDirectoryGoesAway(t *testing.T) {
	root := t.TempDir()
	d := open(t, filepath.Join(root, "a", "b"), false)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, root); len(got) != 0 {
		t.Error(got)
	}
	if err := d.Close(); err != nil {
		t.Error("second Close:", err)
	}
}

func TestUsedDirectoryStays(t *testing.T) {
	root := t.TempDir()
	out := filepath.Join(root, "a", "b")
	d := open(t, out, false)
	put(t, out, map[string]string{"x.raw": ""})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, out); !slices.Equal(got, []string{"x.raw"}) {
		t.Error(got)
	}
}

func TestNotEmpty(t *testing.T) {
	out := t.TempDir()
	put(t, out, map[string]string{"old.raw.partial": ""})
	if d, err := Open(out, false); err != nil {
		t.Error("leftovers of a killed bake:", err)
	} else if err := d.Close(); err != nil {
		t.Error(err)
	}
	put(t, out, map[string]string{"precious.txt": ""})
	_, err := Open(out, false)
	if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "precious.txt") || !strings.Contains(err.Error(), "-force") {
		t.Error(err)
	}
	open(t, out, true)
	if got := names(t, out); !slices.Contains(got, "precious.txt") {
		t.Error("-force deleted a file that winbake did not make:", got)
	}
}

func TestNotADirectory(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{"file": ""})
	for _, path := range []string{"file", "file/sub"} {
		if _, err := Open(filepath.Join(root, path), true); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	if got := names(t, root); !slices.Equal(got, []string{"file"}) {
		t.Error(got)
	}
}

func TestOneBakeAtATime(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	first := open(t, out, false)
	for _, force := range []bool{false, true} {
		if _, err := Open(out, force); err == nil || !strings.Contains(err.Error(), "another bake is writing") {
			t.Errorf("force %v: %v", force, err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, out, false)
}

// A lock file whose process is gone locks nothing.
func TestStaleLock(t *testing.T) {
	out := t.TempDir()
	put(t, out, map[string]string{lockName: ""})
	open(t, out, false)
}

func TestRemoveStale(t *testing.T) {
	root := t.TempDir()
	out := filepath.Join(root, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, root, map[string]string{"outside": ""})
	put(t, out, map[string]string{
		"a.raw": "new", "a.vhd": "old", "mine.txt": "",
		manifestName: `{"files": [{"name": "a.raw"}, {"name": "a.vhd"}, {"name": "gone.raw"}, {"name": "../outside"}, {"name": ""}, {"name": ".."}]}`,
	})
	d := open(t, out, true)
	removed, err := d.RemoveStale([]string{filepath.Join(out, "a.raw"), filepath.Join(out, manifestName)})
	if err != nil || !slices.Equal(removed, []string{filepath.Join(out, "a.vhd")}) {
		t.Errorf("%s, %v", removed, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, out); !slices.Equal(got, []string{"a.raw", manifestName, "mine.txt"}) {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(root, "outside")); errors.Is(err, fs.ErrNotExist) {
		t.Error("a name in the manifest led out of the directory")
	}
}

// A manifest.json that is not ours is no reason to fail, and names nothing to delete.
func TestForeignManifest(t *testing.T) {
	for _, text := range []string{"", "[1]", `{"files": "x"}`, `{"files": [1]}`, "\xff"} {
		out := t.TempDir()
		put(t, out, map[string]string{manifestName: text, "x": ""})
		d := open(t, out, true)
		if len(d.previous) != 0 {
			t.Errorf("%q: %s", text, d.previous)
		}
	}
}
