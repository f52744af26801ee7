package oracle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// MountNTFS mounts a volume read-only with ntfs-3g and returns the directory. Named streams read as
// "file:stream", the raw NT metadata as the extended attributes system.ntfs_*. It is unmounted when
// the test ends.
func MountNTFS(t testing.TB, v Volume) string {
	t.Helper()
	needMount(t)
	m, err := mountNTFS(v.File(t), "ro,streams_interface=windows")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.unmount(); err != nil {
			t.Error(err)
		}
	})
	return m.dir
}

// needMount is Need for FUSE mounts: an ordinary user needs the right to open /dev/fuse, or an ntfs-3g
// that is set-user-ID root, as Debian installs it.
func needMount(t testing.TB) {
	t.Helper()
	Need(t, "ntfs-3g")
	if _, err := os.Stat("/dev/fuse"); err != nil {
		Missing(t, "no FUSE: %v", err)
	}
	if path, err := find("ntfs-3g"); err == nil {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeSetuid != 0 {
			return
		}
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		Missing(t, "FUSE cannot be used: %v", err)
		return
	}
	f.Close()
}

// A mount is a running ntfs-3g. It stays our child, so that unmount can wait until it has written
// everything back.
type mount struct {
	dir    string
	image  string
	cmd    *exec.Cmd
	exited chan struct{}
	out    bytes.Buffer
}

// mountDeadline bounds how long ntfs-3g may take to mount, and to flush and leave.
const mountDeadline = 60 * time.Second

// mountNTFS mounts an image file; it returns when the files can be seen.
func mountNTFS(image, options string) (*mount, error) {
	dir, err := os.MkdirTemp("", "oracle-ntfs-")
	if err != nil {
		return nil, err
	}
	m := &mount{dir: dir, image: image, exited: make(chan struct{})}
	m.cmd = Command("ntfs-3g", "-o", "no_detach,"+options, image, dir)
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	// A killed test must not leave its mounts: ntfs-3g unmounts on SIGTERM.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := m.cmd.Start(); err != nil {
		os.Remove(dir)
		return nil, err
	}
	go func() {
		m.cmd.Wait()
		close(m.exited)
	}()
	if err := m.waitMounted(); err != nil {
		m.unmount()
		return nil, err
	}
	return m, nil
}

// waitMounted polls until the directory belongs to another device than its parent.
func (m *mount) waitMounted() error {
	var parent, own syscall.Stat_t
	if err := syscall.Stat(os.TempDir(), &parent); err != nil {
		return err
	}
	for end := time.Now().Add(mountDeadline); time.Now().Before(end); {
		if err := syscall.Stat(m.dir, &own); err == nil && own.Dev != parent.Dev {
			return nil
		}
		select {
		case <-m.exited:
			return fmt.Errorf("ntfs-3g %s: %v\n%s", m.image, m.cmd.ProcessState, m.out.Bytes())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return fmt.Errorf("ntfs-3g %s: not mounted after %v", m.image, mountDeadline)
}

// unmount waits until ntfs-3g has written everything and left, and removes the directory.
func (m *mount) unmount() error {
	var why []byte
	select {
	case <-m.exited: // it never mounted, or died
	default:
		why = m.detach()
	}
	select {
	case <-m.exited:
	case <-time.After(mountDeadline):
		m.cmd.Process.Kill()
		return fmt.Errorf("ntfs-3g %s: still runs %v after unmounting: %s", m.image, mountDeadline, why)
	}
	err := os.Remove(m.dir)
	if !m.cmd.ProcessState.Success() {
		return errors.Join(err, fmt.Errorf("ntfs-3g %s: %v\n%s", m.image, m.cmd.ProcessState, m.out.Bytes()))
	}
	return err
}

// detach asks each program that may unmount, until one does, and returns what the last one said.
func (m *mount) detach() (out []byte) {
	for _, by := range [][]string{{"fusermount3", "-u"}, {"fusermount", "-u"}, {"umount"}, {"umount", "-l"}} {
		var err error
		if out, err = Command(by[0], append(by[1:], m.dir)...).CombinedOutput(); err == nil {
			return nil
		}
	}
	m.cmd.Process.Signal(syscall.SIGTERM)
	return out
}
