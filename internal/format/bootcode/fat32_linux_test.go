package bootcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
)

// A fatVolume is an image file with a FAT32 volume made by mkfs.vfat and filled with mtools.
type fatVolume struct {
	t    *testing.T
	path string
}

func makeFAT(t *testing.T, size int64, cluster int) fatVolume {
	t.Helper()
	oracle.Need(t, "mkfs.vfat", "fsck.fat", "mcopy", "mmd", "mdel", "mlabel", "mshowfat")
	path := filepath.Join(t.TempDir(), "fat.img")
	check(t, os.WriteFile(path, nil, 0o600))
	check(t, os.Truncate(path, size))
	oracle.Run(t, "mkfs.vfat", "-F", "32", "-s", strconv.Itoa(cluster/512), "-h", strconv.Itoa(partitionStart/512), path)
	return fatVolume{t, path}
}

// tool runs one of mtools on the volume.
func (v fatVolume) tool(name string, args ...string) string {
	v.t.Helper()
	return oracle.Run(v.t, name, append([]string{"-i", v.path}, args...)...)
}

// put writes the stand-in BOOTMGR, of size bytes, under a name.
func (v fatVolume) put(name string, size int) {
	v.t.Helper()
	b, err := bootprog.NewBOOTMGR(bootprog.BIOSName, size)
	check(v.t, err)
	v.write(name, b)
}

func (v fatVolume) write(name string, b []byte) {
	v.t.Helper()
	file := filepath.Join(v.t.TempDir(), "file")
	check(v.t, os.WriteFile(file, b, 0o600))
	v.tool("mcopy", file, "::/"+name)
}

// fill copies n files of size bytes into a directory ("" for the root), as 0.x, 1.x and so on.
func (v fatVolume) fill(dir string, n, size int) (names []string) {
	v.t.Helper()
	host := v.t.TempDir()
	var args []string
	for i := range n {
		name := fmt.Sprintf("%d.x", i)
		check(v.t, os.WriteFile(filepath.Join(host, name), make([]byte, size), 0o600))
		args, names = append(args, filepath.Join(host, name)), append(names, "::"+dir+"/"+name)
	}
	v.tool("mcopy", append(args, "::"+dir+"/")...)
	return names
}

// edit changes n bytes of the volume.
func (v fatVolume) edit(off int64, n int, change func([]byte)) {
	v.t.Helper()
	f, err := os.OpenFile(v.path, os.O_RDWR, 0)
	check(v.t, err)
	check(v.t, errors.Join(edit(f, off, n, func(b []byte) error { change(b); return nil }), f.Close()))
}

// free is how many bytes are, as FSInfo says.
func (v fatVolume) free() (n int) {
	v.t.Helper()
	v.edit(sectorSize+0x1E8, 4, func(b []byte) { n = int(binary.LittleEndian.Uint32(b)) * 512 })
	return n
}

// runs is how many pieces mshowfat says a file has.
func (v fatVolume) runs(name string) int {
	v.t.Helper()
	return strings.Count(v.tool("mshowfat", "::/"+name), "<")
}

// disk puts the volume on a disk with the records.
func (v fatVolume) disk(r Records) string {
	v.t.Helper()
	var reserved [2]byte
	v.edit(fat32ReservedAt, 2, func(b []byte) { copy(reserved[:], b) })
	n := int(binary.LittleEndian.Uint16(reserved[:])) * sectorSize
	return newDisk(v.t, oracle.WholeFile(v.path), 512, "c", r.MBR.Code, n, func(b []byte) error {
		return InstallFAT32(b, r.FAT32.Code)
	})
}

func (v fatVolume) boot(expect string) {
	v.t.Helper()
	oracle.Boot(v.t, oracle.BootOptions{Disk: v.disk(Own()), Bus: oracle.VirtIO, Expect: expect, Timeout: bootTimeout})
}

func TestFAT32ClusterSizes(t *testing.T) {
	t.Parallel()
	for cluster := 512; cluster <= 64<<10; cluster *= 8 {
		t.Run(fmt.Sprint(cluster), func(t *testing.T) {
			t.Parallel()
			v := makeFAT(t, int64(cluster)*68000, cluster)
			v.put("bootmgr", bootprog.Size)
			v.boot(bootprog.BIOSLine)
		})
	}
}

func TestFAT32FileSizes(t *testing.T) {
	heavy(t)
	t.Parallel()
	const most = 639<<10 - loaderAddress - 512
	for _, size := range []int{bootprog.MinSize(), 512, 65536, 65540, most} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			v := makeFAT(t, 40<<20, 512)
			v.put("BOOTMGR", size)
			v.boot(bootprog.BIOSLine)
		})
	}
}

// BOOTMGR and the root directory in many pieces, BOOTMGR's entry in a late one.
func TestFAT32Fragmented(t *testing.T) {
	t.Parallel()
	v := makeFAT(t, 36<<20, 512)
	v.tool("mmd", "::/d")
	names := v.fill("/d", 900, 512)
	v.write("rest", make([]byte, v.free()))
	var every []string
	for i := 0; i < len(names); i += 3 {
		every = append(every, names[i])
	}
	v.tool("mdel", every...)
	v.fill("", 150, 0) // ten clusters of directory
	v.put("BOOTMGR", 100_000)
	if n := v.runs("BOOTMGR"); n < 100 {
		t.Fatalf("BOOTMGR has only %d pieces", n)
	}
	if n := v.runs(""); n < 5 {
		t.Fatalf("the root directory has only %d pieces", n)
	}
	v.boot(bootprog.BIOSLine)
}

