package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/bake/verdict"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// SchemaVersion is the version of the JSON that a Report makes. Fields may be added within a version;
// none changes its meaning. docs/verify.md describes them.
const SchemaVersion = 1

// Verdict is what a file or a whole report comes to.
type Verdict = verdict.Verdict

// The verdicts, the better first.
const (
	OK         = verdict.OK
	Findings   = verdict.Findings
	Unreadable = verdict.Unreadable
)

// Report is what is found. Its lists are never nil, so that JSON has [] for them.
type Report struct {
	SchemaVersion int     `json:"schema_version"`
	Tool          string  `json:"tool"`
	Verdict       Verdict `json:"verdict"`
	Files         []*File `json:"files"`
}

// File is one file that was verified.
type File struct {
	Path    string  `json:"path"`
	Format  string  `json:"format,omitempty"` // raw, fixed VHD, dynamic VHD, VHDX, qcow2, WIM
	Verdict Verdict `json:"verdict"`
	// Error is why the file could not be read, or not to the end.
	Error    string    `json:"error,omitempty"`
	Checked  []string  `json:"checked"` // what was looked at, such as `partition 3: NTFS`
	Findings []Finding `json:"findings"`
}

// Severity tells what is broken from what is only good to know.
type Severity string

// The severities. Error and Warning make the verdict Findings.
const (
	Error   Severity = "error"   // damaged, or it does not start
	Warning Severity = "warning" // as a running system leaves it: Windows mends it by itself
	Note    Severity = "note"
)

// Finding is something that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	Check    string   `json:"check"` // stable, such as ntfs-bitmap; docs/verify.md lists them
	Where    Where    `json:"where"`
	// Text says what is there and what was expected, Next what to do.
	Text string `json:"text"`
	Next string `json:"next,omitempty"`
}

// Where is the place of a finding.
type Where struct {
	// Disk is the path of a virtual disk that lies in the file's disk; empty for that itself.
	Disk      string `json:"disk,omitempty"`
	Partition int    `json:"partition,omitempty"` // number in the table; 0 for none
	Path      string `json:"path,omitempty"`      // of a file of the partition, or beside the disk
	// Offset counts bytes in the path, without one in the partition, without one in the disk or file;
	// null where there is no single place.
	Offset *int64 `json:"offset"`
}

// String is the place for people, such as `partition 1, \EFI\Microsoft\Boot\BCD, byte 0x1c4`.
func (w Where) String() string {
	var parts []string
	if w.Disk != "" {
		parts = append(parts, w.Disk)
	}
	if w.Partition != 0 {
		parts = append(parts, fmt.Sprintf("partition %d", w.Partition))
	}
	if w.Path != "" {
		parts = append(parts, w.Path)
	}
	if w.Offset != nil {
		parts = append(parts, fmt.Sprintf("byte %#x", *w.Offset))
	}
	return strings.Join(parts, ", ")
}

// offset returns the place that an error names, or nil.
func offset(err error) *int64 {
	for err != nil {
		var f *fault.Error
		if !errors.As(err, &f) {
			return nil
		}
		if f.Offset >= 0 {
			return &f.Offset
		}
		err = f.Err
	}
	return nil
}
