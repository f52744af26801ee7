package audit

import (
	"github.com/winbake/packer-plugin-winbake/internal/bake/verdict"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// SchemaVersion is the version of the JSON that a Report makes. Fields may be added within a version;
// none changes its meaning. docs/audit.md describes them.
const SchemaVersion = 1

// Verdict is what an image or a whole report comes to.
type Verdict = verdict.Verdict

// The verdicts, the better first.
const (
	OK         = verdict.OK
	Findings   = verdict.Findings
	Unreadable = verdict.Unreadable
)

// Report is what an audit finds. Its lists are never nil, so that JSON has [] for them.
type Report struct {
	SchemaVersion int      `json:"schema_version"`
	Tool          string   `json:"tool"`
	Verdict       Verdict  `json:"verdict"`
	Images        []*Image `json:"images"`
	Logs          []*Log   `json:"logs"`
	Parity        *Parity  `json:"parity"`
}

// Kind is what a path holds.
type Kind string

// The kinds.
const (
	KindDisk     Kind = "disk"     // a disk with partitions
	KindVolume   Kind = "volume"   // one NTFS volume
	KindFolder   Kind = "folder"   // a mounted volume, or a copy of one
	KindManifest Kind = "manifest" // the manifest.json of a bake
)

// Image is one Windows of one path.
type Image struct {
	Path   string `json:"path"`
	Kind   Kind   `json:"kind"`
	Format string `json:"format,omitempty"` // of the file: raw, fixed VHD, dynamic VHD, VHDX, qcow2
	// Inside is the virtual disk of the path's disk that the Windows is in; absent for one that is in none.
	Inside  *VirtualDisk `json:"virtual_disk,omitempty"`
	Verdict Verdict      `json:"verdict"`
	// Error is why the image could not be read; its other fields say what is known all the same.
	Error      string      `json:"error,omitempty"`
	Windows    *Windows    `json:"windows"`
	Disk       *Disk       `json:"disk"`
	Partitions []Partition `json:"partitions"`
	Recovery   *Recovery   `json:"recovery_partition"`
	WinRE      WinRE       `json:"winre"`
	ReAgent    *ReAgent    `json:"reagent"`
	Boot       []Boot      `json:"boot"`
	Room       *Room       `json:"room"`
	Advisories []Advisory  `json:"advisories"`
	Findings   []Finding   `json:"findings"`
	// Summary is the verdict in a sentence, Next what to do.
	Summary string   `json:"summary"`
	Next    []string `json:"next"`
}

// VirtualDisk is a virtual disk in a file of a disk. All but its own fields are of the disk in it.
type VirtualDisk struct {
	Partition int    `json:"partition"` // that the file is on; 0 for a volume without a disk
	Path      string `json:"path"`
	Format    string `json:"format"`
}

// Windows is what an image is.
type Windows struct {
	Name         string `json:"name"` // Windows Server 2022
	Product      string `json:"product"`
	Edition      string `json:"edition"`
	Installation string `json:"installation_type"`
	Version      string `json:"version"`
	Build        int    `json:"build"`
	Architecture string `json:"architecture"`
	Server       bool   `json:"server"`
	// Partition is the number of the partition that it is on; 0 where there is none.
	Partition int `json:"partition"`
}

// Disk is a disk with a partition table.
type Disk struct {
	Size  int64  `json:"size"`
	Table string `json:"table"` // gpt, mbr
	ID    string `json:"id"`    // the GPT's GUID, or the MBR's signature as 8 hexadecimal digits
}

// Partition is one partition.
type Partition struct {
	Number     int    `json:"number"`
	Role       string `json:"role"` // system, reserved, windows, recovery, or empty
	Type       string `json:"type"` // GUID, or two hexadecimal digits
	ID         string `json:"id,omitempty"`
	Attributes string `json:"attributes,omitempty"` // of a GPT, 16 hexadecimal digits
	Active     bool   `json:"active,omitempty"`
	Name       string `json:"name,omitempty"`
	Offset     int64  `json:"offset"`
	Size       int64  `json:"size"`
	FileSystem string `json:"file_system"`
	Label      string `json:"label,omitempty"`
	// Free is what $Bitmap leaves; null for what is not NTFS.
	Free *int64 `json:"free"`
	// Problem is why the volume could not be read.
	Problem string `json:"problem,omitempty"`
}

// The roles.
const (
	roleSystem   = "system"
	roleReserved = "reserved"
	roleWindows  = "windows"
	roleRecovery = "recovery"
)

// Recovery is the recovery partition.
type Recovery struct {
	Partition int    `json:"partition"`
	Size      int64  `json:"size"`
	Free      *int64 `json:"free"`
	// Marked says that the table gives it the type of a recovery partition, and not only its files.
	Marked bool `json:"marked"`
	// WIM says that it holds \Recovery\WindowsRE\Winre.wim.
	WIM bool `json:"wim"`
}

// State is what becomes of the recovery environment.
type State string

// The states.
const (
	Absent   State = "absent"   // there is no Winre.wim, and Windows expects none
	Enabled  State = "enabled"  // Windows has it set up, and it is where Windows says
	Staged   State = "staged"   // Winre.wim waits in System32\Recovery; the first start sets it up
	Disabled State = "disabled" // there is a Winre.wim, and Windows has it switched off
	Broken   State = "broken"   // Windows says that it is set up, and it is not there
	Unseen   State = "unseen"   // Windows says that it is set up, on a partition that was not given
)

// WinRE is the recovery environment.
type WinRE struct {
	Present bool   `json:"present"`
	State   State  `json:"state"`
	Version string `json:"version"`
	// Registry is WinREVersion of HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion.
	Registry  string  `json:"registry_version"`
	Locations []Place `json:"locations"`
}

// Place is a Winre.wim.
type Place struct {
	// Place is recovery_partition, windows_volume, staged or other_volume.
	Place     string   `json:"place"`
	Partition int      `json:"partition"`
	Path      string   `json:"path"`
	Size      int64    `json:"size"`
	Version   string   `json:"version"`
	Name      string   `json:"name,omitempty"`
	Notes     []string `json:"notes,omitempty"`
	Problem   string   `json:"problem,omitempty"`

	info winre.Info
}

// The places.
const (
	placeRecovery = "recovery_partition"
	placeWindows  = "windows_volume"
	placeStaged   = "staged"
	placeOther    = "other_volume"
)

// Target is where a configuration points to.
type Target string

// The targets.
const (
	TargetOK          Target = "ok"           // a Winre.wim on a partition of this disk
	TargetNone        Target = "none"         // it points nowhere
	TargetDisk        Target = "other_disk"   // a disk with another identifier
	TargetPartition   Target = "no_partition" // this disk, and no partition begins there
	TargetImage       Target = "no_image"     // a partition of this disk that has no Winre.wim there
	TargetUnchecked   Target = "unchecked"    // there is no disk to compare with
	TargetEntry       Target = "no_entry"     // BCD: the entry that is named is not there
	TargetUnknownKind Target = "not_a_wim"    // BCD: the entry does not load a WIM from a partition
)

// ReAgent is the ReAgent.xml of the Windows volume.
type ReAgent struct {
	Version   string `json:"version"`
	Enabled   bool   `json:"enabled"`
	Staged    bool   `json:"staged"`
	Loader    string `json:"loader"` // the boot entry's GUID
	Path      string `json:"path"`
	Disk      string `json:"disk"` // GUID, or signature
	Offset    int64  `json:"offset"`
	Target    Target `json:"target"`
	Partition int    `json:"partition"` // that it points to, 0 for none

	loader id
}

// Boot is one BCD store and the entry in it that starts this Windows.
type Boot struct {
	Store string `json:"store"`
	// Recovery says that it is the second store of a UEFI disk, whose only entry is WinRE's.
	Recovery  bool `json:"recovery_store"`
	Partition int  `json:"partition"` // that holds the store
	// Around says that the store, and so the partition, is of the disk around the virtual one.
	Around     bool   `json:"around,omitempty"`
	Loader     string `json:"loader"`
	Enabled    *bool  `json:"recovery_enabled"` // null where it is not set
	Sequence   string `json:"recovery_sequence"`
	Device     string `json:"device"`
	Target     Target `json:"target"`
	TargetPart int    `json:"target_partition"`
	Problem    string `json:"problem,omitempty"`

	sequence id
}

// Room says whether Winre.wim can be serviced where it is.
type Room struct {
	Partition int   `json:"partition"`
	Needed    int64 `json:"needed"`
	Free      int64 `json:"free"`
	Enough    bool  `json:"enough"`
}

// Advisory is what one advisory means for an image.
type Advisory struct {
	ID    string   `json:"id"`
	CVE   string   `json:"cve"`
	Title string   `json:"title"`
	KBs   []string `json:"kbs"`
	Fixed string   `json:"fixed_version"`
	// Certainty of Fixed is documented, reported or inferred.
	Certainty winre.Certainty `json:"certainty"`
	Status    winre.Status    `json:"status"`
	Reason    string          `json:"reason"`
}

// Severity tells what somebody has to act on from what is only good to know.
type Severity string

// The severities. Only a warning makes the verdict Findings.
const (
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Finding is something that is not as it should be, or good to know.
type Finding struct {
	ID       string   `json:"id"` // stable, such as recovery-partition-full
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
	Next     string   `json:"next,omitempty"`
}

// Log is what a log told.
type Log struct {
	Path     string       `json:"path"`
	Kind     string       `json:"kind"`
	Verdict  Verdict      `json:"verdict"`
	Error    string       `json:"error,omitempty"`
	Lines    int          `json:"lines"`
	Failures []LogFailure `json:"failures"`
	ReAgent  *LogReAgent  `json:"reagentc"`
	Boot     *LogBoot     `json:"bcdedit"`
	Space    []LogSpace   `json:"space"`
	Findings []Finding    `json:"findings"`
}

// LogFailure is a failure that a log tells of.
type LogFailure struct {
	Code    string   `json:"code"`
	Name    string   `json:"name"`
	WinRE   bool     `json:"winre"`
	Count   int      `json:"count"`
	First   int      `json:"first_line"`
	Last    int      `json:"last_line"`
	KBs     []string `json:"kbs"`
	Text    string   `json:"text"`
	Meaning string   `json:"meaning"`
	Next    string   `json:"next"`
}

// LogReAgent is the output of reagentc /info.
type LogReAgent struct {
	Enabled   bool   `json:"enabled"`
	Status    string `json:"status"`
	Location  string `json:"location"`
	Disk      int    `json:"disk"`
	Partition int    `json:"partition"`
	Loader    string `json:"loader"`
	Version   string `json:"version"`
}

// LogBoot is what bcdedit shows of the default entry.
type LogBoot struct {
	Loader   string `json:"loader"`
	Enabled  *bool  `json:"recovery_enabled"`
	Sequence string `json:"recovery_sequence"`
	Device   string `json:"device"`
}

// LogSpace is a line about the room for Winre.wim.
type LogSpace struct {
	Line   int    `json:"line"`
	Needed int64  `json:"needed"`
	Free   int64  `json:"free"`
	Text   string `json:"text"`
}

// Parity is the comparison of two images.
type Parity struct {
	A           string       `json:"a"`
	B           string       `json:"b"`
	Equal       bool         `json:"equal"`
	Differences []Difference `json:"differences"`
}

// Difference is something that two images do not agree on.
type Difference struct {
	Field string `json:"field"` // present, version, state, windows
	A     string `json:"a"`
	B     string `json:"b"`
}
