package bootcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
)

const bootTimeout = 2 * time.Minute // far more than needed, but machines can be busy

// boot boots a volume made by outside programs with winbake's records.
func boot(t *testing.T, v oracle.Volume, o oracle.BootOptions) {
	t.Helper()
	sector := max(o.SectorSize, 512)
	o.Disk = makeDisk(t, v, sector, Own())
	o.Timeout = bootTimeout
	oracle.Boot(t, o)
}

// put returns a fill function that writes the stand-in BOOTMGR, of size bytes, under a name.
func put(name string, size int) func(dir string) error {
	return func(dir string) error {
		b, err := bootprog.NewBOOTMGR(bootprog.BIOSName, size)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), b, 0o600)
	}
}

func TestNTFSClusterSizes(t *testing.T) {
	t.Parallel()
	for _, cluster := range []int{512, 1024, 4096, 8192, 65536} {
		t.Run(fmt.Sprint(cluster), func(t *testing.T) {
			t.Parallel()
			v := makeVolume(t, oracle.NTFSSpec{Cluster: cluster}, put("BOOTMGR", bootprog.Size))
			boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
		})
	}
}

func TestNTFSBuses(t *testing.T) {
	heavy(t)
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{}, put("bootmgr", bootprog.Size))
	for _, bus := range []oracle.Bus{oracle.SATA, oracle.VirtIO, oracle.NVMe, oracle.USB} {
		t.Run(string(bus), func(t *testing.T) {
			t.Parallel()
			boot(t, v, oracle.BootOptions{Bus: bus, Expect: bootprog.BIOSLine})
		})
	}
}

// A disk with sectors of 4096 bytes: file records and index blocks of 4096 bytes too.
func TestNTFS4096ByteSectors(t *testing.T) {
	heavy(t)
	t.Parallel()
	for _, cluster := range []int{4096, 65536} {
		v := makeVolume(t, oracle.NTFSSpec{Cluster: cluster, Sector: 4096}, func(dir string) error {
			return errors.Join(put("BOOTMGR", bootprog.Size)(dir), touch(dir, 200, 0))
		})
		boot(t, v, oracle.BootOptions{Bus: oracle.NVMe, SectorSize: 4096, Expect: bootprog.BIOSLine})
	}
}

// Sizes around the edges: the smallest file (resident), sectors, 64 KiB segments, the most that
// fits below the 639 KiB of SeaBIOS.
func TestNTFSFileSizes(t *testing.T) {
	heavy(t)
	t.Parallel()
	const most = 639<<10 - loaderAddress - 512
	for _, size := range []int{bootprog.MinSize(), 1024, 65536, 65540, most} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			v := makeVolume(t, oracle.NTFSSpec{}, put("BOOTMGR", size))
			resident := !has(t, v, "/BOOTMGR", "$DATA", func(a attribute) bool { return a.large })
			if resident != (size == bootprog.MinSize()) {
				t.Fatalf("resident: %v", resident)
			}
			boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
		})
	}
}

// loaderAddress is 2000:0000.
const loaderAddress = 0x20000

