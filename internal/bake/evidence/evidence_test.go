package evidence

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	rawSHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	vhdSHA256 = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7"
)

// finding is what winre.Judge says about CVE-2024-20666 (Server 2022, KB5034439).
func finding(status winre.Status, reason string) winre.Finding {
	f := winre.Finding{
		Advisory: winre.Advisory{
			ID: "CVE-2024-20666", CVE: "CVE-2024-20666", Title: "BitLocker security feature bypass",
			Source: []string{"https://msrc.microsoft.com/update-guide/vulnerability/CVE-2024-20666"},
		},
		Status: status, Reason: reason,
	}
	if status != winre.NotApplicable {
		f.Fix = &winre.Fix{
			Windows: "Windows Server 2022", Builds: []uint16{20348}, KBs: []string{"KB5034439"},
			Fixed: pe.Version{Major: 10, Build: 20348, Revision: 2201},
		}
	}
	return f
}

// withoutWinRE is a bake that left WinRE out.
func withoutWinRE() Bake {
	return Bake{
		Name: "web", Version: "1.4.0",
		Files:   []File{{"web.img", rawSHA256}, {"web.vhd", strings.ToUpper(vhdSHA256)}},
		Windows: Windows{Name: "Windows Server 2022 Standard", Version: "10.0.20348.2227", Arch: "amd64", CPE: CPE("10.0.20348.2227", "amd64", true)},
		Time:    time.Date(2024, 2, 29, 23, 30, 0, 123456789, time.FixedZone("", -2*60*60)), Tool: "winbake 1.2.0",
		Findings: []winre.Finding{
			finding(winre.NotAffected, "The image carries no Windows Recovery Environment (WinRE)."),
			{Advisory: winre.Advisory{ID: "CVE-2025-00001", CVE: "CVE-2025-00001"}, Status: winre.NotApplicable, Reason: "It is for Windows 10."},
		},
		Evidence: []string{
			"no file Winre.wim in any volume", "no partition of type de94bba4-06d1-4d40-a16a-bfd50179d6ac",
			"ReAgent.xml: disabled", "recoveryenabled no",
		},
	}
}

// withWinRE is a bake with a recovery environment of one state.
func withWinRE(version string, findings ...winre.Finding) Bake {
	b := withoutWinRE()
	b.WinRE = WinRE{Present: true, Version: version}
	b.Evidence = []string{`\Recovery\WindowsRE\Winre.wim on the partition of type de94bba4-06d1-4d40-a16a-bfd50179d6ac`, "ReAgent.xml: enabled"}
	b.Findings = findings
	return b
}

// cases are the bakes that the golden files are of.
func cases() map[string]Bake {
	kb := winre.Finding{
		Advisory: winre.Advisory{ID: "KB5042320", Title: "Safe OS dynamic update"}, Status: winre.UnderInvestigation,
		Reason: "The version of WinRE does not compare", Fix: &winre.Fix{KBs: []string{"KB5042320"}},
	}
	other := finding(winre.UnderInvestigation, "The recovery environment is that of another Windows")
	other.Advisory.ID, other.Advisory.CVE, other.Fix = "CVE-2025-48804", "CVE-2025-48804", nil
	fixed := finding(winre.Fixed, "WinRE is version 10.0.20348.2201, which has KB5034439.")
	fixed.Fix.Note = "The version is the one in a scanner's rules"
	noCVE := withoutWinRE()
	noCVE.Findings = []winre.Finding{kb}
	noCVE.Findings[0].Status, noCVE.Findings[0].Reason = winre.NotAffected, "The image carries no WinRE."
	unbound := withoutWinRE()
	unbound.Name, unbound.Version, unbound.Windows.CPE, unbound.Author = "Web Server", "", "", "Platform Team <platform@example.com>"
	elsewhere := withoutWinRE()
	elsewhere.Findings = []winre.Finding{finding(winre.NotApplicable, "It is for another Windows.")}
	return map[string]Bake{
		"absent":     withoutWinRE(),
		"fixed":      withWinRE("10.0.20348.2201", fixed),
		"affected":   withWinRE("10.0.20348.1", finding(winre.Affected, "WinRE is version 10.0.20348.1, older than 10.0.20348.2201"), kb, other),
		"no-code":    withWinRE("10.0.20348.1", finding(winre.NotAffected, "That WinRE lacks the code")),
		"no-version": unbound,
		"no-cve":     noCVE,
		"elsewhere":  elsewhere,
	}
}

