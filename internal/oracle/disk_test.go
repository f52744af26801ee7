package oracle

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sampleDisk makes a disk with two partitions, the first of which is a FAT volume with a directory and
// a file, all by outside tools.
func sampleDisk(t *testing.T) string {
	t.Helper()
	Need(t, "sgdisk", "sfdisk", "mkfs.vfat", "mmd", "mcopy")
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 64<<20); err != nil {
		t.Fatal(err)
	}
	Run(t, "sgdisk", "-n", "1:2048:+40M", "-t", "1:ef00", "-c", "1:EFI system", "-n", "2:0:124927", "-t", "2:0700", disk)
	Run(t, "mkfs.vfat", "-F", "32", "-s", "1", "--offset", "2048", disk, "40960")
	host := filepath.Join(t.TempDir(), "hello.txt")
	if err := os.WriteFile(host, []byte("hello from mtools"), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, "mmd", "-i", disk+"@@1M", "::/EFI")
	Run(t, "mcopy", "-i", disk+"@@1M", host, "::/EFI/hello.txt")
	return disk
}

func TestDiskJudges(t *testing.T) {
	disk := sampleDisk(t)
	table := JudgeDisk(t, disk)
	if len(table.Partitions) != 2 || table.Label != "gpt" || table.SectorSize != 512 {
		t.Fatalf("%+v", table)
	}
	p := table.Partitions[0]
	if p.Start != 2048 || p.Size != 81920 || p.Type != "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" || p.Name != "EFI system" {
		t.Errorf("%+v", p)
	}
	fat := table.Volume(disk, 1)
	FsckFAT(t, fat)
	SevenZip(t, fat, "FAT")
	if got := MtoolsList(t, fat); !slices.Equal(got, []string{"/EFI/", "/EFI/hello.txt"}) {
		t.Errorf("mdir lists %q", got)
	}
	if got := MtoolsRead(t, fat, "/EFI/hello.txt"); string(got) != "hello from mtools" {
		t.Errorf("mcopy reads %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(MtoolsTree(t, fat), "EFI", "hello.txt")); err != nil || string(got) != "hello from mtools" {
		t.Errorf("mcopy -s: %q, %v", got, err)
	}
	Need(t, "grub-fstest")
	if got := (Grub{disk, "(loop0,gpt1)"}).Read(t, "EFI/hello.txt"); string(got) != "hello from mtools" {
		t.Errorf("grub-fstest reads %q", got)
	}
}

func TestDiskJudgesSeeDamage(t *testing.T) {
	Need(t, "fsck.fat", "7z")
	disk := sampleDisk(t)
	image, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	const fat = 1 << 20 // where the FAT volume begins
	fats := fat + int(image[fat+14])*512
	fsck := func(p string) error { return fsckFAT(copied(t, Volume{p, fat, 40 << 20})) }
	for _, test := range []struct {
		what string
		at   int
		by   func(string) error
	}{
		{"GPT header, sgdisk", 512 + 0x38, sgdisk},
		{"GPT header, sfdisk", 512 + 0x38, func(p string) error { return second(sfdisk(p)) }},
		{"GPT entry, sgdisk", 1024 + 0x20, sgdisk},
		{"GPT backup entry, sgdisk", len(image) - 33*512 + 0x20, sgdisk},
		{"type in the protective MBR, sgdisk", 0x1BE + 4, sgdisk},
		{"FAT, fsck.fat", fats + 2*4, fsck},
		{"FAT boot sector, fsck.fat", fat + 0x40, fsck},
	} {
		if err := test.by(disk); err != nil {
			t.Fatalf("%s: objects to the good disk: %v", test.what, err)
		}
		if test.by(damaged(t, image, test.at)) == nil {
			t.Errorf("%s: accepts a flipped byte at %#x", test.what, test.at)
		}
	}
}

func copied(t *testing.T, v Volume) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "volume")
	if err := v.CopyTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQemuImg(t *testing.T) {
	Need(t, "qemu-img", "7z")
	raw := filepath.Join(t.TempDir(), "disk.raw")
	content := append(bytes.Repeat([]byte("some content of a disk.."), 100_000), make([]byte, 1<<20)...)
	content = content[:len(content)&^511]
	if err := os.WriteFile(raw, content, 0o600); err != nil {
		t.Fatal(err)
	}
	qcow2 := QemuImgConvert(t, raw, "raw", "qcow2", "cluster_size=64k")
	QemuImgCheck(t, qcow2, "qcow2")
	QemuImgCompare(t, raw, "raw", qcow2, "qcow2")
	if info := QemuImgInfo(t, qcow2, ""); info.Format != "qcow2" || info.VirtualSize != int64(len(content)) || info.ClusterSize != 64<<10 {
		t.Errorf("%+v", info)
	}
	vhd := QemuImgConvert(t, raw, "raw", "vpc", "subformat=dynamic,force_size=on")
	if info := QemuImgInfo(t, vhd, "vpc"); info.VirtualSize != int64(len(content)) {
		t.Errorf("%+v", info)
	}

	if err := qemuImgCompare(damaged(t, content, 5000), "raw", qcow2, "qcow2"); err == nil || !strings.Contains(err.Error(), "mismatch") {
		t.Errorf("a flipped byte compares: %v", err)
	}
	longer := copied(t, WholeFile(raw))
	if err := os.Truncate(longer, int64(len(content))+4096); err != nil {
		t.Fatal(err)
	}
	if qemuImgCompare(longer, "raw", qcow2, "qcow2") == nil {
		t.Error("a longer disk compares")
	}
	image, err := os.ReadFile(qcow2)
	if err != nil {
		t.Fatal(err)
	}
	// The refcount table's first entry leads to the block that counts the first clusters.
	table := int(image[0x36])<<8 | int(image[0x37]) // bytes 6 and 7 of the offset, which is below 2^16 * 2^16
	table |= (int(image[0x34])<<8 | int(image[0x35])) << 16
	block := int(image[table+4])<<24 | int(image[table+5])<<16 | int(image[table+6])<<8 | int(image[table+7])
	if qemuImgCheck(damaged(t, image, block+1), "qcow2") == nil {
		t.Error("qemu-img check accepts a wrong reference count")
	}
	extracted, err := os.ReadFile(SevenZipDisk(t, qcow2, "QCOW"))
	if err != nil || !bytes.Equal(extracted, content) {
		t.Errorf("7-Zip extracts another disk (%v)", err)
	}
	for _, at := range []int{0, 23} { // signature, size of clusters
		if second(sevenZipDisk(damaged(t, image, at), "QCOW", t.TempDir())) == nil {
			t.Errorf("7-Zip accepts a flipped byte at %d", at)
		}
	}
	if second(qemuImgInfo(damaged(t, image, 0), "qcow2")) == nil {
		t.Error("qemu-img info accepts a broken signature")
	}
}
