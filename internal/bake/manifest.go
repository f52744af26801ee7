package bake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/pe"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// ManifestVersion is the version of manifest.json's schema.
const ManifestVersion = 1

// Manifest is what manifest.json says about a bake. Equal inputs give equal manifests.
type Manifest struct {
	SchemaVersion int         `json:"schema_version"`
	Tool          string      `json:"tool"`
	BuildTime     time.Time   `json:"build_time"`
	Inputs        []Input     `json:"inputs"`
	Windows       WindowsInfo `json:"windows"`
	Disk          DiskInfo    `json:"disk"`
	// VirtualDisk is the virtual disk on it that Windows is on, where that is so.
	VirtualDisk *VirtualDiskInfo  `json:"virtual_disk,omitempty"`
	Packages    Packages          `json:"packages"`
	WinRE       WinRE             `json:"winre"`
	Tags        map[string]string `json:"tags"`
	Files       []File            `json:"files"`
	// Records are the names of the evidence beside the image.
	Records []string `json:"records,omitempty"`
}

// Input is a file that the bake read.
type Input struct {
	Name string `json:"name"`
	// URL is where it was downloaded from, without credentials.
	URL    string `json:"url,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

// WindowsInfo is what the medium says about the image.
type WindowsInfo struct {
	Index        int      `json:"index"`
	Name         string   `json:"name"`
	Edition      string   `json:"edition"`
	Installation string   `json:"installation_type"`
	Version      string   `json:"version"`
	Architecture string   `json:"architecture"`
	Languages    []string `json:"languages"`
}

// DiskInfo is the disk's layout.
type DiskInfo struct {
	Size       int64           `json:"size"`
	Firmware   layout.Firmware `json:"firmware"`
	ID         string          `json:"id"` // GPT disk GUID, or MBR signature as 8 hexadecimal digits
	Partitions []PartitionInfo `json:"partitions"`
	// BootRecords says where the boot records came from: "winbake" or a path in the media.
	BootRecords map[string]string `json:"boot_records,omitempty"`
	// Compact says how the files of the Windows volume are compressed, if they are.
	Compact *CompactInfo `json:"compact,omitempty"`
}

// VirtualDiskInfo is a virtual disk on a disk.
type VirtualDiskInfo struct {
	// File is its path on the partition with the role "host", and Format vhd or vhdx; either is fixed.
	File   string `json:"file"`
	Format Format `json:"format"`
	// Offset is where on the disk the disk that is in the file begins.
	Offset     int64 `json:"offset"`
	Hypervisor bool  `json:"hypervisor"`
	// Overrides are the rules that the sizes do not keep, and why.
	Overrides map[Rule]string `json:"overrides,omitempty"`
	Disk      DiskInfo        `json:"disk"`
}

// PartitionInfo is one partition.
type PartitionInfo struct {
	Role       layout.Role       `json:"role"`
	Offset     int64             `json:"offset"`
	Size       int64             `json:"size"`
	Type       string            `json:"type"`
	ID         string            `json:"id,omitempty"`
	FileSystem layout.FileSystem `json:"file_system,omitempty"`
	Label      string            `json:"label,omitempty"`
}

// Packages are the update packages; installed and staged are never mixed.
type Packages struct {
	Installed []string `json:"installed"`
	Staged    []string `json:"staged"`
}

// WinRE says what became of the recovery environment.
type WinRE struct {
	Present bool `json:"present"`
	// State is enabled or staged; empty if it is as the medium had it.
	State RecoveryState `json:"state,omitempty"`
	// Volume is the partition that has Winre.wim, and Path its place there.
	Volume  layout.Role `json:"volume,omitempty"`
	Path    string      `json:"path,omitempty"`
	Version string      `json:"version,omitempty"`
	// Policy is what the user wanted. Rule is the row of the table that decided, and Reasons and Warnings
	// are its sentences.
	Policy   winre.Policy `json:"policy,omitempty"`
	Rule     string       `json:"rule,omitempty"`
	Reasons  []string     `json:"reasons,omitempty"`
	Warnings []string     `json:"warnings,omitempty"`
	// SavedBytes is what leaving it out has saved.
	SavedBytes int64 `json:"saved_bytes,omitempty"`
	// Advisories are those that are about this Windows.
	Advisories []AdvisoryStatus `json:"advisories,omitempty"`
}

// AdvisoryStatus is what a security advisory means for the image.
type AdvisoryStatus struct {
	ID     string       `json:"id"`
	KBs    []string     `json:"kbs,omitempty"`
	Status winre.Status `json:"status"`
	Reason string       `json:"reason"`
}

// File is an output.
type File struct {
	Name   string `json:"name"`
	Format Format `json:"format"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
}

