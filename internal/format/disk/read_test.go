package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/disk"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

func read(t *testing.T, f *os.File) []disk.Partition {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	got, err := disk.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestReadOurs reads what the package writes.
func TestReadOurs(t *testing.T) {
	got := read(t, gptDisk(t, 1<<30))
	if len(got) != 3 || got[2].Number != 3 || got[2].ID != partID || got[2].Type != disk.TypeBasicData || got[2].Name != "Basic data partition" ||
		got[0].Attributes != disk.AttrNoDriveLetter || got[1].Offset != 301*mib || got[1].Size != 16*mib {
		t.Errorf("%+v", got)
	}
	f := newDisk(t, 1<<30)
	want := disk.Partition{Number: 1, Offset: mib, Size: 1<<30 - mib, MBRType: disk.TypeNTFS, Active: true}
	if err := disk.WriteMBR(f, 1<<30, 1, nil, []disk.Partition{want}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f); len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}
}

// logicals is a disk with logical partitions between primary ones, for sfdisk.
const logicals = `label: dos
start=2048, size=20480, type=7, bootable
start=22528, size=100352, type=f
start=124928, size=4096, type=c
start=24576, size=20480, type=7
start=47104, size=8192, type=27
start=57344, size=8192, type=7
`

// TestReadLogical compares logical partitions with what sfdisk made.
func TestReadLogical(t *testing.T) {
	oracle.Need(t, "sfdisk")
	f := newDisk(t, 64*mib)
	command(t, logicals, "sfdisk", "--quiet", f.Name())
	var want, got []string
	for i, p := range oracle.Sfdisk(t, f.Name()).Partitions {
		if number := []int{1, 2, 3, 5, 6, 7}[i]; number != 2 { // the extended one
			want = append(want, fmt.Sprint(number, p.Start*512, p.Size*512, p.Type))
		}
	}
	for _, p := range read(t, f) {
		got = append(got, fmt.Sprint(p.Number, p.Offset, p.Size, fmt.Sprintf("%x", p.MBRType)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, sfdisk says %q", got, want)
	}
}

// command runs a program that takes its orders from its input.
func command(t *testing.T, input, name string, args ...string) {
	t.Helper()
	cmd := oracle.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// TestReadLargeSectors reads tables that fdisk makes for disks with sectors of 4,096 bytes. An MBR
// gives away the size only by what its partitions begin with.
func TestReadLargeSectors(t *testing.T) {
	oracle.Need(t, "fdisk")
	for label, partition := range map[string]string{"g": "n\n%d\n%d\n%d\n", "o": "n\np\n%d\n%d\n%d\n"} {
		f := newDisk(t, 64*mib)
		script := label + "\n" + fmt.Sprintf(partition, 1, 256, 1279) + fmt.Sprintf(partition, 2, 1280, 9471) + "w\n"
		command(t, script, "fdisk", "--sector-size=4096", f.Name())
		if _, err := f.WriteAt([]byte{0x55, 0xAA}, 1280*4096+510); err != nil {
			t.Fatal(err)
		}
		got := read(t, f)
		if len(got) != 2 || got[1].Number != 2 || got[1].Offset != 1280*4096 || got[1].Size != 8192*4096 {
			t.Errorf("%s: %+v", label, got)
		}
	}
}

// TestReadHybrid reads the GPT behind an MBR with entries of its own.
func TestReadHybrid(t *testing.T) {
	oracle.Need(t, "sgdisk")
	f := gptDisk(t, 1<<30)
	oracle.Run(t, "sgdisk", "--hybrid=1:2", f.Name())
	if got := read(t, f); len(got) != 3 || got[2].ID != partID {
		t.Errorf("%+v", got)
	}
	// Windows goes by the MBR then.
	problems := disk.Check(f, 1<<30).Problems
	if len(problems) != 3 || !strings.Contains(problems[2].Error(), "does not see the GPT") {
		t.Errorf("%v", problems)
	}
}

// mbrDisk is the head of a disk with one entry in its MBR, followed by zeros.
func mbrDisk(kind byte, first, count uint32) []byte {
	b := make([]byte, 64<<10)
	e := b[446:]
	e[4] = kind
	binary.LittleEndian.PutUint32(e[8:], first)
	binary.LittleEndian.PutUint32(e[12:], count)
	b[510], b[511] = 0x55, 0xAA
	return b
}

// extendedLoop is an extended partition whose chain leads back to its start.
func extendedLoop() []byte {
	b := mbrDisk(5, 8, 100)
	copy(b[8*512:], mbrDisk(7, 1, 4)[:512])
	copy(b[8*512+462:], []byte{0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0})
	return b
}

// sealGPT gives the first copy of a GPT its checksums, as far as its numbers make sense.
func sealGPT(b []byte) {
	const at, size = 512, 92
	if len(b) < at+size {
		return
	}
	le, h := binary.LittleEndian, b[at:at+size]
	from, length := le.Uint64(h[0x48:]), uint64(le.Uint32(h[0x50:]))*uint64(le.Uint32(h[0x54:]))
	if from < uint64(len(b))/512 && length <= uint64(len(b))-from*512 {
		le.PutUint32(h[0x58:], crc32.ChecksumIEEE(b[from*512:][:length]))
	}
	le.PutUint32(h[12:], size)
	clear(h[0x10:0x14])
	le.PutUint32(h[0x10:], crc32.ChecksumIEEE(h))
}

func TestReadCorrupt(t *testing.T) {
	gpt := make([]byte, 1<<20)
	if _, err := gptDisk(t, 1<<30).ReadAt(gpt, 0); err != nil {
		t.Fatal(err)
	}
	change := func(off int) []byte {
		b := bytes.Clone(gpt)
		b[off] ^= 1
		return b
	}
	entries := func(count, size uint32) []byte {
		b := bytes.Clone(gpt)
		binary.LittleEndian.PutUint32(b[512+0x50:], count)
		binary.LittleEndian.PutUint32(b[512+0x54:], size)
		sealGPT(b)
		return b
	}
	for name, c := range map[string]struct {
		disk []byte
		size int64
		says string
	}{
		"GPT of 2 MiB":        {entries(1<<14, 128), 1 << 30, "16384 entries of 128 bytes"},
		"GPT of 2^64 bytes":   {entries(1<<32-1, 1<<32-8), 1 << 30, "4294967295 entries of 4294967288 bytes"},
		"nothing":             {nil, 0, "ends"},
		"no signature":        {make([]byte, 4096), 4096, "55 AA"},
		"partition beyond":    {mbrDisk(7, 2048, 1<<20), 64 << 10, "partition 1"},
		"partition at 0":      {mbrDisk(7, 0, 8), 64 << 10, "partition 1"},
		"loop":                {extendedLoop(), 64 << 10, "does not end"},
		"extended beyond":     {mbrDisk(5, 1<<30, 8), 64 << 10, "logical partition 5"},
		"GPT missing":         {mbrDisk(0xEE, 1, 127), 64 << 10, "announces a GPT"},
		"GPT header":          {change(512 + 40), 1 << 30, "header does not have its CRC"},
		"GPT entry":           {change(1024 + 33), 1 << 30, "entries do not have their CRC"},
		"GPT cut off":         {gpt, 512 << 20, "cut off"},
		"GPT cut off at once": {gpt, 1200, "the disk ends"},
	} {
		_, err := disk.Read(bytes.NewReader(c.disk), c.size)
		if !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReadGPT is FuzzRead of GPTs whose checksums are right.
func FuzzReadGPT(f *testing.F) {
	gpt := make([]byte, 2048)
	if _, err := gptDisk(f, 1<<30).ReadAt(gpt, 0); err != nil {
		f.Fatal(err)
	}
	binary.LittleEndian.PutUint32(gpt[512+0x50:], 8)
	f.Add(gpt)
	f.Fuzz(func(t *testing.T, b []byte) {
		sealGPT(b)
		fuzzRead(t, b, 1<<30)
	})
}

func FuzzRead(f *testing.F) {
	f.Add(extendedLoop(), int64(64<<10))
	f.Add(mbrDisk(7, 8, 8), int64(64<<10))
	f.Add(mbrDisk(0xEE, 1, 127), int64(64<<10))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if size >= 0 {
			fuzzRead(t, b, size)
		}
	})
}

// fuzzRead expects Read, Describe and Check to agree about the head of a disk.
func fuzzRead(t *testing.T, b []byte, size int64) {
	got, err := disk.Read(bytes.NewReader(b), size)
	if _, describeErr := disk.Describe(bytes.NewReader(b), size); err == nil && describeErr != nil {
		t.Errorf("%v", describeErr)
	}
	for i := range got {
		_, _ = got[i].TypeName(), got[i].AttributeNames()
	}
	if err != nil && !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	checked := disk.Check(bytes.NewReader(b), size)
	if err != nil && len(checked.Problems) == 0 {
		t.Errorf("Read: %v; Check finds nothing", err)
	}
	for _, p := range got {
		if err == nil && (p.Offset <= 0 || p.Size <= 0 || p.Offset+p.Size > size) {
			t.Errorf("%+v on a disk of %d bytes", p, size)
		}
	}
}
