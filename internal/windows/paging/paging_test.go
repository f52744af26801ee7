package paging

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/systemhive"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

// apply makes the settings, and returns the hive as it is then.
func apply(t *testing.T, tr *tree.Tree, s Settings) []byte {
	t.Helper()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return systemhive.Apply(t, tr, func(r *registry.Registry) error { return Apply(tr, r, s) })
}

// off makes the changes in what a judge has read that Windows expects for no page file.
func off(h oracle.Hive, set string, client bool) {
	memory, crash := h[set+`\Control\Session Manager\Memory Management`], h[set+`\Control\CrashControl`]
	memory["PagingFiles"] = oracle.HiveValue{Type: uint32(regf.REG_MULTI_SZ), Data: []byte{0, 0}}
	delete(memory, "ExistingPageFiles")
	if client {
		memory["SwapfileControl"] = systemhive.DWord(0)
	}
	crash["CrashDumpEnabled"] = systemhive.DWord(0)
}

// What others read after paging is turned off differs from before in what Windows expects, and in
// nothing else.
func TestOffAsOthersReadIt(t *testing.T) {
	for _, image := range systemhive.Images {
		t.Run(image.Name, func(t *testing.T) {
			t.Parallel()
			tr, before := image.Tree(t)
			after := apply(t, tr, Settings{Off: true})
			systemhive.Check(t, before, after, func(h oracle.Hive) {
				for _, set := range image.Sets {
					off(h, set, image.Client)
				}
			})
			for _, set := range image.Sets {
				systemhive.GetValue(t, after, set+`\Control\Session Manager\Memory Management`, "PagingFiles", "")
				systemhive.GetValue(t, after, set+`\Control\CrashControl`, "CrashDumpEnabled", "0")
			}
		})
	}
}

// The comparison sees one value of thousands.
func TestComparisonCanFail(t *testing.T) {
	tr, before := systemhive.StandIn.Tree(t)
	want, got := oracle.Hivex(t, systemhive.File(t, before)), oracle.Hivex(t, systemhive.File(t, apply(t, tr, Settings{Off: true})))
	if want.String() == got.String() {
		t.Error("no difference is seen")
	}
	off(want, "ControlSet001", false)
	want["Select"]["Current"].Data[3] ^= 1
	if want.String() == got.String() {
		t.Error("a flipped byte is not seen")
	}
}

func value(t *testing.T, tr *tree.Tree, key, name string) string {
	t.Helper()
	k, err := registry.Open(tr).Key(`HKLM\SYSTEM\CurrentControlSet\Control\` + key)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := k.Value(name)
	if !ok {
		return "none"
	}
	if n, err := v.Integer(); err == nil {
		return fmt.Sprint(n)
	}
	items, err := v.Strings()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(items, ";")
}

func TestOffAndOnAgain(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	systemhive.Write(t, tr, "pagefile.sys", []byte("pages"))
	apply(t, tr, Settings{Off: true})
	if tr.Find("pagefile.sys") != nil {
		t.Error("the page file is still there")
	}
	for _, step := range []struct {
		settings     Settings
		files, dumps string
	}{
		{Settings{}, `?:\pagefile.sys`, "7"},
		{Settings{Drive: "D"}, `D:\pagefile.sys 0 0`, "7"},
		{Settings{Drive: "C", Initial: 1024, Maximum: 4096}, `C:\pagefile.sys 1024 4096`, "7"},
		{Settings{Off: true}, "", "0"},
	} {
		apply(t, tr, step.settings)
		if got := value(t, tr, `Session Manager\Memory Management`, "PagingFiles"); got != step.files {
			t.Errorf("%+v: PagingFiles %q, want %q", step.settings, got, step.files)
		}
		if got := value(t, tr, "CrashControl", "CrashDumpEnabled"); got != step.dumps {
			t.Errorf("%+v: CrashDumpEnabled %s, want %s", step.settings, got, step.dumps)
		}
	}
}

// A dump file of its own needs no page file, so dumps stay on.
func TestDedicatedDumpFile(t *testing.T) {
	tr, _ := systemhive.StandIn.Tree(t)
	r := registry.Open(tr)
	err := r.Set(`HKLM\SYSTEM\CurrentControlSet\Control\CrashControl`, regf.String("DedicatedDumpFile", `D:\dump.sys`))
	if err := errors.Join(err, r.Flush()); err != nil {
		t.Fatal(err)
	}
	apply(t, tr, Settings{Off: true})
	if got := value(t, tr, "CrashControl", "CrashDumpEnabled"); got != "7" {
		t.Errorf("CrashDumpEnabled %s", got)
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []Settings{{}, {Off: true}, {Drive: "d"}, {Drive: "C", Initial: 16, Maximum: 16}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, test := range []struct {
		s    Settings
		part string
	}{
		{Settings{Off: true, Drive: "C"}, "paging: "},
		{Settings{Drive: "C:"}, "drive: "},
		{Settings{Drive: "1"}, "drive: "},
		{Settings{Initial: 1024, Maximum: 1024}, "drive: "},
		{Settings{Drive: "C", Initial: 15, Maximum: 1024}, "initial: "},
		{Settings{Drive: "C", Initial: 1024, Maximum: 1023}, "maximum: "},
		{Settings{Drive: "C", Maximum: 1024}, "initial: "},
		{Settings{Drive: "C", Initial: 16, Maximum: 1 << 40}, "maximum: "},
	} {
		if err := test.s.Validate(); !errors.Is(err, fault.ErrInvalid) || !strings.HasPrefix(fmt.Sprint(err), test.part) {
			t.Errorf("%+v: %v, want %s", test.s, err, test.part)
		}
	}
}
