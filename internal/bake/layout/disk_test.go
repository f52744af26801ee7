package layout_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/image"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/format/bcd"
	"github.com/winbake/packer-plugin-winbake/internal/format/bootcode"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/standin/bootprog"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
)

const mib = 1 << 20

// made is a disk with a recovery partition, and how it came about.
type made struct {
	path    string
	plan    *layout.Plan
	written *image.Written
	loader  guid.GUID // of the recovery environment's entry
}

// stores are where the disks' boot configurations are.
var stores = map[layout.Firmware][]string{
	layout.BIOS: {"Boot/BCD"},
	layout.UEFI: {"EFI/Microsoft/Boot/BCD", "EFI/Microsoft/Recovery/BCD"},
	layout.Both: {"Boot/BCD", "EFI/Microsoft/Boot/BCD", "EFI/Microsoft/Recovery/BCD"},
}

// managers are the boot managers of each kind of disk, and what they print.
var (
	managers = map[layout.Firmware][]boot.Firmware{layout.BIOS: {boot.BIOS}, layout.UEFI: {boot.UEFI}, layout.Both: {boot.BIOS, boot.UEFI}}
	machines = map[boot.Firmware]oracle.Firmware{boot.BIOS: oracle.BIOS, boot.UEFI: oracle.UEFI}
	greeting = map[boot.Firmware]string{boot.BIOS: bootprog.BIOSLine, boot.UEFI: bootprog.EFIName}
)

// makeDisk makes a disk of the stand-in.
func makeDisk(t *testing.T, firmware layout.Firmware) made {
	t.Helper()
	d, err := layout.New(layout.Spec{Size: 720 * mib, Firmware: firmware, Label: "Windows", Seed: []byte("seed"), Recovery: 100*mib + 1})
	if err != nil {
		t.Fatal(err)
	}
	windows, err := standin.Windows(standin.Options{Files: 20})
	if err != nil {
		t.Fatal(err)
	}
	c := layout.Contents{Main: windows, Recovery: recoveryTree(t, windows)}
	records := bootcode.Own()
	c.MBR, c.NTFS, c.FAT32 = records.MBR.Code, records.NTFS.Code, records.FAT32.Code
	system, systemRole := windows, layout.Windows
	if d.Find(layout.System) != nil {
		c.System = tree.New(windows.Now)
		system, systemRole = c.System, layout.System
	}
	m := made{path: filepath.Join(t.TempDir(), "disk.raw")}
	for _, f := range managers[firmware] {
		o := boot.Options{Firmware: f, System: device(d, systemRole), OS: boot.On(device(d, layout.Windows)), Recovery: &boot.Recovery{Device: device(d, layout.Recovery)}}
		o.LoaderID, o.ResumeID = boot.IDs([]byte("seed"))
		o.Recovery.LoaderID, o.Recovery.OptionsID = boot.RecoveryIDs([]byte("seed"))
		m.loader = o.Recovery.LoaderID
		if err := boot.Install(windows, system, o); err != nil {
			t.Fatal(err)
		}
	}
	if m.plan, err = d.Plan(c); err != nil {
		t.Fatal(err)
	}
	m.write(t)
	return m
}

