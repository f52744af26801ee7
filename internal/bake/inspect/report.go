package inspect

import "time"

// SchemaVersion is that of the report. It rises when a field changes its meaning or goes away; new
// fields do not raise it.
const SchemaVersion = 1

// Report is what Run found: everything that docs/inspect.md describes.
type Report struct {
	SchemaVersion int     `json:"schema_version"`
	Tool          string  `json:"tool"`
	Files         []*File `json:"files"`
}

// Unreadable says whether something that was named on the command line could not be read.
func (r *Report) Unreadable() bool {
	for _, f := range r.Files {
		if f.Error != "" {
			return true
		}
	}
	return false
}

// Kind is what a file is, told by its content.
type Kind string

// The kinds.
const (
	KindDisk    Kind = "disk"
	KindVolume  Kind = "volume"
	KindWIM     Kind = "wim"
	KindISO     Kind = "iso"
	KindHive    Kind = "hive"
	KindBCD     Kind = "bcd"
	KindUnknown Kind = "unknown"
)

// File is a file of the host, or one inside of a volume or disc.
type File struct {
	// Path is as it was given, or the path inside of the volume.
	Path  string `json:"path"`
	Kind  Kind   `json:"kind"`
	Size  int64  `json:"size"`
	Error string `json:"error,omitempty"`
	// Container is of a disk's file: raw, VHD, VHDX, qcow2.
	Container *Container `json:"container,omitempty"`
	Disk      *Disk      `json:"disk,omitempty"`
	Volume    *Volume    `json:"volume,omitempty"`
	WIM       *WIM       `json:"wim,omitempty"`
	ISO       *ISO       `json:"iso,omitempty"`
	Hive      *Hive      `json:"hive,omitempty"`
	Store     *Store     `json:"store,omitempty"`
	// Key and Folder are what was asked for with a path; nothing else is shown then.
	Key    *Key    `json:"key,omitempty"`
	Folder *Folder `json:"folder,omitempty"`
}

// Container is the file that holds a disk.
type Container struct {
	Format      string `json:"format"` // as diskfile names it
	VirtualSize int64  `json:"virtual_size"`
	FileSize    int64  `json:"file_size"`
	Version     int    `json:"version,omitempty"`    // of a qcow2
	BlockSize   int64  `json:"block_size,omitempty"` // the unit in which the file holds the disk; of a qcow2 a cluster
	// LogicalSector and PhysicalSector are a VHDX's.
	LogicalSector  int64  `json:"logical_sector,omitempty"`
	PhysicalSector int64  `json:"physical_sector,omitempty"`
	Creator        string `json:"creator,omitempty"`
	CreatorHost    string `json:"creator_host,omitempty"`
	Created        string `json:"created,omitempty"`
	// ID is the VHD's, or the VHDX's in SCSI page 83.
	ID        string `json:"id,omitempty"`
	FileWrite string `json:"file_write_id,omitempty"`
	DataWrite string `json:"data_write_id,omitempty"`
	// Geometry is cylinders/heads/sectors of a VHD.
	Geometry string `json:"geometry,omitempty"`
	// Preallocated says that a VHDX keeps its blocks.
	Preallocated bool `json:"preallocated,omitempty"`
	// Log is "clean", or what has to be replayed.
	Log         string   `json:"log,omitempty"`
	Parent      string   `json:"parent,omitempty"`
	ParentID    string   `json:"parent_id,omitempty"`
	Compression string   `json:"compression,omitempty"` // of a qcow2's compressed clusters
	Snapshots   int64    `json:"snapshots,omitempty"`
	Refcounts   int      `json:"refcount_bits,omitempty"`
	Encryption  string   `json:"encryption,omitempty"`
	Flags       []string `json:"flags,omitempty"`
}

// Disk is a partition table and what is in the partitions.
type Disk struct {
	Table      string `json:"table"` // "gpt" or "mbr"
	ID         string `json:"id"`    // GPT's GUID, or the MBR's signature in eight digits
	SectorSize int64  `json:"sector_size,omitempty"`
	BootCode   string `json:"boot_code"`
	// FirstUsable and LastUsable are a GPT's, in sectors.
	FirstUsable uint64 `json:"first_usable,omitempty"`
	LastUsable  uint64 `json:"last_usable,omitempty"`
	// Backup is "ok", or what is wrong with a GPT's second copy.
	Backup     string       `json:"backup,omitempty"`
	Partitions []*Partition `json:"partitions"`
}

// Partition is an entry of the table.
type Partition struct {
	Number         int      `json:"number"`
	Type           string   `json:"type"`
	TypeName       string   `json:"type_name,omitempty"`
	Name           string   `json:"name,omitempty"`
	ID             string   `json:"id,omitempty"`
	Attributes     string   `json:"attributes,omitempty"`
	AttributeNames []string `json:"attribute_names,omitempty"`
	Active         bool     `json:"active,omitempty"`
	Offset         int64    `json:"offset"`
	Size           int64    `json:"size"`
	Volume         *Volume  `json:"volume,omitempty"`
}

