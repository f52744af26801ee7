package audit_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

var update = flag.Bool("update", false, "rewrite testdata/report.json")

// advisories are fixed here, so that the golden report does not change with every new one.
func advisories() []winre.Advisory {
	v, err := winre.ParseVersion("10.0.20348.2201")
	if err != nil {
		panic(err)
	}
	return []winre.Advisory{
		{ID: "CVE-2024-20666", CVE: "CVE-2024-20666", Title: "BitLocker bypass", Fixes: []winre.Fix{{Windows: "Windows Server 2022", Builds: []uint16{20348}, KBs: []string{"KB5034439"}, Fixed: v, Certainty: "reported"}}},
		{ID: "CVE-2000-00001", CVE: "CVE-2000-00001", Title: "another Windows", Fixes: []winre.Fix{{Windows: "Windows 10", Builds: []uint16{19045}, KBs: []string{"KB1"}, Fixed: v}}},
	}
}

// volatile are numbers that change with every change of the stand-in.
var volatile = regexp.MustCompile(`"(free|size)": [0-9]+`)

// TestGoldenReport pins down the JSON, whose fields scripts rely on.
func TestGoldenReport(t *testing.T) {
	disk := recoveryDisk(t, layout.UEFI, 200*mib, nil)
	log := filepath.Join(t.TempDir(), "winre.txt")
	writeFile(t, log, []byte("Windows failed to install the following update with error 0x80070643: 2024-01 (KB5034439)\r\n"+
		"2024-01-10 11:43:42, Info [x] winre.wim required free 749677882, free space 512000000\r\n"+
		"    Windows RE status:         Enabled\r\n    Windows RE location:       \\\\?\\GLOBALROOT\\device\\harddisk0\\partition4\\Recovery\\WindowsRE\r\n"+
		"    Boot Configuration Data (BCD) identifier: 820361a0-efb2-11ef-8321-cafe74c0ef77\r\n"+
		"Windows Boot Loader\r\n-------------------\r\nidentifier              {current}\r\nosdevice                partition=C:\r\n"+
		"recoverysequence        {920361a0-efb2-11ef-8321-cafe74c0ef77}\r\nrecoveryenabled         No\r\n"))
	r, err := audit.Run([]string{disk, filepath.Join(filepath.Dir(disk), "missing.raw")}, []string{log, log + ".missing"}, audit.Options{Tool: "winbake 0.0.0", Advisories: advisories()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(disk), filepath.Dir(log)} {
		b = bytes.ReplaceAll(b, []byte(dir+string(filepath.Separator)), nil)
	}
	b = append(volatile.ReplaceAll(b, []byte(`"$1": 1`)), '\n')
	const golden = "testdata/report.json"
	if *update {
		writeFile(t, golden, b)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("the report is not as %s has it (go test -update rewrites it):\n%s", golden, b)
	}
}

// TestFieldsAreDocumented keeps docs/audit.md complete: every field of the golden report stands there.
func TestFieldsAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	var report any
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, sub := range v {
				if !bytes.Contains(docs, []byte("`"+name+"`")) {
					t.Errorf("docs/audit.md does not name %s", name)
				}
				walk(sub)
			}
		case []any:
			for _, sub := range v {
				walk(sub)
			}
		}
	}
	walk(report)
}

func TestParity(t *testing.T) {
	with := bakeDisk(t, layout.UEFI, []bake.Format{bake.Raw}, nil)
	without := bakeDisk(t, layout.BIOS, []bake.Format{bake.Raw}, func(tr *tree.Tree) error {
		_, err := winre.Remove(tr)
		return err
	})
	enabled := recoveryDisk(t, layout.UEFI, 300*mib, nil)
	manifest := func(text string) string {
		path := filepath.Join(t.TempDir(), "manifest.json")
		writeFile(t, path, []byte(text))
		return path
	}
	const head = `{"schema_version":1,"windows":{"name":"x","version":"10.0.20348.587"},"winre":`
	same := manifest(head + `{"present":true,"version":"10.0.20348.587","state":"staged"}}`)
	old := manifest(head + `{"present":true,"path":"Windows/System32/Recovery/Winre.wim"}}`)
	absent := manifest(head + `{"present":false}}`)
	for _, c := range []struct{ a, b, want string }{
		{with.Files[0], with.Files[0], ""},
		{with.Files[0], same, ""},
		{without.Files[0], absent, ""},
		{with.Files[0], without.Files[0], "present yes no; version 10.0.20348.587 not known; state staged absent"},
		{with.Files[0], enabled, "state staged enabled"},
		{with.Files[0], old, "version 10.0.20348.587 not known; state staged not known"},
		{old, old, "version not known not known; state not known not known"},
		{with.Files[0], filepath.Join(t.TempDir(), "x"), "windows read could not be read"},
	} {
		r, err := audit.Compare(c.a, c.b, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range r.Parity.Differences {
			got = append(got, d.Field+" "+d.A+" "+d.B)
		}
		if strings.Join(got, "; ") != c.want || r.Parity.Equal != (c.want == "") || c.want != "" && r.Verdict == audit.OK {
			t.Errorf("%s %s: %q, want %q", c.a, c.b, got, c.want)
		}
	}
	// What a bake writes today can be compared with.
	if i := one(t, filepath.Join(filepath.Dir(with.Files[0]), "manifest.json")); i.Kind != audit.KindManifest || !i.WinRE.Present || i.Windows.Build != 20348 {
		t.Errorf("%+v", i)
	}
}

func TestLogs(t *testing.T) {
	dir := "../../windows/cbslog/testdata/"
	for name, want := range map[string]struct {
		verdict  audit.Verdict
		findings string
	}{
		"reagentc-en-enabled.txt":        {audit.OK, ""},
		"reagentc-en-disabled-utf16.txt": {audit.OK, "reagentc-disabled"},
		"bcdedit-en-recovery.txt":        {audit.OK, ""},
		"cbs-store-corrupt.log":          {audit.Findings, ""},
		"cbs-single-phase.log":           {audit.OK, ""},
		"missing":                        {audit.Unreadable, ""},
	} {
		r, err := audit.Run(nil, []string{dir + name}, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l := r.Logs[0]
		var got []string
		for _, f := range l.Findings {
			got = append(got, f.ID)
		}
		if l.Verdict != want.verdict || r.Verdict != want.verdict || strings.Join(got, " ") != want.findings {
			t.Errorf("%s: %s, %q", name, l.Verdict, got)
		}
	}
	// Two outputs that do not go together.
	r, err := audit.Run(nil, []string{dir + "reagentc-en-enabled.txt", dir + "bcdedit-en-recovery.txt"}, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != audit.Findings || len(r.Logs[1].Findings) != 1 || r.Logs[1].Findings[0].ID != "bcdedit-reagentc-differ" {
		t.Errorf("%s: %+v", r.Verdict, r.Logs[1].Findings)
	}
}
