package winre

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

var server2022 = pe.Version{Major: 10, Build: 20348, Revision: 587}

// windows is the stand-in's Windows volume.
func windows(t testing.TB, o standin.Options) *tree.Tree {
	t.Helper()
	o.Files = 8
	tr, err := standin.Windows(o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// standinWIM is the stand-in's Winre.wim.
func standinWIM(t testing.TB) []byte {
	t.Helper()
	tr := windows(t, standin.Options{})
	data, err := tree.ReadAll(tr.Find(Find(tr)).Node.Data, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rewritten is the stand-in's Winre.wim with changes.
func rewritten(t testing.TB, change func(*tree.Tree, *wim.Image)) []byte {
	t.Helper()
	data := standinWIM(t)
	f, err := wim.NewFile(bytes.NewReader(data), int64(len(data)), "w")
	if err != nil {
		t.Fatal(err)
	}
	inside, err := f.Tree(1)
	if err != nil {
		t.Fatal(err)
	}
	image, _ := f.Image(1)
	change(inside, &image)
	return encoded(t, wim.WriteOptions{BootIndex: 1}, wim.ImageSource{Tree: inside, Info: image})
}

func encoded(t testing.TB, o wim.WriteOptions, sources ...wim.ImageSource) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.wim")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := wim.Write(context.Background(), f, sources, o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func inspect(data []byte) (Info, error) { return Inspect(bytes.NewReader(data), int64(len(data))) }

func TestInspect(t *testing.T) {
	data := standinWIM(t)
	info, err := inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	if info.Version != server2022 || info.Kernel != server2022 || info.Registry != server2022 || info.XML != server2022 || len(info.Notes) > 0 {
		t.Errorf("%+v", info)
	}
	if info.Arch != "amd64" || info.Size != int64(len(data)) || !strings.Contains(info.Name, "Recovery Environment") {
		t.Errorf("%+v", info)
	}
}

// TestWimlibAgrees has wimlib write the WIM that is inspected, compressed, and print what it knows of it.
func TestWimlibAgrees(t *testing.T) {
	oracle.Need(t, "wimlib-imagex")
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a.wim"), filepath.Join(dir, "b.wim")
	if err := os.WriteFile(from, standinWIM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "wimlib-imagex", "export", from, "1", to, "--boot", "--compress=LZX")
	data, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	info, err := inspect(data)
	if err != nil || len(info.Notes) > 0 {
		t.Fatalf("%+v, %v", info, err)
	}
	said := oracle.Run(t, "wimlib-imagex", "info", to, "1")
	for name, value := range map[string]string{
		"Major Version": fmt.Sprint(info.Version.Major), "Build": fmt.Sprint(info.Version.Build), "Service Pack Build": fmt.Sprint(info.Version.Revision), "Name": info.Name,
	} {
		if !saysLine(said, name, value) {
			t.Errorf("%s is not %s:\n%s", name, value, said)
		}
	}
}

func saysLine(text, name, value string) bool {
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(line, ":")
		if strings.TrimSpace(k) == name && strings.TrimSpace(v) == value {
			return true
		}
	}
	return false
}

func put(t *testing.T, tr *tree.Tree, path string, data []byte) {
	t.Helper()
	if _, err := tr.WriteFile(path, tree.Bytes(data)); err != nil {
		t.Fatal(err)
	}
}

// software is a SOFTWARE hive with values in CurrentVersion.
func software(t *testing.T, values ...regf.Value) []byte {
	t.Helper()
	h := regf.New("SOFTWARE")
	k, err := h.Root.Create(currentVersion)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		k.Set(v)
	}
	data, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWitnessesDisagree(t *testing.T) {
	patched := pe.Version{Major: 10, Build: 20348, Revision: 2201}
	for _, test := range []struct {
		name   string
		change func(*tree.Tree, *wim.Image)
		want   pe.Version
		notes  []string
	}{
		{
			"the kernel is newer than the WIM says",
			func(tr *tree.Tree, _ *wim.Image) { put(t, tr, kernelFile, pe.Stub(pe.AMD64, patched)) },
			patched,
			[]string{"its registry (CurrentBuild, UBR) says 10.0.20348.587, but its kernel (ntoskrnl.exe) says 10.0.20348.2201", "the WIM's own description says 10.0.20348.587, but its kernel"},
		},
		{
			"the WIM says more than is true",
			func(_ *tree.Tree, i *wim.Image) { i.Version.SPBuild = 2201 },
			server2022, []string{"the WIM's own description says 10.0.20348.2201, but its kernel (ntoskrnl.exe) says 10.0.20348.587; 10.0.20348.587 is taken."},
		},
		{
			"no kernel",
			func(tr *tree.Tree, i *wim.Image) {
				i.Version = wim.Version{}
				if err := tr.Remove(kernelFile); err != nil {
					t.Fatal(err)
				}
			},
			server2022, []string{"its kernel (ntoskrnl.exe) says no version; that of its registry", "the WIM's own description says no version"},
		},
		{
			"only the WIM",
			func(tr *tree.Tree, _ *wim.Image) {
				for _, p := range []string{kernelFile, registry.SoftwareHive} {
					if err := tr.Remove(p); err != nil {
						t.Fatal(err)
					}
				}
			},
			server2022, []string{"its kernel (ntoskrnl.exe) says no version; that of the WIM's own description", "its registry (CurrentBuild, UBR) says no version"},
		},
		{
			"a registry without a build, a WIM with a version that cannot be",
			func(tr *tree.Tree, i *wim.Image) {
				i.Version.SPBuild = 1 << 16
				put(t, tr, registry.SoftwareHive, software(t, regf.DWord("UBR", 5)))
			},
			server2022, []string{"its registry (CurrentBuild, UBR) says no version", "the WIM's own description says no version"},
		},
		{
			"a registry with a revision that cannot be",
			func(tr *tree.Tree, _ *wim.Image) {
				put(t, tr, registry.SoftwareHive, software(t, regf.String("CurrentBuild", "20348"), regf.DWord("UBR", 1<<16)))
			},
			server2022, []string{"its registry (CurrentBuild, UBR) says no version"},
		},
		{
			"a registry with neither major number",
			func(tr *tree.Tree, _ *wim.Image) {
				put(t, tr, registry.SoftwareHive, software(t, regf.String("CurrentBuild", "20348"), regf.DWord("UBR", 5)))
			},
			server2022, []string{"its registry (CurrentBuild, UBR) says no version"},
		},
		{
			"the registry of Windows 8.1",
			func(tr *tree.Tree, _ *wim.Image) {
				put(t, tr, registry.SoftwareHive, software(t, regf.String("CurrentBuild", "9600"), regf.DWord("UBR", 5), regf.String("CurrentVersion", "6.3")))
			},
			server2022, []string{"its registry (CurrentBuild, UBR) says 6.3.9600.5"},
		},
		{
			"a hive without the key",
			func(tr *tree.Tree, _ *wim.Image) {
				data, err := regf.New("SOFTWARE").Marshal()
				if err != nil {
					t.Fatal(err)
				}
				put(t, tr, registry.SoftwareHive, data)
			},
			server2022, []string{"its registry (CurrentBuild, UBR) says no version"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			info, err := inspect(rewritten(t, test.change))
			if err != nil {
				t.Fatal(err)
			}
			if info.Version != test.want || len(info.Notes) != len(test.notes) {
				t.Fatalf("%v, %q", info.Version, info.Notes)
			}
			for i, want := range test.notes {
				if !strings.HasPrefix(info.Notes[i], "Winre.wim: "+want) {
					t.Errorf("%q, want %q", info.Notes[i], want)
				}
			}
		})
	}
}

func TestInspectCorrupt(t *testing.T) {
	whole := standinWIM(t)
	damaged := func(change func([]byte) []byte) []byte { return change(bytes.Clone(whole)) }
	kernelAt := bytes.Index(whole, pe.Stub(pe.AMD64, server2022)[:128])
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"empty":     {nil, "0 bytes are too few for a WIM"},
		"no WIM":    {bytes.Repeat([]byte("no WIM, "), 100), "Winre.wim"},
		"truncated": {whole[:len(whole)/2], "Winre.wim"},
		"a byte of the kernel": {
			damaged(func(b []byte) []byte { b[kernelAt+200] ^= 1; return b }),
			"ntoskrnl.exe: SHA-1",
		},
		"no images":     {damaged(func(b []byte) []byte { b[0x2C], b[0x78] = 0, 0; return b }), "Winre.wim"},
		"no boot image": {damaged(func(b []byte) []byte { b[0x78] = 9; return b }), "Winre.wim"},
		"no kernel": {
			rewritten(t, func(tr *tree.Tree, _ *wim.Image) { put(t, tr, kernelFile, []byte("no program")) }),
			"Winre.wim: Windows/System32/ntoskrnl.exe: not a Windows program",
		},
		"no hive": {
			rewritten(t, func(tr *tree.Tree, _ *wim.Image) { put(t, tr, registry.SoftwareHive, []byte("no hive")) }),
			"Winre.wim: Windows/System32/config/SOFTWARE",
		},
		"nothing in it": {
			rewritten(t, func(tr *tree.Tree, i *wim.Image) {
				i.Version = wim.Version{}
				if err := tr.Remove("Windows"); err != nil {
					t.Fatal(err)
				}
			}),
			"Winre.wim: says nowhere which Windows it holds",
		},
	} {
		_, err := inspect(test.data)
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(fmt.Sprint(err), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInspectTree(t *testing.T) {
	tr := windows(t, standin.Options{Build: 17763})
	info, err := InspectTree(tr)
	if err != nil || info == nil || info.Version.Build != 17763 {
		t.Fatalf("%+v, %v", info, err)
	}
	put(t, tr, Find(tr), []byte("no WIM"))
	if _, err := InspectTree(tr); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), Staging) {
		t.Error(err)
	}
	if info, err := InspectTree(windows(t, standin.Options{WithoutRecovery: true})); info != nil || err != nil {
		t.Errorf("%+v, %v", info, err)
	}
}
