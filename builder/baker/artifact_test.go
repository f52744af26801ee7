package baker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	registryimage "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

func TestArtifact(t *testing.T) {
	a, _, out, err := bakeWith(t, t.Context(), &fake{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.BuilderId() != builderID || len(a.Id()) != 64 {
		t.Errorf("builder %q, id %q", a.BuilderId(), a.Id())
	}
	for _, want := range []string{"Windows (10.0.20348.1, amd64), for bios firmware", filepath.Join(out, "ws2022.raw") + " (3 MiB)"} {
		if !strings.Contains(a.String(), want) {
			t.Errorf("%q is missing in %s", want, a)
		}
	}
	if tags, ok := a.State(StateTags).(map[string]string); !ok || tags["WinRE"] != "False" || tags["service"] != "iis" {
		t.Errorf("tags %v", a.State(StateTags))
	}
	var m bake.Manifest
	if err := json.Unmarshal([]byte(a.State(StateManifest).(string)), &m); err != nil || m.Windows.Edition != "ServerStandard" {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if got := a.State("unknown"); got != nil {
		t.Errorf("an unknown state is %v", got)
	}
}

func TestRegistryImage(t *testing.T) {
	a, _, _, err := bakeWith(t, t.Context(), &fake{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	image, ok := a.State(registryimage.ArtifactStateURI).(*registryimage.Image)
	if !ok || image.Validate() != nil {
		t.Fatalf("%v", a.State(registryimage.ArtifactStateURI))
	}
	if image.ImageID != a.Id() || image.ProviderName != "winbake" || image.SourceImageID != "abc" ||
		image.Labels["WinRE"] != "False" || image.Labels["windows_edition"] != "ServerStandard" {
		t.Errorf("%+v", image)
	}
}

func TestDestroy(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		a, _, out, err := bakeWith(t, t.Context(), &fake{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if foreign {
			if err := os.WriteFile(filepath.Join(out, "mine.txt"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // a second time there is nothing to do
			if err := a.Destroy(); err != nil {
				t.Error(err)
			}
		}
		entries, _ := os.ReadDir(out)
		_, gone := os.Stat(out)
		if foreign && (len(entries) != 1 || gone != nil) || !foreign && gone == nil {
			t.Errorf("foreign %v: left %v", foreign, entries)
		}
	}
}

func TestTryOut(t *testing.T) {
	result := func(path, arch string, format bake.Format, firmware layout.Firmware) *bake.Result {
		return &bake.Result{Files: []string{path}, Manifest: &bake.Manifest{
			Windows: bake.WindowsInfo{Architecture: arch}, Disk: bake.DiskInfo{Firmware: firmware}, Files: []bake.File{{Format: format}},
		}}
	}
	for want, r := range map[string]*bake.Result{
		"-drive file=out/x.vhd,format=vpc,if=ide":         result("out/x.vhd", "amd64", bake.VHD, layout.BIOS),
		"-drive file=x.qcow2,format=qcow2,if=ide":         result("x.qcow2", "amd64", bake.QCOW2, layout.BIOS),
		"-bios /usr/share/ovmf/OVMF.fd -drive":            result("x.raw", "amd64", bake.Raw, layout.UEFI),
		`-drive 'file=a b,,c'\''s.raw,format=raw,if=ide'`: result("a b,c's.raw", "x86", bake.Raw, layout.BIOS),
		"The image is ready: x.raw":                       result("x.raw", "arm64", bake.Raw, layout.UEFI),
		"The image is ready.":                             {Manifest: &bake.Manifest{}},
	} {
		if got := TryOut(r); !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}
