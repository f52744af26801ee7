// Package evidence writes what a bake knows about the Windows Recovery Environment (WinRE) and its
// advisories into three records, which lie beside the image:
//
//   - NAME.vex.json: OpenVEX 0.2.0 (https://github.com/openvex/spec), for Trivy, Grype, vexctl and auditors
//   - NAME.cdx.json: CycloneDX 1.6 with a vulnerability analysis (https://cyclonedx.org/capabilities/vex/),
//     for Dependency-Track and other readers of bills of materials
//   - NAME.exceptions.yaml: for scanners that read neither, text that a person pastes into them
//
// The records say the same thing in three languages, and only what the bake has checked. They depend on
// nothing but their input: the time is that of the bake, and identifiers are derived from the content.
// The package judges nothing itself (package winre does that), writes no file, and signs nothing.
package evidence

import (
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// What follows an image's name in the names of its records.
const (
	OpenVEXSuffix    = ".vex.json"
	CycloneDXSuffix  = ".cdx.json"
	ExceptionsSuffix = ".exceptions.yaml"
)

// Bake is what the records are about: one image, in one state.
type Bake struct {
	Name    string // of the image, which also begins the names of the records
	Version string // of the image; may be empty. A version must not name two different images
	Files   []File // the image's files, all of the same disk
	Windows Windows
	Time    time.Time // of the bake; records know seconds
	Tool    string    // "winbake 1.2.0"
	Author  string    // who says so: a person, team or address; empty: the tool
	WinRE   WinRE
	// Findings are what the advisories mean for the image, from winre.Judge.
	Findings []winre.Finding
	// Evidence is how the bake knows: `no file Winre.wim in any volume`, `ReAgent.xml: disabled`.
	Evidence []string
}

// File is one file of the image.
type File struct {
	Name   string
	SHA256 string // 64 hexadecimal digits
}

// Windows is the Windows in the image.
type Windows struct {
	Name    string // "Windows Server 2022 Standard"
	Version string // "10.0.20348.2227"
	Arch    string // "amd64"
	CPE     string // CPE 2.3, see CPE; empty if there is none
}

// WinRE is the recovery environment in the image.
type WinRE struct {
	Present bool
	Version string // "10.0.20348.2201"; empty if it is not known
}

// Record is one file to write beside the image.
type Record struct {
	Name string
	Data []byte
}

// Records makes the records of a bake, sorted by name. There is no OpenVEX record where no advisory with a
// CVE is for this Windows: that format knows no document without a statement. What contradicts itself, or
// cannot be bound to the image by a SHA-256, is an error and makes no record at all.
func Records(b Bake) ([]Record, error) {
	if err := b.validate(); err != nil {
		return nil, fault.In("evidence", err)
	}
	claims := b.claims()
	var records []Record
	for _, format := range []struct {
		suffix string
		write  func(*Bake, []claim) ([]byte, error)
	}{
		{CycloneDXSuffix, cycloneDX},
		{ExceptionsSuffix, exceptions},
		{OpenVEXSuffix, openVEX},
	} {
		data, err := format.write(&b, claims)
		if err != nil {
			return nil, fault.In(b.Name+format.suffix, err)
		}
		if data != nil {
			records = append(records, Record{Name: b.Name + format.suffix, Data: data})
		}
	}
	return records, nil
}

// timestamp is the bake's time as all three formats write it.
func (b *Bake) timestamp() string { return b.Time.UTC().Format(time.RFC3339) }

func (b *Bake) author() string {
	if b.Author != "" {
		return b.Author
	}
	return b.Tool
}
