// Package stick writes the image of a disk to a USB stick: it lists the disks of this machine, refuses
// those that must not be written, writes what the image holds and nothing else, reads it back, and
// ejects the stick. It knows Linux's block devices; elsewhere it says which program to use instead.
//
// A disk is chosen by what stays the same when it is plugged in again: its serial number or its name in
// /dev/disk/by-id. No byte is written to a disk before every reason to refuse it was looked at and the
// kernel has given it to this process alone.
package stick

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Disk is a disk of this machine.
type Disk struct {
	// Path is where the disk is now, such as /dev/sdb. It changes from one plugging in to the next.
	Path string
	// IDs are the disk's names in /dev/disk/by-id.
	IDs []string
	// Serial is the disk's serial number, and of a loop device the path of its file; it may be empty.
	Serial string
	// Model is vendor and model, as far as the disk tells them.
	Model string
	// Size and Sector are the disk's and its logical sectors' in bytes.
	Size, Sector int64
	USB          bool
	// Removable says that the disk calls itself a removable medium.
	Removable bool
	ReadOnly  bool
	// Loop says that the disk is a file that Linux shows as a disk.
	Loop bool
	// Uses say what the disk is used for, such as "/dev/sdb1 is mounted at /media/x".
	Uses []string
	// System says that the running system is on the disk.
	System bool

	dev  string // major:minor
	file string // the path of a loop device's file, as it is
}

// Allow are the kinds of disks that are written only when the user wants it.
type Allow struct {
	// Fixed is disks that are not removable or not on USB.
	Fixed bool
	// Loop is loop devices, which may be chosen by their path.
	Loop bool
}

// Name is what the user confirms a disk with: its serial number or, when it has none, its first name in
// /dev/disk/by-id.
func (d *Disk) Name() string {
	if d.Serial == "" && len(d.IDs) > 0 {
		return filepath.Base(d.IDs[0])
	}
	return d.Serial
}

// String describes the disk in a line.
func (d *Disk) String() string {
	kind := "fixed disk"
	switch {
	case d.Loop:
		kind = "loop device"
	case d.USB && d.Removable:
		kind = "USB stick"
	case d.USB:
		kind = "fixed USB disk"
	case d.Removable:
		kind = "removable disk"
	}
	return fmt.Sprintf("%s: %s, %s, %s, serial %s", d.Path, kind, cmp.Or(d.Model, "no model"), capacity(d.Size), cmp.Or(d.Serial, "none"))
}

