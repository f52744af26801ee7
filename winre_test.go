package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
)

const withWinRE = `
source "winbake-golden" "x" {
  media = "MEDIA"
  image = "ServerStandardCore"
  size  = "3GiB"
  winre {
    WINRE
  }
}
build { sources = ["winbake-golden.x"] }
`

// "packer validate" tells the decision and its reasons, and the bake does what it said.
func TestRecoveryDecision(t *testing.T) {
	i := needPacker(t)
	for _, test := range []struct {
		winre, told, why, tag string
	}{
		{"role = \"rds-gateway\"\nexternal_recovery = true", "leaves out the recovery environment.", "Others do this server's work", "False"},
		{`role = "domain-controller"`, "carries the recovery environment.", "A domain controller", "True"},
	} {
		dir := i.template(t, strings.ReplaceAll(withWinRE, "WINRE", test.winre))
		for _, verb := range []string{"validate", "build"} {
			out, err := i.run(dir, verb)
			if text := strings.Join(strings.Fields(out), " "); err != nil || !strings.Contains(text, test.told) || !strings.Contains(text, test.why) {
				t.Errorf("%s: %v lacks %q, %q\n%s", verb, err, test.told, test.why, out)
			}
		}
		var m bake.Manifest
		if err := json.Unmarshal(readFile(t, filepath.Join(dir, "output-x", "manifest.json")), &m); err != nil {
			t.Fatal(err)
		}
		if m.Tags["WinRE"] != test.tag || len(m.WinRE.Reasons) == 0 {
			t.Errorf("tags %v, %+v", m.Tags, m.WinRE)
		}
	}
	out, err := i.run(i.template(t, strings.ReplaceAll(withWinRE, "WINRE", "policy = \"include\"\nmin_free = \"3GiB\"\nrole = \"printer\"\nparity_manifest = \"nowhere.json\"")), "validate")
	for _, part := range []string{`winre: role: "printer" is not one of`, "winre: parity_manifest: open nowhere.json"} {
		if err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), part) {
			t.Errorf("validate: %v lacks %q\n%s", err, part, out)
		}
	}
}
