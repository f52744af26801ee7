package driver

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/boot"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

var update = flag.Bool("update", false, "write the expected changes of testdata/changes anew")

// image is a stand-in of a build.
func image(t testing.TB, build int) (*tree.Tree, boot.Windows) {
	t.Helper()
	tr, err := standin.Windows(standin.Options{Files: 1, Build: build, WithoutRecovery: true})
	if err != nil {
		t.Fatal(err)
	}
	w, err := boot.Detect(tr)
	if err != nil {
		t.Fatal(err)
	}
	return tr, w
}

func only(t testing.TB, path string) Package {
	t.Helper()
	packages, err := Find(path, false)
	if err != nil || len(packages) != 1 {
		t.Fatalf("%s: %d packages, error %v", path, len(packages), err)
	}
	return packages[0]
}

func inject(t testing.TB, tr *tree.Tree, w boot.Windows, p Package) Report {
	t.Helper()
	r := registry.Open(tr)
	report, err := Inject(tr, r, w, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	return report
}

const configFolder = "Windows/System32/config/"

// hive reads a hive of the tree with hivex.
func hive(t testing.TB, tr *tree.Tree, name string) oracle.Hive {
	t.Helper()
	n, err := tr.Lookup(configFolder + name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := tree.ReadAll(n.Data, 1<<28)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return oracle.Hivex(t, path)
}

// changes lists what is new or other in a hive, and fails for what is gone.
func changes(t testing.TB, before, after oracle.Hive) string {
	t.Helper()
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(after)) {
		values, old := after[key], before[key]
		head := fmt.Sprintf("[%s]\n", key)
		if old == nil {
			b.WriteString(head)
			head = ""
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			o, had := old[name]
			if v := values[name]; !had || v.Type != o.Type || string(v.Data) != string(o.Data) {
				fmt.Fprintf(&b, "%s%q=%s\n", head, name, show(v))
				head = ""
			}
		}
	}
	for key, values := range before {
		for name := range values {
			if _, ok := after[key][name]; !ok {
				t.Errorf("%s: value %q is gone", key, name)
			}
		}
		if after[key] == nil {
			t.Errorf("%s is gone", key)
		}
	}
	return b.String()
}

func show(v oracle.HiveValue) string {
	switch regf.Type(v.Type) {
	case regf.REG_SZ, regf.REG_EXPAND_SZ, regf.REG_MULTI_SZ:
		return fmt.Sprintf("%d:%q", v.Type, utf16le.Decode(v.Data))
	}
	return fmt.Sprintf("%#x:% x", v.Type, v.Data)
}

// files lists the files of a tree that are not in another one, or are other, with their texts.
func files(t testing.TB, before, after *tree.Tree) string {
	t.Helper()
	var b strings.Builder
	for path, e := range after.Walk() {
		if e.Node.IsDir() || strings.HasPrefix(path, configFolder) {
			continue
		}
		if old := before.Find(path); old != nil {
			if same, err := sameContent(old.Node.Data, e.Node.Data); same && err == nil {
				continue
			}
		}
		data, err := tree.ReadAll(e.Node.Data, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(data), "\n")
		if strings.HasSuffix(strings.ToLower(path), ".inf") {
			text = "the INF file"
		}
		fmt.Fprintf(&b, "%s: %.40s\n", path, text)
	}
	return b.String()
}

// All that an injection changes, in the files and in the hives, as hivex reads them.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name  string
		build int
		dir   string
	}{
		{"stor-7601", 7601, "stor"},
		{"stor-9600", 9600, "stor"},
		{"stor-14393", 14393, "stor"},
		{"stor-20348", 20348, "stor"},
		{"net-9600", 9600, "net"},
		{"net-20348", 20348, "net"},
		{"stay-20348", 20348, "stay"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, _ := image(t, c.build)
			tr, w := image(t, c.build)
			report := inject(t, tr, w, only(t, "testdata/"+c.dir))
			got := report.String() + "\n"
			for _, note := range report.Notes {
				got += "note: " + note + "\n"
			}
			got += "\n" + files(t, before, tr)
			for _, name := range []string{"SYSTEM", "DRIVERS", "SOFTWARE"} {
				got += "\n" + name + "\n" + changes(t, hive(t, before, name), hive(t, tr, name))
			}
			golden(t, "testdata/changes/"+c.name+".txt", got)
		})
	}
}

func golden(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference. Got:\n%s", path, got)
	}
}

