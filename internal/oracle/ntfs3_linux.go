package oracle

import (
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
)

// Ntfs3Job is a volume for Ntfs3.
type Ntfs3Job struct {
	Volume Volume
	// SectorSize is the disk's, in bytes, 0 for 512.
	SectorSize int
	// Edits are made first, on a mount for writing: the image is changed then.
	Edits []guest.Edit
}

// Ntfs3Volume is what the driver showed of a volume.
type Ntfs3Volume struct {
	Entries map[string]guest.Entry // by path; "." is the root
	// Problems are what the driver or the kernel objected to.
	Problems []string
	// Took is how long the guest was busy with it.
	Took time.Duration
}

// Ntfs3 has the Linux kernel's own NTFS driver, ntfs3, read every file of the volumes, and fails the
// test if driver or kernel had any objection. A volume that starts behind its image's first byte must
// be a partition that the kernel finds. All volumes share one virtual machine, which takes some
// seconds to start.
//
// The driver shows no named streams, short names or object ids, and of reparse points only the targets
// of links and junctions.
func Ntfs3(t testing.TB, jobs ...Ntfs3Job) []Ntfs3Volume {
	t.Helper()
	volumes, err := ntfs3(t, jobs)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range volumes {
		for _, p := range v.Problems {
			t.Errorf("ntfs3, %s: %s", jobs[i].Volume, p)
		}
	}
	return volumes
}

// mostNtfs3Jobs is how many disks have room on the machine's PCI bus beside its other devices.
const mostNtfs3Jobs = 24

// ntfs3Deadline bounds what can take so long only if something hangs.
const ntfs3Deadline = 5 * time.Minute

func ntfs3(t testing.TB, jobs []Ntfs3Job) ([]Ntfs3Volume, error) {
	t.Helper()
	k := needKernel(t)
	if len(jobs) > mostNtfs3Jobs {
		return nil, fmt.Errorf("%d volumes, the machine has room for %d disks", len(jobs), mostNtfs3Jobs)
	}
	dir := t.TempDir()
	args, err := k.machineArgs(dir, jobs)
	if err != nil {
		return nil, err
	}
	bootSlots <- struct{}{}
	defer func() { <-bootSlots }()
	ctx, cancel := context.WithTimeout(t.Context(), ntfs3Deadline)
	defer cancel()
	m, err := startMachine(ctx, dir, args)
	if err != nil {
		return nil, err
	}
	<-m.ended
	volumes, err := readReport(filepath.Join(dir, "report"), len(jobs))
	if err != nil {
		return nil, fmt.Errorf("the Linux guest: %w\n%s\n--- serial\n%s", err, m.stderr.String(), tail(m.serial(), 40))
	}
	return volumes, nil
}

// machineArgs returns QEMU's arguments, and makes the files that they name.
func (k linuxKernel) machineArgs(dir string, jobs []Ntfs3Job) ([]string, error) {
	args := []string{
		"-accel", "tcg", "-machine", "pc", "-m", "512", "-nodefaults", "-display", "none", "-no-reboot", "-net", "none",
		"-serial", "file:" + filepath.Join(dir, "serial"), "-kernel", k.image, "-initrd", filepath.Join(dir, "initramfs"),
		// Mitigations only slow an emulated processor down.
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off",
		"-device", "virtio-serial-pci", "-chardev", "file,id=report,path=" + escape(filepath.Join(dir, "report")),
		"-device", "virtserialport,chardev=report,name=" + guest.ReportPort,
	}
	var orders []guest.Job
	for i, job := range jobs {
		order := guest.Job{Offset: job.Volume.Offset, Size: job.Volume.Size, Edits: job.Edits}
		whole, err := job.Volume.fillsFile()
		if err != nil {
			return nil, err
		}
		if whole != (order.Offset == 0) {
			return nil, fmt.Errorf("%s: neither the whole image nor a partition", job.Volume)
		}
		orders = append(orders, order)
		args = append(args,
			"-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,cache=unsafe,read-only=%s,file=%s", i, onOff(len(job.Edits) == 0), escape(job.Volume.Path)),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,serial=%s%[1]d,logical_block_size=%[3]d,physical_block_size=%[3]d",
				i, guest.SerialPrefix, cmp.Or(job.SectorSize, 512)))
	}
	return args, k.initramfs(filepath.Join(dir, "initramfs"), orders)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// readReport gathers the guest's messages. Each job must have come to its end.
func readReport(path string, jobs int) ([]Ntfs3Volume, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	volumes := make([]Ntfs3Volume, jobs)
	ended := 0
	for d := gob.NewDecoder(f); ; {
		var m guest.Message
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) && ended == jobs {
			return volumes, nil
		}
		if err != nil || m.Job < 0 || m.Job >= jobs {
			return nil, fmt.Errorf("stopped after %d of %d volumes: %w", ended, jobs, err)
		}
		volumes[m.Job].take(m)
		if m.End != nil {
			ended++
		}
	}
}

func (v *Ntfs3Volume) take(m guest.Message) {
	if e := m.Entry; e != nil {
		if v.Entries == nil {
			v.Entries = map[string]guest.Entry{}
		}
		v.Entries[e.Path] = *e
		if e.Problem != "" {
			v.Problems = append(v.Problems, e.Path+": "+strings.ReplaceAll(e.Problem, "\n", "; "))
		}
	}
	if m.End != nil {
		if m.End.Problem != "" {
			v.Problems = append(v.Problems, m.End.Problem)
		}
		for _, line := range m.End.Kernel {
			if strings.Contains(line, " bad blocks in ") {
				continue // it says that $BadClus is not empty, that is all
			}
			v.Problems = append(v.Problems, "kernel: "+line)
		}
		v.Took = time.Duration(m.End.Millis) * time.Millisecond
	}
}