// records fails the test if a bake has no records, and returns them by suffix.
func records(t *testing.T, b Bake) map[string][]byte {
	t.Helper()
	list, err := Records(b)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, r := range list {
		files[strings.TrimPrefix(r.Name, b.Name)] = r.Data
	}
	return files
}

// TestGolden keeps what the records say. A change of theirs is a change that users see.
func TestGolden(t *testing.T) {
	for name, b := range cases() {
		files := records(t, b)
		for _, suffix := range []string{OpenVEXSuffix, CycloneDXSuffix, ExceptionsSuffix} {
			path := filepath.Join("testdata", name+suffix)
			got, there := files[suffix]
			if !there {
				if _, err := os.Stat(path); err == nil {
					t.Errorf("%s: no such record", path)
				}
				continue
			}
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v; the record is now\n%s", path, err, got)
			}
		}
	}
}

// TestNoStatement: where no advisory is for this Windows, or none has a CVE, VEX has nothing to say.
func TestNoStatement(t *testing.T) {
	for _, name := range []string{"elsewhere", "no-cve"} {
		files := records(t, cases()[name])
		if _, there := files[OpenVEXSuffix]; there || len(files) != 2 {
			t.Errorf("%s: %d records", name, len(files))
		}
		if bytes.Contains(files[CycloneDXSuffix], []byte(`"id"`)) {
			t.Errorf("%s: a statement about nothing: %s", name, files[CycloneDXSuffix])
		}
	}
}

// TestOwnAdvisories makes records of what the advisories of winbake mean for each Windows that they name.
func TestOwnAdvisories(t *testing.T) {
	advisories, err := winre.Advisories()
	if err != nil {
		t.Fatal(err)
	}
	builds := map[uint16]bool{}
	for _, a := range advisories {
		for _, f := range a.Fixes {
			for _, build := range append(f.Builds, f.Fixed.Build) {
				builds[build] = true
			}
		}
	}
	for build := range builds {
		for _, version := range []pe.Version{{}, {Major: 10, Build: build, Revision: 1}, {Major: 10, Build: build, Revision: 0xFFFF}, {Major: 10, Build: 9200}} {
			b := withWinRE(version.String(), winre.Judge(advisories, build, true, version)...)
			if len(records(t, b)) == 0 {
				t.Errorf("%d %v: no records", build, version)
			}
		}
		b := withoutWinRE()
		b.Findings = winre.Judge(advisories, build, false, pe.Version{})
		if p := read(t, b).Paste; p == nil || p.Trivy == "" {
			t.Errorf("%d: nothing is excepted: %+v", build, p)
		}
	}
}

// TestSameBytes: equal inputs give equal records, and what differs has another identifier.
func TestSameBytes(t *testing.T) {
	first := records(t, withoutWinRE())
	for range 50 { // enough for every order of two map keys
		for suffix, data := range records(t, withoutWinRE()) {
			if !bytes.Equal(data, first[suffix]) {
				t.Fatalf("%s differs from one run to the next", suffix)
			}
		}
	}
	utc := withoutWinRE()
	utc.Time = utc.Time.UTC()
	other := withoutWinRE()
	other.Evidence[0] += " at all"
	for suffix, data := range records(t, utc) {
		if !bytes.Equal(data, first[suffix]) {
			t.Errorf("%s depends on the time zone", suffix)
		}
	}
	for suffix, data := range records(t, other) {
		if id := identifier(data); id == identifier(first[suffix]) && suffix != ExceptionsSuffix {
			t.Errorf("%s: two documents are both %s", suffix, id)
		}
	}
}

func identifier(document []byte) string {
	_, rest, _ := bytes.Cut(document, []byte("urn:uuid:"))
	return string(rest[:min(36, len(rest))])
}

