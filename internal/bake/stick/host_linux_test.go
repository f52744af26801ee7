package stick

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeHost makes a sysfs with a system disk (sda: LVM with the root), a stick (sdb), a mounted stick
// (sdc), a card in a reader (sdd), a RAID member (sde), swap (sdf), a CD drive, a RAM disk and loops.
func fakeHost(t *testing.T) host {
	t.Helper()
	root := t.TempDir()
	h := host{filepath.Join(root, "sys"), filepath.Join(root, "dev"), filepath.Join(root, "proc")}
	file := func(path, content string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(target, path string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	disk := func(name, above, dev string, files map[string]string) {
		dir := "sys/devices/" + above + "/block/" + name
		for path, content := range map[string]string{"dev": dev, "size": "62500000", "removable": "1", "ro": "0", "queue/logical_block_size": "512"} {
			file(dir+"/"+path, content+"\n")
		}
		for path, content := range files {
			file(dir+"/"+path, content+"\n")
		}
		if above != "virtual" {
			file("sys/devices/"+above+"/type", "0\n")
			link("../..", dir+"/device")
		}
		link("../devices/"+above+"/block/"+name, "sys/block/"+name)
	}
	usb := func(port, serial string) string {
		file("sys/devices/pci0/usb1/"+port+"/idVendor", "0781\n")
		if serial != "" {
			file("sys/devices/pci0/usb1/"+port+"/serial", serial+"\n")
		}
		above := "pci0/usb1/" + port + "/" + port + ":1.0/host6/target6:0:0/6:0:0:0"
		file("sys/devices/"+above+"/vendor", "Example \n")
		file("sys/devices/"+above+"/model", "Stick           \n")
		file("sys/devices/"+above+"/vpd_pg80", "\x00\x80\x00\x04SCSI\x00")
		return above
	}
	disk("sda", "pci0/ata1/host0/target0:0:0/0:0:0:0", "8:0", map[string]string{"removable": "0", "sda1/partition": "1", "sda1/dev": "8:1", "sda1/holders/dm-0": ""})
	disk("sdb", usb("1-1", "4C53"), "8:16", map[string]string{"sdb1/partition": "1", "sdb1/dev": "8:17"})
	disk("sdc", usb("1-2", "4C54"), "8:32", map[string]string{"sdc1/partition": "1", "sdc1/dev": "8:33"})
	disk("sdd", usb("1-3", ""), "8:48", nil)
	disk("sde", usb("1-4", "4C55"), "8:64", map[string]string{"holders/md0": ""})
	disk("sdf", usb("1-5", "4C56"), "8:80", map[string]string{"sdf2/partition": "2", "sdf2/dev": "8:82"})
	disk("sdg", usb("1-6", "4C57"), "8:96", nil)
	disk("sdh", usb("1-7", "4C58"), "8:112", nil)
	disk("sr0", usb("1-8", "CD"), "11:0", nil)
	file("sys/devices/pci0/usb1/1-8/1-8:1.0/host6/target6:0:0/6:0:0:0/type", "5\n")
	disk("dm-0", "virtual", "253:0", nil)
	disk("zram0", "virtual", "252:0", nil)
	disk("loop0", "virtual", "7:0", map[string]string{"loop/backing_file": "/home/x/disk image", "removable": "0"})
	disk("loop1", "virtual", "7:1", map[string]string{"removable": "0"})
	disk("loop2", "virtual", "7:2", map[string]string{"loop/backing_file": "/dev/sdg", "removable": "0"})
	disk("loop3", "virtual", "7:3", map[string]string{"loop/backing_file": "/dev/sda1", "removable": "0"})
	disk("loop4", "virtual", "7:4", map[string]string{"loop/backing_file": "/dev/dm-0", "removable": "0"})
	disk("loop5", "virtual", "7:5", map[string]string{"loop/backing_file": "/dev/shm/file", "removable": "0"})
	// A path to an NVMe disk with several: the kernel shows the disk itself besides it.
	disk("nvme0c0n1", "pci0/nvme0", "", map[string]string{"hidden": "1", "removable": "0"})
	link("../../sdb", "dev/disk/by-id/wwn-0x5")
	link("../../sdb", "dev/disk/by-id/usb-Example_Stick_4C53-0:0")
	link("../../sdb1", "dev/disk/by-id/usb-Example_Stick_4C53-0:0-part1")
	file("proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/mapper/vg-root rw\n"+
		"22 21 8:33 / /media/my\\040stick rw,relatime shared:1 - vfat /dev/sdc1 rw\n"+
		"23 21 0:40 / /mnt/btrfs rw - btrfs /dev/sdh rw\n")
	file("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sdf2 partition 1 0 -2\n")
	return h
}

func TestCandidates(t *testing.T) {
	disks, err := fakeHost(t).disks()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		line   string
		uses   string
		system bool
	}{
		"/dev/sda":   {"fixed disk, no model, 32.0 GB, serial none", "/dev/sda1 is what /dev/loop3 shows; /dev/sda1 is part of /dev/dm-0; /dev/sda1, /dev/dm-0 is mounted at /; /dev/sda1, /dev/dm-0 is what /dev/loop4 shows", true},
		"/dev/sdb":   {"USB stick, Example Stick, 32.0 GB, serial 4C53", "", false},
		"/dev/sdc":   {"USB stick, Example Stick, 32.0 GB, serial 4C54", "/dev/sdc1 is mounted at /media/my stick", false},
		"/dev/sdd":   {"USB stick, Example Stick, 32.0 GB, serial SCSI", "", false},
		"/dev/sde":   {"USB stick, Example Stick, 32.0 GB, serial 4C55", "/dev/sde is part of /dev/md0", false},
		"/dev/sdf":   {"USB stick, Example Stick, 32.0 GB, serial 4C56", "/dev/sdf2 is swap space", false},
		"/dev/sdg":   {"USB stick, Example Stick, 32.0 GB, serial 4C57", "/dev/sdg is what /dev/loop2 shows", false},
		"/dev/sdh":   {"USB stick, Example Stick, 32.0 GB, serial 4C58", "/dev/sdh is mounted at /mnt/btrfs", false},
		"/dev/loop0": {"loop device, file, 32.0 GB, serial /home/x/disk image", "", false},
		"/dev/loop2": {"loop device, file, 32.0 GB, serial /dev/sdg", "/dev/loop2 shows /dev/sdg, which is to be chosen itself", false},
		"/dev/loop3": {"loop device, file, 32.0 GB, serial /dev/sda1", "/dev/loop3 shows /dev/sda1, which is to be chosen itself", false},
		"/dev/loop4": {"loop device, file, 32.0 GB, serial /dev/dm-0", "/dev/loop4 shows /dev/dm-0, which is to be chosen itself", false},
		"/dev/loop5": {"loop device, file, 32.0 GB, serial /dev/shm/file", "", false},
	}
	for _, d := range disks {
		w, ok := want[d.Path]
		if !ok {
			t.Errorf("%s is listed", &d)
		}
		delete(want, d.Path)
		if got := d.String(); got != d.Path+": "+w.line || strings.Join(d.Uses, "; ") != w.uses || d.System != w.system {
			t.Errorf("%s\n%q, system %t", got, d.Uses, d.System)
		}
		if refused := d.Refusal(Allow{}) != nil; refused == (d.Path == "/dev/sdb" || d.Path == "/dev/sdd") {
			t.Errorf("%s: %v", d.Path, d.Refusal(Allow{}))
		}
		if d.Path == "/dev/sdb" && strings.Join(d.IDs, " ") != byID+"usb-Example_Stick_4C53-0:0 "+byID+"wwn-0x5" {
			t.Errorf("%q", d.IDs)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// Without knowing what is mounted, nothing is offered.
func TestNoMounts(t *testing.T) {
	h := fakeHost(t)
	h.proc = t.TempDir()
	if disks, err := h.disks(); err == nil {
		t.Errorf("%v", disks)
	}
}

// TestThisMachine finds the disk that the tests run from, and refuses it.
func TestThisMachine(t *testing.T) {
	disks, err := Candidates()
	if err != nil {
		t.Skip(err)
	}
	for _, d := range disks {
		t.Logf("%s %q", &d, d.Uses)
		if d.System && d.Refusal(Allow{true, true}) == nil {
			t.Errorf("%s may be written", &d)
		}
	}
}
