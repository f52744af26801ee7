package evidence

import (
	"bytes"
	"cmp"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// What the parts of the image are called within the CycloneDX record.
const (
	imageRef   = "image"
	windowsRef = "windows"
	winreRef   = "winre"
)

// cycloneDXVersion is the newest that Dependency-Track and Trivy both read.
const cycloneDXVersion = cdx.SpecVersion1_6

// cycloneDX is the CycloneDX record: the image, the Windows in it, WinRE if it is there, and the analysis
// of each vulnerability. It is not a full bill of materials of Windows.
func cycloneDX(b *Bake, claims []claim) ([]byte, error) {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: b.timestamp(),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{tool(b.Tool)}},
		Component: imageComponent(b),
	}
	if b.Author != "" {
		bom.Metadata.Authors = &[]cdx.OrganizationalContact{{Name: b.Author}}
	}
	components, refs := parts(b)
	bom.Components = &components
	list := []cdx.Vulnerability{}
	for _, c := range vulnerabilities(claims) {
		list = append(list, analyzed(b, &c, refs))
	}
	bom.Vulnerabilities = &list
	unnamed, err := encodeCycloneDX(bom)
	if err != nil {
		return nil, err
	}
	bom.SerialNumber = "urn:uuid:" + guid.Derive(unnamed, "cyclonedx").String()
	return encodeCycloneDX(bom)
}

func encodeCycloneDX(bom *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	e := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	err := e.EncodeVersion(bom, cycloneDXVersion)
	return out.Bytes(), err
}

// tool splits "winbake 1.2.0" into name and version.
func tool(s string) cdx.Component {
	name, version, _ := strings.Cut(s, " ")
	return cdx.Component{Type: cdx.ComponentTypeApplication, Name: name, Version: version}
}

// imageComponent is the image with its files.
func imageComponent(b *Bake) *cdx.Component {
	c := &cdx.Component{
		BOMRef: imageRef, Type: cdx.ComponentTypePlatform, Name: b.Name, Version: b.Version,
		Description: "disk image", PackageURL: b.purl(b.Files[0].SHA256),
	}
	if b.Version != "" {
		c.PackageURL = b.purl("")
	}
	var files []cdx.Component
	for _, f := range b.Files {
		files = append(files, cdx.Component{
			BOMRef: "file:" + f.Name, Type: cdx.ComponentTypeFile, Name: f.Name, PackageURL: b.purl(f.SHA256),
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: strings.ToLower(f.SHA256)}},
		})
	}
	c.Components = &files
	return c
}

// parts are the components in the image, and what a vulnerability of WinRE is about: the image, the Windows
// that databases list the vulnerability under, and WinRE if it is there.
func parts(b *Bake) ([]cdx.Component, []cdx.Affects) {
	refs := []cdx.Affects{{Ref: imageRef}, {Ref: windowsRef}}
	components := []cdx.Component{{
		BOMRef: windowsRef, Type: cdx.ComponentTypeOS, Publisher: "Microsoft", Name: cmp.Or(b.Windows.Name, "Windows"),
		Version: b.Windows.Version, Description: b.Windows.Arch, CPE: b.Windows.CPE,
	}}
	if b.WinRE.Present {
		refs = append(refs, cdx.Affects{Ref: winreRef})
		components = append(components, cdx.Component{
			BOMRef: winreRef, Type: cdx.ComponentTypeOS, Group: "microsoft", Name: "winre", Version: b.WinRE.Version,
			Description: "Windows Recovery Environment (Winre.wim)", PackageURL: winrePURL(b.WinRE.Version),
		})
	}
	return components, refs
}

// analyzed is one claim in CycloneDX's words (bom-1.6.schema.json, impactAnalysisState and
// impactAnalysisJustification). It has one word for a component and for code that is not there.
func analyzed(b *Bake, c *claim, refs []cdx.Affects) cdx.Vulnerability {
	v := cdx.Vulnerability{
		ID: c.cve, Description: c.title, Recommendation: c.action, Affects: &refs,
		Source:   &cdx.Source{Name: "MSRC", URL: "https://msrc.microsoft.com/update-guide/vulnerability/" + c.cve},
		Analysis: &cdx.VulnerabilityAnalysis{Detail: c.grounds, FirstIssued: b.timestamp(), LastUpdated: b.timestamp()},
	}
	if a := advisories(c); len(a) > 0 {
		v.Advisories = &a
	}
	switch c.status {
	case winre.NotAffected:
		v.Analysis.State, v.Analysis.Justification = cdx.IASNotAffected, cdx.IAJCodeNotPresent
	case winre.Fixed:
		v.Analysis.State = cdx.IASResolved
	case winre.Affected:
		v.Analysis.State, v.Analysis.Response = cdx.IASExploitable, &[]cdx.ImpactAnalysisResponse{cdx.IARUpdate}
	case winre.UnderInvestigation:
		v.Analysis.State = cdx.IASInTriage
	}
	return v
}

// advisories are the pages of the updates, then those that the advisory cites.
func advisories(c *claim) []cdx.Advisory {
	var list []cdx.Advisory
	seen := map[string]bool{}
	add := func(title, url string) {
		if !seen[url] {
			list = append(list, cdx.Advisory{Title: title, URL: url})
		}
		seen[url] = true
	}
	for _, kb := range c.kbs {
		add(kb, "https://support.microsoft.com/help/"+strings.TrimPrefix(kb, "KB"))
	}
	for _, s := range c.sources {
		add("", s)
	}
	return list
}
