package evidence

import (
	"bytes"
	"strings"

	"github.com/openvex/go-vex/pkg/vex"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// openVEX is the OpenVEX document, or nil without a vulnerability: the format wants at least one statement.
func openVEX(b *Bake, claims []claim) ([]byte, error) {
	claims = vulnerabilities(claims)
	if len(claims) == 0 {
		return nil, nil
	}
	doc := vex.VEX{Metadata: vex.Metadata{
		Context: vex.ContextLocator(), Author: b.author(), Timestamp: &b.Time, Version: 1, Tooling: b.Tool,
	}}
	for i := range claims {
		s := statement(b, &claims[i])
		if err := s.Validate(); err != nil {
			return nil, fault.Bugf("%s: %v", claims[i].id, err)
		}
		doc.Statements = append(doc.Statements, s)
	}
	// vex.GenerateCanonicalID goes through a product's identifiers in map order, so that a document with
	// two of them gets one identifier today and another tomorrow.
	unnamed, err := encodeOpenVEX(&doc)
	if err != nil {
		return nil, err
	}
	doc.ID = "urn:uuid:" + guid.Derive(unnamed, "openvex").String()
	return encodeOpenVEX(&doc)
}

func encodeOpenVEX(doc *vex.VEX) ([]byte, error) {
	var out bytes.Buffer
	err := doc.ToJSON(&out)
	return out.Bytes(), err
}

// statement is one claim in OpenVEX's words (OPENVEX-SPEC.md, "Status Labels" and "Status Justifications").
func statement(b *Bake, c *claim) vex.Statement {
	s := vex.Statement{
		Vulnerability: vex.Vulnerability{Name: vex.VulnerabilityID(c.cve), Description: c.title},
		Products:      products(b),
	}
	switch c.status {
	case winre.NotAffected:
		s.Status, s.ImpactStatement = vex.StatusNotAffected, c.grounds
		s.Justification = vex.Justification(justification(b))
	case winre.Fixed:
		s.Status, s.StatusNotes = vex.StatusFixed, c.grounds
	case winre.Affected:
		s.Status, s.StatusNotes, s.ActionStatement = vex.StatusAffected, c.grounds, c.action
	case winre.UnderInvestigation:
		s.Status, s.StatusNotes = vex.StatusUnderInvestigation, c.grounds
	}
	return s
}

// justification tells a component that is not there from one that is there without the vulnerable code.
// CSAF, too, tells one from the other.
func justification(b *Bake) string {
	if b.WinRE.Present {
		return string(vex.VulnerableCodeNotPresent)
	}
	return string(vex.ComponentNotPresent)
}

// products are the image's files. The identifier of each holds its SHA-256. Scanners know an image only by
// its name and version, so that this is an identifier as well; without a version it would mean all images
// of the name, and is left out.
func products(b *Bake) []vex.Product {
	component := vex.Component{ID: winrePURL("")}
	if b.WinRE.Present {
		component.ID = winrePURL(b.WinRE.Version)
	}
	var products []vex.Product
	for _, f := range b.Files {
		p := vex.Product{
			Component: vex.Component{
				ID:     b.purl(f.SHA256),
				Hashes: map[vex.Algorithm]vex.Hash{vex.SHA256: vex.Hash(strings.ToLower(f.SHA256))},
			},
			Subcomponents: []vex.Subcomponent{{Component: component}},
		}
		p.Identifiers = map[vex.IdentifierType]string{}
		if b.Version != "" {
			p.Identifiers[vex.PURL] = b.purl("")
		}
		products = append(products, p)
	}
	return products
}
