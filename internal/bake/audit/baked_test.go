package audit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
)

func TestTry(t *testing.T) {
	for _, f := range layout.Firmwares {
		i := one(t, recoveryDisk(t, f, 400*mib, nil))
		b, _ := json.MarshalIndent(i, "", " ")
		t.Log(string(b))
		t.Log(warnings(i))
	}
	r := bakeDisk(t, layout.UEFI, []bake.Format{bake.Raw, bake.VHD}, nil)
	for _, p := range r.Files {
		if strings.HasSuffix(p, ".sha256") {
			continue
		}
		i := one(t, p)
		if i.Verdict == audit.Unreadable {
			t.Error(p, i.Error)
		}
		t.Log(p, i.Verdict, i.Summary, warnings(i))
	}
}
