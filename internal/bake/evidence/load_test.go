package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/openvex/go-vex/pkg/vex"

	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// loaded writes an OpenVEX record to a file and has go-vex open it, as vexctl and Grype do.
func loaded(t *testing.T, b Bake) *vex.VEX {
	t.Helper()
	path := filepath.Join(t.TempDir(), "web.vex.json")
	if err := os.WriteFile(path, records(t, b)[OpenVEXSuffix], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vex.Load(path); err != nil {
		t.Error(err)
	}
	if _, err := vex.MergeFiles([]string{path}); err != nil {
		t.Error(err)
	}
	doc, err := vex.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range doc.Statements {
		if err := doc.Statements[i].Validate(); err != nil {
			t.Error(err)
		}
	}
	return doc
}

// TestOpenVEXLabels: each status has the label of the specification.
func TestOpenVEXLabels(t *testing.T) {
	for name, want := range map[string]vex.Statement{
		"absent":   {Status: vex.StatusNotAffected, Justification: vex.ComponentNotPresent},
		"no-code":  {Status: vex.StatusNotAffected, Justification: vex.VulnerableCodeNotPresent},
		"fixed":    {Status: vex.StatusFixed},
		"affected": {Status: vex.StatusAffected},
	} {
		doc := loaded(t, cases()[name])
		s := doc.Statements[0]
		if s.Vulnerability.Name != "CVE-2024-20666" || s.Status != want.Status || s.Justification != want.Justification {
			t.Errorf("%s: %+v", name, s)
		}
	}
	absent := loaded(t, withoutWinRE())
	if len(absent.Statements) != 1 {
		t.Errorf("an advisory for another Windows has a statement: %d", len(absent.Statements))
	}
	for _, e := range withoutWinRE().Evidence {
		if !strings.Contains(absent.Statements[0].ImpactStatement, e) {
			t.Errorf("the impact statement does not say %q", e)
		}
	}
	affected := loaded(t, cases()["affected"])
	if s := affected.Statements[0].ActionStatement; !strings.Contains(s, "KB5034439") || !strings.Contains(s, "10.0.20348.2201") {
		t.Errorf("the action is %q", s)
	}
	if s := affected.Statements[1]; s.Status != vex.StatusUnderInvestigation || s.Vulnerability.Name != "CVE-2025-48804" || len(affected.Statements) != 2 {
		t.Errorf("%+v", s)
	}
}

// TestOpenVEXMatches asks go-vex what it asks for Grype and Trivy: which statements are about an artifact.
func TestOpenVEXMatches(t *testing.T) {
	const cve = "CVE-2024-20666"
	doc, nameless := loaded(t, withoutWinRE()), loaded(t, cases()["no-version"])
	for _, tt := range []struct {
		doc     *vex.VEX
		product string
		part    []string
		want    bool
	}{
		{doc, "pkg:generic/web@1.4.0", nil, true}, // as Grype and the CycloneDX record name the image
		{doc, "pkg:generic/web@1.4.0", []string{"pkg:generic/microsoft/winre@10.0.20348.1"}, true},
		{doc, "pkg:generic/web@1.4.0", []string{"pkg:generic/openssl@3.0"}, false},
		{doc, "pkg:generic/web@1.4.0", []string{""}, true}, // as Trivy asks about a package without a purl
		{doc, "pkg:generic/web@1.4.0?checksum=sha256:" + rawSHA256, nil, true},
		{doc, rawSHA256, nil, true},
		{doc, vhdSHA256, nil, true}, // given in upper case
		{doc, "pkg:generic/web@1.4.1", nil, false},
		{doc, "pkg:generic/db@1.4.0", nil, false},
		{doc, strings.Repeat("0", 64), nil, false},
		{nameless, "pkg:generic/web%20server", nil, false}, // a name alone means every image of that name
		{nameless, "pkg:generic/web%20server@1.4.0", nil, false},
		{nameless, "pkg:generic/web%20server?checksum=sha256:" + rawSHA256, nil, true},
		{nameless, "pkg:generic/web%20server?checksum=sha256:" + strings.Repeat("0", 64), nil, false},
	} {
		if got := len(tt.doc.Matches(cve, tt.product, tt.part)) > 0; got != tt.want {
			t.Errorf("%s %v: %t", tt.product, tt.part, got)
		}
	}
	if len(doc.Matches("CVE-2025-00001", rawSHA256, nil)) > 0 {
		t.Error("a statement about an advisory for another Windows")
	}
}

// TestCycloneDXAnalysis has cyclonedx-go read the records.
func TestCycloneDXAnalysis(t *testing.T) {
	for name, want := range map[string]cdx.VulnerabilityAnalysis{
		"absent":   {State: cdx.IASNotAffected, Justification: cdx.IAJCodeNotPresent},
		"no-code":  {State: cdx.IASNotAffected, Justification: cdx.IAJCodeNotPresent},
		"fixed":    {State: cdx.IASResolved},
		"affected": {State: cdx.IASExploitable, Response: &[]cdx.ImpactAnalysisResponse{cdx.IARUpdate}},
	} {
		bom := decoded(t, cases()[name])
		v := (*bom.Vulnerabilities)[0]
		a := v.Analysis
		if v.ID != "CVE-2024-20666" || a.State != want.State || a.Justification != want.Justification || a.Detail == "" {
			t.Errorf("%s: %+v", name, v)
		}
		if (a.Response == nil) != (want.Response == nil) || a.Response != nil && (*a.Response)[0] != cdx.IARUpdate {
			t.Errorf("%s: response %v", name, a.Response)
		}
		if hasWinRE := bytes.Contains(records(t, cases()[name])[CycloneDXSuffix], []byte("microsoft/winre")); hasWinRE != (name != "absent") {
			t.Errorf("%s: lists WinRE: %t", name, hasWinRE)
		}
	}
}

// decoded reads a CycloneDX record, and fails the test if something in it refers to nothing.
func decoded(t *testing.T, b Bake) *cdx.BOM {
	t.Helper()
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(records(t, b)[CycloneDXSuffix]), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{bom.Metadata.Component.BOMRef: true}
	for _, c := range append(*bom.Metadata.Component.Components, *bom.Components...) {
		if refs[c.BOMRef] {
			t.Errorf("two components are %s", c.BOMRef)
		}
		refs[c.BOMRef] = true
	}
	for _, v := range *bom.Vulnerabilities {
		for _, a := range *v.Affects {
			if !refs[a.Ref] {
				t.Errorf("%s is about %s, which is not there", v.ID, a.Ref)
			}
		}
	}
	if _, err := cdx.NewBOMLink(bom.SerialNumber, bom.Version, bom.Metadata.Component); err != nil {
		t.Error(err)
	}
	return bom
}

// TestUnknownVersion: a WinRE whose version nobody knows is named without one.
func TestUnknownVersion(t *testing.T) {
	doc := loaded(t, withWinRE("", finding(winre.UnderInvestigation, "")))
	if id := doc.Statements[0].Products[0].Subcomponents[0].ID; id != "pkg:generic/microsoft/winre" {
		t.Error(id)
	}
}
