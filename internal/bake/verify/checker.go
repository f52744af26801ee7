package verify

import (
	"errors"
	"fmt"
	"io"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/qcow2"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
)

// checker verifies one disk: that of a file, or one inside of it.
type checker struct {
	file  *File
	where Where // of the disk
	errs  []error

	r          io.ReaderAt
	size       int64
	identity   disk.Identity
	partitions []disk.Partition
	volumes    []*volume
	// inside are the virtual disks that the boot configuration names, by partition and path.
	inside map[string]*checker
}

func newChecker(f *File, prefix string) *checker {
	return &checker{file: f, where: Where{Disk: prefix}, inside: map[string]*checker{}}
}

// checked notes what was looked at.
func (c *checker) checked(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if c.where.Disk != "" {
		what = c.where.Disk + ": " + what
	}
	c.file.Checked = append(c.file.Checked, what)
}

// find notes a finding of this disk.
func (c *checker) find(s Severity, check string, w Where, format string, args ...any) {
	w.Disk = c.where.Disk
	c.file.Findings = append(c.file.Findings, Finding{Severity: s, Check: check, Where: w, Text: fmt.Sprintf(format, args...), Next: advice[check]})
}

// found takes an error of reading: a finding if the input is to blame, else the end of the reading.
func (c *checker) found(check, path string, err error) {
	c.foundAt(Error, check, Where{Path: path}, err)
}

func (c *checker) foundAt(s Severity, check string, w Where, err error) {
	switch {
	case err == nil:
	case errors.Is(err, fault.ErrCorrupt), errors.Is(err, fault.ErrInvalid), errors.Is(err, fault.ErrUnsupported):
		w.Offset = offset(err)
		c.find(s, check, w, "%v", err)
	default:
		if w.Partition != 0 {
			err = fmt.Errorf("partition %d: %w", w.Partition, err)
		}
		c.errs = append(c.errs, err)
	}
}

// conclude makes the verdict.
func (c *checker) conclude() {
	for _, f := range c.file.Findings {
		if f.Severity != Note {
			c.file.Verdict = c.file.Verdict.Worse(Findings)
		}
	}
	if err := errors.Join(c.errs...); err != nil {
		c.file.fail(err)
	}
}

// state notes a file that was not closed cleanly.
func (c *checker) state(d io.ReaderAt) {
	switch d := d.(type) {
	case *vhdx.Disk:
		if n := d.Info().Replayed; n > 0 {
			c.find(Warning, "container-dirty", Where{}, "the VHDX was not closed cleanly: %d entries of its log are still to be replayed (they were, in memory, for what follows)", n)
		}
	case *qcow2.Disk:
		if d.Info().Dirty {
			c.find(Warning, "container-dirty", Where{}, "the qcow2 image was not closed cleanly: its reference counts may be wrong")
		}
	}
}

// advice is what to do, by check.
var advice = map[string]string{
	"container":           "Copy or convert the file again; for qcow2, qemu-img check -r all can repair it.",
	"container-dirty":     "Shut the machine down cleanly before the disk is copied.",
	"mbr":                 "Repair the table with fdisk or diskpart, or bake the image anew.",
	"gpt":                 "Restore the table from its other copy with gdisk (r, then b or d), or bake the image anew.",
	"gpt-backup":          "Write the second copy anew with: sgdisk -e",
	"partitions":          "Repair the table, or copy the disk again.",
	"mbr-code":            "Write boot code with bootsect /nt60 /mbr in Windows PE, or bake the image anew.",
	"boot-sector":         "Write the boot sector with bootsect /nt60 in Windows PE, or bake the image anew.",
	"volume":              "Run chkdsk /f on it, or copy the disk again.",
	"volume-dirty":        "Shut Windows down cleanly before the disk is taken; Windows runs chkdsk at the next start.",
	"hive":                "Restore the hive from Windows\\System32\\config\\RegBack or a backup, or bake the image anew.",
	"hive-dirty":          "Shut Windows down cleanly before the disk is taken; Windows replays the logs at the next start.",
	"boot-none":           "Run bcdboot in Windows PE, or bake the image anew.",
	"boot-store":          "Rebuild it with bcdboot in Windows PE, or bake the image anew.",
	"boot-entry":          "Rebuild the store with bcdboot in Windows PE, or bake the image anew.",
	"boot-device":         "Rebuild the store with bcdboot in Windows PE after the disk has its identifiers, or bake the image anew.",
	"boot-file":           "Rebuild the boot files with bcdboot in Windows PE, or bake the image anew.",
	"boot-recovery":       "Run reagentc /disable and /enable in Windows, or bake the image anew.",
	"manifest":            "Copy the disk and its manifest.json from the same bake.",
	"checksum":            "Copy the file again; if it was changed on purpose, its records are not about it any more.",
	"wim":                 "Copy the file again.",
	"virtual-disk":        "Copy the virtual disk again, or bake it anew.",
	"boot-vhd-fragmented": "Copy the file to an empty volume if a BIOS does not start from it.",
	"ntfs-copies":         chkdsk,
	"ntfs-tables":         chkdsk,
	"ntfs-log":            chkdsk,
	"ntfs-records":        chkdsk,
	"ntfs-bitmap":         chkdsk,
	"ntfs-mft-bitmap":     chkdsk,
	"ntfs-security":       chkdsk,
	"ntfs-index":          chkdsk,
	"ntfs-names":          chkdsk,
	"ntfs-views":          chkdsk,
	"fat-boot":            fsck,
	"fat-fat":             fsck,
	"fat-directory":       fsck,
	"fat-free":            fsck,
	"fat-clusters":        fsck,
}

const (
	chkdsk = "Run chkdsk /f on the volume, or bake the image anew."
	fsck   = "Run chkdsk /f or fsck.fat on the volume, or bake the image anew."
)
