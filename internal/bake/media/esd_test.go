package media_test

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/media"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const wimlib = "wimlib-imagex"

// mediaFolders makes three folders with the same stand-in media: as a WIM, as an ESD, and as a split
// WIM.
func mediaFolders(t *testing.T) (asWIM, asESD, asSWM string) {
	t.Helper()
	oracle.Need(t, wimlib)
	folders := make([]string, 3)
	for i := range folders {
		folders[i] = t.TempDir()
		if err := standin.Media(t.Context(), folders[i], standin.Options{Files: 60}); err != nil {
			t.Fatal(err)
		}
	}
	wim := filepath.Join(folders[0], "sources", "install.wim")
	for _, f := range folders[1:] {
		if err := os.Remove(filepath.Join(f, "sources", "install.wim")); err != nil {
			t.Fatal(err)
		}
	}
	oracle.Run(t, wimlib, "export", wim, "all", filepath.Join(folders[1], "sources", "install.esd"), "--solid", "--solid-compress=LZMS:20")
	oracle.Run(t, wimlib, "split", wim, filepath.Join(folders[2], "sources", "install.swm"), "1")
	return folders[0], folders[1], folders[2]
}

func open(t *testing.T, path string) *media.Medium {
	t.Helper()
	m, err := media.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// describe returns what a tree holds, by path: a line for each thing that can be different.
func describe(t *testing.T, tr *tree.Tree) map[string]string {
	t.Helper()
	sum := func(c tree.Content) string {
		if c == nil {
			return "nothing"
		}
		h := sha1.New()
		n, err := io.Copy(h, tree.NewReader(c))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d bytes %x", n, h.Sum(nil))
	}
	all := map[string]string{}
	for path, e := range tr.Walk() {
		n := e.Node
		line := fmt.Sprintf("%#x %v %v %x %s %d names", n.Attributes, n.Created, n.Modified, descriptor(tr, n), sum(n.Data), len(n.Names))
		for _, s := range n.Streams {
			line += fmt.Sprintf(" %s: %s", s.Name, sum(s.Data))
		}
		if r := n.Reparse(); r != nil {
			line += fmt.Sprintf(" %x %x", r.Tag, r.Data)
		}
		all[path] = line
	}
	return all
}

func compare(t *testing.T, want, got map[string]string) (differences int) {
	t.Helper()
	for path, w := range want {
		if g := got[path]; g != w {
			differences++
			t.Logf("%s:\nwant %s\n got %s", path, w, g)
		}
	}
	for path := range got {
		if want[path] == "" {
			differences++
			t.Logf("%s is too much", path)
		}
	}
	return differences
}

// TestESDAndSWM finds the same images and trees in a folder whatever its images are kept in.
func TestESDAndSWM(t *testing.T) {
	asWIM, asESD, asSWM := mediaFolders(t)
	want := open(t, asWIM)
	tr, err := want.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	trees := describe(t, tr)
	for _, folder := range []string{asESD, asSWM} {
		m := open(t, folder)
		if fmt.Sprint(m.Images()) != fmt.Sprint(want.Images()) {
			t.Errorf("%s: images %+v", m.Path, m.Images())
		}
		tr, err := m.Tree(1)
		if err != nil {
			t.Fatal(err)
		}
		if n := compare(t, trees, describe(t, tr)); n > 0 {
			t.Errorf("%s: %d differences", m.Path, n)
		}
		if m.Folder != folder || m.Host("BOOTMGR") == nil {
			t.Errorf("%s: folder %q", m.Path, m.Folder)
		}
		again := open(t, m.Path) // by the file itself
		if again.Fingerprint(1) != m.Fingerprint(1) {
			t.Error("another fingerprint")
		}
	}
	// The comparison can fail.
	if err := tr.Remove("Windows/System32/ntoskrnl.exe"); err != nil {
		t.Fatal(err)
	}
	if compare(t, trees, describe(t, tr)) == 0 {
		t.Error("a file that is missing was not noticed")
	}
}

// TestSplitSHA256 hashes all parts as one.
func TestSplitSHA256(t *testing.T) {
	_, _, asSWM := mediaFolders(t)
	m := open(t, asSWM)
	sum, err := m.SHA256(t.Context())
	out := oracle.Run(t, "sh", "-c", "cat "+filepath.Join(asSWM, "sources")+"/install*.swm | sha256sum")
	if parts, _ := filepath.Glob(filepath.Join(asSWM, "sources", "*.swm")); len(parts) < 2 || len(parts) > 9 {
		t.Fatalf("%d parts: sh sorts others", len(parts))
	}
	if err != nil || !strings.HasPrefix(out, sum+" ") {
		t.Errorf("%s (%v), sha256sum says %s", sum, err, out)
	}
}

// TestMistakes opens what is not all there, or is not what its name says.
func TestMistakes(t *testing.T) {
	_, asESD, asSWM := mediaFolders(t)
	esd, swm := filepath.Join(asESD, "sources", "install.esd"), filepath.Join(asSWM, "sources", "install.swm")
	second := filepath.Join(asSWM, "sources", "install2.swm")
	if _, err := media.Open(second); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "give the first one") {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(second), os.WriteFile(esd, []byte("no ESD"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := media.Open(asSWM); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "part 2 is missing: there is no install2.swm beside it") {
		t.Error(err)
	}
	if _, err := media.Open(esd); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "this is no ESD") {
		t.Error(err)
	}
	if err := os.Remove(swm); err != nil {
		t.Fatal(err)
	}
	if _, err := media.Open(asSWM); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "nor an install.esd or install.swm there") {
		t.Error(err)
	}
}

// TestPipable gives a pipable WIM, which only wimlib makes: it is refused as that, not as damaged.
func TestPipable(t *testing.T) {
	asWIM, _, _ := mediaFolders(t)
	path := filepath.Join(t.TempDir(), "x.wim")
	oracle.Run(t, wimlib, "export", filepath.Join(asWIM, "sources", "install.wim"), "1", path, "--pipable")
	if _, err := media.Open(path); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "pipable WIM; convert it with") {
		t.Error(err)
	}
}

// TestBakeESD bakes the same image from a WIM, an ESD and a split WIM: the Windows volumes are the same.
func TestBakeESD(t *testing.T) {
	asWIM, asESD, asSWM := mediaFolders(t)
	var want map[string]string
	for _, folder := range []string{asWIM, asESD, asSWM} {
		r, err := bake.Run(t.Context(), bake.Config{
			Media: folder, Image: "ServerStandardCore", Size: 640 << 20, Firmware: layout.UEFI, Formats: []bake.Format{bake.Raw},
			OutputDir: filepath.Join(t.TempDir(), "out"), Name: "disk", Label: "Windows", NoChecksums: true, VerifyContents: true,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := open(t, r.Files[0]).Tree(1)
		if err != nil {
			t.Fatal(err)
		}
		got := describe(t, tr)
		if want == nil {
			want = got
		} else if n := compare(t, want, got); n > 0 {
			t.Errorf("%s: %d differences", folder, n)
		}
	}
}

func descriptor(tr *tree.Tree, n *tree.Node) []byte {
	if n.Security == tree.NoSecurity {
		return nil
	}
	return tr.Security[n.Security]
}