// touch makes n empty files whose names are at least length characters long.
func touch(dir string, n, length int) error {
	for i := range n {
		name := fmt.Sprintf("%05d", i)
		name += strings.Repeat("n", max(0, length-len(name)))
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// A root directory whose index is a tree of several levels, BOOTMGR deep in it.
func TestNTFSLargeDirectory(t *testing.T) {
	heavy(t)
	t.Parallel()
	for _, cluster := range []int{512, 4096, 65536} {
		t.Run(fmt.Sprint(cluster), func(t *testing.T) {
			t.Parallel()
			v := makeVolume(t, oracle.NTFSSpec{Cluster: cluster}, func(dir string) error {
				// Digits sort before B, so BOOTMGR goes to the end of the linear order; z after.
				return errors.Join(touch(dir, 1000, 120), put("BootMgr", bootprog.Size)(dir), touch(dir, 1200, 180))
			})
			if !has(t, v, "#5", "$INDEX_ALLOCATION", func(a attribute) bool { return sum(a.runs)*int64(cluster) > 100*4096 }) {
				t.Fatal("the root directory is small")
			}
			boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
		})
	}
}

func sum(runs []run) (n int64) {
	for _, r := range runs {
		n += r.length
	}
	return n
}

// A root directory with an $ATTRIBUTE_LIST, its index root in an extension record, and list and
// bitmap not resident: named streams crowd its base record.
func TestNTFSRootWithAttributeList(t *testing.T) {
	heavy(t)
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{}, func(dir string) error {
		err := errors.Join(put("BOOTMGR", bootprog.Size)(dir), touch(dir, 1500, 150))
		for i := range 14 {
			err = errors.Join(err, os.WriteFile(fmt.Sprintf("%s/:stream%d", dir, i), make([]byte, 40), 0o600))
		}
		return errors.Join(err, touch(dir, 3000, 160))
	})
	for _, want := range []struct {
		kind string
		is   func(attribute) bool
	}{
		{"$ATTRIBUTE_LIST", func(a attribute) bool { return a.large }},
		{"$INDEX_ROOT", func(a attribute) bool { return a.record != 5 }},
		{"$BITMAP", func(a attribute) bool { return a.large }},
	} {
		if !has(t, v, "#5", want.kind, want.is) {
			t.Errorf("the root directory has no such %s as the test wants", want.kind)
		}
	}
	boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
}

// fillUp writes files of size bytes until the volume is full, and returns their names.
func fillUp(dir string, size int) (names []string, err error) {
	sub := filepath.Join(dir, "filler")
	if err := os.Mkdir(sub, 0o700); err != nil {
		return nil, err
	}
	content := bytes.Repeat([]byte{0xCC}, size)
	for i := 0; ; i++ {
		name := filepath.Join(sub, fmt.Sprint(i))
		err := os.WriteFile(name, content, 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
}

// fragment fills the volume with files of size bytes, deletes as many as BOOTMGR needs, here and
// there, and writes BOOTMGR.
func fragment(size, loader int) func(dir string) error {
	return func(dir string) error {
		names, err := fillUp(dir, size)
		if err != nil {
			return err
		}
		random := rand.New(rand.NewPCG(1, 1))
		for _, i := range random.Perm(len(names))[:loader*6/5/size] {
			if err := os.Remove(names[i]); err != nil {
				return err
			}
		}
		return put("BOOTMGR", loader)(dir)
	}
}

// interleave grows BOOTMGR and another file by size bytes in turn.
func interleave(size, loader int) func(dir string) error {
	return func(dir string) error {
		b, err := bootprog.NewBOOTMGR(bootprog.BIOSName, loader)
		for part := range slices.Chunk(b, size) {
			err = errors.Join(err, grow(dir+"/BOOTMGR", part), grow(dir+"/other", part))
		}
		return err
	}
}

func grow(path string, part []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(part)
	return errors.Join(err, f.Close())
}

// BOOTMGR in many pieces, even so many that its run list needs extension records.
func TestNTFSFragmentedFile(t *testing.T) {
	t.Parallel()
	const loader = 413_736 // as large as the real one
	for _, c := range []struct {
		cluster, runs int
		listed        bool
		fill          func(dir string) error
	}{
		{1024, 140, true, fragment(2048, loader)},
		{2048, 140, true, fragment(2048, loader)},
		{4096, 80, false, fragment(4096, loader)},
		{65536, 7, false, interleave(65536, loader)},
	} {
		t.Run(fmt.Sprint(c.cluster), func(t *testing.T) {
			t.Parallel()
			v := makeVolume(t, oracle.NTFSSpec{Size: 16 << 20, Cluster: c.cluster}, c.fill)
			runs := dataRuns(t, v, "/BOOTMGR")
			listed := has(t, v, "/BOOTMGR", "$ATTRIBUTE_LIST", func(attribute) bool { return true })
			t.Logf("BOOTMGR has %d runs; attribute list: %v", len(runs), listed)
			if len(runs) < c.runs || listed != c.listed {
				t.Fatal("not as fragmented as the test wants")
			}
			boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
		})
	}
}

// $MFT in many pieces, its run list in extension records, BOOTMGR's record in a late piece.
func TestNTFSFragmentedMFT(t *testing.T) {
	heavy(t)
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{Size: 24 << 20, Cluster: 512}, func(dir string) error {
		names, err := fillUp(dir, 1536)
		if err != nil {
			return err
		}
		// Rooms of three clusters, of which new file records take many; then BOOTMGR.
		for i := 0; i < len(names); i += 2 {
			err = errors.Join(err, os.Remove(names[i]))
		}
		sub := filepath.Join(dir, "more")
		return errors.Join(err, os.Mkdir(sub, 0o700), touch(sub, len(names)/2+2500, 0), put("BOOTMGR", bootprog.Size)(dir))
	})
	runs := dataRuns(t, v, "#0")
	list := has(t, v, "#0", "$ATTRIBUTE_LIST", func(attribute) bool { return true })
	record := attributes(t, v, "/BOOTMGR")[0].record
	t.Logf("$MFT has %d runs; attribute list: %v; BOOTMGR is record %d", len(runs), list, record)
	if len(runs) < 100 || !list || int64(record) < sum(runs[:10])/2 {
		t.Fatal("not as fragmented as the test wants")
	}
	boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
}

// BOOTMGR with a thousand names: they fill extension records and an attribute list.
func TestNTFSManyHardLinks(t *testing.T) {
	heavy(t)
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{}, func(dir string) error {
		err := errors.Join(put("BOOTMGR", bootprog.Size)(dir), os.Mkdir(dir+"/links", 0o700))
		for i := range 1000 {
			err = errors.Join(err, os.Link(dir+"/BOOTMGR", fmt.Sprintf("%s/links/%0100d", dir, i)))
		}
		return err
	})
	if !has(t, v, "/BOOTMGR", "$ATTRIBUTE_LIST", func(a attribute) bool { return a.large }) {
		t.Fatal("no large attribute list")
	}
	boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
}

// BOOTMGR near the end of large disks: beyond 32 bits of bytes, and of sectors.
func TestNTFSFarEnd(t *testing.T) {
	heavy(t)
	t.Parallel()
	for _, c := range []struct {
		name    string
		size    int64
		cluster int
	}{
		{"40GiB", 40 << 30, 4096},
		{"3TiB", 3 << 40, 65536},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			oracle.Need(t, "ntfsfallocate")
			v := makeVolume(t, oracle.NTFSSpec{Size: c.size, Cluster: c.cluster}, func(dir string) error {
				return errors.Join(put("filler", 4096)(dir), put("gaps", 4096)(dir))
			})
			// ntfs-3g fills the space behind the reserve for $MFT, the first eighth, first.
			oracle.Run(t, "ntfsfallocate", "-f", "-l", fmt.Sprint(c.size/8*7-192<<20), v.Path, "filler")
			oracle.Run(t, "ntfsfallocate", "-f", "-l", fmt.Sprint(32<<20), v.Path, "gaps")
			oracle.EditNTFS(t, v, put("BOOTMGR", bootprog.Size))
			first := dataRuns(t, v, "/BOOTMGR")[0].lcn * int64(c.cluster)
			t.Logf("BOOTMGR is at %d of %d", first, c.size)
			if first < c.size-256<<20 {
				t.Fatal("BOOTMGR is not at the end")
			}
			boot(t, v, oracle.BootOptions{Expect: bootprog.BIOSLine})
		})
	}
}