// capacity prints a size as disks are sold.
func capacity(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Refusal says why the disk must not be written, or returns nil.
func (d *Disk) Refusal(allow Allow) error {
	switch {
	case d.System:
		return fault.Invalidf("%s is not written: the running system is on it (%s)", d.Path, strings.Join(d.Uses, "; "))
	case len(d.Uses) > 0:
		return fault.Invalidf("%s is not written: it is in use (%s); unmount it, and stop what uses it", d.Path, strings.Join(d.Uses, "; "))
	case d.Size == 0:
		return fault.Invalidf("%s is not written: there is no medium in it", d.Path)
	case d.ReadOnly:
		return fault.Invalidf("%s is not written: it is read-only; look for a switch on it", d.Path)
	case d.Loop && !allow.Loop:
		return fault.Invalidf("%s is not written: it is a loop device; allow_loop (--allow-loop) permits that", d.Path)
	case !d.Loop && !allow.Fixed && !d.USB:
		return fault.Invalidf("%s is not written: it is not on USB (%s); allow_fixed (--allow-fixed) permits that", d.Path, d)
	case !d.Loop && !allow.Fixed && !d.Removable:
		return fault.Invalidf("%s is not written: it is on USB, but no removable medium, like an external disk (%s); allow_fixed (--allow-fixed) permits that", d.Path, d)
	case d.Name() == "":
		return fault.Invalidf("%s is not written: it has no serial number and no name in /dev/disk/by-id to confirm it with", d.Path)
	}
	return nil
}

// Confirm compares what the user gave with the disk's serial number.
func (d *Disk) Confirm(answer string) error {
	if name := d.Name(); name == "" || answer != name {
		return fault.Invalidf("%q is not the serial of %s; nothing was written", answer, d)
	}
	return nil
}

const (
	byID       = "/dev/disk/by-id/"
	loopDevice = "/dev/loop"
)

// CheckSelector says whether a selector can name a disk, without looking at the disks: Select, which does, also
// refuses what this one does.
func CheckSelector(selector string, allow Allow) error {
	if err := checkForm(selector, allow); err != nil {
		return err
	}
	if changes(selector) && !strings.HasPrefix(selector, loopDevice) {
		return fault.Invalidf("%s may be another disk tomorrow; give the stick's serial number, or its path in %s; `winbake usb list` shows them", selector, byID)
	}
	return nil
}

// changes says that a selector is a path that may be another disk's after the next start.
func changes(selector string) bool {
	return strings.HasPrefix(selector, "/dev/") && !strings.HasPrefix(selector, byID)
}

func checkForm(selector string, allow Allow) error {
	switch {
	case selector == "":
		return fault.Invalidf("give the stick's serial number, or its path in %s; `winbake usb list` shows them", byID)
	case allow.Loop && strings.HasPrefix(selector, loopDevice):
		return nil
	case strings.HasPrefix(selector, loopDevice):
		return fault.Invalidf("%s is a loop device; allow_loop (--allow-loop) permits that", selector)
	}
	return nil
}

// Select finds the disk that a selector names among disks: a serial number, or a path in
// /dev/disk/by-id. Names such as /dev/sdb, which change, are refused, and so is what fits several disks.
func Select(disks []Disk, selector string, allow Allow) (*Disk, error) {
	if err := checkForm(selector, allow); err != nil {
		return nil, err
	}
	var found []*Disk
	for i := range disks {
		d := &disks[i]
		switch {
		case strings.HasPrefix(selector, byID):
			if slices.Contains(d.IDs, selector) {
				found = append(found, d)
			}
		case d.Path == selector && d.Loop:
			return d, nil
		case d.Path == selector:
			return nil, unstable(d)
		case d.Serial == selector:
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fault.Invalidf("%d disks have the serial %s; name one of them by its path: %s", len(found), selector, names(found))
	case strings.HasPrefix(selector, byID) && strings.Contains(selector, "-part"):
		return nil, fault.Invalidf("there is no disk %s; it must be the disk's name, not a partition's", selector)
	case changes(selector):
		return nil, fault.Invalidf("%s may be another disk tomorrow; give the stick's serial number, or its path in %s. %s", selector, byID, offer(disks, allow))
	}
	return nil, fault.Invalidf("there is no disk %s. %s", selector, offer(disks, allow))
}

func unstable(d *Disk) error {
	same := slices.Clone(d.IDs)
	if d.Serial != "" {
		same = append(same, "the serial "+d.Serial)
	}
	if len(same) == 0 {
		return fault.Invalidf("%s may be another disk tomorrow, and this one has neither a serial number nor a name in %s", d.Path, byID)
	}
	return fault.Invalidf("%s may be another disk tomorrow; this one has names that stay: %s", d.Path, strings.Join(same, ", "))
}

func names(disks []*Disk) string {
	var all []string
	for _, d := range disks {
		all = append(all, append(slices.Clone(d.IDs), d.Path)[0])
	}
	return strings.Join(all, ", ")
}

// offer lists the disks that could be meant.
func offer(disks []Disk, allow Allow) string {
	var all []string
	for i := range disks {
		if disks[i].Refusal(allow) == nil {
			all = append(all, disks[i].String())
		}
	}
	if len(all) == 0 {
		return "No disk of this machine could be meant: is the stick plugged in?"
	}
	return "These could be meant:\n  " + strings.Join(all, "\n  ")
}