// Volume is a file system and what of it matters for starting Windows.
type Volume struct {
	FileSystem  string   `json:"file_system,omitempty"`
	Label       string   `json:"label,omitempty"`
	Serial      string   `json:"serial,omitempty"`
	ClusterSize int64    `json:"cluster_size,omitempty"`
	Size        int64    `json:"size,omitempty"`
	Free        *int64   `json:"free,omitempty"`
	Dirty       bool     `json:"dirty,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	BootCode    string   `json:"boot_code"`
	// Problems are what could not be read.
	Problems []string `json:"problems,omitempty"`
	Windows  *Windows `json:"windows,omitempty"`
	// BootFiles are boot managers, and the files that they load, with their versions.
	BootFiles []BootFile `json:"boot_files,omitempty"`
	Stores    []*Store   `json:"stores,omitempty"`
	WinRE     []*WinRE   `json:"winre,omitempty"`
	// Files are disks and WIMs that a BCD store of the disk names, or Windows keeps.
	Files []*File `json:"files,omitempty"`
}

// BootFile is a program that starts Windows.
type BootFile struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Version string `json:"version,omitempty"`
	Arch    string `json:"arch,omitempty"`
}

// Windows is an installation.
type Windows struct {
	Name         string    `json:"name"`
	Product      string    `json:"product,omitempty"`
	Edition      string    `json:"edition,omitempty"`
	Installation string    `json:"installation,omitempty"`
	Version      string    `json:"version"`
	Architecture string    `json:"architecture"`
	Server       bool      `json:"server"`
	Locale       string    `json:"locale,omitempty"`
	ReAgent      *ReAgent  `json:"reagent,omitempty"`
	Settings     []Setting `json:"settings,omitempty"`
	Services     []Service `json:"boot_services,omitempty"`
	Problems     []string  `json:"problems,omitempty"`
}

// ReAgent is what ReAgent.xml says in short; audit tells more.
type ReAgent struct {
	Enabled   bool   `json:"enabled"`
	Staged    bool   `json:"staged,omitempty"`
	Location  string `json:"location,omitempty"`
	Offset    int64  `json:"offset,omitempty"`
	Partition int    `json:"partition,omitempty"`
	Loader    string `json:"loader,omitempty"`
}

// WinRE is a Winre.wim.
type WinRE struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Version string `json:"version,omitempty"`
	Arch    string `json:"arch,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Setting is a registry value that decides how Windows treats the disk that it is on.
type Setting struct {
	Key   string `json:"key"`
	Value Value  `json:"value"`
}

// Service is a driver that Windows needs to start from USB or from a virtual disk. Start is 0 for one that the boot loader
// loads; the pointers are nil for a value that is not there.
type Service struct {
	Name      string  `json:"name"`
	Start     *uint64 `json:"start,omitempty"`
	Group     string  `json:"group,omitempty"`
	BootFlags *uint64 `json:"boot_flags,omitempty"`
}

// Store is a BCD store.
type Store struct {
	Path    string   `json:"path,omitempty"`
	Problem string   `json:"problem,omitempty"`
	Objects []Object `json:"objects"`
}

// Object is one object of a store, in the order of bcdedit.
type Object struct {
	ID       string    `json:"id"`
	Alias    string    `json:"alias,omitempty"`
	Type     string    `json:"type"`
	Title    string    `json:"title"`
	Elements []Element `json:"elements"`
}

// Element is one setting.
type Element struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Values  []string `json:"values"` // as bcdedit shows them
	Problem string   `json:"problem,omitempty"`
	// Means is a device in words, with the partitions of this disk by their numbers.
	Means string `json:"means,omitempty"`
	// Missing says that the file or partition that a device names is not on this disk.
	Missing bool `json:"missing,omitempty"`
}

// WIM is a WIM, ESD or split WIM.
type WIM struct {
	ID          string     `json:"id"`
	Version     string     `json:"version"` // 0x10d00; 0xe00 of an ESD
	Solid       bool       `json:"solid"`
	Compression string     `json:"compression"`
	ChunkSize   int64      `json:"chunk_size"`
	Parts       int        `json:"parts"`
	Flags       []string   `json:"flags"`
	BootIndex   int        `json:"boot_index"`
	Integrity   bool       `json:"integrity"`
	Blobs       int        `json:"blobs"`
	BlobBytes   int64      `json:"blob_bytes"`
	Images      []WIMImage `json:"images"`
}

