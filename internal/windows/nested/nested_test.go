package nested

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/driver"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

func store(r io.Reader) (tree.Content, error) {
	b, err := io.ReadAll(r)
	return tree.Bytes(b), err
}

func image(t testing.TB, build int) *tree.Tree {
	t.Helper()
	tr, err := standin.Windows(standin.Options{Files: 1, Build: build})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// onDisk writes the recovery environment of a tree into a file, for wimlib.
func onDisk(t testing.TB, tr *tree.Tree) string {
	t.Helper()
	n, err := tr.Lookup(WinRE(tr))
	if err != nil {
		t.Fatal(err)
	}
	data, err := tree.ReadAll(n.Data, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "winre.wim")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A driver goes into the recovery environment: wimlib verifies and applies the result, in which the
// rest is as before.
func TestDriverInWinRE(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	for _, build := range []int{7601, 9600, 20348} {
		tr := image(t, build)
		before := onDisk(t, tr)
		old := tr.Find(WinRE(tr)).Node
		attributes, security := old.Attributes, old.Security
		packages, err := driver.Find("../driver/testdata/stor", false)
		if err != nil {
			t.Fatal(err)
		}
		put := func(info wim.Image, inside *tree.Tree) (bool, error) {
			if info.Index != 1 || info.InstallationType != "WindowsPE" {
				t.Errorf("image %+v", info)
			}
			w, err := boot.Detect(inside)
			if err != nil || w.Server || int(w.Version.Build) != build {
				t.Errorf("%+v, error %v", w, err)
			}
			r := registry.Open(inside)
			report, err := driver.Inject(inside, r, w, packages[0])
			return report.Changed, errors.Join(err, r.Flush())
		}
		if err := Edit(t.Context(), tr, WinRE(tr), store, put); err != nil {
			t.Fatal(err)
		}
		checkFile(t, tr, attributes, security)
		after := onDisk(t, tr)
		checkWIM(t, before, after)
		first := tr.Find(WinRE(tr)).Node.Data
		if err := Edit(t.Context(), tr, WinRE(tr), store, put); err != nil {
			t.Fatal(err)
		}
		if second := tr.Find(WinRE(tr)).Node.Data; &first.(tree.Bytes)[0] != &second.(tree.Bytes)[0] {
			t.Error("the same driver again wrote the WIM again")
		}
	}
}

func checkFile(t *testing.T, tr *tree.Tree, attributes uint32, security tree.SecurityID) {
	t.Helper()
	if n := tr.Find(WinRE(tr)).Node; n.Attributes != attributes || n.Security != security {
		t.Errorf("attributes %#x, security %d", n.Attributes, n.Security)
	}
}

func checkWIM(t *testing.T, before, after string) {
	t.Helper()
	oracle.JudgeWIM(t, after)
	old, now := oracle.WIMDir(t, before, 1), oracle.WIMDir(t, after, 1)
	added := map[string]bool{}
	for path := range now {
		_, had := old[path]
		if lower := strings.ToLower(path); !had && !strings.Contains(lower, "teststor") && !strings.Contains(lower, "oem0") && !strings.Contains(path, "CatRoot") &&
			!strings.HasSuffix(path, "/drivers") && !strings.HasSuffix(path, "/Drivers") {
			t.Errorf("%s is new", path)
		}
		added[path] = !had
		if added[path] || strings.Contains(path, "/config/") {
			delete(now, path)
		}
	}
	for path := range old {
		if strings.Contains(path, "/config/") {
			delete(old, path)
		}
	}
	oracle.CompareWIMDirs(t, old, now, nil)
	dir := filepath.Join(t.TempDir(), "applied")
	oracle.Run(t, "wimlib-imagex", "apply", after, "1", dir)
	if text, err := os.ReadFile(filepath.Join(dir, "Windows/System32/drivers/teststor.sys")); err != nil || !strings.HasPrefix(string(text), "MZ test storage") {
		t.Errorf("%q, error %v", text, err)
	}
}

// All images of a WIM are kept, the changed one and the others, and what the file says of itself.
func TestSeveralImages(t *testing.T) {
	tr := image(t, 20348)
	b := &memory{}
	var sources []wim.ImageSource
	for _, name := range []string{"one", "two", "three"} {
		inside := tree.New(tr.Now)
		if _, err := inside.WriteFile("name.txt", tree.Bytes(name)); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, wim.ImageSource{Tree: inside, Info: wim.Image{Name: name, Description: "the image " + name}})
	}
	if _, err := wim.Write(t.Context(), b, sources, wim.WriteOptions{GUID: [16]byte{1}, BootIndex: 2, RPFix: true, Integrity: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.WriteFile("boot.wim", tree.Bytes(b.b)); err != nil {
		t.Fatal(err)
	}
	err := Edit(t.Context(), tr, "boot.wim", store, func(info wim.Image, inside *tree.Tree) (bool, error) {
		if info.Index != 2 {
			return false, nil
		}
		_, err := inside.WriteFile("new.txt", tree.Bytes("new"))
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	data := tr.Find("boot.wim").Node.Data
	f, err := wim.NewFile(data, data.Size(), "boot.wim")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if f.BootIndex() != 2 || !f.RPFix() || !f.Integrity() || f.GUID() == [16]byte{1} || len(f.Images()) != 3 {
		t.Errorf("boot index %d, images %v", f.BootIndex(), f.Images())
	}
	for i, info := range f.Images() {
		inside, err := f.Tree(i + 1)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := tree.ReadAll(inside.Find("name.txt").Node.Data, 10)
		if string(text) != info.Name || info.Description != "the image "+info.Name || (inside.Find("new.txt") != nil) != (i == 1) {
			t.Errorf("image %d: %q %+v", i+1, text, info)
		}
	}
}

// memory is a wim.Output in memory.
type memory struct{ b []byte }

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func TestErrors(t *testing.T) {
	tr := image(t, 20348)
	before := tr.Find(WinRE(tr)).Node.Data.(tree.Bytes)
	change := func(wim.Image, *tree.Tree) (bool, error) { return true, nil }
	if err := Edit(t.Context(), tr, "none.wim", store, change); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := Edit(t.Context(), tr, "Windows", store, change); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	if err := Edit(t.Context(), tr, "Windows/System32/hal.dll", store, change); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "hal.dll") {
		t.Error(err)
	}
	wanted := errors.New("no")
	if err := Edit(t.Context(), tr, WinRE(tr), store, func(wim.Image, *tree.Tree) (bool, error) { return true, wanted }); !errors.Is(err, wanted) {
		t.Error(err)
	}
	fails := func(io.Reader) (tree.Content, error) { return nil, wanted }
	if err := Edit(t.Context(), tr, WinRE(tr), fails, change); !errors.Is(err, wanted) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Edit(ctx, tr, WinRE(tr), store, change); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if after := tr.Find(WinRE(tr)).Node.Data.(tree.Bytes); &before[0] != &after[0] {
		t.Error("a failed edit changed the image")
	}
	if err := tr.Remove("Windows/System32/Recovery/Winre.wim"); err != nil || WinRE(tr) != "" {
		t.Error(err, WinRE(tr))
	}
}
