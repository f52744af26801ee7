package inf

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// Every INF file of the sample drivers, all of virtio-win, has models for the Windows that its folder
// names, and all that those need.
func TestSamples(t *testing.T) {
	systems := map[string]OS{"w7": win7, "2k12R2": win81, "w10": s2016, "w11": s2022, "2k22": s2022}
	n := 0
	_ = filepath.WalkDir(filepath.Join(oracle.SamplesDir(), "drivers"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".inf" {
			return nil
		}
		n++
		parts := strings.Split(filepath.ToSlash(path), "/")
		os := systems[parts[len(parts)-3]]
		os.Arch = Arch(strings.ToLower(parts[len(parts)-2]))
		t.Run(strings.Join(parts[len(parts)-4:], "/"), func(t *testing.T) { checkSample(t, path, os) })
		return nil
	})
	if n == 0 {
		t.Skip("no sample drivers")
	}
}

func checkSample(t *testing.T, path string, target OS) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Version(target.Arch)
	if err != nil || v.Provider != "Red Hat, Inc." || v.Date == 0 || v.Number[3] == 0 || !strings.HasSuffix(v.Catalog, ".cat") || v.ClassGUID.IsZero() {
		t.Errorf("version %+v, error %v", v, err)
	}
	models := f.Models(target)
	if len(models) != 2 {
		t.Errorf("%d models for %v", len(models), target)
	}
	for _, m := range models {
		if !strings.HasPrefix(m.HardwareID, `PCI\VEN_1AF4&DEV_`) || len(m.CompatibleIDs) != 1 {
			t.Errorf("%+v", m)
		}
		in, err := f.Install(m.Install, target.Arch, m.Line)
		if err != nil {
			t.Fatal(err)
		}
		if len(in.Services) != 1 || len(in.Copies) == 0 || len(in.Device) == 0 {
			t.Errorf("%+v", in)
		}
		for _, c := range in.Copies {
			if _, listed, err := f.Source(c.Source, target.Arch); !listed || err != nil {
				t.Errorf("%s: %v", c.Source, err)
			}
		}
	}
	other := target
	other.Arch = map[Arch]Arch{X86: ARM64, AMD64: X86, ARM64: AMD64}[target.Arch]
	if got := f.Models(other); len(got) != 0 {
		t.Errorf("models for %v: %v", other, got)
	}
}
