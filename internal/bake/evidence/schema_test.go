package evidence

import (
	"bytes"
	"testing"
)

// TestSchemas has two validators compare all documents with the published schemas.
func TestSchemas(t *testing.T) {
	schemas := map[string]schema{OpenVEXSuffix: openVEXSchema(), CycloneDXSuffix: cycloneDXSchema(t)}
	bakes := cases()
	bakes["hostile"] = hostile()
	for name, b := range bakes {
		files := records(t, b)
		for suffix, s := range schemas {
			if files[suffix] == nil {
				continue
			}
			if err := s.inGo(t, files[suffix]); err != nil {
				t.Errorf("%s%s: %v", name, suffix, err)
			}
			if err := s.inPython(t, files[suffix]); err != nil {
				t.Errorf("%s%s: %v", name, suffix, err)
			}
		}
	}
}

// TestJudgesObject: the validators find what is wrong in a document.
func TestJudgesObject(t *testing.T) {
	openvex, cyclonedx := openVEXSchema(), cycloneDXSchema(t)
	absent, affected := records(t, withoutWinRE()), records(t, cases()["affected"])
	for _, tt := range []struct {
		name     string
		schema   schema
		document []byte
		from, to string
	}{
		{"status", openvex, absent[OpenVEXSuffix], `"status": "not_affected"`, `"status": "absent"`},
		{"justification", openvex, absent[OpenVEXSuffix], `"component_not_present"`, `"code_not_present"`},
		{"no identifier", openvex, absent[OpenVEXSuffix], `"@id": "urn:uuid`, `"supplier": "urn:uuid`},
		{"no statement", openvex, absent[OpenVEXSuffix], `"statements": [`, `"statements": [], "role": [`},
		{"hash", openvex, absent[OpenVEXSuffix], `"sha-256"`, `"SHA-256"`},
		{"action", openvex, affected[OpenVEXSuffix], `"action_statement"`, `"impact_statement"`},
		{"version", openvex, absent[OpenVEXSuffix], `"version": 1`, `"version": "1"`},
		{"state", cyclonedx, absent[CycloneDXSuffix], `"state": "not_affected"`, `"state": "absent"`},
		{"analysis", cyclonedx, absent[CycloneDXSuffix], `"code_not_present"`, `"component_not_present"`},
		{"response", cyclonedx, affected[CycloneDXSuffix], `"update"`, `"upgrade"`},
		{"serial number", cyclonedx, absent[CycloneDXSuffix], `"urn:uuid:`, `"urn:uuid:x`},
		{"field", cyclonedx, absent[CycloneDXSuffix], `"affects"`, `"effects"`},
		{"digest", cyclonedx, absent[CycloneDXSuffix], `"` + rawSHA256 + `"`, `"abc"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wrong := bytes.Replace(tt.document, []byte(tt.from), []byte(tt.to), 1)
			if bytes.Equal(wrong, tt.document) {
				t.Fatalf("there is no %s", tt.from)
			}
			if err := tt.schema.inGo(t, wrong); err == nil {
				t.Error("jsonschema for Go does not object")
			}
			if err := tt.schema.inPython(t, wrong); err == nil {
				t.Error("jsonschema for Python does not object")
			}
		})
	}
}