// WIMImage is what the WIM says of an image, and the recovery environment in it.
type WIMImage struct {
	Index              int      `json:"index"`
	Name               string   `json:"name"`
	Description        string   `json:"description,omitempty"`
	Flags              string   `json:"flags,omitempty"`
	DisplayName        string   `json:"display_name,omitempty"`
	DisplayDescription string   `json:"display_description,omitempty"`
	Directories        uint64   `json:"directories"`
	Files              uint64   `json:"files"`
	TotalBytes         uint64   `json:"total_bytes"`
	HardLinkBytes      uint64   `json:"hard_link_bytes"`
	Created            string   `json:"created,omitempty"`
	Modified           string   `json:"modified,omitempty"`
	WIMBoot            bool     `json:"wimboot,omitempty"`
	Product            string   `json:"product,omitempty"`
	Edition            string   `json:"edition,omitempty"`
	Installation       string   `json:"installation,omitempty"`
	ProductType        string   `json:"product_type,omitempty"`
	ProductSuite       string   `json:"product_suite,omitempty"`
	HAL                string   `json:"hal,omitempty"`
	SystemRoot         string   `json:"system_root,omitempty"`
	Architecture       string   `json:"architecture,omitempty"`
	Version            string   `json:"version,omitempty"`
	ServicePack        uint64   `json:"service_pack,omitempty"`
	Branch             string   `json:"branch,omitempty"`
	State              string   `json:"state,omitempty"`
	Languages          []string `json:"languages,omitempty"`
	DefaultLanguage    string   `json:"default_language,omitempty"`
	Metadata           string   `json:"metadata_sha1"`
	WinRE              *WinRE   `json:"winre,omitempty"`
	Problem            string   `json:"problem,omitempty"`
}

// ISO is an optical disc.
type ISO struct {
	FileSystem  string    `json:"file_system"` // UDF, Joliet or ISO 9660: what is read
	Label       string    `json:"label"`
	System      string    `json:"system,omitempty"`
	Publisher   string    `json:"publisher,omitempty"`
	Application string    `json:"application,omitempty"`
	Created     string    `json:"created,omitempty"`
	Boot        []ISOBoot `json:"boot"`
	Root        []string  `json:"root"` // names of the root folder, the first 100
	Files       []*File   `json:"files"`
	Stores      []*Store  `json:"stores,omitempty"`
	Problems    []string  `json:"problems,omitempty"`
}

// ISOBoot is an entry of the boot catalog.
type ISOBoot struct {
	Platform string `json:"platform"`
	Media    string `json:"media"`
	Bootable bool   `json:"bootable"`
	Sectors  int    `json:"sectors"` // of 512 bytes
	Block    int64  `json:"block"`   // of 2,048 bytes
}

// Hive is a registry hive.
type Hive struct {
	Name        string   `json:"name"` // of the root key
	FileName    string   `json:"file_name"`
	Version     string   `json:"version"`
	Sequence    []uint32 `json:"sequence"` // the two numbers; unequal in a dirty hive
	Dirty       bool     `json:"dirty"`
	Logs        string   `json:"logs,omitempty"` // what became of the logs of a dirty hive
	LastWritten string   `json:"last_written,omitempty"`
	BinsSize    int64    `json:"bins_size"`
	Keys        int      `json:"keys"`
	Values      int      `json:"values"`
	Subkeys     []string `json:"subkeys"` // of the root key
}

// Key is a registry key with its values.
type Key struct {
	Path        string   `json:"path"`
	Class       string   `json:"class,omitempty"`
	LastWritten string   `json:"last_written,omitempty"`
	Values      []Value  `json:"values"`
	Subkeys     []string `json:"subkeys"`
}

// Value is a value of a key. Text, Strings and Number are what the type says that it is; Data is in
// hexadecimal, and cut off after 4 KiB.
type Value struct {
	Name    string   `json:"name"` // "" is the default value
	Type    string   `json:"type"`
	Text    *string  `json:"text,omitempty"`
	Strings []string `json:"strings,omitempty"`
	Number  *uint64  `json:"number,omitempty"`
	Data    string   `json:"data"`
	Size    int      `json:"size"`
}

// Folder is a folder of a volume, image or disc.
type Folder struct {
	Path    string  `json:"path"`
	Entries []Entry `json:"entries"`
}

// Entry is a file or folder.
type Entry struct {
	Name       string   `json:"name"`
	Short      string   `json:"short,omitempty"`
	Directory  bool     `json:"directory,omitempty"`
	Size       int64    `json:"size"`
	Attributes string   `json:"attributes,omitempty"` // letters, as the command attrib shows them
	Modified   string   `json:"modified,omitempty"`
	Links      int      `json:"links,omitempty"` // names of the file, where there are several
	Reparse    string   `json:"reparse,omitempty"`
	Target     string   `json:"target,omitempty"` // of a symbolic link or junction
	Streams    []Stream `json:"streams,omitempty"`
}

// Stream is a named stream of a file.
type Stream struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// stamp is a time as the report has it, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() || t.Year() <= 1601 || t.Year() > 9999 {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
