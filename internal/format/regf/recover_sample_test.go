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

// TestRecoverSamples has the results that the samples' own projects expect of them.
func TestRecoverSamples(t *testing.T) {
	for _, c := range []struct {
		dir, hive string
		logs      []string
		entries   string // of each log
		pages     int
		end       error // class of the error, if no log applies
	}{
		{regipy, "transactions_NTUSER.DAT.xz", []string{"transactions_ntuser.dat.log1.xz", "transactions_ntuser.dat.log2.xz"}, "[23 0]", 132, nil},
		{regipy, "SYSTEM_B.xz", []string{"SYSTEM_B.LOG1.xz", "SYSTEM_B.LOG2.xz"}, "[4 20]", 315, nil},
		{regipy, "SYSTEM_B.xz", []string{"SYSTEM_B.LOG2.xz", "SYSTEM_B.LOG1.xz"}, "[20 4]", 315, nil},
		{regipy, "UsrClass.dat.xz", []string{"UsrClass.dat.LOG1.xz", "UsrClass.dat.LOG2.xz"}, "[4 10]", 158, nil},
		{yarp + "NewDirtyHive2/", "NewDirtyHive", []string{"NewDirtyHive.LOG1", "NewDirtyHive.LOG2"}, "[0 3]", 3, nil},
		{yarp + "BadBaseBlockHive/", "BadBaseBlockHive", []string{"BadBaseBlockHive.LOG1", "BadBaseBlockHive.LOG2"}, "[1 0]", 64, nil},
		{yarp + "BadLogHive1/", "BadLogHive", []string{"BadLogHive.LOG1", "BadLogHive.LOG2"}, "[0 0]", 0, ErrDirty},
		{yarp + "BadLogHive2/", "BadLogHive", []string{"BadLogHive.LOG1", "BadLogHive.LOG2"}, "[0 0]", 0, ErrDirty},
		{yarp + "BadLogHive3/", "BadLogHive", []string{"BadLogHive.LOG1", "BadLogHive.LOG2"}, "[0 0]", 0, ErrDirty},
	} {
		t.Run(path.Base(c.dir)+"/"+c.hive, func(t *testing.T) {
			hive, logs := dirtySample(t, c.dir, c.hive, c.logs...)
			_, r, err := ParseWithLogs(hive, logs...)
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
		})
	}
}
