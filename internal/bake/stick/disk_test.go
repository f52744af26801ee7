package stick

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

func fine() Disk {
	return Disk{
		Path: "/dev/sdb", IDs: []string{byID + "usb-Example_Stick_4C53-0:0"}, Serial: "4C53", Model: "Example Stick",
		Size: 32e9, Sector: 512, USB: true, Removable: true,
	}
}

func TestRefusal(t *testing.T) {
	good := fine()
	if err := good.Refusal(Allow{}); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct {
		change func(*Disk)
		allow  Allow  // what does not help
		helps  *Allow // what does
		says   string
	}{
		"mounted":   {func(d *Disk) { d.Uses = []string{"/dev/sdb1 is mounted at /media/x"} }, Allow{true, true}, nil, "/media/x"},
		"system":    {func(d *Disk) { d.Uses, d.System = []string{"/dev/sdb1 is mounted at /"}, true }, Allow{true, true}, nil, "running system"},
		"empty":     {func(d *Disk) { d.Size = 0 }, Allow{true, true}, nil, "no medium"},
		"read-only": {func(d *Disk) { d.ReadOnly = true }, Allow{true, true}, nil, "read-only"},
		"SATA":      {func(d *Disk) { d.USB = false }, Allow{Loop: true}, &Allow{Fixed: true}, "not on USB"},
		"USB disk":  {func(d *Disk) { d.Removable = false }, Allow{Loop: true}, &Allow{Fixed: true}, "no removable medium"},
		"loop":      {func(d *Disk) { d.Loop, d.USB, d.Removable = true, false, false }, Allow{Fixed: true}, &Allow{Loop: true}, "allow_loop"},
		"nameless":  {func(d *Disk) { d.Serial, d.IDs = "", nil }, Allow{true, true}, nil, "no serial number"},
	} {
		d := fine()
		test.change(&d)
		if err := d.Refusal(test.allow); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
		if test.helps != nil && d.Refusal(*test.helps) != nil {
			t.Errorf("%s: %v", name, d.Refusal(*test.helps))
		}
	}
}

func TestSelect(t *testing.T) {
	twin := fine()
	twin.Path, twin.IDs = "/dev/sdc", []string{byID + "usb-Example_Stick_4C53-0:1"}
	other := fine()
	other.Path, other.Serial, other.IDs = "/dev/sdd", "77", nil
	loop := Disk{Path: "/dev/loop3", Serial: "/tmp/file", Size: 1 << 30, Sector: 512, Loop: true}
	disks := []Disk{fine(), other, loop}
	for _, test := range []struct {
		disks          []Disk
		selector, want string
		allow          Allow
	}{
		{disks, "4C53", "/dev/sdb", Allow{}},
		{disks, byID + "usb-Example_Stick_4C53-0:0", "/dev/sdb", Allow{}},
		{disks, "/tmp/file", "/dev/loop3", Allow{}},
		{disks, "/dev/loop3", "/dev/loop3", Allow{Loop: true}},
		{append(slices.Clone(disks), twin), byID + "usb-Example_Stick_4C53-0:1", "/dev/sdc", Allow{}},

		{disks, "", "error: `winbake usb list` shows them", Allow{}},
		{disks, "/dev/sdb", "error: names that stay: " + byID + "usb-Example_Stick_4C53-0:0, the serial 4C53", Allow{true, true}},
		{disks, "/dev/sdx", "error: another disk tomorrow", Allow{}},
		{disks, "/dev/loop3", "error: allow_loop", Allow{}},
		{disks, "/dev/loop4", "error: another disk tomorrow", Allow{Loop: true}},
		{disks, "4C5", "error: These could be meant:\n  /dev/sdb: USB stick, Example Stick, 32.0 GB, serial 4C53", Allow{}},
		{nil, "4C53", "error: is the stick plugged in?", Allow{}},
		{disks, byID + "usb-Example_Stick_4C53-0:0-part1", "error: not a partition's", Allow{}},
		{append(slices.Clone(disks), twin), "4C53", "error: 2 disks have the serial 4C53", Allow{}},
	} {
		d, err := Select(test.disks, test.selector, test.allow)
		if want, wantErr := strings.CutPrefix(test.want, "error: "); wantErr {
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, %v", test.selector, d, err)
			}
		} else if err != nil || d.Path != want {
			t.Errorf("%q: %v, %v", test.selector, d, err)
		}
	}
}

func TestConfirm(t *testing.T) {
	d := fine()
	if err := d.Confirm("4C53"); err != nil {
		t.Error(err)
	}
	for _, answer := range []string{"", "4c53", "4C53 ", "yes"} {
		if err := d.Confirm(answer); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "nothing was written") {
			t.Errorf("%q: %v", answer, err)
		}
	}
	d.Serial = ""
	if err := d.Confirm("usb-Example_Stick_4C53-0:0"); err != nil {
		t.Error(err)
	}
	d.IDs = nil
	if d.Confirm("") == nil {
		t.Error("a disk without a name is confirmed")
	}
}
