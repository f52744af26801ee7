package winre

import (
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
)

// Advisory is one security advisory, or one update without a published CVE, that a recovery environment
// is judged by.
type Advisory struct {
	ID     string   // unique among the advisories: the CVE, or the update's KB where there is none
	CVE    string   // "CVE-2024-20666"; may be empty
	Title  string   // what it is about, in a few words
	Fixes  []Fix    // one for each Windows it is for
	Source []string // URLs
}

// Fix is the recovery environment of one Windows in which an advisory is settled.
type Fix struct {
	Windows   string     // "Windows Server 2022"
	Builds    []uint16   // of the operating system; several share one recovery environment
	KBs       []string   // the updates that bring it, the oldest first
	Fixed     pe.Version // the least version of WinRE that has it
	Certainty string     // "documented", "reported" or "inferred"
	Source    []string   // URLs, if others than the advisory's
}

// Advisories returns the advisories that winbake comes with, from advisories.yaml, in its order.
func Advisories() ([]Advisory, error) {
	return nil, fault.Bugf("winre.Advisories is not there yet")
}

// ParseAdvisories reads advisories. A mistake is an error that names its line.
func ParseAdvisories(_ []byte) ([]Advisory, error) {
	return nil, fault.Bugf("winre.ParseAdvisories is not there yet")
}

// Status is what an advisory means for an image. The values are those of OpenVEX, but for NotApplicable.
type Status string

// The statuses.
const (
	Fixed              Status = "fixed"               // WinRE is there, in the version that settles it or a later one
	Affected           Status = "affected"            // WinRE is there, in an older version
	NotAffected        Status = "not_affected"        // there is no WinRE
	UnderInvestigation Status = "under_investigation" // WinRE is there, and its version does not compare
	NotApplicable      Status = "not_applicable"      // the advisory is for another Windows
)

// Finding is what one advisory means for an image.
type Finding struct {
	Advisory Advisory
	Fix      *Fix // the part of the advisory for the image's Windows; nil if NotApplicable
	Status   Status
	Reason   string // a whole sentence
}

// Judge compares the recovery environment of an image of Windows build osBuild with the advisories. If
// present is false the image carries none, and version is not looked at; the zero version is one that is
// not known. There is one finding for each advisory, in their order.
func Judge(_ []Advisory, _ uint16, _ bool, _ pe.Version) []Finding { return nil }
