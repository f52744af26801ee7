// Package guest is what a test and the program inside its virtual machine say to one another. The
// program (package init below) is the only process of a Linux kernel that QEMU boots: it mounts NTFS
// volumes with the kernel's driver, changes them if it is told to, and tells of every file.
package guest

import "crypto/sha1"

// Where the two meet.
const (
	JobsFile     = "jobs"     // in the initial file system: the jobs, encoded with gob
	ModuleList   = "modules"  // in the initial file system: names of modules, in the order of loading
	ReportPort   = "report"   // name of the virtio port that the messages go to
	SerialPrefix = "winbake-" // of a disk's serial number; the job's number follows
)

// Job is one volume.
type Job struct {
	// Offset and Size, in bytes, are those of the partition that the kernel must find on the disk; an
	// Offset of 0 means that the volume fills the disk.
	Offset, Size int64
	// Edits are made first, on a mount for writing.
	Edits []Edit
}

// Op is a kind of change.
type Op int

// The changes.
const (
	Write    Op = iota // a file, new or not, gets Size bytes of Content
	Remove             // a file or an empty directory
	Mkdir              //
	Rename             // to To
	Link               // To becomes another name
	Truncate           // to Size
)

// Edit is one change. Paths have '/' between names and none at the start.
type Edit struct {
	Op       Op
	Path, To string
	Size     int64
}

// Content is what Write writes: depends on the size alone.
func Content(size int64) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(int64(i)*7 + size + int64(i)>>8)
	}
	return b
}

// Entry is one name on a volume, and the file that it leads to.
type Entry struct {
	Path   string // "." for the root
	Inode  uint64 // number of the file record
	Mode   uint32 // as stat gives it
	Links  uint32
	Size   int64  // of a regular file
	Sum    []byte // SHA-1 of a regular file's content
	Target string // of a link
	// Created, Modified, Accessed and Changed are FILETIMEs. Of links the driver of Linux 6.12 tells no
	// time of creation: it is 0 then.
	Created, Modified, Accessed, Changed uint64
	Attributes                           uint32 // FILE_ATTRIBUTE_*
	// Security is the SHA-1 of the security descriptor in $Secure; nil if the file has none there.
	Security []byte
	// EA are the extended attributes' values.
	EA map[string][]byte
	// Problem is why some of this could not be read; "" if all was.
	Problem string
}

// Message is what the guest reports: an entry, or the end of a job.
type Message struct {
	Job   int
	Entry *Entry
	End   *End
}

// End is what came of a job.
type End struct {
	Problem string   // why it was broken off; "" if it was not
	Kernel  []string // what the kernel logged meanwhile, of the level of a warning or about NTFS
	Millis  int64
}

// Sum is the hash that entries carry.
func Sum(b []byte) []byte {
	s := sha1.Sum(b)
	return s[:]
}