// The second time changes nothing, not a byte, and gives the same name.
func TestTwice(t *testing.T) {
	for _, build := range []int{7601, 9600, 20348} {
		tr, w := image(t, build)
		first := inject(t, tr, w, only(t, "testdata/stor"))
		before := snapshot(t, tr)
		tr.Now += 1e9
		second := inject(t, tr, w, only(t, "testdata/stor"))
		if first.String() != second.String() || first.Folder != second.Folder || !first.Changed || second.Changed {
			t.Errorf("%d: first %v, then %v", build, first, second)
		}
		if after := snapshot(t, tr); before != after {
			t.Errorf("%d: the second injection changed the image", build)
		}
	}
}

func snapshot(t testing.TB, tr *tree.Tree) string {
	t.Helper()
	var b strings.Builder
	for path, e := range tr.Walk() {
		data, err := tree.ReadAll(e.Node.Data, 1<<28)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %d %x\n", path, e.Node.Modified, sha256.Sum256(data))
	}
	return b.String()
}

func TestPublishedNames(t *testing.T) {
	tr, w := image(t, 20348)
	if _, err := tr.WriteFile("Windows/INF/oem0.inf", tree.Bytes("x")); err != nil {
		t.Fatal(err)
	}
	r := registry.Open(tr)
	if err := r.Set(systemDatabase, regf.Binary("OemInfMap", []byte{0x40})); err != nil { // oem1
		t.Fatal(err)
	}
	if err := r.Set(driversDatabase+`\DriverInfFiles\oem2.inf`, regf.MultiString("", "other.inf_amd64_1")); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	for i, dir := range []string{"stor", "net", "stay"} {
		if got, want := inject(t, tr, w, only(t, "testdata/"+dir)).Published, fmt.Sprintf("oem%d.inf", i+3); got != want {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
	if got := hive(t, tr, "SYSTEM")["DriverDatabase"]["OemInfMap"]; string(got.Data) != "\x5C" {
		t.Errorf("OemInfMap is %x", got.Data)
	}
}

// A changed file is another package: the old one stays.
func TestOtherContent(t *testing.T) {
	tr, w := image(t, 20348)
	first := inject(t, tr, w, only(t, "testdata/stor"))
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/stor")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "TESTSTOR.SYS"), []byte("MZ newer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := inject(t, tr, w, only(t, dir))
	if first.Published != "oem0.inf" || second.Published != "oem1.inf" || first.Folder == second.Folder {
		t.Errorf("%v, %v", first, second)
	}
	owners := hive(t, tr, "SYSTEM")[`ControlSet001\Services\teststor`]["Owners"]
	if got := utf16le.Decode(owners.Data); got != "oem1.inf\x00oem0.inf\x00\x00" {
		t.Errorf("owners %q", got)
	}
}

func TestNotFor(t *testing.T) {
	tr, w := image(t, 7601)
	_, err := Inject(tr, registry.Open(tr), w, only(t, "testdata/net"))
	want := "testnet.inf has drivers for amd64 (Windows 6.3 and newer); the image is Windows 6.1 amd64"
	if !errors.Is(err, ErrNotFor) || !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	w.Arch = 0x14C
	_, err = Inject(tr, registry.Open(tr), w, only(t, "testdata/stor"))
	want = "has drivers for amd64 (Windows 6.1 and newer) and arm64 (Windows 10.0 and newer); the image is Windows 6.1 x86"
	if !errors.Is(err, ErrNotFor) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	w.Arch = 0x200
	if _, err = Inject(tr, registry.Open(tr), w, only(t, "testdata/stor")); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// Packages that cannot work are refused before anything is changed.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		build    int
		dir      string
		old, new string
		remove   string
		want     string
	}{
		{20348, "stor", "", "", "TESTSTOR.SYS", "files that it copies are missing in DIR: teststor.sys (line 32)"},
		{20348, "stor", "ClassGuid   = {", ";", "", "[Version] has no ClassGuid"},
		{20348, "stor", "07/21/2023", "someday", "", `line 7: DriverVer has the date "someday"`},
		{20348, "stor", `%12%\teststor.sys`, `%12%\other.sys`, "", `service teststor starts at boot, but its driver %12%\other.sys is neither copied`},
		{20348, "stor", "DEV_0001, PCI\\VEN_1B36\n", "DEV_0001,\\\\bad\n", "", `line 25: "\\\\bad" is no device ID`},
		{20348, "stor", "0x0000000A", "ten", "", `line 60: "ten" is not a number`},
		{20348, "stor", `"Parameters", "BusType"`, `"Para\\meters", "BusType"`, "", `line 60: "Para\\\\meters" is no registry key`},
		{20348, "stor", "[Stor.Inst]", "[Else]", "", "line 25: there is no install section [Stor.Inst]"},
		{20348, "stor", `%Disk%,,,""`, `%Disk%,all.cab,,""`, "", "teststor.sys is in the cabinet all.cab"},
		{7601, "stay", "NTamd64\n", "NTamd64.6.1\n[M.NTamd64.6.1]\nx=Inst,y\n", "", "service teststay runs from the driver store (dirid 13), which this Windows cannot"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("testdata/"+c.dir)); err != nil {
			t.Fatal(err)
		}
		if c.remove != "" {
			_ = os.Remove(filepath.Join(dir, c.remove))
		}
		path := only(t, dir).Path
		text, _ := os.ReadFile(path)
		if !strings.Contains(string(text), c.old) {
			t.Fatalf("no %q in %s", c.old, path)
		}
		_ = os.WriteFile(path, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600)
		tr, w := image(t, c.build)
		before := snapshot(t, tr)
		r := registry.Open(tr)
		_, err := Inject(tr, r, w, only(t, dir))
		want := strings.ReplaceAll(c.want, "DIR", dir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("%s: error %v, want %q", c.dir, err, want)
		}
		if err := r.Flush(); err != nil || snapshot(t, tr) != before {
			t.Errorf("%q: the image has changed, error %v", want, err)
		}
	}
}

func TestMissingCatalog(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/stor")); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(dir, "teststor.cat"))
	tr, w := image(t, 20348)
	report := inject(t, tr, w, only(t, dir))
	if len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "teststor.cat is missing") {
		t.Errorf("notes %q", report.Notes)
	}
	if tr.Find(catalogFolder+"/oem0.cat") != nil {
		t.Error("a catalog from nowhere")
	}
}

