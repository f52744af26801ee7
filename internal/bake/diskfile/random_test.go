package diskfile_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/diskfile"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// used are images as machines leave them, by QEMU's name of the format: with these options of qemu-img create.
var used = []struct {
	format  string
	options []string
}{
	{"vpc", []string{"subformat=dynamic,force_size=on", "subformat=fixed,force_size=on", "subformat=dynamic"}},
	{"vhdx", []string{"subformat=dynamic", "subformat=fixed", "block_size=1M", "block_size=2M,log_size=2M,block_state_zero=off"}},
	{"qcow2", []string{
		"compat=0.10", "cluster_size=512,refcount_bits=1", "cluster_size=2M,refcount_bits=64", "refcount_bits=2,cluster_size=4K", "lazy_refcounts=on",
		"extended_l2=on,cluster_size=16K", "extended_l2=on,compression_type=zstd", "preallocation=metadata", "compression_type=zstd,refcount_bits=8",
	}},
}

// TestUsed has QEMU write, discard, resize, take snapshots, and stop at any moment, by chance. What is read is
// what QEMU reads; Check finds nothing in what qemu-img check has nothing against, and something in the other qcow2 images.
func TestUsed(t *testing.T) {
	oracle.Need(t, "qemu-img", "qemu-io")
	seed := uint64(0)
	for _, u := range used {
		for _, options := range u.options {
			for range 2 {
				seed++
				m := &machine{t: t, r: rand.New(rand.NewPCG(seed, 5)), format: u.format, path: filepath.Join(t.TempDir(), "disk")}
				m.size = 512 * (1 + m.r.Int64N(16_000))
				oracle.Run(t, "qemu-img", "create", "-q", "-f", u.format, "-o", options, m.path, fmt.Sprint(m.size))
				for range 1 + m.r.IntN(5) {
					m.use()
				}
				m.compare()
				if t.Failed() {
					t.Fatalf("%s, seed %d:\n%s", options, seed, strings.Join(m.log, "\n"))
				}
			}
		}
	}
}

// machine uses an image.
type machine struct {
	t            *testing.T
	r            *rand.Rand
	format, path string
	size         int64
	partial      bool // with snapshots or bitmaps, whose clusters Check does not count
	log          []string
}

// try runs a command that QEMU may refuse, as shrinking below a snapshot.
func (m *machine) try(name string, args ...string) bool {
	_, _, err := oracle.Try(name, args...)
	m.log = append(m.log, fmt.Sprint(name, " ", args, " ", err))
	return err == nil
}

func (m *machine) use() {
	qcow2 := m.format == "qcow2"
	switch k := m.r.IntN(8); {
	case k == 0 && qcow2:
		m.partial = m.try("qemu-img", "snapshot", "-c", "s", m.path) || m.partial
	case k == 1 && qcow2:
		m.try("qemu-img", "snapshot", []string{"-a", "-d"}[m.r.IntN(2)], "s", m.path)
	case k == 2 && qcow2:
		m.partial = m.try("qemu-img", "bitmap", "--add", m.path, "b") || m.partial
	case k == 3 && qcow2:
		if size := 512 * (1 + m.r.Int64N(40_000)); m.try("qemu-img", "resize", "-q", "-f", m.format, "--shrink", m.path, fmt.Sprint(size)) {
			m.size = size
		}
	default:
		m.write()
	}
}

// write runs some requests, and at times ends QEMU as if the host had stopped.
func (m *machine) write() {
	args := []string{"-f", m.format, "-d", "unmap", "-t", "writeback"}
	for range 1 + m.r.IntN(8) {
		off := m.r.Int64N(m.size) / 512 * 512
		if m.r.IntN(3) == 0 {
			off = off >> 16 << 16
		}
		length := min(m.size-off, 512*(1+m.r.Int64N(1<<m.r.IntN(11))))
		request := []string{fmt.Sprintf("write -P %d", 1+m.r.IntN(255)), "write -z", "write -z -u", "discard"}[m.r.IntN(4)]
		args = append(args, "-c", fmt.Sprint(request, " ", off, " ", length))
	}
	if m.r.IntN(4) == 0 {
		args = append(args, "-c", "sigraise 9")
	}
	m.try("qemu-io", append(args, m.path)...)
}

func (m *machine) compare() {
	f, err := os.Open(m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		m.t.Fatal(err)
	}
	disk, size, _, err := diskfile.Open(f, info.Size(), "disk")
	if err != nil {
		m.t.Error(err)
		return
	}
	got, err := io.ReadAll(io.NewSectionReader(disk, 0, size))
	if err != nil {
		m.t.Error(err)
	}
	problems := disk.(interface{ Check() []error }).Check()
	if m.format != "vpc" { // which qemu-img does not check
		sound := m.try("qemu-img", "check", "-f", m.format, m.path)
		if wrong := sound && len(problems) > 0; wrong || m.format == "qcow2" && !m.partial && !sound && len(problems) == 0 {
			m.t.Errorf("qemu-img check: %v, Check: %v", sound, problems)
		}
		m.try("qemu-img", "check", "-q", "-r", "all", "-f", m.format, m.path) // which replays a log
	}
	want, err := os.ReadFile(oracle.QemuImgConvert(m.t, m.path, m.format, "raw", ""))
	if err != nil {
		m.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		m.t.Errorf("%d bytes, QEMU reads %d others", len(got), len(want))
	}
}
