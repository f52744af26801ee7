package vhdx_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/vhdx"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/sparse/sparsetest"
)

// logOfTwo is a log that maps another block, and then zeros and changes data of the first. The file
// is to become longer. (QEMU makes it so only if that gives no whole number of MiB.)
func logOfTwo(m *sparsetest.Image) []entry {
	bat := batSector(m, map[int]uint64{9: blocksAt + 3*mib | 6})
	return []entry{
		{sector: 0, tail: 0, sequence: 1, flushed: m.Size, last: m.Size + mib - 4096, patches: []patch{{at: batAt, data: bat}}},
		{sector: 2, tail: 0, sequence: 2, flushed: m.Size, last: m.Size + mib - 4096, patches: []patch{
			{at: blocksAt + mib, zeros: 16 * logSector}, {at: blocksAt + mib + 4*logSector, data: sector('a')},
		}},
	}
}

// logCase is a log, and which of its entries are to be replayed, in order.
type logCase struct {
	name    string
	entries []entry
	replay  []int
	// alone says that QEMU 7.2 replays something else. It knows no tails: it also replays what is whole
	// before one, which makes no difference to a file where that has arrived, as it should have; and
	// of entries around the end of the log it replays only those from its start on. Descriptors of more
	// than one sector it refuses.
	alone bool
}

func logCases() []logCase {
	m := newImage(512)
	at := func(sector, tail int64, sequence uint64, patches ...patch) entry {
		return entry{sector: sector, tail: tail, sequence: sequence, flushed: m.Size, last: m.Size, patches: patches}
	}
	data := func(i int64, c byte) patch { return patch{at: blocksAt + i*logSector, data: sector(c)} }
	zeros := func(i, n int64) patch { return patch{at: blocksAt + i*logSector, zeros: n * logSector} }
	many := func(n int64) (all []patch) { // that overlap
		for i := range n {
			all = append(all, zeros(256+i/2, 1), data(i%7, byte(i)))
			if i == n/2 {
				all = append(all, zeros(3, 200))
			}
		}
		return all
	}
	return []logCase{
		{"two", logOfTwo(m), []int{0, 1}, false},
		{"empty", []entry{at(0, 0, 9)}, []int{0}, false},
		{"older ones before the tail", []entry{
			at(0, 0, 1, data(0, 'a')), at(2, 2, 2, data(1, 'b')), at(4, 2, 3, data(2, 'c')),
		}, []int{1, 2}, true},
		{"later over earlier", []entry{
			at(0, 0, 1, data(0, 'a'), data(1, 'b'), zeros(2, 5)), at(3, 0, 2, zeros(0, 1), data(1, 'c'), data(4, 'd'), zeros(6, 9)),
		}, []int{0, 1}, false},
		{"around the end", []entry{
			at(253, 253, 8, data(0, 'a')), at(255, 253, 9, data(1, 'b'), data(2, 'c')), at(2, 253, 10, data(3, 'd')),
		}, []int{0, 1, 2}, true},
		{"newest of two sequences", []entry{
			at(10, 10, 20, data(0, 'n')), at(40, 40, 11, data(0, 'o')), at(42, 40, 12, data(1, 'o')),
		}, []int{0}, false},
		{"a gap", []entry{at(0, 0, 4, data(0, 'a')), at(2, 2, 6, data(0, 'b'))}, []int{1}, false},
		{"a sector of descriptors", []entry{at(0, 0, 5, many(60)...)}, []int{0}, false},
		{"sectors of descriptors", []entry{at(0, 0, 5, many(120)...)}, []int{0}, true},
	}
}

