package main

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
)

const mountPoint = "/volume"

// reporter does one job.
type reporter struct {
	job int
	out *gob.Encoder
	buf [256 << 10]byte
}

func (r *reporter) do(job guest.Job) error {
	dev, err := device(r.job, job)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(mountPoint, 0o755); err != nil {
		return err
	}
	if len(job.Edits) > 0 {
		if err := mounted(dev, 0, func() error { return edit(job.Edits) }); err != nil {
			return err
		}
	}
	return mounted(dev, unix.MS_RDONLY, func() error { return r.walk(".") })
}

// mounted does something while a device is mounted with the driver that is judging.
func mounted(dev string, flags uintptr, do func() error) error {
	if err := unix.Mount(dev, mountPoint, "ntfs3", flags, "iocharset=utf8"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	err := do()
	if uerr := unix.Unmount(mountPoint, 0); uerr != nil {
		err = errors.Join(err, fmt.Errorf("unmount: %w", uerr))
	}
	return err
}

func edit(edits []guest.Edit) error {
	for i, e := range edits {
		if err := editOne(e); err != nil {
			return fmt.Errorf("edit %d: %w", i, err)
		}
	}
	return nil
}

func editOne(e guest.Edit) error {
	path, to := filepath.Join(mountPoint, e.Path), filepath.Join(mountPoint, e.To)
	switch e.Op {
	case guest.Write:
		return os.WriteFile(path, guest.Content(e.Size), 0o644)
	case guest.Remove:
		return os.Remove(path)
	case guest.Mkdir:
		return os.Mkdir(path, 0o755)
	case guest.Rename:
		return os.Rename(path, to)
	case guest.Link:
		return os.Link(path, to)
	case guest.Truncate:
		return os.Truncate(path, e.Size)
	}
	return fmt.Errorf("unknown operation %d", e.Op)
}

// walk reports a path and all below it.
func (r *reporter) walk(path string) error {
	e := guest.Entry{Path: path}
	host := filepath.Join(mountPoint, path)
	problem := r.read(host, &e)
	var names []string
	if e.Mode&unix.S_IFMT == unix.S_IFDIR {
		var err error
		names, err = list(host)
		problem = errors.Join(problem, err)
	}
	if problem != nil {
		e.Problem = problem.Error()
	}
	if err := r.out.Encode(guest.Message{Job: r.job, Entry: &e}); err != nil {
		return err
	}
	for _, name := range names {
		sub := name
		if path != "." {
			sub = path + "/" + name
		}
		if err := r.walk(sub); err != nil {
			return err
		}
	}
	return nil
}

func list(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	if n := len(names); err == nil && len(slices.Compact(slices.Clone(names))) != n {
		err = errors.New("a name is listed twice")
	}
	return names, err
}

// read fills in all that the driver tells of a file. It goes on after an error.
func (r *reporter) read(host string, e *guest.Entry) error {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, host, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	if err != nil {
		return fmt.Errorf("statx: %w", err)
	}
	e.Inode, e.Mode, e.Links = st.Ino, uint32(st.Mode), st.Nlink
	e.Modified, e.Accessed, e.Changed = filetime(st.Mtime), filetime(st.Atime), filetime(st.Ctime)
	if st.Mask&unix.STATX_BTIME != 0 {
		e.Created = filetime(st.Btime)
	}
	problems := []error{r.attributes(host, e)}
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Size = int64(st.Size)
		problems = append(problems, r.content(host, e))
	case unix.S_IFLNK:
		var err error
		e.Target, err = os.Readlink(host)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// filetime counts 100 ns from 1601.
func filetime(t unix.StatxTimestamp) uint64 {
	const epoch = 11644473600 // seconds from 1601 to 1970
	return uint64(t.Sec+epoch)*10_000_000 + uint64(t.Nsec)/100
}

func (r *reporter) content(host string, e *guest.Entry) error {
	f, err := os.Open(host)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha1.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{f}, r.buf[:])
	if err == nil && n != e.Size {
		err = fmt.Errorf("%d bytes are read", n)
	}
	e.Sum = h.Sum(nil)
	return err
}

// attributes reads what the driver shows as extended attributes (fs/ntfs3/xattr.c in Linux).
func (r *reporter) attributes(host string, e *guest.Entry) error {
	value, err := r.xattr(host, "system.ntfs_attrib_be")
	if err != nil {
		return err
	}
	if len(value) == 4 {
		e.Attributes = binary.BigEndian.Uint32(value)
	}
	value, err = r.xattr(host, "system.ntfs_security")
	if err == nil {
		e.Security = guest.Sum(value)
	} else if !errors.Is(err, unix.ENOENT) { // that means that the file has no descriptor in $Secure
		return err
	}
	n, err := unix.Llistxattr(host, r.buf[:])
	if err != nil {
		return fmt.Errorf("listxattr: %w", err)
	}
	for _, name := range strings.FieldsFunc(string(r.buf[:n]), func(c rune) bool { return c == 0 }) {
		if value, err = r.xattr(host, name); err != nil {
			return err
		}
		if e.EA == nil {
			e.EA = map[string][]byte{}
		}
		e.EA[name] = slices.Clone(value)
	}
	return nil
}

// xattr reads an extended attribute into a buffer that the next one overwrites.
func (r *reporter) xattr(host, name string) ([]byte, error) {
	const most = 64 << 10 // XATTR_SIZE_MAX
	value := r.buf[most : 2*most]
	n, err := unix.Lgetxattr(host, name, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return value[:n], nil
}
