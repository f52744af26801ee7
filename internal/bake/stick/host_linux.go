package stick

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// host is where the kernel shows its disks; tests have their own.
type host struct{ sys, dev, proc string }

var machine = host{"/sys", "/dev", "/proc"}

// Candidates lists the disks of this machine: whole ones with a size, and loop devices that have a
// file. Those that must not be written are among them; Refusal says why. No root is needed.
func Candidates() ([]Disk, error) { return machine.disks() }

func (h host) disks() ([]Disk, error) {
	entries, err := os.ReadDir(filepath.Join(h.sys, "block"))
	if err != nil {
		return nil, err
	}
	u, err := h.uses()
	if err != nil {
		return nil, err
	}
	ids := h.ids()
	var out []Disk
	for _, e := range entries {
		if d, ok := h.disk(e.Name()); ok {
			d.IDs = ids[e.Name()]
			d.Uses, d.System = u.of(e.Name())
			out = append(out, d)
		}
	}
	return out, nil
}

// disk reads what the kernel says of a disk; ok is false for what is none.
func (h host) disk(name string) (d Disk, ok bool) {
	dir := filepath.Join(h.sys, "block", name)
	device := filepath.Join(dir, "device")
	d = Disk{
		Path: filepath.Join("/dev", strings.ReplaceAll(name, "!", "/")), dev: text(dir, "dev"),
		Size: number(dir, "size") * 512, Sector: number(dir, "queue/logical_block_size"),
		Removable: number(dir, "removable") == 1, ReadOnly: number(dir, "ro") == 1,
	}
	if d.dev == "" { // it cannot be opened: one of the paths to an NVMe disk, which is there besides
		return Disk{}, false
	}
	if file := text(dir, "loop/backing_file"); file != "" {
		d.Loop, d.Model, d.Serial = true, "file", file
		b, _ := os.ReadFile(filepath.Join(dir, "loop/backing_file"))
		d.file = strings.TrimSuffix(string(b), "\n")
		return d, true
	}
	// Device mapper, RAID and RAM disks have no device below them; CD drives and tapes have a type.
	if _, err := os.Stat(device); err != nil || number(device, "type") != 0 {
		return Disk{}, false
	}
	d.Model = strings.Join(strings.Fields(text(device, "vendor")+" "+text(device, "model")+" "+text(device, "name")), " ")
	d.Serial = firstText(filepath.Join(dir, "serial"), filepath.Join(device, "serial"))
	if b, err := os.ReadFile(filepath.Join(device, "vpd_pg80")); err == nil && len(b) > 4 && d.Serial == "" {
		d.Serial = clean(b[4:]) // unit serial number page: four bytes before the number
	}
	if serial, usb := usbSerial(device); usb {
		d.USB = true
		if serial != "" { // the one that udev takes for /dev/disk/by-id
			d.Serial = serial
		}
	}
	return d, true
}

// usbSerial looks for a USB device above a disk. The path of the device leads through it.
func usbSerial(device string) (serial string, usb bool) {
	real, err := filepath.EvalSymlinks(device)
	if err != nil {
		return "", false
	}
	for dir := real; len(dir) > 1 && filepath.Base(dir) != "devices"; dir = filepath.Dir(dir) {
		if text(dir, "idVendor") != "" {
			return text(dir, "serial"), true
		}
	}
	return "", false
}

// ids are the names in /dev/disk/by-id, by the disk's kernel name.
func (h host) ids() map[string][]string {
	ids := map[string][]string{}
	entries, _ := os.ReadDir(filepath.Join(h.dev, "disk/by-id")) // there is none without udev
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(h.dev, "disk/by-id", e.Name()))
		if err == nil {
			name := filepath.Base(to)
			ids[name] = append(ids[name], byID+e.Name())
		}
	}
	for _, list := range ids { // usb-... before wwn-...
		slices.SortFunc(list, func(a, b string) int {
			if x, y := strings.HasPrefix(a, byID+"usb-"), strings.HasPrefix(b, byID+"usb-"); x != y {
				if x {
					return -1
				}
				return 1
			}
			return strings.Compare(a, b)
		})
	}
	return ids
}

// uses is what block devices are used for.
type uses struct {
	host    host
	mounts  []mount
	swaps   []string // paths
	backing map[string]string
}

