//go:build !linux

package stick

import "errors"

// Candidates lists the disks of this machine, on Linux.
func Candidates() ([]Disk, error) { return nil, errUnsupported }

// Open takes the disk for this process alone, on Linux.
func (d *Disk) Open(Allow) (*Device, error) { return nil, errUnsupported }

// errUnsupported is what systems say whose disks the package does not know.
var errUnsupported = errors.New("winbake writes USB sticks on Linux only; here, write the raw image with Rufus (in DD mode), " +
	"with dd, or with bmaptool and the .bmap file beside it")