// BOOTMGR behind 2^32 bytes of the volume: FSInfo tells mtools where to look for room.
func TestFAT32FarEnd(t *testing.T) {
	t.Parallel()
	const cluster = 32 << 10
	v := makeFAT(t, 40<<30, cluster)
	const next = 40<<30/cluster - 2000
	v.edit(sectorSize+0x1EC, 4, func(b []byte) { binary.LittleEndian.PutUint32(b, next) })
	v.put("BOOTMGR", bootprog.Size)
	if where := v.tool("mshowfat", "::/BOOTMGR"); !strings.Contains(where, "<13") { // 13xxxxx
		t.Fatalf("BOOTMGR is not at the end: %s", where)
	}
	v.boot(bootprog.BIOSLine)
}

// What cannot boot says why; a good file beside it does not matter.
func TestFAT32Messages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, expect string
		change       func(v fatVolume)
	}{
		{"missing", "BOOTMGR not found", func(v fatVolume) {}},
		{"full cluster, missing", "BOOTMGR not found", func(v fatVolume) { v.fill("", 32, 0) }},
		{"other names", "BOOTMGR not found", func(v fatVolume) { v.put("BOOTMGR2", 4096); v.put("BOOTMGR.EXE", 4096); v.put("BOOTMG", 4096) }},
		{"directory", "BOOTMGR not found", func(v fatVolume) { v.tool("mmd", "::/BOOTMGR") }},
		{"label", "BOOTMGR not found", func(v fatVolume) { v.tool("mlabel", "::BOOTMGR") }},
		{"deleted", "BOOTMGR not found", func(v fatVolume) { v.put("BOOTMGR", 4096); v.tool("mdel", "::/BOOTMGR") }},
		{"empty", "BOOTMGR is empty", func(v fatVolume) { v.write("BOOTMGR", nil) }},
		{"too large", "BOOTMGR is too large", func(v fatVolume) { v.put("BOOTMGR", 639<<10-loaderAddress) }},
		{"far too large", "BOOTMGR is too large", func(v fatVolume) { v.put("BOOTMGR", 8<<20) }},
		{"label and file", bootprog.BIOSLine, func(v fatVolume) { v.tool("mlabel", "::BOOTMGR"); v.put("bootmgr", bootprog.Size) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := makeFAT(t, 40<<20, 512)
			c.change(v)
			v.boot(c.expect)
		})
	}
}

// Damage is noticed. The first case, without damage, shows that the others fail for the damage.
func TestFAT32Damage(t *testing.T) {
	heavy(t)
	t.Parallel()
	const fat = 32 * 512 // mkfs.vfat reserves 32 sectors
	link := func(cluster, next uint32) func(v fatVolume) {
		return func(v fatVolume) {
			v.edit(fat+int64(cluster)*4, 4, func(b []byte) { binary.LittleEndian.PutUint32(b, next) })
		}
	}
	for _, c := range []struct {
		name, expect string
		change       func(v fatVolume)
	}{
		{"none", bootprog.BIOSLine, func(fatVolume) {}},
		{"reserved bits", bootprog.BIOSLine, link(4, 0xF0000005)},
		{"chain too short", "FAT structure damaged", link(4, 0x0FFFFFFF)},
		{"bad cluster", "FAT structure damaged", link(4, 0x0FFFFFF7)},
		{"free cluster", "FAT structure damaged", link(4, 0)},
		{"cluster past the disk", "Disk read error", link(4, 0x0FFFFFF0)},
		{"wrong cluster", "checksum WRONG", link(10, 5)},
		{"endless directory", "BOOTMGR not found", func(v fatVolume) {
			v.tool("mdel", "::/BOOTMGR")
			v.fill("", 32, 0)
			link(2, 2)(v)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := makeFAT(t, 40<<20, 512)
			v.put("BOOTMGR", bootprog.Size)
			c.change(v)
			v.boot(c.expect)
		})
	}
}

// Damage to the record itself.
func TestFAT32RecordDamage(t *testing.T) {
	heavy(t)
	t.Parallel()
	v := makeFAT(t, 40<<20, 512)
	v.put("BOOTMGR", bootprog.Size)
	for _, c := range []struct {
		name, expect string
		off          int64 // in the volume
	}{
		{"sector size", "Wrong sector size", bpbAt + 1},
		{"tail", "Boot record damaged", fat32MoreAt*sectorSize + int64(bytes.LastIndex(fat32, []byte("TAIL"))-2*sectorSize)},
		{"name", "BOOTMGR not found", fat32MoreAt*sectorSize + int64(bytes.Index(fat32, []byte("BOOTMGR    "))-2*sectorSize)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := fatVolume{t, v.path}
			disk := v.disk(Own())
			fatVolume{t, disk}.edit(partitionStart+c.off, 1, func(b []byte) { b[0]++ })
			oracle.Boot(t, oracle.BootOptions{Disk: disk, Expect: c.expect, Timeout: bootTimeout})
		})
	}
}

// fsck.fat finds the volume as good with the record as without; it compares the boot sector with
// its backup, and would say so.
func TestFAT32Check(t *testing.T) {
	t.Parallel()
	v := makeFAT(t, 40<<20, 512)
	v.put("BOOTMGR", bootprog.Size)
	var whole []byte
	v.edit(0, 32*sectorSize, func(b []byte) {
		check(t, InstallFAT32(b, FAT32()))
		whole = append(whole, b...)
	})
	oracle.Run(t, "fsck.fat", "-n", v.path)
	v.edit(6*sectorSize+0x60, 1, func(b []byte) { b[0]++ })
	if out, _, _ := oracle.Try("fsck.fat", "-n", v.path); !strings.Contains(out, "differences between boot sector and its backup") {
		t.Errorf("fsck.fat did not look at the backup:\n%s", out)
	}
	if string(whole[sectorSize:][:4]) != "RRaA" {
		t.Error("FSInfo is gone")
	}
}
