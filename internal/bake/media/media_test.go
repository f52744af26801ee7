package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

const mib = 1 << 20

// memory is a disk in memory.
type memory []byte

func (m memory) WriteAt(b []byte, off int64) (int, error) { return copy(m[off:], b), nil }

func (m memory) ReadAt(b []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(b, off) }

// stand is the stand-in Windows as small as it gets, changed by edit.
func stand(t testing.TB, edit func(*tree.Tree)) *tree.Tree {
	t.Helper()
	tr, err := standin.Windows(standin.Options{Files: 2, WithoutRecovery: true})
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(tr)
	}
	return tr
}

// format is an NTFS volume of size bytes.
func format(t testing.TB, tr *tree.Tree, label string, size int64) memory {
	t.Helper()
	p, err := ntfs.NewPlan(tr, ntfs.Options{Size: size, Label: label, Serial: 42})
	if err != nil {
		t.Fatal(err)
	}
	m := make(memory, size)
	if err := volume.Write(m, p); err != nil {
		t.Fatal(err)
	}
	return m
}

// gpt is a disk with volumes of 32 MiB each; nil is a partition with nothing in it.
func gpt(t testing.TB, volumes ...memory) memory {
	t.Helper()
	m := make(memory, int64(len(volumes)+1)*32*mib)
	var parts []disk.Partition
	for i, v := range volumes {
		p := disk.Partition{Offset: mib + int64(i)*32*mib, Size: 32 * mib, Name: "Basic data partition", Type: disk.TypeBasicData, ID: guid.Derive([]byte{byte(i)}, "")}
		copy(m[p.Offset:], v)
		parts = append(parts, p)
	}
	if err := disk.WriteGPT(m, int64(len(m)), guid.Derive(nil, "disk"), parts); err != nil {
		t.Fatal(err)
	}
	return m
}

// file puts a disk into a file, whose name says nothing about what is in it.
func file(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "medium")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *Medium {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

const windowsSize = 32 * mib

// A medium that cannot be opened is not there: whoever closes what they have must not meet half of one.
func TestOpenWhatIsNoMedium(t *testing.T) {
	for name, b := range map[string][]byte{
		"text": []byte("this is no WIM"), "empty": {}, "WIM signature only": []byte("MSWIM\x00\x00\x00"),
		"VHDX signature only": []byte("vhdxfile"), "qcow2 signature only": []byte("QFI\xfb"), "VHD cookie only": []byte("conectix"),
		"zeros": make([]byte, mib), "boot signature only": append(make([]byte, 510), 0x55, 0xAA),
	} {
		m, err := Open(file(t, b))
		if err == nil || m != nil || !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// TestUnsupportedFormats are told from their content, with what to do.
func TestUnsupportedFormats(t *testing.T) {
	vdi := make([]byte, 4096)
	copy(vdi[0x40:], "\x7F\x10\xDA\xBE")
	for says, b := range map[string][]byte{
		"is a VDI": vdi, "is a VMDK": []byte("KDMV"),
	} {
		_, err := Open(file(t, b))
		if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestQemuFormats opens what qemu-img makes of a disk.
func TestQemuFormats(t *testing.T) {
	oracle.Need(t, "qemu-img")
	raw := file(t, gpt(t, format(t, stand(t, nil), "Server", windowsSize)))
	want := open(t, raw)
	for _, c := range []struct{ format, options, says string }{
		{"vpc", "subformat=fixed", ""}, {"vpc", "subformat=fixed,force_size=on", ""},
		{"vpc", "subformat=dynamic", ""}, {"vhdx", "", ""}, {"vhdx", "subformat=fixed", ""}, {"qcow2", "", ""},
		{"vdi", "", "is a VDI; turn it into a raw disk with: qemu-img convert -O raw"}, {"vmdk", "", "is a VMDK"},
	} {
		m, err := Open(oracle.QemuImgConvert(t, raw, "raw", c.format, c.options))
		switch {
		case c.says != "" && (!errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s %s: %v", c.format, c.options, err)
		case c.says == "" && err != nil:
			t.Errorf("%s %s: %v", c.format, c.options, err)
		case c.says == "":
			if i, err := m.Find("ServerStandardCore"); err != nil || m.Fingerprint(i.Index) != want.Fingerprint(1) {
				t.Errorf("%s %s: %v", c.format, c.options, err)
			}
			compareTrees(t, treeOf(t, want), treeOf(t, m))
			m.Close()
		}
	}
}

// treeOf returns the tree of the only image.
func treeOf(t *testing.T, m *Medium) *tree.Tree {
	t.Helper()
	tr, err := m.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestWIM opens the same images as package wim.
func TestWIM(t *testing.T) {
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 2, WithoutRecovery: true}); err != nil {
		t.Fatal(err)
	}
	m := open(t, dir)
	f, err := wim.Open(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(m.Images()) != 2 || m.Folder != dir || m.Host("BOOTMGR") == nil || m.Host("nothing") != nil {
		t.Errorf("%+v", m)
	}
	i, err := m.Find("ServerStandard")
	if err != nil || i.Index != 2 || i.Version != "10.0.20348.587" || m.Fingerprint(2) != f.Fingerprint(2) {
		t.Errorf("%+v, %v", i, err)
	}
	if tr, err := m.Tree(2); err != nil || tr.Find("Windows/explorer.exe") == nil {
		t.Error(err)
	}
}

// noSource has no images of its own.
type noSource struct{ diskSource }

func TestFind(t *testing.T) {
	m := &Medium{Path: "install.wim", source: &noSource{}, images: []Image{
		{Index: 1, Name: "Windows Server Core", Flags: "ServerStandardCore", EditionID: "ServerStandard", Title: "Core"},
		{Index: 2, Name: "Windows Server Desktop", Flags: "ServerStandard", EditionID: "ServerStandard", Title: "Desktop"},
		{Index: 3, Name: "Twin", EditionID: "WindowsPE"},
		{Index: 4, Name: "twin", EditionID: "WindowsPE"},
		{Index: 5, Name: "2"},
	}}
	for selector, want := range map[string]int{
		"1": 1, " 2 ": 2, "5": 5, "windows server core": 1, "DESKTOP": 2, "serverstandardcore": 1, "ServerStandard": 2,
		"Twin": 0, "WindowsPE": 0, "6": 0, "0": 0, "-1": 0, "": 0, "Enterprise": 0,
	} {
		i, err := m.find(selector)
		switch {
		case want != 0 && (err != nil || i.Index != want):
			t.Errorf("%q: image %d (%v), want %d", selector, i.Index, err, want)
		case want == 0 && (!errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), `1 "Windows Server Core" (ServerStandardCore)`)):
			t.Errorf("%q: %v", selector, err)
		}
	}
}

// TestSHA256 hashes all of a file, VHD footer included.
func TestSHA256(t *testing.T) {
	oracle.Need(t, "sha256sum")
	m := open(t, file(t, format(t, stand(t, nil), "", windowsSize)))
	sum, err := m.SHA256(t.Context())
	if out := oracle.Run(t, "sha256sum", m.Path); err != nil || !strings.HasPrefix(out, sum+" ") {
		t.Errorf("%s, %v, sha256sum says %s", sum, err, out)
	}
}

// TestClosed reads nothing any more, and may be closed again.
func TestClosed(t *testing.T) {
	m := open(t, file(t, format(t, stand(t, nil), "", windowsSize)))
	tr, err := m.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	c := tr.Find("Windows/System32/ntoskrnl.exe").Node.Data
	if _, err := io.Copy(io.Discard, tree.NewReader(c)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error: %v", err)
	}
}
