package verify_test

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

// othersDisk makes a disk without winbake's writers of disks and volumes: sgdisk or sfdisk partitions it,
// mkfs.fat and mkntfs format it, mtools and wimlib fill it. The boot files are those of the stand-in.
func othersDisk(t *testing.T, firmware boot.Firmware) string {
	t.Helper()
	oracle.Need(t, "sgdisk", "sfdisk", "mkntfs", "mkfs.fat", "mcopy", "wimlib-imagex")
	path := filepath.Join(t.TempDir(), "others.raw")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 256*mib); err != nil {
		t.Fatal(err)
	}
	if firmware == boot.BIOS {
		cmd := oracle.Command("sfdisk", "--quiet", path)
		cmd.Stdin = strings.NewReader("label: dos\nlabel-id: 0xCAFE1234\nsize=64MiB, type=c, bootable\nsize=128MiB, type=7\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	} else {
		oracle.Run(t, "sgdisk", "-n1:0:+64M", "-t1:EF00", "-n2:0:+128M", "-t2:0700", path)
	}
	s := openScene(t, path)
	system, windows := s.partition(1), s.partition(2)
	place(t, path, windows.Offset, windowsVolume(t, windows.Size))
	place(t, path, system.Offset, systemVolume(t, firmware, s, system, windows))
	if firmware == boot.BIOS {
		installMBR(t, path)
	}
	return path
}

// windowsVolume has wimlib fill a volume of mkntfs with the stand-in.
func windowsVolume(t *testing.T, size int64) string {
	t.Helper()
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	v := oracle.MakeNTFS(t, oracle.NTFSSpec{Size: size, Label: "OS"})
	oracle.Run(t, "wimlib-imagex", "apply", filepath.Join(dir, "sources/install.wim"), "1", v.Path)
	return v.Path
}

// systemVolume has mkfs.fat and mtools make the system partition.
func systemVolume(t *testing.T, firmware boot.Firmware, s *scene, system, windows disk.Partition) string {
	t.Helper()
	image, err := standin.Windows(standin.Options{Files: 20})
	if err != nil {
		t.Fatal(err)
	}
	device := func(p disk.Partition) bcd.Device {
		id, err := disk.Identify(s.r, s.size)
		if err != nil {
			t.Fatal(err)
		}
		if id.GPT {
			return bcd.GPTPartition(id.ID, p.ID)
		}
		return bcd.MBRPartition(id.Signature, uint64(p.Offset))
	}
	files := tree.New(image.Now)
	o := boot.Options{Firmware: firmware, System: device(system), OS: boot.On(device(windows))}
	o.LoaderID, o.ResumeID = boot.IDs([]byte("others"))
	if err := boot.Install(image, files, o); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, files.FS()); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "fat.img")
	oracle.Run(t, "mkfs.fat", "-C", "-F", "32", "-h", fmt.Sprint(system.Offset/512), img, strconv.FormatInt(system.Size>>10, 10))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		oracle.Run(t, "mcopy", "-s", "-i", img, filepath.Join(dir, e.Name()), "::/")
	}
	if firmware == boot.BIOS {
		installFAT32(t, img)
	}
	return img
}

// installFAT32 does what bootsect does: mkfs.fat writes a notice that the volume does not boot.
func installFAT32(t *testing.T, img string) {
	t.Helper()
	f, err := os.OpenFile(img, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 32*disk.SectorSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := bootcode.InstallFAT32(b, bootcode.FAT32()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

func installMBR(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bootcode.MBR(), 0); err != nil {
		t.Fatal(err)
	}
}

// place copies a volume into its partition.
func place(t *testing.T, disk string, at int64, volume string) {
	t.Helper()
	out, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := os.Open(volume)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := io.Copy(io.NewOffsetWriter(out, at), in); err != nil {
		t.Fatal(err)
	}
}

// TestOthers finds nothing in disks that winbake had little part in.
func TestOthers(t *testing.T) {
	for _, firmware := range []boot.Firmware{boot.BIOS, boot.UEFI} {
		path := othersDisk(t, firmware)
		f := run(t, path, verify.Options{})
		clean(t, f)
		if !strings.Contains(strings.Join(f.Checked, "\n"), "BCD") {
			t.Errorf("%v: the boot chain was not followed: %s", firmware, f.Checked)
		}
	}
}

// TestOthersFormats converts such a disk with qemu-img.
func TestOthersFormats(t *testing.T) {
	path := othersDisk(t, boot.UEFI)
	for format, options := range map[string]string{"vpc": "subformat=fixed,force_size=on", "vhdx": "", "qcow2": "compat=0.10", "vpc ": "force_size=on", "qcow2 ": "cluster_size=4096"} {
		clean(t, run(t, oracle.QemuImgConvert(t, path, "raw", strings.TrimSpace(format), options), verify.Options{}))
	}
}

// TestSamples verifies volumes and disks that Windows and others made. What is found in them is explained.
func TestSamples(t *testing.T) {
	for name, want := range map[string]string{
		"ntfs/msuhanov+ntfs-samples/ntfs-2m.raw.gz":         "",
		"ntfs/msuhanov+ntfs-samples/ntfs-lastaccess.raw.gz": "",
		"ntfs/msuhanov+ntfs-samples/ntfs-ptrn.raw.gz":       "",
		// It has the footer of a VHD, and lacks 64 KiB before it.
		"ntfs/Velocidex+go-ntfs/tests/ads_with_same_ids/charlie.dd.bz2":      "container",
		"vhdx/LTRData+DiscUtils/Tests/LibraryTests/Btrfs/Data/btrfs.vhdx.gz": "",
		// Its footer does not have its checksum: qemu-img refuses it.
		"vhd/log2timeline+dfvfs/test_data/image.vhd": "container",
		// It was copied while Hyper-V had it open.
		"vhdx/LTRData+DiscUtils/Tests/LibraryTests/Vhdx/Data/vhdx-log-replay.vhdx.gz": "container-dirty",
		// It is swap space of Linux, without a partition table.
		"vhdx/LTRData+DiscUtils/Tests/LibraryTests/Swap/Data/swap.vhdx.gz": "mbr",
	} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sample")
			b := oracle.Sample(t, name)
			if filepath.Ext(name) == ".bz2" {
				var err error
				if b, err = io.ReadAll(bzip2.NewReader(bytes.NewReader(b))); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			f := run(t, path, verify.Options{})
			if got := strings.Join(checks(f), " "); got != want || f.Error != "" {
				t.Errorf("%s %s, expected %q", got, f.Error, want)
				log(t, f)
			}
		})
	}
}
