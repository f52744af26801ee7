package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bootSector writes a disk whose first sector is code that prints a text, ended by a dollar sign,
// and halts.
func bootSector(t *testing.T, text string) string {
	t.Helper()
	code := []byte{
		0xFC,       // cld
		0x31, 0xC0, // xor ax, ax
		0x8E, 0xD8, // mov ds, ax
		0xBE, 0x1A, 0x7C, // mov si, text
		0xAC,       // next: lodsb
		0x3C, 0x24, // cmp al, '$'
		0x74, 0x09, // je done
		0xB4, 0x0E, // mov ah, 0Eh
		0xBB, 0x07, 0x00, // mov bx, 7
		0xCD, 0x10, // int 10h
		0xEB, 0xF2, // jmp next
		0xF4,       // done: hlt
		0xEB, 0xFD, // jmp done
	}
	disk := make([]byte, 1<<20)
	copy(disk, code)
	copy(disk[0x1A:], text+"$")
	copy(disk[510:], "\x55\xAA")
	path := filepath.Join(t.TempDir(), "disk,1.img") // a comma is special to QEMU
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBootSeesTheScreen(t *testing.T) {
	t.Parallel()
	disk := bootSector(t, "hello from the screen")
	Boot(t, BootOptions{Disk: disk, Expect: "hello from the screen", Timeout: 20 * time.Second})
}

// Every way not to see the text is an error that says so, and shows the screen.
func TestBootFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, expect string
		change             func(disk []byte)
		timeout            time.Duration
		why, screen        string
	}{
		{"other text", "hellp", "hello", nil, 5 * time.Second, `no "hello" within`, "hellp"},
		{"no signature", "hello", "hello", func(b []byte) { b[510]++ }, 20 * time.Second, `"No bootable device" instead of "hello"`, "Booting from"},
		{"gave up", "Press Ctrl+Alt+Del to restart", "hello", nil, 20 * time.Second, `instead of "hello"`, "Ctrl+Alt+Del"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			disk := bootSector(t, c.text)
			if c.change != nil {
				b, err := os.ReadFile(disk)
				if err != nil {
					t.Fatal(err)
				}
				c.change(b)
				if err := os.WriteFile(disk, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r, err := TryBoot(t, BootOptions{Disk: disk, Expect: c.expect, Timeout: c.timeout})
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error %v, want %q", err, c.why)
			}
			if !strings.Contains(r.Screen, c.screen) {
				t.Errorf("screen:\n%s\nwant %q", r.Screen, c.screen)
			}
		})
	}
}

func TestBootUEFIFails(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("OVMF takes its time")
	}
	disk := bootSector(t, "not for UEFI")
	r, err := TryBoot(t, BootOptions{Disk: disk, Firmware: UEFI, Expect: "hello"})
	if err == nil || !strings.Contains(err.Error(), "instead of") {
		t.Errorf("error %v\n%s", err, r.Serial)
	}
}

func TestBootWithoutDisk(t *testing.T) {
	_, err := TryBoot(t, BootOptions{Disk: filepath.Join(t.TempDir(), "none.img"), Expect: "hello"})
	if err == nil || !strings.Contains(err.Error(), "qemu did not start") || !strings.Contains(err.Error(), "none.img") {
		t.Error(err)
	}
}

func TestScreenText(t *testing.T) {
	cells := make([]byte, 2*screenColumns*screenRows)
	for i, c := range "  ab" {
		cells[2*(screenColumns+i)] = byte(c)
	}
	if got, want := screenText(cells), "  ab"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if screenText(cells[:10]) != "" {
		t.Error("a part of a row was shown")
	}
}
