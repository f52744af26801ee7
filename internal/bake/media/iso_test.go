package media

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// installMedia is a folder of install media.
func installMedia(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 2, WithoutRecovery: true}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestISO opens ISOs as it opens the folder that they are made of, and finds the same in them.
func TestISO(t *testing.T) {
	oracle.Need(t, "sha256sum")
	dir := installMedia(t)
	folder := open(t, dir)
	for _, options := range []string{"-udf", "-udf -hide *", "-udf -J -joliet-long", "-J -joliet-long", ""} {
		t.Run(options, func(t *testing.T) {
			path := oracle.Genisoimage(t, dir, strings.Fields(options)...)
			m := open(t, path)
			if m.Path != path || m.Folder != "" || !slices.EqualFunc(m.Images(), folder.Images(), func(a, b Image) bool { return a.Name == b.Name && a.Flags == b.Flags }) {
				t.Errorf("%s, %q, %+v", m.Path, m.Folder, m.Images())
			}
			if m.Fingerprint(2) != folder.Fingerprint(2) {
				t.Error("the fingerprints differ")
			}
			sum, err := m.SHA256(t.Context())
			if out := oracle.Run(t, "sha256sum", path); err != nil || !strings.HasPrefix(out, sum+" ") {
				t.Errorf("%s, %v, sha256sum says %s", sum, err, out)
			}
			sameTrees(t, m, folder)
			sameHost(t, m, dir, options == "")
		})
	}
}

// sameTrees compares all contents of an image.
func sameTrees(t testing.TB, a, b *Medium) {
	t.Helper()
	want, err := b.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for path, e := range want.Walk() {
		other := got.Find(path)
		if other == nil {
			t.Errorf("there is no %s", path)
			continue
		}
		if e.Node.Data == nil {
			continue
		}
		n++
		x, err := io.ReadAll(tree.NewReader(e.Node.Data))
		y, err2 := io.ReadAll(tree.NewReader(other.Node.Data))
		if err != nil || err2 != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: the contents differ, %v, %v", path, err, err2)
		}
	}
	if n == 0 {
		t.Error("there are no files")
	}
}

// sameHost finds all files of the folder in the medium. Names of 8.3 are cut, and not looked for.
func sameHost(t testing.TB, m *Medium, dir string, short bool) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		base, _, _ := strings.Cut(filepath.Base(path), ".")
		if err != nil || d.IsDir() || short && len(base) > 8 {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		c := m.Host(strings.ToUpper(filepath.ToSlash(name)))
		if c == nil {
			t.Errorf("there is no %s", name)
			return nil
		}
		if got, err := tree.ReadAll(c, 1<<30); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v", name, err)
		}
		n++
		return nil
	})
	if err != nil || n < 2 || m.Host("boot/nothing") != nil || m.Host("boot") != nil {
		t.Errorf("%d files, %v", n, err)
	}
}

// TestISOWithoutWIM says what there is instead.
func TestISOWithoutWIM(t *testing.T) {
	for _, c := range []struct {
		file, says string
		class      error
	}{
		{"sources/install.esd", "sources/install.esd", fault.ErrCorrupt},
		{"sources/install.swm", "sources/install.swm is the first part of a split WIM, which cannot be read inside of an ISO; mount or unpack it", fault.ErrUnsupported},
		{"setup.exe", "the ISO holds no sources/install.wim; there are: setup.exe", fault.ErrInvalid},
		{"sources/install.wim", "sources/install.wim", fault.ErrCorrupt},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(c.file))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("no WIM"), 0o644)); err != nil {
			t.Fatal(err)
		}
		iso := oracle.Genisoimage(t, dir, "-udf")
		m, err := Open(iso)
		if m != nil || !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "media: "+iso) {
			t.Errorf("%s: %v", c.file, err)
		}
	}
}

// TestISOWithESD reads an ESD where it is in an ISO.
func TestISOWithESD(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	from, dir := installMedia(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources"), 0o755); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "wimlib-imagex", "export", filepath.Join(from, "sources", "install.wim"), "all", filepath.Join(dir, "sources", "install.esd"), "--solid")
	m, err := Open(oracle.Genisoimage(t, dir, "-udf"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tr, err := m.Tree(1)
	if err != nil || len(m.Images()) != 2 {
		t.Fatal(len(m.Images()), err)
	}
	kernel := tr.Find("Windows/System32/ntoskrnl.exe")
	if data, err := tree.ReadAll(kernel.Node.Data, 1<<20); err != nil || len(data) == 0 {
		t.Error(len(data), err)
	}
}

// TestISODamaged cuts an ISO, and changes bytes of it: that gives an error that says so soon, and never
// the note that Microsoft's discs have in their ISO 9660.
func TestISODamaged(t *testing.T) {
	b, err := os.ReadFile(oracle.Genisoimage(t, installMedia(t), "-udf"))
	if err != nil {
		t.Fatal(err)
	}
	const sector = 2048
	try := func(what string, b []byte) error {
		path := file(t, b)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := Open(path)
		if d := time.Since(start); d > time.Second {
			t.Errorf("%s: %v", what, d)
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 256<<20 {
			t.Errorf("%s: %d MiB", what, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
		return err
	}
	for _, size := range []int{0x8800, 20 * sector, 257 * sector, 300 * sector, len(b) / 2} {
		if err := try("cut", b[:size]); !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	for _, at := range []int{257, 259} { // file set, root folder
		damaged := bytes.Clone(b)
		damaged[at*sector+20] ^= 0xFF
		if err := try("changed", damaged); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "CRC") {
			t.Errorf("sector %d: %v", at, err)
		}
	}
	for at := 16 * sector; at < 280*sector; at += 397 {
		b[at] ^= 0x55
		_, _, err := readISO(bytes.NewReader(b), int64(len(b)), "iso")
		b[at] ^= 0x55
		if err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

// TestISOClosed reads nothing any more, and may be closed again.
func TestISOClosed(t *testing.T) {
	m := open(t, oracle.Genisoimage(t, installMedia(t), "-udf"))
	tr, err := m.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	host := m.Host("bootmgr")
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	for _, c := range []tree.Content{host, tr.Find("Windows/System32/ntoskrnl.exe").Node.Data} {
		if _, err := io.Copy(io.Discard, tree.NewReader(c)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("error: %v", err)
		}
	}
}

// TestNames of files say nothing against their contents.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "windows.iso")
	b, err := os.ReadFile(filepath.Join(installMedia(t), "sources", "install.wim"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if m := open(t, path); len(m.Images()) != 2 {
		t.Errorf("%+v", m.Images())
	}
	if err := os.WriteFile(path, []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "has the name of an ISO, but") {
		t.Errorf("error: %v", err)
	}
}
