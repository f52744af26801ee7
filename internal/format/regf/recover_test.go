package regf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestMarvin has hashes that Windows wrote: of the heads of two log entries.
func TestMarvin(t *testing.T) {
	for text, want := range map[string]uint64{
		"48764c45005e00000000000002000000005000000100000031e40718666c8667": 0xcd44f3cfa7657f02,
		"48764c45003e0000010000003b0800000030bd0003000000c4812cbea1b6704b": 0xdd88c5d7df48f30a,
	} {
		head, err := hex.DecodeString(text)
		if got := marvin(head); err != nil || got != want {
			t.Errorf("%s: %#x, want %#x", text, got, want)
		}
	}
	for n := range 4 { // what is left of four bytes counts
		if marvin(make([]byte, n)) == marvin(make([]byte, n+1)) {
			t.Error(n)
		}
	}
}

// sameImage fails unless a recovered hive is the image that was logged, with sequence numbers n.
func sameImage(t *testing.T, got, want []byte, n uint32) {
	t.Helper()
	want = seal(bytes.Clone(want), n, n)
	size := baseSize + int(le.Uint32(want[0x28:]))
	if len(got) < size || !bytes.Equal(got[:size], want[:size]) {
		t.Errorf("not the hive that was logged")
		return
	}
	sameHive(t, parse(t, got), parse(t, want))
}

// flip returns p with a bit of the byte at off changed.
func flip(p []byte, off int) []byte {
	p = bytes.Clone(p)
	p[off] ^= 4
	return p
}

// never and every say which pages of a torn hive have been written.
func never(int) bool          { return false }
func every(n int) bool        { return n%3 == 0 }
func join(p ...[]byte) []byte { return bytes.Join(p, nil) }

// TestReplayNew replays logs in the new format.
func TestReplayNew(t *testing.T) {
	im := editedHives(t, 5)
	dirty := torn(im[0], im[0], 41, 40, never)
	all, first, second := newLog(40, im...), newLog(40, im[:3]...), newLog(42, im[2:]...)
	stale := newLog(38, im[3], im[1])
	entry := newEntry(40, im[0], im[1])
	refused := func(offset int, value uint32) []byte {
		e := bytes.Clone(entry)
		le.PutUint32(e[offset:], value)
		return join(first[:sectorSize], sealEntry(e))
	}
	for _, c := range []struct {
		name    string
		hive    []byte
		logs    [][]byte
		entries string // applied from each log
		result  int    // image that comes out; -1: none
		end     string // how reading the first log ends
	}{
		{"one log", dirty, [][]byte{all}, "[4]", 4, ""},
		{"two logs", dirty, [][]byte{first, second}, "[2 2]", 4, ""},
		{"two logs in the other order", dirty, [][]byte{second, first}, "[2 2]", 4, ""},
		{"some pages written", torn(im[0], im[4], 41, 40, every), [][]byte{first, second}, "[2 2]", 4, ""},
		{"an old log too", dirty, [][]byte{stale, all}, "[0 4]", 4, "has these changes already"},
		{"empty and missing logs", dirty, [][]byte{nil, all, {}}, "[0 4 0]", 4, "the log is empty"},
		{"remains of earlier entries", dirty, [][]byte{join(first, stale[sectorSize:])}, "[2]", 2, "entry 38 where 42 must be"},
		{"zeros behind the entries", dirty, [][]byte{join(first, make([]byte, 5000))}, "[2]", 2, "no entry 42 here"},
		{"cut inside an entry", dirty, [][]byte{all[:len(all)-1]}, "[3]", 3, "entry 43 has"},
		{"flipped in the data", dirty, [][]byte{flip(all, len(first)+5000)}, "[2]", 2, "entry 42 has a wrong hash"},
		{"flipped in the head", dirty, [][]byte{flip(all, len(first)+9)}, "[2]", 2, "entry 42 has a wrong hash"},
		{"flipped in the first log", dirty, [][]byte{flip(first, len(first)-9), second}, "[1 0]", 1, "entry 41 has a wrong hash"},
		{"nothing sound in the first log", dirty, [][]byte{flip(first, 600), second}, "[0 0]", -1, "entry 40 has a wrong hash"},
		{"a gap between the logs", dirty, [][]byte{newLog(40, im[:2]...), second}, "[1 0]", 1, ""},
		{"no log", dirty, nil, "[]", -1, ""},
		{"old logs only", dirty, [][]byte{stale}, "[0]", -1, "has these changes already"},
		{"another file", dirty, [][]byte{[]byte("MZ")}, "[0]", -1, "no regf signature"},
		{"a hive for a log", dirty, [][]byte{im[0]}, "[0]", -1, "file type 0"},
		{"broken log header", dirty, [][]byte{flip(all, 100)}, "[0]", -1, "log header checksum"},
		{"unfinished log", dirty, [][]byte{join(seal(bytes.Clone(all), 41, 40))}, "[0]", -1, "writing the log did not end"},
		{"log of another version", dirty, [][]byte{set(0x18, 1)(bytes.Clone(all))}, "[0]", -1, "version 1.1"},
		{"log with a broken size", dirty, [][]byte{set(0x28, 77)(bytes.Clone(all))}, "[0]", -1, "size of the bins 0x4d"},
		{"bins of an odd size", dirty, [][]byte{refused(0x10, 0x5001)}, "[0]", -1, "size 0x5001 of the bins"},
		{"bins too large for the log", dirty, [][]byte{refused(0x10, 0x7FFFE000)}, "[0]", -1, "size 0x7fffe000 of the bins"},
		{"a page outside", dirty, [][]byte{refused(0x28, 0x7FFFE000)}, "[0]", -1, "pages or size"},
		{"a page too long", dirty, [][]byte{refused(0x2C, 0x7FFFE000)}, "[0]", -1, "pages or size"},
		{"too many pages", dirty, [][]byte{refused(0x14, 0xFFFFFFFF)}, "[0]", -1, "pages or size"},
		{"entry of no size", dirty, [][]byte{refused(0x04, 0)}, "[0]", -1, "entry 40 has 0 bytes"},
		{"broken hive header", flip(dirty, 0x29), [][]byte{all}, "[4]", 4, ""},
		{"no hive header", join(make([]byte, baseSize), im[0][baseSize:]), [][]byte{all}, "[4]", 4, ""},
		{"broken hive header, two logs", flip(torn(im[2], im[2], 43, 42, never), 0x29), [][]byte{second, first}, "[2 0]", 4, ""},
		{"broken hive header, stale log", flip(torn(im[2], im[2], 43, 42, never), 0x29), [][]byte{first, second}, "[0 2]", 4, "not that of the latest log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkReplay(t, c.hive, c.logs, c.entries, c.end, im, c.result, sequence(c.name, 41))
		})
	}
}