// A used image has control sets besides the current one, and marks of hardware it once ran on.
func TestControlSets(t *testing.T) {
	tr, w := image(t, 9600)
	r := registry.Open(tr)
	for _, path := range []string{`HKLM\SYSTEM\ControlSet002\Services`, `HKLM\SYSTEM\ControlSet001\Services\teststor\StartOverride`} {
		if _, err := r.Create(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Set(`HKLM\SYSTEM\ControlSet001\Services\teststor\Parameters`, regf.MultiString("Models", "zero", "ONE")); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	inject(t, tr, w, only(t, "testdata/stor"))
	system := hive(t, tr, "SYSTEM")
	for _, set := range []string{"ControlSet001", "ControlSet002"} {
		if string(system[set+`\Services\teststor`]["Start"].Data) != "\x00\x00\x00\x00" {
			t.Errorf("%s: %v", set, system[set+`\Services\teststor`])
		}
	}
	if system[`ControlSet001\Services\teststor\StartOverride`] != nil {
		t.Error("StartOverride is still there")
	}
	if got := utf16le.Decode(system[`ControlSet001\Services\teststor\Parameters`]["Models"].Data); got != "zero\x00ONE\x00two\x00\x00" {
		t.Errorf("appended %q", got)
	}
}

// Images without some hives, such as a cut-down Windows PE.
func TestWithoutHives(t *testing.T) {
	tr, w := image(t, 20348)
	for _, name := range []string{"DRIVERS", "SOFTWARE"} {
		if err := tr.Remove(configFolder + name); err != nil {
			t.Fatal(err)
		}
	}
	if report := inject(t, tr, w, only(t, "testdata/net")); report.Published != "oem0.inf" {
		t.Error(report)
	}
	if hive(t, tr, "SYSTEM")[`DriverDatabase\DriverInfFiles\oem0.inf`] == nil {
		t.Error("the package is in no database")
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"a", "b", "b/c"} {
		_ = os.Mkdir(filepath.Join(dir, d), 0o755)
	}
	inf, _ := os.ReadFile("testdata/stor/TestStor.inf")
	for name, text := range map[string]string{
		"a/one.inf": string(inf), "b/two.INF": string(inf), "b/c/three.inf": string(inf), "autorun.inf": "[AutoRun]\nopen=x\n", "x.txt": "",
	} {
		_ = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
	}
	names := func(packages []Package) (s string) {
		for _, p := range packages {
			s += p.Name() + " "
		}
		return s
	}
	packages, err := Find(dir, true)
	if got := names(packages); got != "one.inf three.inf two.INF " || err != nil {
		t.Errorf("%s, error %v", got, err)
	}
	packages, err = Find(filepath.Join(dir, "b"), false)
	if got := names(packages); got != "two.INF " || err != nil {
		t.Errorf("%s, error %v", got, err)
	}
	if _, err = Find(dir, false); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "no driver package") {
		t.Error(err)
	}
	if _, err = Find(filepath.Join(dir, "none"), false); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	_ = os.WriteFile(filepath.Join(dir, "b", "bad.inf"), []byte("[a\n"), 0o600)
	if _, err = Find(dir, true); !errors.Is(err, fault.ErrCorrupt) || !strings.Contains(err.Error(), "bad.inf") {
		t.Error(err)
	}
}
