// Command init is the first and only process of the kernel that judges NTFS volumes; see package
// guest. It needs nothing else in the machine: no shell, no library.
package main

import (
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("init:", err) // the console is the serial port, which the test shows
	}
	unix.Sync()
	err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("init: power off:", err)
}

func run() error {
	for _, m := range []struct{ kind, dir string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	jobs, err := readJobs()
	if err != nil {
		return err
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	defer port.Close()
	log, err := openLog()
	if err != nil {
		return err
	}
	out := gob.NewEncoder(port)
	for i, job := range jobs {
		log.since() // what was said before is not about this job
		start := time.Now()
		r := reporter{job: i, out: out}
		err := r.do(job)
		end := guest.End{Kernel: log.since(), Millis: time.Since(start).Milliseconds()}
		if err != nil {
			end.Problem = err.Error()
		}
		if err := out.Encode(guest.Message{Job: i, End: &end}); err != nil {
			return err
		}
	}
	return nil
}

func loadModules() error {
	list, err := os.ReadFile("/" + guest.ModuleList)
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		f, err := os.Open("/" + name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}

func readJobs() (jobs []guest.Job, err error) {
	f, err := os.Open("/" + guest.JobsFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jobs, gob.NewDecoder(f).Decode(&jobs)
}

// openPort finds the virtio port by its name.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == guest.ReportPort {
			return os.OpenFile("/dev/"+filepath.Base(filepath.Dir(name)), os.O_WRONLY, 0)
		}
	}
	return nil, fmt.Errorf("no virtio port %q among %q", guest.ReportPort, names)
}

// device finds a job's disk by its serial number, and on it the partition.
func device(i int, job guest.Job) (string, error) {
	disks, err := filepath.Glob("/sys/block/vd*")
	if err != nil {
		return "", err
	}
	for _, disk := range disks {
		serial, err := os.ReadFile(disk + "/serial")
		if err != nil || strings.TrimSpace(string(serial)) != fmt.Sprint(guest.SerialPrefix, i) {
			continue
		}
		if job.Offset == 0 {
			return "/dev/" + filepath.Base(disk), nil
		}
		return partition(disk, job)
	}
	return "", fmt.Errorf("no disk %d among %q", i, disks)
}

// partition finds the kernel's partition at the place that the job names.
func partition(disk string, job guest.Job) (string, error) {
	const unit = 512 // of sysfs, whatever the disk's sectors are
	parts, err := filepath.Glob(disk + "/vd*/start")
	if err != nil {
		return "", err
	}
	var found []string
	for _, part := range parts {
		dir := filepath.Dir(part)
		start, size := number(part)*unit, number(dir+"/size")*unit
		if start == job.Offset && size == job.Size {
			return "/dev/" + filepath.Base(dir), nil
		}
		found = append(found, fmt.Sprintf("%d bytes at %d", size, start))
	}
	return "", fmt.Errorf("the kernel sees no partition of %d bytes at %d, but %q", job.Size, job.Offset, found)
}

func number(file string) (n int64) {
	if b, err := os.ReadFile(file); err == nil {
		fmt.Sscan(string(b), &n)
	}
	return n
}

// kernelLog reads /dev/kmsg.
type kernelLog struct{ fd int }

func openLog() (kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	return kernelLog{fd}, err
}

// since returns what was logged since the last call: warnings and worse, and all of the driver's.
func (l kernelLog) since() (lines []string) {
	buf := make([]byte, 8192) // one read gives one record
	for {
		n, err := unix.Read(l.fd, buf)
		if err == unix.EPIPE { // records were overwritten before they were read
			lines = append(lines, "the kernel's log overflowed")
			continue
		}
		if err != nil || n <= 0 {
			return lines
		}
		head, text, _ := strings.Cut(string(buf[:n]), ";")
		var facility int
		fmt.Sscan(head, &facility)
		const levels, warning = 8, 4
		if facility%levels <= warning && !aboutTime(text) || strings.Contains(text, "ntfs") {
			text, _, _ = strings.Cut(text, "\n")
			lines = append(lines, text)
		}
	}
}

// aboutTime says whether a message is about the machine's clock, which a busy host disturbs.
func aboutTime(text string) bool {
	return slices.ContainsFunc([]string{"hrtimer:", "clocksource:", "sched_clock:", "sched:", "workqueue:"},
		func(about string) bool { return strings.HasPrefix(text, about) })
}