type mount struct{ dev, point, source string }

func (h host) uses() (*uses, error) {
	u := &uses{host: h, backing: map[string]string{}}
	mounts, err := os.ReadFile(filepath.Join(h.proc, "self/mountinfo"))
	if err != nil {
		return nil, err // without it nobody knows what is mounted
	}
	for line := range lines(mounts) {
		before, after, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if len(f) >= 5 && len(g) >= 2 {
			u.mounts = append(u.mounts, mount{f[2], unescape(f[4]), unescape(g[1])})
		}
	}
	swaps, _ := os.ReadFile(filepath.Join(h.proc, "swaps")) // absent in kernels without swap
	for line := range lines(swaps) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "/") {
			u.swaps = append(u.swaps, unescape(f[0]))
		}
	}
	loops, _ := filepath.Glob(filepath.Join(h.sys, "block/loop*/loop/backing_file"))
	for _, path := range loops {
		u.backing[text(filepath.Dir(path), "backing_file")] = filepath.Base(filepath.Dir(filepath.Dir(path)))
	}
	return u, nil
}

// systemMounts are the mount points without which the running system ends.
var systemMounts = []string{"/", "/usr", "/boot", "/boot/efi", "/efi", "/etc", "/var", "/nix", "/sysroot"}

// of looks at a disk, its partitions, and what is built from them.
func (u *uses) of(name string) (list []string, system bool) {
	seen := map[string]bool{}
	var look func(name, dir, over string)
	look = func(name, dir, over string) {
		if seen[name] {
			return
		}
		seen[name] = true
		dev, path := text(dir, "dev"), filepath.Join("/dev", strings.ReplaceAll(name, "!", "/"))
		for _, m := range u.mounts {
			if m.dev == dev || m.source == path {
				list = append(list, over+path+" is mounted at "+m.point)
				system = system || slices.Contains(systemMounts, m.point)
			}
		}
		if slices.Contains(u.swaps, path) {
			list = append(list, over+path+" is swap space")
		}
		if loop, ok := u.backing[path]; ok {
			list = append(list, over+path+" is what /dev/"+loop+" shows")
		}
		holders, _ := os.ReadDir(filepath.Join(dir, "holders"))
		for _, e := range holders {
			list = append(list, over+path+" is part of /dev/"+e.Name())
			look(e.Name(), filepath.Join(u.host.sys, "block", e.Name()), path+", ")
		}
		for _, part := range partitions(dir) {
			look(part, filepath.Join(dir, part), "")
		}
	}
	dir := filepath.Join(u.host.sys, "block", name)
	if file := text(dir, "loop/backing_file"); u.host.isDisk(file) {
		list = append(list, filepath.Join("/dev", name)+" shows "+file+", which is to be chosen itself")
	}
	look(name, dir, "")
	return list, system
}

// isDisk says whether a path is that of a disk or of a partition.
func (h host) isDisk(path string) bool {
	name, ok := strings.CutPrefix(path, "/dev/")
	if !ok {
		return false
	}
	name = strings.ReplaceAll(name, "/", "!")
	for _, pattern := range []string{name + "/dev", "*/" + name + "/partition"} {
		if found, _ := filepath.Glob(filepath.Join(h.sys, "block", pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// partitions are the folders of a disk's folder that are partitions.
func partitions(dir string) (out []string) {
	found, _ := filepath.Glob(filepath.Join(dir, "*/partition"))
	for _, path := range found {
		out = append(out, filepath.Base(filepath.Dir(path)))
	}
	return out
}

// unescape turns \040 and the like, as mountinfo writes them, into the bytes they stand for.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func lines(b []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		s := bufio.NewScanner(bytes.NewReader(b))
		s.Buffer(nil, 1<<20)
		for s.Scan() && yield(s.Text()) {
		}
	}
}

// text reads a file of sysfs; what is not there is empty.
func text(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return clean(b)
}

// clean leaves out what moves a terminal's cursor: the disk says what it wants.
func clean(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, string(b)))
}

func firstText(paths ...string) string {
	for _, p := range paths {
		if s := text(filepath.Dir(p), filepath.Base(p)); s != "" {
			return s
		}
	}
	return ""
}

func number(dir, name string) int64 {
	n, _ := strconv.ParseInt(text(dir, name), 10, 64)
	return n
}