// What cannot boot says why.
func TestNTFSMessages(t *testing.T) {
	t.Parallel()
	const (
		compressed = 0x800
		room       = 639<<10 - loaderAddress
	)
	for _, c := range []struct {
		name, expect string
		fill         func(dir string) error
	}{
		{"missing", "BOOTMGR not found", nil},
		{"other names", "BOOTMGR not found", func(dir string) error {
			return errors.Join(put("BOOTMGR2", 4096)(dir), put("BOOTMG", 4096)(dir), put("B\u00d6OTMGR", 4096)(dir), put("\u0142OOTMGR", 4096)(dir))
		}},
		{"directory", "BOOTMGR not found", func(dir string) error { return os.Mkdir(dir+"/BOOTMGR", 0o700) }},
		{"deleted", "BOOTMGR not found", func(dir string) error {
			return errors.Join(touch(dir, 300, 100), put("BOOTMGR", 4096)(dir), os.Remove(dir+"/BOOTMGR"))
		}},
		{"deleted with its block", "BOOTMGR not found", func(dir string) error {
			err := errors.Join(touch(dir, 300, 100), put("BOOTMGR", 4096)(dir), os.Remove(dir+"/BOOTMGR"))
			for i := 299; i >= 0; i-- {
				err = errors.Join(err, os.Remove(fmt.Sprintf("%s/%05d%s", dir, i, strings.Repeat("n", 95))))
			}
			return err
		}},
		{"empty", "BOOTMGR is empty", func(dir string) error { return os.WriteFile(dir+"/BOOTMGR", nil, 0o600) }},
		{"compressed", "BOOTMGR is compressed", func(dir string) error {
			if err := (&oracle.Stage{Path: dir}).Attributes(compressed).Err; err != nil {
				return err
			}
			return put("BOOTMGR", bootprog.Size)(dir)
		}},
		{"sparse", "BOOTMGR is sparse", func(dir string) error {
			return errors.Join(put("BOOTMGR", 4096)(dir), os.Truncate(dir+"/BOOTMGR", 300_000))
		}},
		{"too large", "BOOTMGR is too large", put("BOOTMGR", room)},
		{"far too large", "BOOTMGR is too large", put("BOOTMGR", 8<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			boot(t, makeVolume(t, oracle.NTFSSpec{}, c.fill), oracle.BootOptions{Expect: c.expect})
		})
	}
}

