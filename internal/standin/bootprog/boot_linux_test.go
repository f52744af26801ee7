package bootprog

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// systemDisk returns a GPT disk whose EFI system partition holds app as \EFI\Boot\bootx64.efi, made
// by sgdisk and mtools.
func systemDisk(t *testing.T, app []byte) string {
	t.Helper()
	if testing.Short() {
		t.Skip("OVMF takes its time")
	}
	oracle.Need(t, "sgdisk", "mkfs.vfat", "mmd", "mcopy")
	dir := t.TempDir()
	disk, file := filepath.Join(dir, "disk.img"), filepath.Join(dir, "app.efi")
	for path, b := range map[string][]byte{disk: nil, file: app} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(disk, 66<<20); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "sgdisk", "-n", "1:2048:+64M", "-t", "1:ef00", disk)
	oracle.Run(t, "mkfs.vfat", "-F", "32", "--offset=2048", disk, "65536")
	volume := disk + "@@1M"
	oracle.Run(t, "mmd", "-i", volume, "::/EFI", "::/EFI/Boot")
	oracle.Run(t, "mcopy", "-i", volume, file, "::/EFI/Boot/bootx64.efi")
	return disk
}

// EFI says its name and the file that the firmware took, and switches the machine off.
func TestEFIBoots(t *testing.T) {
	t.Parallel()
	for bus, name := range map[oracle.Bus]string{oracle.SATA: EFIName, oracle.USB: "a rescue image"} {
		t.Run(string(bus), func(t *testing.T) {
			t.Parallel()
			app, err := NewEFI(name)
			if err != nil {
				t.Fatal(err)
			}
			serial := oracle.Boot(t, oracle.BootOptions{
				Disk: systemDisk(t, app), Firmware: oracle.UEFI, Bus: bus, UntilOff: true, Expect: name + `: uefi, \EFI\`,
			})
			if !strings.Contains(strings.ToLower(serial), `\efi\boot\bootx64.efi`) {
				t.Errorf("another path:\n%s", serial)
			}
		})
	}
}

// OVMF takes no application whose header is damaged: the boots above prove something.
func TestEFIDamaged(t *testing.T) {
	t.Parallel()
	app := EFI()
	app[bytes.Index(app, []byte("PE\x00\x00"))+4]++ // machine
	r, err := oracle.TryBoot(t, oracle.BootOptions{Disk: systemDisk(t, app), Firmware: oracle.UEFI, Expect: EFIName})
	if err == nil {
		t.Errorf("booted\n%s", r.Serial)
	}
}

// loaderDisk returns a disk whose first sector loads the 8 sectors behind it to segment:0 and jumps
// there. It is no boot record of winbake: the stand-in is tested without them.
func loaderDisk(t *testing.T, program []byte, segment byte) string {
	t.Helper()
	code := []byte{
		0x31, 0xC0, 0x8E, 0xD0, // xor ax, ax; mov ss, ax
		0xBC, 0x00, 0x7C, // mov sp, 7C00h
		0xB4, segment, 0x8E, 0xC0, // mov ah, segment; mov es, ax
		0x31, 0xDB, // xor bx, bx
		0xB9, 0x02, 0x00, 0xB6, 0x00, // mov cx, 2; mov dh, 0
		0xB8, 0x08, 0x02, 0xCD, 0x13, // mov ax, 0208h; int 13h
		0xEA, 0x00, 0x00, 0x00, segment, // jmp segment:0
	}
	disk := make([]byte, 1<<20)
	copy(disk, code)
	copy(disk[510:], "\x55\xAA")
	copy(disk[512:], program)
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// BOOTMGR switches the machine off, and reports where it is and whether it is whole.
func TestBOOTMGRBoots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		segment byte
		damage  int // offset, 0 for none
		expect  string
	}{
		{"whole", 0x20, 0, "a stand-in: bios, drive 0x80, 2000:0000, checksum ok\r\n"},
		{"elsewhere", 0x30, 0, "a stand-in: bios, drive 0x80, 3000:0000, checksum ok\r\n"},
		{"last byte", 0x20, 4095, "a stand-in: bios, drive 0x80, 2000:0000, checksum WRONG\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := NewBOOTMGR("a stand-in", 4096)
			if err != nil {
				t.Fatal(err)
			}
			if c.damage != 0 {
				b[c.damage] ^= 1
			}
			oracle.Boot(t, oracle.BootOptions{Disk: loaderDisk(t, b, c.segment), UntilOff: true, Expect: c.expect})
		})
	}
}