func (m *Manifest) marshal() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

func (b *Bake) manifest() *Manifest {
	m := &Manifest{
		SchemaVersion: ManifestVersion, Tool: b.c.Tool, BuildTime: b.c.BuildTime, Inputs: b.inputs,
		Windows: b.Windows(), Disk: diskInfo(b.outer()), VirtualDisk: b.virtualDiskInfo(), Tags: b.tags(), WinRE: b.winRE(),
		Packages: Packages{Installed: []string{}, Staged: []string{}},
	}
	m.Disk.BootRecords = b.boot.origins
	with := &m.Disk // the disk with Windows
	if m.VirtualDisk != nil {
		with = &m.VirtualDisk.Disk
	}
	with.Compact = b.compacted
	for _, o := range b.out.files {
		m.Files = append(m.Files, File{Name: o.name, Format: o.format, Size: o.size, SHA256: o.sha256})
	}
	return m
}

func (b *Bake) winRE() WinRE {
	r := b.recovery
	w := WinRE{Present: r.path != "", Path: r.path, State: r.state, SavedBytes: r.saved}
	switch {
	case r.enabled():
		w.Volume = layout.Recovery
	case w.Present:
		w.Volume = layout.Windows
	}
	if v := r.version(); v != (pe.Version{}) {
		w.Version = v.String()
	}
	if r.decision != nil {
		w.Policy, w.Rule, w.Reasons, w.Warnings = b.c.Recovery.Policy, r.decision.Rule, r.decision.Reasons, r.decision.Warnings
	}
	for _, f := range r.findings {
		if f.Status != winre.NotApplicable {
			w.Advisories = append(w.Advisories, AdvisoryStatus{ID: f.Advisory.ID, KBs: f.Fix.KBs, Status: f.Status, Reason: f.Reason})
		}
	}
	return w
}

// Windows is what the medium says about the image, from OpenMedia on.
func (b *Bake) Windows() WindowsInfo {
	i := b.image
	return WindowsInfo{
		Index: i.Index, Name: i.Name, Edition: i.EditionID, Installation: i.InstallationType,
		Version: i.Version, Architecture: i.Arch, Languages: i.Languages,
	}
}

func (b *Bake) virtualDiskInfo() *VirtualDiskInfo {
	if b.host == nil {
		return nil
	}
	n := b.c.Native
	return &VirtualDiskInfo{
		File: n.File, Format: n.kind(), Offset: b.host.diskOffset(), Hypervisor: b.hypervisor(), Overrides: n.Overrides, Disk: diskInfo(b.disk),
	}
}

func diskInfo(d *layout.Disk) DiskInfo {
	info := DiskInfo{Size: d.Spec.Size, Firmware: d.Spec.Firmware, ID: d.ID.String()}
	if d.MBR() {
		info.ID = fmt.Sprintf("%08x", d.Signature)
	}
	for _, p := range d.Partitions {
		pi := PartitionInfo{Role: p.Role, Offset: p.Offset, Size: p.Size, FileSystem: p.FileSystem, Label: p.Label}
		if d.MBR() {
			pi.Type = fmt.Sprintf("%02x", p.MBRType)
		} else {
			pi.Type, pi.ID = p.Type.String(), p.ID.String()
		}
		info.Partitions = append(info.Partitions, pi)
	}
	return info
}

// listInputs describes the medium. It hashes it, and compares with what the user expects, unless
// nobody wants to know, or that has been done.
func (b *Bake) listInputs(ctx context.Context) ([]Input, error) {
	size, err := b.medium.Size()
	if err != nil {
		return nil, err
	}
	in := Input{Name: b.mediumName(), URL: b.c.MediaURL, Size: size}
	want := b.c.MediaSHA256
	if want == "" && b.c.NoChecksums {
		return []Input{in}, nil
	}
	if b.c.MediaChecked && want != "" {
		in.SHA256 = want
		return []Input{in}, nil
	}
	if in.SHA256, err = b.medium.SHA256(ctx); err != nil {
		return nil, err
	}
	if want != "" && in.SHA256 != want {
		return nil, fault.Invalidf("media_checksum: the SHA-256 of %s is %s, not %s", b.medium.Path, in.SHA256, want)
	}
	return []Input{in}, nil
}

// mediumName is the file name of the medium: of one that was downloaded, as its URL has it, since files in a
// cache are called otherwise.
func (b *Bake) mediumName() string {
	if u, err := url.Parse(b.c.MediaURL); err == nil {
		if name := path.Base(u.Path); name != "." && name != "/" {
			return name
		}
	}
	return filepath.Base(b.medium.Path)
}
