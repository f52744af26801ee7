package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

const withUSB = `
source "winbake-golden" "x" {
  media    = "MEDIA"
  image    = "ServerStandardCore"
  size     = "640MiB"
  firmware = "uefi"
  formats  = ["raw"]
}
build {
  sources = ["winbake-golden.x"]
  post-processor "winbake-usb" {
    device              = "DEVICE"
    allow_loop          = true
    keep_input_artifact = false
    OPTIONS
  }
}
`

// loopDevice makes a loop device of size bytes, and returns its path and its file's.
func loopDevice(t *testing.T, size int64) (path, backing string) {
	t.Helper()
	oracle.Need(t, "losetup")
	if os.Getuid() != 0 {
		oracle.Missing(t, "loop devices take root")
	}
	backing = filepath.Join(t.TempDir(), "stick")
	if err := errors.Join(os.WriteFile(backing, nil, 0o644), os.Truncate(backing, size)); err != nil {
		t.Fatal(err)
	}
	out, stderr, err := oracle.Try("losetup", "--find", "--show", backing)
	if err != nil {
		oracle.Missing(t, "no loop device: %v %s", err, stderr)
	}
	path = strings.TrimSpace(out)
	t.Cleanup(func() { oracle.Run(t, "losetup", "--detach", path) })
	return path, backing
}

// TestUSB bakes a disk and writes it to a loop device that is larger, with the real Packer. Other people's
// programs read the device.
func TestUSB(t *testing.T) {
	i := needPacker(t)
	loop, backing := loopDevice(t, 1<<30)
	dir := i.template(t, usbTemplate(loop, "confirm = \""+backing+"\""))
	out, err := i.run(dir, "build")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "x.raw is on the stick") || !strings.Contains(out, "read back and found equal") {
		t.Error(out)
	}
	var m bake.Manifest
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "output-x", "manifest.json")), &m); err != nil {
		t.Fatal(err) // the artifact is kept
	}
	table := oracle.JudgeDisk(t, loop)
	if table.LastLBA != 1<<30/512-34 || len(table.Partitions) != len(m.Disk.Partitions) {
		t.Errorf("%+v", table)
	}
	windows := m.Disk.Partitions[len(m.Disk.Partitions)-1]
	oracle.JudgeNTFS(t, oracle.Volume{Path: backing, Offset: windows.Offset, Size: windows.Size})
	oracle.Need(t, "ntfsinfo")
	if out := oracle.Run(t, "ntfsinfo", "--mft", copyVolume(t, filepath.Join(dir, "output-x", "manifest.json"), loop)); !strings.Contains(out, "Volume Version: 3.1") {
		t.Error(out)
	}
}

func usbTemplate(device, options string) string {
	return strings.NewReplacer("DEVICE", device, "OPTIONS", options).Replace(withUSB)
}

// TestUSBRefused: without confirmation, and with the wrong one, nothing is written, and the image stays.
func TestUSBRefused(t *testing.T) {
	i := needPacker(t)
	loop, backing := loopDevice(t, 1<<30)
	before := fileSum(t, backing)
	for options, want := range map[string]string{
		"":                     "there is nobody to ask",
		`confirm = "4C530001"`: `"4C530001" is not the serial of ` + loop,
		`image = "y.raw"`:      "fits 0 files",
	} {
		dir := i.template(t, usbTemplate(loop, options))
		out, err := i.run(dir, "build")
		if err == nil || !strings.Contains(out, want) || strings.Contains(out, "panic") {
			t.Errorf("%s: %v\n%s", options, err, out)
		}
	}
	if out, err := i.run(i.template(t, usbTemplate("/dev/sdz", "")), "build"); err == nil || !strings.Contains(out, "/dev/sdz may be another disk tomorrow") {
		t.Errorf("%v\n%s", err, out)
	}
	if fileSum(t, backing) != before {
		t.Error("something was written")
	}
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
