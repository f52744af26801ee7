package regf

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// yarp and regipy are the folders of hives with logs: the tests of https://github.com/msuhanov/yarp
// and of https://github.com/mkorman90/regipy.
const (
	yarp   = "registry/msuhanov+yarp/hives_for_tests/"
	regipy = "registry/mkorman90+regipy/regipy_tests/data/"
)

// dirtySample returns a hive and its logs.
func dirtySample(t testing.TB, dir, hive string, logs ...string) ([]byte, [][]byte) {
	t.Helper()
	var all [][]byte
	for _, l := range logs {
		all = append(all, oracle.Sample(t, dir+l))
	}
	return oracle.Sample(t, dir+hive), all
}

// TestRecoverLikeWindows10 compares every byte with what Windows 10 recovered from the same files.
func TestRecoverLikeWindows10(t *testing.T) {
	hive, logs := dirtySample(t, yarp+"NewDirtyHive1/", "NewDirtyHive", "NewDirtyHive.LOG1", "NewDirtyHive.LOG2")
	want := oracle.Sample(t, yarp+"NewDirtyHive1/RecoveredHive_Windows10")
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		got, r, err := Recover(hive, logs[order[0]], logs[order[1]])
		if err != nil || !bytes.Equal(got, want) || len(r.Logs[order[0]].Entries) != 1 || len(r.Logs[order[1]].Entries) != 3 {
			t.Errorf("%v, %+v", err, r)
		}
	}
}

// TestRecoverLikeWindows7 compares the keys with those in what Windows 7 recovered and wrote to
// once more, which gave the root another time.
func TestRecoverLikeWindows7(t *testing.T) {
	hive, logs := dirtySample(t, yarp+"OldDirtyHive/", "OldDirtyHive", "OldDirtyHive.LOG1", "OldDirtyHive.LOG2")
	want := parse(t, oracle.Sample(t, yarp+"OldDirtyHive/RecoveredHive_Windows7"))
	h, r, err := ParseWithLogs(hive, logs...)
	if err != nil || r.Pages() != 64 {
		t.Fatal(err, r)
	}
	if d := keyDifference(h.Root, want.Root); d != "" {
		t.Error(d)
	}
	if h.Root.Subkey(`key_with_many_subkeys\5000\find_me_in_log`) == nil || h.Root.Subkey(`key_with_many_subkeys\1`) != nil {
		t.Error("keys")
	}
}

// TestRecoverSamples has the results that the samples' own projects expect of them. Where there are
// two logs, regipy applies the later one first and so counts other keys, those of a broken hive.
func TestRecoverSamples(t *testing.T) {
	for _, c := range []struct {
		dir, hive string
		logs      []string
		entries   string // of each log
		pages     int
		end       error // class of the error, if no log applies
		keys      int   // that only one of the hives before and after has; -1: not counted
	}{
		{regipy, "transactions_NTUSER.DAT.xz", []string{"transactions_ntuser.dat.log1.xz", "transactions_ntuser.dat.log2.xz"}, "[23 0]", 132, nil, 527},
		{regipy, "SYSTEM_B.xz", []string{"SYSTEM_B.LOG1.xz", "SYSTEM_B.LOG2.xz"}, "[4 20]", 315, nil, 2472},
		{regipy, "SYSTEM_B.xz", []string{"SYSTEM_B.LOG2.xz", "SYSTEM_B.LOG1.xz"}, "[20 4]", 315, nil, 2472},
		{regipy, "UsrClass.dat.xz", []string{"UsrClass.dat.LOG1.xz", "UsrClass.dat.LOG2.xz"}, "[4 10]", 158, nil, 33},
		{yarp + "NewDirtyHive2/", "NewDirtyHive", []string{"NewDirtyHive.LOG1", "NewDirtyHive.LOG2"}, "[0 3]", 3, nil, -1},
		{yarp + "BadBaseBlockHive/", "BadBaseBlockHive", []string{"BadBaseBlockHive.LOG1", "BadBaseBlockHive.LOG2"}, "[1 0]", 64, nil, -1},
		{yarp + "BadLogHive1/", "BadLogHive", []string{"BadLogHive.LOG1", "BadLogHive.LOG2"}, "[0 0]", 0, ErrDirty, -1},
		{yarp + "BadLogHive2/", "BadLogHive", []string{"BadLogHive.LOG1", "BadLogHive.LOG2"}, "[0 0]", 0, ErrDirty, -1},
		{yarp + "BadLogHive3/", "BadLogHive", []string{"BadLogHive.LOG1", "BadLogHive.LOG2"}, "[0 0]", 0, ErrDirty, -1},
	} {
		t.Run(path.Base(c.dir)+"/"+c.hive, func(t *testing.T) {
			t.Parallel()
			hive, logs := dirtySample(t, c.dir, c.hive, c.logs...)
			out, r, err := Recover(hive, logs...)
			if !errors.Is(err, c.end) {
				t.Fatal(err)
			}
			var entries []int
			for _, l := range r.Logs {
				entries = append(entries, len(l.Entries))
			}
			if !r.Dirty || fmt.Sprint(entries) != c.entries || r.Pages() != c.pages {
				t.Errorf("%+v", r)
			}
			if err == nil {
				checkRecovered(t, out)
			}
			if c.keys < 0 || err != nil {
				return
			}
			auditHive(t, out, false) // the others are made by hand
			if n := changedKeys(parse(t, forceClean(hive)), parse(t, out)); n != c.keys {
				t.Errorf("%d keys differ, want %d", n, c.keys)
			}
		})
	}
}

// TestRecoverTwice replays a log whose changes are in the hive already, with its header turned back.
func TestRecoverTwice(t *testing.T) {
	const dir = "registry/log2timeline+dfwinreg/test_data/"
	hive, logs := dirtySample(t, dir, "NTUSER.DAT", "NTUSER.DAT.LOG")
	if out, r, err := Recover(hive, logs...); err != nil || r.Dirty || &out[0] != &hive[0] {
		t.Errorf("%v, %+v", err, r)
	}
	out, r, err := Recover(seal(bytes.Clone(hive), 132, 131), logs...)
	if err != nil || r.Pages() != 2 || !bytes.Equal(out, hive) {
		t.Errorf("%v, %+v", err, r)
	}
}

// checkRecovered asks hivex about a recovered hive.
func checkRecovered(t *testing.T, out []byte) {
	t.Helper()
	h := parse(t, out)
	oracle.Need(t, "python3")
	text, err := readPython(h, tempHive(t, out))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "hivex", text, pythonText(h))
}

// keysByPath returns the keys below the root; a later key of the same path wins, as in regipy.
func keysByPath(h *Hive) map[string]*Key {
	all := make(map[string]*Key)
	walk(h.Root, func(k *Key) { all[k.Path()] = k })
	delete(all, "")
	return all
}

func changedKeys(before, after *Hive) (n int) {
	a, b := keysByPath(before), keysByPath(after)
	for path := range a {
		if b[path] == nil {
			n++
		}
	}
	for path := range b {
		if a[path] == nil {
			n++
		}
	}
	return n
}