// checkReplay compares what Recover makes of a hive with the image of that number, or -1.
func checkReplay(t *testing.T, hive []byte, logs [][]byte, entries, end string, images [][]byte, result int, sequence uint32) {
	t.Helper()
	before := bytes.Clone(hive)
	got, r, err := Recover(hive, logs...)
	if !bytes.Equal(hive, before) {
		t.Error("the hive itself has changed")
	}
	var counts []int
	var total uint32
	for _, l := range r.Logs {
		counts = append(counts, len(l.Entries))
		total += uint32(len(l.Entries))
	}
	if !r.Dirty || fmt.Sprint(counts) != entries {
		t.Errorf("%+v, want %s entries", r, entries)
	}
	if len(r.Logs) > 0 && (r.Logs[0].End == nil) != (end == "") || end != "" && !strings.Contains(r.Logs[0].End.Error(), end) {
		t.Errorf("the first log ends with %v, want %q", r.Logs[0].End, end)
	}
	if result < 0 {
		if !errors.Is(err, ErrDirty) || got != nil {
			t.Errorf("error %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	sameImage(t, got, images[result], sequence+total-1)
	if again, r, err := Recover(got, logs...); err != nil || r.Dirty || &again[0] != &got[0] {
		t.Errorf("what comes out is not clean: %v, %+v", err, r)
	}
}

// sequence is what the number of a recovered hive counts from: its own header, or where that is
// broken the log's.
func sequence(name string, hive uint32) uint32 {
	switch name {
	case "broken hive header, two logs", "broken hive header, stale log":
		return 43
	case "broken header":
		return 41
	}
	return hive
}

// TestReplayOld replays logs in the old format.
func TestReplayOld(t *testing.T) {
	im := editedHives(t, 3)
	hive := func(from, to int, written func(int) bool) []byte { return torn(im[from], im[to], 41, 40, written) }
	late := func(b []byte) []byte { return set(0x0C, 1)(set(0x10, 0x40000000)(bytes.Clone(b))) } // LastWritten
	log := func(from, to int) []byte { return oldLog(typeLog, 40, im[from], im[to], sectorSize) }
	noBin := log(0, 2)
	noBin[bytes.Index(noBin, []byte("hbin"))] = 'x'
	for _, c := range []struct {
		name    string
		hive    []byte
		logs    [][]byte
		entries string
		result  int
		end     string
	}{
		{"small edit", hive(0, 1, never), [][]byte{log(0, 1)}, "[1]", 1, ""},
		{"grown", hive(1, 2, never), [][]byte{log(1, 2)}, "[1]", 2, ""},
		{"shrunk", hive(3, 4, never), [][]byte{log(3, 4)}, "[1]", 4, ""},
		{"some pages written", hive(1, 2, every), [][]byte{log(1, 2)}, "[1]", 2, ""},
		{"large sectors", hive(1, 2, every), [][]byte{oldLog(typeLog, 40, im[1], im[2], 4096)}, "[1]", 2, ""},
		{"Windows 2000", hive(1, 2, every), [][]byte{oldLog(typeLogNT, 40, im[1], im[2], sectorSize)}, "[1]", 2, ""},
		{"first of two", hive(0, 1, never), [][]byte{log(0, 1), log(0, 2)}, "[1 0]", 1, ""},
		{"second of two", hive(0, 1, never), [][]byte{nil, log(0, 1)}, "[0 1]", 1, "empty"},
		{"first damaged", hive(0, 1, never), [][]byte{flip(log(0, 1), 99), log(0, 1)}, "[0 1]", 1, "checksum"},
		{"another time", hive(0, 1, never), [][]byte{late(log(0, 1))}, "[0]", -1, "the log was written at"},
		{"no bitmap", hive(0, 1, never), [][]byte{flip(log(0, 1), sectorSize)}, "[0]", -1, "no bitmap"},
		{"only a header", hive(0, 1, never), [][]byte{log(0, 1)[:sectorSize]}, "[0]", -1, "no bitmap"},
		{"cut", hive(0, 1, never), [][]byte{log(0, 1)[:len(log(0, 1))-1]}, "[0]", -1, "the log ends early"},
		{"broken header", flip(hive(0, 1, never), 77), [][]byte{log(0, 1)}, "[1]", 1, ""},
		{"no bin in the log", hive(0, 2, never), [][]byte{noBin}, "[1]", -2, "the log has no bin"},
		{"too large", hive(0, 1, never), [][]byte{set(0x28, 0x7FFFE000)(log(0, 1))}, "[0]", -1, "no bitmap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.result == -2 {
				_, r, err := Recover(c.hive, c.logs...)
				if err != nil || r.Pages() != 0 || !errors.Is(r.Logs[0].End, fault.ErrCorrupt) {
					t.Errorf("%v, %+v", err, r)
				}
				return
			}
			checkReplay(t, c.hive, c.logs, c.entries, c.end, im, c.result, sequence(c.name, 42))
		})
	}
	t.Run("second is later", func(t *testing.T) { // its header has another time than the image
		got, _, err := Recover(hive(0, 1, never), late(log(0, 1))[:700], late(log(0, 1)))
		if err != nil || !bytes.Equal(got[baseSize:], im[1][baseSize:]) {
			t.Error(err)
		}
	})
}

// TestRecoverNothing has hives that logs are of no use for.
func TestRecoverNothing(t *testing.T) {
	im := editedHives(t, 5)
	log := newLog(40, im...)
	got, r, err := Recover(im[0], log)
	if err != nil || r.Dirty || &got[0] != &im[0][0] {
		t.Errorf("clean: %v, %+v", err, r)
	}
	for name, hive := range map[string][]byte{
		"empty":         nil,
		"short":         im[0][:baseSize-1],
		"a log":         set(0x1C, 6)(torn(im[0], im[0], 41, 40, never)),
		"other version": set(0x18, 9)(torn(im[0], im[0], 41, 40, never)),
		"no bins":       set(0x28, 0)(bytes.Clone(im[0])),
	} {
		if h, _, err := ParseWithLogs(hive, log); err == nil || h != nil || errors.Is(err, ErrDirty) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := ParseWithLogs(flip(im[0], 50)); !errors.Is(err, ErrDirty) || !errors.Is(err, fault.ErrCorrupt) {
		t.Error(err)
	}
}

// TestRecoverJudged lets outside programs read the dirty hive, which they take as it is, and the
// recovered one.
func TestRecoverJudged(t *testing.T) {
	im := editedHives(t, 5)
	dirty := torn(im[0], im[0], 41, 40, never)
	got, _, err := Recover(dirty, newLog(40, im[:3]...), newLog(42, im[2:]...))
	if err != nil {
		t.Fatal(err)
	}
	audit(t, got[:baseSize+int(le.Uint32(got[0x28:]))])
	want := parse(t, im[4])
	for _, j := range judges {
		if j.prune != nil && j.name != "regfexport" {
			continue
		}
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			oracle.Need(t, j.program)
			text, err := j.read(want, tempHive(t, got))
			if err != nil {
				t.Fatal(err)
			}
			same(t, j.name, text, j.expect(want))
			if text, err := j.read(want, tempHive(t, forceClean(dirty))); err == nil && text == j.expect(want) {
				t.Error("sees no change in the dirty hive")
			}
		})
	}
}