// TestInputStays: records are made of a bake, they do not change it.
func TestInputStays(t *testing.T) {
	b := withWinRE("10.0.20348.1", finding(winre.Affected, ""))
	sources := make([]string, 1, 9)
	sources[0] = "https://example.com/a"
	b.Findings[0].Advisory.Source, b.Findings[0].Fix.Source = sources, []string{"https://example.com/b"}
	records(t, b)
	if extra := sources[:2][1]; extra != "" {
		t.Errorf("the advisory's sources were written over: %q", extra)
	}
}

func TestInvalid(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Bake)
		class  error
		says   string
	}{
		{"name", func(b *Bake) { b.Name = "../web" }, fault.ErrInvalid, "without a folder"},
		{"no name", func(b *Bake) { b.Name = "" }, fault.ErrInvalid, "not a name"},
		{"no files", func(b *Bake) { b.Files = nil }, fault.ErrBug, "without a file"},
		{"no time", func(b *Bake) { b.Time = time.Time{} }, fault.ErrBug, "time"},
		{"no tool", func(b *Bake) { b.Tool = "" }, fault.ErrBug, "tool"},
		{"no checksum", func(b *Bake) { b.Files[1].SHA256 = "" }, fault.ErrInvalid, "web.vhd has no SHA-256"},
		{"short checksum", func(b *Bake) { b.Files[0].SHA256 = "abcd" }, fault.ErrInvalid, "web.img"},
		{"no evidence", func(b *Bake) { b.Evidence = nil }, fault.ErrBug, "CVE-2024-20666: bug in winbake"},
		{"a status of its own", func(b *Bake) { b.Findings[0].Status = "perhaps" }, fault.ErrBug, `"perhaps"`},
		{"fixed in nothing", func(b *Bake) { b.Findings[0].Status = winre.Fixed }, fault.ErrBug, "no WinRE"},
		{"affected by nothing", func(b *Bake) { b.Findings[0].Status = winre.Affected }, fault.ErrBug, "no WinRE"},
		{"CVE", func(b *Bake) { b.Findings[0].Advisory.CVE = "CVE-24-1\"]" }, fault.ErrInvalid, "not a CVE"},
		{"KB", func(b *Bake) { b.Findings[0].Fix.KBs = []string{"5034439"} }, fault.ErrInvalid, "KB5034439"},
		{"nameless", func(b *Bake) { b.Findings[0].Advisory.CVE, b.Findings[0].Advisory.ID = "", "" }, fault.ErrInvalid, "neither"},
		{"twice", func(b *Bake) { b.Findings[1].Advisory.CVE, b.Findings[1].Status = "CVE-2024-20666", winre.NotAffected }, fault.ErrInvalid, "two advisories"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := withoutWinRE()
			tt.change(&b)
			list, err := Records(b)
			if !errors.Is(err, tt.class) || !strings.Contains(err.Error(), tt.says) || list != nil {
				t.Errorf("%d records, %v", len(list), err)
			}
		})
	}
}

func TestCPE(t *testing.T) {
	for _, tt := range []struct {
		version, arch string
		server        bool
		want          string
	}{
		{"10.0.20348.2227", "amd64", true, "cpe:2.3:o:microsoft:windows_server_2022:10.0.20348.2227:*:*:*:*:*:x64:*"},
		{"10.0.26100.1", "arm64", false, "cpe:2.3:o:microsoft:windows_11_24h2:10.0.26100.1:*:*:*:*:*:arm64:*"},
		{"10.0.26100.1", "amd64", true, "cpe:2.3:o:microsoft:windows_server_2025:10.0.26100.1:*:*:*:*:*:x64:*"},
		{"10.0.19045.3930", "x86", false, "cpe:2.3:o:microsoft:windows_10_22h2:10.0.19045.3930:*:*:*:*:*:x86:*"},
		{"10.0.17763", "arm", true, "cpe:2.3:o:microsoft:windows_server_2019:10.0.17763:*:*:*:*:*:*:*"},
		{"10.0.12345.1", "amd64", true, ""},
		{"10.0.20348.2227", "amd64", false, ""},
		{"6.3.9600", "amd64", true, ""},
		{"10.0.20348.*", "amd64", true, ""},
		{"10.0", "amd64", true, ""},
		{"", "", false, ""},
	} {
		if got := CPE(tt.version, tt.arch, tt.server); got != tt.want {
			t.Errorf("%s %s server=%t: %q", tt.version, tt.arch, tt.server, got)
		}
	}
}
