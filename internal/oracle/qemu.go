package oracle

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Firmware is what a virtual machine starts with.
type Firmware string

// The firmware that Boot knows: SeaBIOS and OVMF (x86-64, without Secure Boot).
const (
	BIOS Firmware = "bios"
	UEFI Firmware = "uefi"
)

// Bus is how the disk is attached.
type Bus string

// The buses that Boot knows.
const (
	IDE    Bus = "ide"
	SATA   Bus = "sata"
	VirtIO Bus = "virtio"
	NVMe   Bus = "nvme"
	USB    Bus = "usb"
)

// BootOptions says what to boot and what to wait for.
type BootOptions struct {
	Disk     string   // image file; never written to
	Format   string   // QEMU's name of the image format; "" means raw
	Firmware Firmware // "" means BIOS
	Bus      Bus      // "" means IDE
	// SectorSize is the disk's logical sector in bytes, 0 for 512. SeaBIOS boots others from NVMe
	// only.
	SectorSize int
	// Expect is the text that must appear on COM1 or, with BIOS, on the screen.
	Expect string
	// UntilOff waits on until the machine has switched itself off; the text must be on COM1 then.
	UntilOff bool
	// Timeout is how long to wait for it; 0 means two minutes.
	Timeout time.Duration
	// Memory is the machine's, in MiB; 0 means what the stand-ins need.
	Memory int
	// Display gives a machine with UEFI a screen, too.
	Display bool
}

// BootResult is what a virtual machine showed.
type BootResult struct {
	Serial string // all that arrived on COM1
	Screen string // the text screen when the machine was last looked at (BIOS only)
	Off    bool   // the machine switched itself off
}

// Boot boots a disk image under QEMU, emulated (no KVM), and returns what arrived on COM1 once
// Expect has been seen. The test fails, with serial text and screen, if the machine stops, says
// that it cannot boot, or shows nothing in time.
func Boot(t testing.TB, o BootOptions) string {
	t.Helper()
	r, err := TryBoot(t, o)
	if err != nil {
		t.Fatalf("%s: %v\n--- serial\n%s\n--- screen\n%s", o.Disk, err, r.Serial, r.Screen)
	}
	return r.Serial
}

// bootSlots bounds the virtual machines of one test binary: more only slow each other down.
var bootSlots = make(chan struct{}, 2)

// TryBoot is Boot for tests that look at failures: the error says why Expect was not seen.
func TryBoot(t testing.TB, o BootOptions) (BootResult, error) {
	t.Helper()
	o = withDefaults(o)
	Need(t, "qemu-system-x86_64")
	dir := t.TempDir()
	args := machineArgs(t, dir, o)
	bootSlots <- struct{}{}
	defer func() { <-bootSlots }()
	deadline := time.Now().Add(o.Timeout)
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(10*time.Second)) // time to look at the screen
	defer cancel()
	m, err := startMachine(ctx, dir, args)
	if err != nil {
		return BootResult{}, err
	}
	defer m.stop()
	return m.watch(deadline, o)
}

func withDefaults(o BootOptions) BootOptions {
	if o.Format == "" {
		o.Format = "raw"
	}
	if o.Firmware == "" {
		o.Firmware = BIOS
	}
	if o.Bus == "" {
		o.Bus = IDE
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	return o
}

// machineArgs returns QEMU's arguments but for its console (see startMachine).
func machineArgs(t testing.TB, dir string, o BootOptions) []string {
	t.Helper()
	args := []string{
		"-accel", "tcg", "-nodefaults", "-display", "none", "-no-reboot", "-net", "none",
		"-serial", "file:" + filepath.Join(dir, "serial"),
		"-device", "isa-debug-exit,iobase=0x501,iosize=2",
		"-drive", "if=none,id=disk,snapshot=on,format=" + o.Format + ",file=" + escape(o.Disk),
	}
	args = append(args, firmwareArgs(t, dir, o)...)
	return append(args, busArgs(t, o)...)
}

// escape doubles commas, which separate the options of one argument.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

func firmwareArgs(t testing.TB, dir string, o BootOptions) []string {
	t.Helper()
	if o.Firmware == BIOS {
		machine := "pc"
		if o.Bus == SATA {
			machine = "q35"
		}
		return []string{"-machine", machine, "-m", strconv.Itoa(cmp.Or(o.Memory, 64)), "-vga", "std"}
	}
	code, vars := ovmf(t)
	own := filepath.Join(dir, "vars.fd") // the firmware writes to it
	b, err := os.ReadFile(vars)
	if err == nil {
		err = os.WriteFile(own, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	vga := "none"
	if o.Display {
		vga = "std"
	}
	return []string{
		"-machine", "q35", "-m", strconv.Itoa(cmp.Or(o.Memory, 256)), "-vga", vga,
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + code,
		"-drive", "if=pflash,unit=1,format=raw,file=" + escape(own),
	}
}

// ovmf returns the code and variable images of OVMF, where distributions keep them.
func ovmf(t testing.TB) (code, vars string) {
	t.Helper()
	for _, c := range [][2]string{
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
		{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
		{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
		{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
		{"/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"},
	} {
		if isFile(c[0]) && isFile(c[1]) {
			return c[0], c[1]
		}
	}
	Missing(t, "OVMF is not installed (see README, Tests)")
	return "", ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func busArgs(t testing.TB, o BootOptions) []string {
	t.Helper()
	tail := ",drive=disk,bootindex=0"
	if o.SectorSize > 512 {
		tail += fmt.Sprintf(",logical_block_size=%d,physical_block_size=%[1]d", o.SectorSize)
	}
	switch o.Bus {
	case IDE, SATA: // on q35 the first IDE bus is a port of its SATA controller
		return []string{"-device", "ide-hd,bus=ide.0" + tail}
	case VirtIO:
		return []string{"-device", "virtio-blk-pci" + tail}
	case NVMe:
		return []string{"-device", "nvme,serial=disk,id=nvme0", "-device", "nvme-ns,bus=nvme0" + tail}
	case USB:
		return []string{"-device", "qemu-xhci", "-device", "usb-storage" + tail}
	}
	t.Fatalf("unknown bus %q", o.Bus)
	return nil
}
