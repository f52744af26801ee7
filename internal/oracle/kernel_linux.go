package oracle

import (
	"bytes"
	"debug/elf"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
)

// kernelModules are what the kernel needs to read NTFS from a disk of QEMU's. What a kernel has built
// in has no file, and is not missed.
var kernelModules = []string{"virtio_pci", "virtio_blk", "virtio_console", "ntfs3"}

// linuxKernel is a kernel to boot, as tools/judges.sh unpacks it from a Debian package: the image and
// the modules, in one folder.
type linuxKernel struct {
	image   string
	modules string
}

// needKernel is Need for the kernel.
func needKernel(t testing.TB) linuxKernel {
	t.Helper()
	Need(t, "qemu-system-x86_64", "xz", "go")
	dir, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "linux")
	images, _ := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	if len(images) == 0 {
		Missing(t, "no Linux kernel with ntfs3 in %s (make judges puts one there on Debian)", dir)
	}
	slices.Sort(images)
	return linuxKernel{images[len(images)-1], dir}
}

// initramfs writes the kernel's initial file system: the modules, our init, and the jobs.
func (k linuxKernel) initramfs(path string, jobs []guest.Job) error {
	var archive cpio
	archive.add("dev", cpioDirectory, nil)
	archive.device("dev/console", 5, 1) // init's standard output
	modules, err := k.load()
	if err != nil {
		return err
	}
	var list []string
	for _, m := range modules {
		archive.add(m.name, cpioFile, m.content)
		list = append(list, m.name)
	}
	archive.add(guest.ModuleList, cpioFile, []byte(strings.Join(list, "\n")))
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(jobs); err != nil {
		return err
	}
	archive.add(guest.JobsFile, cpioFile, encoded.Bytes())
	init, err := buildInit(filepath.Dir(path))
	if err != nil {
		return err
	}
	archive.add("init", cpioProgram, init)
	return os.WriteFile(path, archive.bytes(), 0o600)
}

// buildInit compiles the program that runs in the guest, for the machine that QEMU emulates.
func buildInit(dir string) ([]byte, error) {
	program := filepath.Join(dir, "init")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program,
		"github.com/winbake/packer-plugin-winbake/internal/oracle/guest/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.ReadFile(program)
}

// module is one that the guest loads.
type module struct {
	name    string
	content []byte
}

// load returns the modules in an order in which the kernel accepts them.
func (k linuxKernel) load() (list []module, err error) {
	var add func(name string, needed bool) error
	add = func(name string, needed bool) error {
		if slices.ContainsFunc(list, func(m module) bool { return m.name == name }) {
			return nil
		}
		content, err := k.module(name)
		if errors.Is(err, os.ErrNotExist) && !needed {
			return nil
		}
		if err != nil {
			return err
		}
		depends, err := dependencies(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, d := range depends {
			if err := add(d, true); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		list = append(list, module{name, content})
		return nil
	}
	for _, name := range kernelModules {
		if err := add(name, name == "ntfs3"); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// module reads a module, which the package may have compressed.
func (k linuxKernel) module(name string) ([]byte, error) {
	base := filepath.Join(k.modules, name+".ko")
	if content, err := os.ReadFile(base); err == nil {
		return content, nil
	}
	if _, err := os.Stat(base + ".xz"); err != nil {
		return nil, err
	}
	out, stderr, err := Try("xz", "-dc", base+".xz")
	if err != nil {
		return nil, judged("xz", base+".xz", err, stderr)
	}
	return []byte(out), nil
}

// dependencies reads the names of the modules that a module needs, from the module itself: the
// package has no modules.dep, which is made when it is installed.
func dependencies(content []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, errors.New("no section .modinfo")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(string(info), "\x00") {
		if names, ok := strings.CutPrefix(line, "depends="); ok {
			return strings.FieldsFunc(names, func(c rune) bool { return c == ',' }), nil
		}
	}
	return nil, nil
}

// cpio is an archive in the form that the kernel unpacks: "newc", in
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html.
type cpio struct{ b bytes.Buffer }

// Modes of its members.
const (
	cpioDirectory = 0o040755
	cpioFile      = 0o100644
	cpioProgram   = 0o100755
	cpioCharacter = 0o020600
)

func (c *cpio) add(name string, mode int, content []byte) { c.member(name, mode, 0, 0, content) }

func (c *cpio) device(name string, major, minor int) {
	c.member(name, cpioCharacter, major, minor, nil)
}

func (c *cpio) member(name string, mode, major, minor int, content []byte) {
	c.b.WriteString("070701")
	const inode, user, group, links, time, ownMajor, ownMinor, check = 0, 0, 0, 1, 0, 0, 0, 0
	for _, field := range []int{inode, mode, user, group, links, time, len(content), ownMajor, ownMinor, major, minor, len(name) + 1, check} {
		fmt.Fprintf(&c.b, "%08X", field)
	}
	c.b.WriteString(name + "\x00")
	c.pad()
	c.b.Write(content)
	c.pad()
}

func (c *cpio) pad() {
	for c.b.Len()%4 != 0 {
		c.b.WriteByte(0)
	}
}

func (c *cpio) bytes() []byte {
	c.add("TRAILER!!!", 0, nil)
	return c.b.Bytes()
}
