package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func TestUSBUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"usb"}, exitUsage, "usb list"},
		{[]string{"usb", "erase"}, exitUsage, `"erase"`},
		{[]string{"usb", "list", "x"}, exitUsage, "no arguments"},
		{[]string{"usb", "write"}, exitUsage, "one image"},
		{[]string{"usb", "write", "--fast", "x"}, exitUsage, "fast"},
		{[]string{"usb", "write", "x"}, exitUsage, "--device: give the stick's serial number"},
		{[]string{"usb", "write", "--device", "/dev/loop0", "x"}, exitUsage, "allow_loop"},
		{[]string{"usb", "write", "--device", "4C53", "nowhere.raw"}, exitUnreadable, "nowhere.raw"},
	} {
		code, _, stderr := winbake(t, test.args...)
		if code != test.code || !strings.Contains(stderr, test.says) {
			t.Errorf("%q: %d, %s", test.args, code, stderr)
		}
	}
}

// TestUSBWrite lists a loop device, and writes an image to it; not before it is confirmed.
func TestUSBWrite(t *testing.T) {
	oracle.Need(t, "losetup")
	if os.Getuid() != 0 {
		oracle.Missing(t, "loop devices take root")
	}
	image := disk(t, false)
	backing := filepath.Join(t.TempDir(), "stick")
	if err := errors.Join(os.WriteFile(backing, nil, 0o644), os.Truncate(backing, 700<<20)); err != nil {
		t.Fatal(err)
	}
	loop, stderr, err := oracle.Try("losetup", "--find", "--show", backing)
	if err != nil {
		oracle.Missing(t, "no loop device: %v %s", err, stderr)
	}
	loop = strings.TrimSpace(loop)
	t.Cleanup(func() { oracle.Run(t, "losetup", "--detach", loop) })

	code, out, stderr := winbake(t, "usb", "list")
	if code != exitOK || !strings.Contains(out, loop+": loop device, file, 734.0 MB, serial "+backing+"\n  => not written: it is a loop device") {
		t.Errorf("%d, %s%s", code, out, stderr)
	}
	args := []string{"usb", "write", "--device", loop, "--allow-loop"}
	if code, _, stderr := winbake(t, append(args, image)...); code != exitUnreadable || !strings.Contains(stderr, "nobody to ask") {
		t.Errorf("not confirmed: %d, %s", code, stderr)
	}
	code, out, stderr = winbake(t, append(args, "--confirm", backing, image)...)
	if code != exitOK || !strings.Contains(out, "read back and found equal") || !strings.Contains(stderr, "Reading back") {
		t.Fatalf("%d, %s%s", code, out, stderr)
	}
	oracle.JudgeDisk(t, loop)
}
