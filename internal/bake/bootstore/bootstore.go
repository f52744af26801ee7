// Package bootstore reads the boot configuration (BCD) of disks that are finished, and finds the partitions
// that its devices name. It is what looking at such disks (audit, verify) has in common.
package bootstore

import (
	"errors"
	"io/fs"

	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// maxStore is many times the size of a real store, 12 to 256 KiB.
const maxStore = 16 << 20

// Reader returns the file at a '/' path of a volume; the error wraps fs.ErrNotExist where there is none. A
// file longer than limit is an error.
type Reader func(path string, limit int64) ([]byte, error)

// Read reads a store as its transaction logs leave it. A missing store is an error that wraps
// fs.ErrNotExist.
func Read(read Reader, path string) (*bcd.Store, error) {
	data, err := read(path, maxStore)
	if err != nil {
		return nil, err
	}
	s, err := bcd.Parse(data)
	if !errors.Is(err, regf.ErrDirty) {
		return s, err
	}
	logs, err := Logs(read, path, maxStore)
	if err != nil {
		return nil, err
	}
	if data, _, err = regf.Recover(data, logs...); err != nil {
		return nil, err
	}
	return bcd.Parse(data)
}

// Logs reads the transaction logs of the hive at a path, in the order that regf.Recover wants; nil for
// those that are not there.
func Logs(read Reader, path string, limit int64) ([][]byte, error) {
	var logs [][]byte
	for _, extension := range registry.LogExtensions {
		log, err := read(path+extension, limit)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		logs = append(logs, log)
	}
	return logs, nil
}

// Errors of Find.
var (
	// ErrOtherDisk says that a device names a disk by another identifier, or is in a file.
	ErrOtherDisk = errors.New("the disk has another identifier")
	// ErrNoPartition says that a device names the disk, but no partition of it.
	ErrNoPartition = errors.New("the disk has no such partition")
)

// Find returns the position in list, the partitions of the disk with an identity, of the one that a device
// names: by GUIDs on a GPT disk, by signature and offset on an MBR disk.
func Find(id disk.Identity, list []disk.Partition, p bcd.Partition) (int, error) {
	gpt := p.Table == bcd.TableGPT
	if p.Inside != nil || gpt != id.GPT || gpt && p.Disk != id.ID || !gpt && p.Signature() != id.Signature {
		return 0, ErrOtherDisk
	}
	for i := range list {
		if gpt && list[i].ID == p.ID || !gpt && uint64(list[i].Offset) == p.Offset() {
			return i, nil
		}
	}
	return 0, ErrNoPartition
}
