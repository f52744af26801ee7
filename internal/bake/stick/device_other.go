//go:build !linux

package stick

// Candidates lists the disks of this machine, on Linux.
func Candidates() ([]Disk, error) { return nil, errUnsupported }

// Open takes the disk for this process alone, on Linux.
func (d *Disk) Open(Allow) (*Device, error) { return nil, errUnsupported }
