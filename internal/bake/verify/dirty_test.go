package verify_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestDirtyHive has hives of running systems: one with its logs, which Windows mends by itself, and one
// whose logs are lost.
func TestDirtyHive(t *testing.T) {
	const samples = "registry/mkorman90+regipy/regipy_tests/data/transactions_"
	files := map[string][]byte{
		"Users/mended/NTUSER.DAT":      oracle.Sample(t, samples+"NTUSER.DAT.xz"),
		"Users/mended/NTUSER.DAT.LOG1": oracle.Sample(t, samples+"ntuser.dat.log1.xz"),
		"Users/mended/NTUSER.DAT.LOG2": oracle.Sample(t, samples+"ntuser.dat.log2.xz"),
		"Users/lost/NTUSER.DAT":        oracle.Sample(t, samples+"NTUSER.DAT.xz"),
	}
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	c := bake.Config{
		Size: 640 * mib, Firmware: layout.BIOS, Formats: []bake.Format{bake.Raw}, Media: dir, Image: "ServerStandardCore", Name: "disk", Label: "Windows",
		Tool: "winbake test", OutputDir: filepath.Join(t.TempDir(), "out"), NoChecksums: true,
	}
	r, err := bake.Run(t.Context(), c, func(image *tree.Tree) error {
		for path, b := range files {
			if _, err := image.WriteFile(path, tree.Bytes(b)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f := run(t, r.Files[0], verify.Options{})
	for _, x := range f.Findings {
		want := map[string]string{"hive-dirty": `\Users\mended\NTUSER.DAT`, "hive": `\Users\lost\NTUSER.DAT`}[x.Check]
		if x.Where.Path != want || (x.Severity == verify.Warning) != (x.Check == "hive-dirty") {
			t.Errorf("%s [%s] %s: %s", x.Severity, x.Check, x.Where, x.Text)
		}
	}
	if got := strings.Join(checks(f), " "); len(f.Findings) != 2 || f.Verdict != verify.Findings {
		t.Errorf("%s, %s %s", got, f.Verdict, f.Error)
		log(t, f)
	}
}
