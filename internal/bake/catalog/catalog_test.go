package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

// A WIM, its folder and the disk that is baked from them tell the same of the Windows in them.
func TestKinds(t *testing.T) {
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 30}); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	c := bake.Config{
		Media: dir, Image: "1", Size: 640 << 20, Firmware: layout.BIOS, Formats: []bake.Format{bake.Raw, bake.VHDDynamic, bake.QCOW2},
		OutputDir: out, Name: "disk", Label: "golden", NoChecksums: true,
	}
	result, err := bake.Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	part := result.Manifest.Disk.Partitions[len(result.Manifest.Disk.Partitions)-1]
	disk, err := os.ReadFile(filepath.Join(out, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	volume := filepath.Join(out, "volume")
	if err := os.WriteFile(volume, disk[part.Offset:part.Offset+part.Size], 0o600); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]string{
		dir: "folder", filepath.Join(dir, "sources", "install.wim"): "wim", filepath.Join(out, "disk.raw"): "raw",
		filepath.Join(out, "disk.vhd"): "vhd", filepath.Join(out, "disk.qcow2"): "qcow2", volume: "volume",
	} {
		got, err := Read(t.Context(), Options{Path: path, Details: true})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		i := &got.Images[0]
		if got.Kind != kind || got.Size == 0 || got.SHA256 != "" {
			t.Errorf("%s: %+v", kind, got)
		}
		if i.Build != 20348 || i.Edition() != "ServerStandardCore" || i.Files == 0 || i.Dirs == 0 || i.Bytes == 0 || len(i.Notes) > 0 {
			t.Errorf("%s: %+v", kind, i)
		}
		if d := *i.Details; !d.BIOS || !d.UEFI || !d.WinRE || d.WinREVersion != "10.0.20348.587" {
			t.Errorf("%s: %+v", kind, d)
		}
	}
}

func TestStops(t *testing.T) {
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 10}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, Options{Path: dir}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Read(t.Context(), Options{Path: dir, SHA256: "x"}); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}

func TestBuild(t *testing.T) {
	for version, want := range map[string]int{"10.0.20348.587": 20348, "6.1.7601": 7601, "": 0, "10.0": 0, "1.2.x": 0} {
		if got := build(version); got != want {
			t.Errorf("%q: %d", version, got)
		}
	}
}