func (m *made) write(t *testing.T) {
	t.Helper()
	f, err := image.Create(m.path, m.plan.Disk.Spec.Size, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m.written, err = image.Write(t.Context(), m.plan, func(int64) {}, f); err != nil {
		t.Fatal(err)
	}
	if err := image.Verify(t.Context(), m.plan, m.written, f); err != nil {
		t.Fatal(err)
	}
}

// recoveryTree moves the stand-in's recovery environment to a volume of its own.
func recoveryTree(t *testing.T, windows *tree.Tree) *tree.Tree {
	t.Helper()
	r := tree.New(windows.Now)
	for _, from := range []string{"Windows/System32/Recovery/Winre.wim", "Windows/Boot/DVD/PCAT/boot.sdi"} {
		n, err := windows.Lookup(from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.CopyFile("Recovery/WindowsRE/"+path.Base(from), windows, n); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func device(d *layout.Disk, r layout.Role) bcd.Device {
	p := d.Find(r)
	if d.MBR() {
		return bcd.MBRPartition(d.Signature, uint64(p.Offset))
	}
	return bcd.GPTPartition(d.ID, p.ID)
}

// TestRecoveryDisk has the disks judged: partition tables, file systems, that the entries in the boot
// configuration name the very partition that sfdisk shows and a file on it, and that they still start.
func TestRecoveryDisk(t *testing.T) {
	oracle.Need(t, "sfdisk", "sgdisk", "hivexget", "ntfscat", "ntfslabel", "wimlib-imagex", "mcopy", "qemu-system-x86_64")
	for _, firmware := range layout.Firmwares {
		t.Run(string(firmware), func(t *testing.T) {
			t.Parallel()
			m := makeDisk(t, firmware)
			table := oracle.JudgeDisk(t, m.path)
			n := len(table.Partitions)
			judgeTable(t, table, firmware)
			if firmware != layout.BIOS {
				oracle.FsckFAT(t, table.Volume(m.path, 1))
			}
			oracle.JudgeNTFS(t, table.Volume(m.path, n-1))
			volume := table.Volume(m.path, n)
			oracle.JudgeNTFS(t, volume)
			judgeHidden(t, table, m.path)
			if label := strings.TrimSpace(oracle.Run(t, "ntfslabel", volume.File(t))); label != "Recovery" {
				t.Errorf("label %q", label)
			}
			for _, path := range stores[firmware] {
				m.judgeStore(t, table, path)
			}
			for _, f := range managers[firmware] {
				oracle.Boot(t, oracle.BootOptions{Disk: m.path, Firmware: machines[f], Bus: oracle.SATA, Expect: greeting[f], Timeout: 3 * time.Minute})
			}
		})
	}
}

// judgeTable checks what sfdisk and sgdisk make of the last two partitions.
func judgeTable(t *testing.T, table oracle.PartitionTable, firmware layout.Firmware) {
	t.Helper()
	n := len(table.Partitions)
	windows, recovery := table.Partitions[n-2], table.Partitions[n-1]
	if windows.Start+windows.Size != recovery.Start || recovery.Size*512 != 101*mib || recovery.Start*512%mib != 0 {
		t.Errorf("Windows %d+%d, recovery %d+%d", windows.Start, windows.Size, recovery.Start, recovery.Size)
	}
	if firmware == layout.UEFI {
		if n != 4 || recovery.Type != "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC" || recovery.Attrs != "RequiredPartition GUID:63" {
			t.Errorf("%d partitions, the last %+v", n, recovery)
		}
		return
	}
	if windows.Type != "7" || recovery.Type != "27" || recovery.Bootable || windows.Bootable != (firmware == layout.BIOS) {
		t.Errorf("Windows %+v, recovery %+v", windows, recovery)
	}
}

// judgeHidden checks that each volume's boot record says where its partition begins.
func judgeHidden(t *testing.T, table oracle.PartitionTable, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range table.Partitions[len(table.Partitions)-2:] {
		var sector [512]byte
		if _, err := f.ReadAt(sector[:], p.Start*512); err != nil {
			t.Fatal(err)
		}
		if hidden := binary.LittleEndian.Uint32(sector[0x1C:]); int64(hidden) != p.Start {
			t.Errorf("hidden sectors %d of the partition at %d", hidden, p.Start)
		}
	}
}

// judgeStore reads, with hivex, from which volume and file a store starts the recovery environment,
// and looks there.
func (m *made) judgeStore(t *testing.T, table oracle.PartitionTable, path string) {
	t.Helper()
	n := len(table.Partitions)
	var hive []byte
	if n == 2 { // Windows' own partition is the system partition
		hive = []byte(oracle.Run(t, "ntfscat", table.Volume(m.path, 1).File(t), path))
	} else {
		hive = oracle.MtoolsRead(t, table.Volume(m.path, 1), path)
	}
	host := filepath.Join(t.TempDir(), "BCD")
	if err := os.WriteFile(host, hive, 0o600); err != nil {
		t.Fatal(err)
	}
	get := func(id, element string) []byte {
		return []byte(oracle.Run(t, "hivexget", host, `Objects\`+id+`\Elements\`+element, "Element"))
	}
	partition := partitionDescriptor(t, table, n)
	var options string
	for _, element := range []string{"11000001", "21000001"} {
		data := get(m.loader.Braced(), element)
		options = guid.Read(data).Braced()
		_, file, ok := bytes.Cut(data, partition)
		if !ok {
			t.Fatalf("%s: %s is %x, which has no %x", path, element, data, partition)
		}
		wim := filepath.Join(t.TempDir(), "found.wim")
		content := oracle.Run(t, "ntfscat", table.Volume(m.path, n).File(t), slashes(t, file))
		if err := os.WriteFile(wim, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		oracle.Run(t, "wimlib-imagex", "verify", "--quiet", wim)
	}
	if data := get(options, "31000003"); !bytes.Equal(data, append(make([]byte, 16), partition...)) {
		t.Errorf("%s: ramdisksdidevice is %x, want %x", path, data, partition)
	}
	sdi := oracle.Run(t, "hivexget", host, `Objects\`+options+`\Elements\32000004`, "Element")
	content := oracle.Run(t, "ntfscat", table.Volume(m.path, n).File(t), strings.ReplaceAll(strings.TrimSpace(sdi)[1:], `\`, "/"))
	if !strings.HasPrefix(content, "$SDI0001") {
		t.Errorf("%s: boot.sdi begins with %.8q", path, content)
	}
}

// slashes is a path of the store as ntfscat takes it.
func slashes(t *testing.T, utf16 []byte) string {
	t.Helper()
	s := utf16le.Decode(utf16)
	if s == "" || s[0] != '\\' {
		t.Fatalf("path %q", s)
	}
	return strings.ReplaceAll(strings.TrimRight(s[1:], "\x00"), `\`, "/")
}

// partitionDescriptor is how a store must name the n-th partition, from what sfdisk says of it.
func partitionDescriptor(t *testing.T, table oracle.PartitionTable, n int) []byte {
	t.Helper()
	p := table.Partitions[n-1]
	var id, disk [16]byte
	kind := byte(0)
	if table.Label == "gpt" {
		id, disk = mixed(t, p.UUID), mixed(t, table.ID)
	} else {
		kind = 1
		binary.LittleEndian.PutUint64(id[:], uint64(p.Start*512))
		signature, err := strconv.ParseUint(table.ID, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint32(disk[:], uint32(signature))
	}
	out := append([]byte{6, 0, 0, 0, 0, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0}, id[:]...)
	out = append(out, 0, 0, 0, 0, kind, 0, 0, 0)
	return append(append(out, disk[:]...), make([]byte, 16)...)
}

// mixed is a GUID's bytes: its first three fields are little endian.
func mixed(t *testing.T, text string) (id [16]byte) {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != 16 {
		t.Fatalf("%q: %v", text, err)
	}
	for i, from := range []int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		id[i] = b[from]
	}
	return id
}

// TestRecoveryIsVerified flips a byte of the recovery volume's metadata.
func TestRecoveryIsVerified(t *testing.T) {
	m := makeDisk(t, layout.BIOS)
	f, err := os.OpenFile(m.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v := m.plan.Volumes[len(m.plan.Volumes)-1]
	at := v.Partition.Offset + v.Regions()[0].Offset + 0x48 // the serial number in the boot record
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := image.Verify(context.Background(), m.plan, m.written, f); err == nil || !strings.HasPrefix(err.Error(), "recovery partition") {
		t.Errorf("a flipped byte: %v", err)
	}
}

// TestRecoverySameBytes makes a disk twice.
func TestRecoverySameBytes(t *testing.T) {
	var disks [2][]byte
	for i := range disks {
		m := makeDisk(t, layout.UEFI)
		var err error
		if disks[i], err = os.ReadFile(m.path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(disks[0], disks[1]) {
		t.Error("two disks of the same inputs differ")
	}
}
