package stick

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Open takes the disk for this process alone. All reasons to refuse it are looked at once more, now
// that nobody else can begin to use it. Nothing is written.
func (d *Disk) Open(allow Allow) (_ *Device, err error) {
	if err := d.Refusal(allow); err != nil {
		return nil, err
	}
	// O_EXCL is refused by the kernel while a file system, swap, RAID or anything else that asked for the
	// same has the disk or a partition of it; also what this process cannot see, as in a container. A
	// program that opened the disk without O_EXCL is not noticed.
	f, err := os.OpenFile(d.Path, os.O_RDWR|os.O_EXCL|unix.O_DIRECT, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fault.Invalidf("%s is not written: something uses it or a partition of it; `lsblk %s` and `fuser -v %s` may show what", d.Path, d.Path, d.Path)
	case errors.Is(err, unix.EROFS):
		return nil, fault.Invalidf("%s is not written: it is read-only; look for a switch on it", d.Path)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%w; writing to disks takes root, or the group disk", err)
	case errors.Is(err, unix.ENOMEDIUM), errors.Is(err, unix.ENXIO), errors.Is(err, os.ErrNotExist):
		return nil, fault.Invalidf("%s is not there any more", d.Path)
	case err != nil:
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	now, err := machine.opened(f, filepath.Base(d.Path))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.same(now), now.Refusal(allow)); err != nil {
		return nil, err
	}
	return &Device{Disk: *now, target: &blockDevice{File: f, host: machine, disk: now}}, nil
}

// same says whether the disk that is found at a place now is the one that was looked at before.
func (d *Disk) same(now *Disk) error {
	if now.Name() != d.Name() || now.Size != d.Size || now.dev != d.dev {
		return fault.Invalidf("%s is another disk now (%s); nothing was written", d.Path, now)
	}
	return nil
}

// opened looks at an open disk: that it is the one that the kernel calls name.
func (h host) opened(f *os.File, name string) (*Disk, error) {
	disks, err := h.disks()
	if err != nil {
		return nil, err
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return nil, err
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(uint64(s.Rdev)), unix.Minor(uint64(s.Rdev))) //nolint:unconvert // its type differs on MIPS
	size, err := sizeOf(f)
	if err != nil {
		return nil, err
	}
	for i := range disks {
		d := &disks[i]
		if s.Mode&unix.S_IFMT == unix.S_IFBLK && d.dev == dev && filepath.Base(d.Path) == name && d.Size == size {
			return d, nil
		}
	}
	return nil, fault.Invalidf("%s is another disk now, or none; nothing was written", f.Name())
}

func sizeOf(f *os.File) (int64, error) {
	var n uint64
	err := ioctl(f, unix.BLKGETSIZE64, unsafe.Pointer(&n))
	return int64(n), err
}

func ioctl(f *os.File, request uintptr, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(argument))
	if errno != 0 {
		return &os.PathError{Op: "ioctl", Path: f.Name(), Err: errno}
	}
	return nil
}

// blockDevice is a disk that is open for direct I/O.
type blockDevice struct {
	*os.File
	host host
	disk *Disk
}

func (b *blockDevice) dir() string {
	return filepath.Join(b.host.sys, "block", filepath.Base(b.disk.Path))
}

// Drop takes CAP_SYS_ADMIN. The group disk, which may write to disks, does without: direct I/O has the
// kernel forget what it covers, and reading is direct, too.
func (b *blockDevice) Drop() error {
	err := ioctl(b.File, unix.BLKFLSBUF, nil)
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	return err
}

func (b *blockDevice) Discard(off, n int64) error {
	if number(b.dir(), "queue/discard_max_bytes") == 0 {
		return errors.ErrUnsupported
	}
	r := [2]uint64{uint64(off), uint64(n)}
	return ioctl(b.File, unix.BLKDISCARD, unsafe.Pointer(&r))
}

func (b *blockDevice) Present() bool {
	return text(b.dir(), "dev") == b.disk.dev && number(b.dir(), "size")*512 == b.disk.Size
}

func (b *blockDevice) Reread() error {
	err := ioctl(b.File, unix.BLKRRPART, nil)
	if b.disk.Loop && errors.Is(err, unix.EINVAL) { // a loop device that shows no partitions
		return nil
	}
	return err
}

// Eject stops the disk and has it let go of its medium: SCSI's START STOP UNIT with LOEJ, which
// the kernel sends for this request to a disk as to a CD drive.
func (b *blockDevice) Eject() error {
	const cdromEject = 0x5309 // CDROMEJECT, include/uapi/linux/cdrom.h
	return ioctl(b.File, cdromEject, nil)
}