// TestReplay replays logs in memory. The disk is the one that there is when the entries are written
// into the file, and when qemu-img replays the log of a copy.
func TestReplay(t *testing.T) {
	oracle.Need(t, "qemu-img")
	for _, c := range logCases() {
		image := newImage(512)
		setLog(image, c.entries...)
		d, err := vhdx.Open(image, image.Size)
		if err != nil || d.Info().Replayed != len(c.replay) {
			t.Errorf("%s: %v, %+v", c.name, err, d)
			continue
		}
		clean := newImage(512)
		for _, i := range c.replay {
			write(clean, &c.entries[i])
		}
		sparsetest.Same(t, d, rawDisk(t, clean))
		if !c.alone {
			path := image.Write(t, "dirty.vhdx")
			oracle.Run(t, "qemu-img", "check", "-q", "-r", "all", path)
			sparsetest.Same(t, d, oracle.QemuImgConvert(t, path, "vhdx", "raw", ""))
		}
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
}

// write writes an entry into an image.
func write(m *sparsetest.Image, e *entry) {
	m.Size = max(m.Size, e.last)
	for _, p := range e.patches {
		b := p.data
		if b == nil {
			b = make([]byte, p.zeros)
		}
		m.Pieces = append(m.Pieces, sparsetest.Piece{Offset: p.at, Data: b})
	}
}

// rawDisk writes the disk in an image to a file.
func rawDisk(t *testing.T, m *sparsetest.Image) string {
	t.Helper()
	d, err := vhdx.Open(m, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clean.raw")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDamagedLog replays what is whole before the damage, as the specification has it: an entry that
// was being written when the host stopped is none.
func TestDamagedLog(t *testing.T) {
	for name, at := range map[string]int{"header": 2 * logSector, "checksum": 2*logSector + 5, "data": 3*logSector + 100, "sequence": 3*logSector + 4092} {
		m := newImage(512)
		setLog(m, logOfTwo(m)...)
		m.Pieces[pieceLog].Data[at]++
		if d, err := vhdx.Open(m, m.Size); err != nil || d.Info().Replayed != 1 {
			t.Errorf("%s: %v", name, err)
		}
		m.Pieces[pieceLog].Data[8]++ // of the first entry, too
		refused(t, name, m, fault.ErrCorrupt, "VHDX log at offset 0x100000: it is to be replayed, but")
	}
	m := newImage(512)
	two := logOfTwo(m)
	two[1].tail = 4 // not part of any sequence
	setLog(m, two...)
	refused(t, "tail", m, fault.ErrCorrupt, "no sequence")
}

// TestCutOff has a log that knows that the file was longer.
func TestCutOff(t *testing.T) {
	m := newImage(512)
	setLog(m, entry{sequence: 1, flushed: m.Size + 1, last: m.Size + mib})
	refused(t, "cut off", m, fault.ErrCorrupt, "it is cut off")
}

// TestStrangeEntries are not taken for entries.
func TestStrangeEntries(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"length 0":           func(b []byte) { le.PutUint32(b[8:], 0) },
		"length":             func(b []byte) { le.PutUint32(b[8:], 4097) },
		"longer than log":    func(b []byte) { le.PutUint32(b[8:], logSize+logSector) },
		"sequence 0":         func(b []byte) { le.PutUint64(b[16:], 0) },
		"descriptors":        func(b []byte) { le.PutUint32(b[24:], 1<<32-1) },
		"missing descriptor": func(b []byte) { le.PutUint32(b[24:], 0) },
		"another log's":      func(b []byte) { b[32]++ },
		"negative size":      func(b []byte) { b[63] = 0x80 },
		"descriptor":         func(b []byte) { b[64] = 'x' },
		"descriptor's place": func(b []byte) { b[80] = 1 },
		"negative place":     func(b []byte) { b[87] = 0x80 },
		"its sequence":       func(b []byte) { b[88]++ },
		"data":               func(b []byte) { b[logSector] = 'x' },
		"data's sequence":    func(b []byte) { b[logSector+4]++ },
	} {
		m := newImage(512)
		setLog(m, logOfTwo(m)[0])
		change(m.Pieces[pieceLog].Data)
		sealLog(m)
		refused(t, name, m, fault.ErrCorrupt, "no sequence")
	}
}

// TestWorstLog is full of headers that say they are followed by everything.
func TestWorstLog(t *testing.T) {
	m := newImage(512)
	const size = 16 * mib
	log := make([]byte, size)
	for at := 0; at < size; at += logSector {
		e := entry{sequence: 1, patches: []patch{{zeros: logSector}}}
		b := e.marshal()
		le.PutUint32(b[8:], size)
		le.PutUint32(b[24:], size/32-2)
		copy(log[at:], b)
	}
	m.Size = 64 * mib
	m.Pieces = append(m.Pieces, sparsetest.Piece{Offset: 32 * mib, Data: log})
	le.PutUint64(m.Pieces[pieceHeader1].Data[72:], 32*mib)
	le.PutUint32(m.Pieces[pieceHeader1].Data[68:], size)
	setDirty(m)
	sparsetest.Damage(t, m, m.Size, m.Size, nil, open)
	refused(t, "worst", m, fault.ErrCorrupt, "no sequence")
}

// samples were made by Hyper-V; one has a log to replay.
const samples = "vhdx/LTRData+DiscUtils/Tests/LibraryTests/"

func TestSamples(t *testing.T) {
	for _, name := range []string{"Btrfs/Data/btrfs.vhdx.gz", "Swap/Data/swap.vhdx.gz"} {
		path := filepath.Join(t.TempDir(), "sample.vhdx")
		if err := os.WriteFile(path, oracle.Sample(t, samples+name), 0o600); err != nil {
			t.Fatal(err)
		}
		d := openFile(t, path)
		if info := oracle.QemuImgInfo(t, path, "vhdx"); info.VirtualSize != d.Size() || d.Info().Replayed != 0 {
			t.Errorf("%s: %+v", name, d.Info())
		}
		sameRanges(t, d, oracle.QemuImgConvert(t, path, "vhdx", "raw", ""))
	}
}

// TestReplaySample replays Hyper-V's own log.
func TestReplaySample(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sample.vhdx")
	if err := os.WriteFile(path, oracle.Sample(t, samples+"Vhdx/Data/vhdx-log-replay.vhdx.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openFile(t, path)
	if d.Info().Replayed == 0 {
		t.Errorf("%+v", d.Info())
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "replayed.vhdx")
	if err := os.WriteFile(copied, before, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.Run(t, "qemu-img", "check", "-q", "-r", "all", copied)
	sameRanges(t, d, oracle.QemuImgConvert(t, copied, "vhdx", "raw", ""))
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file has changed (%v)", err)
	}
}

// sameRanges compares the beginning with that of a raw disk that is too large to compare all of it,
// and pieces of the rest.
func sameRanges(t *testing.T, d *vhdx.Disk, raw string) {
	t.Helper()
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, b, zeros := make([]byte, mib), make([]byte, mib), make([]byte, mib)
	filled := 0
	for off := int64(0); off < d.Size(); off += mib {
		if off > 128*mib {
			off += 15 * mib
		}
		n, err := d.ReadAt(a, off)
		m, err2 := f.ReadAt(b, off)
		if n != m || !bytes.Equal(a[:n], b[:m]) || n < len(a) && off+int64(n) < d.Size() {
			t.Fatalf("at %#x: %v, %v", off, err, err2)
		}
		if !bytes.Equal(a[:n], zeros[:n]) {
			filled++
		}
	}
	if filled == 0 {
		t.Error("the disk is empty")
	}
}