// fileRecord returns the offset of a file's record in the volume, whose $MFT is in one piece so far.
func fileRecord(t *testing.T, v oracle.Volume, cluster int64, file string) int64 {
	t.Helper()
	mft := dataRuns(t, v, "#0")[0].lcn * cluster
	return mft + int64(attributes(t, v, file)[0].record)<<10
}

// attributeIn returns the offset of the first attribute of a type in a file record of 1 KiB.
func attributeIn(t *testing.T, record []byte, kind uint32) int {
	t.Helper()
	for at := int(binary.LittleEndian.Uint16(record[0x14:])); at < 1000; {
		if binary.LittleEndian.Uint32(record[at:]) == kind {
			return at
		}
		at += int(binary.LittleEndian.Uint32(record[at+4:]))
	}
	t.Fatalf("no attribute %#x", kind)
	return 0
}

// A sector that cannot be read at first is tried again, by the MBR, by the first sector of the
// boot record and by the rest; one that never can be is an error, as is the first failure of records
// made to try only once.
func TestReadErrors(t *testing.T) {
	heavy(t)
	t.Parallel()
	v := makeVolume(t, oracle.NTFSSpec{}, put("BOOTMGR", bootprog.Size))
	data := dataRuns(t, v, "/BOOTMGR")[0].lcn * 4096 / 512
	for _, c := range []struct {
		name   string
		sector int64 // of the volume
		once   string
		tries  byte
		expect string
	}{
		{"boot sector, once", 0, "on", 5, bootprog.BIOSLine},
		{"rest of $Boot, once", 3, "on", 5, bootprog.BIOSLine},
		{"BOOTMGR, once", data + 100, "on", 5, bootprog.BIOSLine},
		{"boot sector, always", 0, "off", 5, "Error reading the active partition"},
		{"rest of $Boot, always", 15, "off", 5, "Disk read error"},
		{"BOOTMGR, always", data + 585, "off", 5, "Disk read error"},
		{"boot sector, one try", 0, "on", 1, "Error reading the active partition"},
		{"rest of $Boot, one try", 3, "on", 1, "Disk read error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := Own()
			for _, code := range [][]byte{r.MBR.Code, r.NTFS.Code} {
				code[bytes.Index(code, []byte{0xBF, 5, 0})+1] = c.tries // mov di, TRIES
			}
			path := makeDisk(t, v, 512, r)
			rules := filepath.Join(t.TempDir(), "rules") // of QEMU's blkdebug driver
			check(t, os.WriteFile(rules, fmt.Appendf(nil, "[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nonce = \"%s\"\nsector = \"%d\"\n",
				c.once, partitionStart/512+c.sector), 0o600))
			oracle.Boot(t, oracle.BootOptions{Disk: "blkdebug:" + rules + ":" + path, Expect: c.expect, Timeout: bootTimeout})
		})
	}
}

// The volume is as good for ntfs-3g's tools with the record as without, once the backup is made.
func TestNTFSCheck(t *testing.T) {
	t.Parallel()
	oracle.Need(t, "ntfsfix")
	v := makeVolume(t, oracle.NTFSSpec{}, put("BOOTMGR", bootprog.Size))
	f, err := os.OpenFile(v.Path, os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	var first []byte
	check(t, edit(f, 0, NTFSSize, func(b []byte) error {
		err := InstallNTFS(b, NTFS())
		first = b[:512]
		return err
	}))
	const size = 32 << 20
	_, err = f.WriteAt(first, size-512)
	check(t, err)
	if out := oracle.Run(t, "ntfsfix", "-n", v.Path); !strings.Contains(out, "alternate boot sector... OK") {
		t.Errorf("ntfsfix:\n%s", out)
	}
	check(t, edit(f, size-512, 512, func(b []byte) error { b[0x60]++; return nil }))
	if out, _, _ := oracle.Try("ntfsfix", "-n", v.Path); strings.Contains(out, "alternate boot sector... OK") {
		t.Errorf("ntfsfix did not look at the backup:\n%s", out)
	}
}

// Damage to BOOTMGR's file record and to $Boot itself is noticed. The first case, without damage,
// shows that the others fail for the damage.
func TestNTFSDamage(t *testing.T) {
	heavy(t)
	t.Parallel()
	const kind, cluster = 0x80, 4096
	v := makeVolume(t, oracle.NTFSSpec{}, put("BOOTMGR", bootprog.Size))
	record := fileRecord(t, v, cluster, "/BOOTMGR")
	data := dataRuns(t, v, "/BOOTMGR")[0].lcn * cluster
	inBoot := func(text string) int64 {
		at := bytes.LastIndex(ntfs, []byte(text))
		if at < 0 {
			t.Fatalf("no %q in the boot record", text)
		}
		return int64(at)
	}
	for _, c := range []struct {
		name, expect string
		off          int64
		change       func(b []byte)
	}{
		{"none", bootprog.BIOSLine, 0, func([]byte) {}},
		{"encrypted", "BOOTMGR is encrypted", record, func(b []byte) { b[attributeIn(t, b, kind)+0x0D] |= 0x40 }},
		{"no magic", "NTFS structure damaged", record, func(b []byte) { b[0]++ }},
		{"torn write", "NTFS structure damaged", record, func(b []byte) { b[510]++ }},
		{"torn end", "NTFS structure damaged", record, func(b []byte) { b[1022]++ }},
		{"not in use", "NTFS structure damaged", record, func(b []byte) { b[0x16] &^= 1 }},
		{"attribute length", "NTFS structure damaged", record, func(b []byte) { clear(b[attributeIn(t, b, 0x10)+4:][:4]) }},
		{"endless attribute", "NTFS structure damaged", record, func(b []byte) { b[attributeIn(t, b, 0x10)+6]++ }},
		{"too few runs", "NTFS structure damaged", record, func(b []byte) { b[attributeIn(t, b, kind)+0x40+1]-- }},
		{"hole", "NTFS structure damaged", record, func(b []byte) { b[attributeIn(t, b, kind)+0x40] &= 0x0F }},
		{"run past the disk", "Disk read error", record, func(b []byte) { b[attributeIn(t, b, kind)+0x40+3] = 0x70 }},
		{"content", "checksum WRONG", data + bootprog.Size - 1, func(b []byte) { b[0]++ }},
		{"name in boot record", "BOOTMGR not found", inBoot("BOOTMGR\r\nBOOTMGR not found"), func(b []byte) { b[3]++ }},
		{"tail of boot record", "Boot record damaged", inBoot("TAIL"), func(b []byte) { b[0]++ }},
		{"MFT cluster", "NTFS structure damaged", 0x30, func(b []byte) { b[0]++ }},
		{"wrong sector size", "Wrong sector size", 0x0B, func(b []byte) { b[1] = 4 }},
		{"cluster of 3 sectors", "NTFS structure damaged", 0x0D, func(b []byte) { b[0] = 3 }},
		{"record of 64 KiB", "NTFS structure damaged", 0x40, func(b []byte) { b[0] = 0xF0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := makeDisk(t, v, 512, Own())
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			check(t, err)
			defer f.Close()
			check(t, edit(f, partitionStart+c.off, 1024, func(b []byte) error { c.change(b); return nil }))
			oracle.Boot(t, oracle.BootOptions{Disk: path, Expect: c.expect, Timeout: bootTimeout})
		})
	}
}
