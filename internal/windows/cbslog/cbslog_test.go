package cbslog_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/windows/cbslog"
)

// sources says where the texts in testdata come from: a few lines each, quoted in public by people
// who asked for help or wrote down what they saw. Those without an address are from notes in public
// repositories. The encodings are what a Windows in that language writes when output is redirected.
var sources = map[string]string{
	"reagentc-en-enabled.txt":        "notes on moving a recovery partition, Windows 11",
	"reagentc-en-disabled-utf16.txt": "notes on restoring a recovery partition, Windows 10 19045",
	"reagentc-en-version.txt":        "report of a Windows 11 26100; it cuts the identifier off, which zeros fill here",
	"reagentc-zh-enabled.txt":        "notes on resetting a PC",
	"reagentc-zh-disabled.txt":       "notes on resetting a PC",
	"reagentc-de-enabled.txt":        "another parser's test",
	"reagentc-ja-enabled.txt":        "another parser's test",
	"bcdedit-en-recovery.txt":        "notes on a Windows 11 that starts from a BIOS",
	"bcdedit-zh-displayorder.txt":    "notes on two Windows 10 beside each other",
	"cbs-single-phase.log":           "a failed feature, 2016",
	"cbs-store-corrupt.log":          "a failed update, 2025",
	"dism-source-missing.log":        "a description of log formats",
	"dism-winre-full.txt":            "https://github.com/takondo/WinREupdate/issues/1",
	"reagentc-failed.txt":            "https://github.com/halsey51013/UpdateWindowsRE-CVE-2022-41099/issues/1",
	"windowsupdate-download.txt":     "Microsoft Learn, \"Troubleshoot Windows Update error code 0x80070070\"",
}

func parse(t testing.TB, name string, kbs ...string) *cbslog.Log {
	t.Helper()
	if sources[name] == "" {
		t.Fatalf("%s: where is it from?", name)
	}
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := cbslog.Parse(f, kbs...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func parseText(t testing.TB, text string, kbs ...string) *cbslog.Log {
	t.Helper()
	l, err := cbslog.Parse(strings.NewReader(text), kbs...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestReAgent reads reagentc's output in several languages and encodings.
func TestReAgent(t *testing.T) {
	for name, want := range map[string]cbslog.ReAgentInfo{
		"reagentc-en-enabled.txt":        {Enabled: true, Partition: 4, BCD: guid.MustParse("820361a0-efb2-11ef-8321-cafe74c0ef77")},
		"reagentc-en-disabled-utf16.txt": {Disk: -1, BCD: guid.MustParse("3b8d20ae-532c-11ec-974d-da6acdd4c584")},
		"reagentc-en-version.txt":        {Enabled: true, Partition: 4, BCD: guid.MustParse("35e50c6c-0000-11ef-0000-000000000000"), Version: "10.0.26100.9168"},
		"reagentc-zh-enabled.txt":        {Enabled: true, Partition: 4, BCD: guid.MustParse("64511af6-4dd0-11ec-9f84-d4c2febe2930")},
		"reagentc-zh-disabled.txt":       {Disk: -1, BCD: guid.MustParse("d0351a75-4283-11ec-8797-04421ad29d45")},
		"reagentc-de-enabled.txt":        {Enabled: true, Partition: 4, BCD: guid.MustParse("7d2c8f1a-3b4c-4d5e-8f90-1a2b3c4d5e6f")},
		"reagentc-ja-enabled.txt":        {Enabled: true, Partition: 4, BCD: guid.MustParse("7d2c8f1a-3b4c-4d5e-8f90-1a2b3c4d5e6f")},
	} {
		l := parse(t, name)
		if l.Kind != cbslog.ReAgentC || l.ReAgent == nil || len(l.Failures) > 0 {
			t.Errorf("%s: %+v", name, l)
			continue
		}
		got := *l.ReAgent
		if enabled := strings.HasSuffix(got.Location, `partition4\Recovery\WindowsRE`); enabled != want.Enabled {
			t.Errorf("%s: location %q", name, got.Location)
		}
		got.Status, got.Location = "", ""
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// TestReAgentLast takes the last output of a transcript with several.
func TestReAgentLast(t *testing.T) {
	var all []byte
	for _, name := range []string{"reagentc-en-enabled.txt", "reagentc-zh-disabled.txt"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if l := parseText(t, string(all)); l.ReAgent == nil || l.ReAgent.Enabled {
		t.Errorf("%+v", l.ReAgent)
	}
}

func TestBCDEdit(t *testing.T) {
	l := parse(t, "bcdedit-en-recovery.txt")
	r, ok := l.Recovery()
	want := cbslog.Recovery{
		Loader: "{0fd8694a-e7fe-11f0-91cd-eabb9ab44a94}", Enabled: true, Set: true,
		Sequence: "{0fd8694b-e7fe-11f0-91cd-eabb9ab44a94}", Entry: true,
		Device: `ramdisk=[\Device\HarddiskVolume3]\Recovery\WindowsRE\Winre.wim,{0fd8694c-e7fe-11f0-91cd-eabb9ab44a94}`,
	}
	if !ok || r != want || l.Kind != cbslog.BCDEdit {
		t.Errorf("%s: %+v, want %+v", l.Kind, r, want)
	}
	if !cbslog.SameID(r.Sequence, guid.MustParse("0fd8694b-e7fe-11f0-91cd-eabb9ab44a94")) || cbslog.SameID("{current}", guid.GUID{}) {
		t.Error("identifiers do not compare")
	}
	l = parse(t, "bcdedit-zh-displayorder.txt")
	r, ok = l.Recovery()
	if !ok || r.Loader != "{current}" || r.Sequence != "{945bde32-75da-11f0-8f22-aa33128f1ccf}" || !r.Enabled || r.Entry {
		t.Errorf("%+v", r)
	}
	if order := l.Entries[0].Settings[4]; order.Name != "displayorder" || len(order.Values) != 2 {
		t.Errorf("%+v", order)
	}
	const off = `Windows-Startladeprogramm
-------------------------
Bezeichner              {current}
osdevice                partition=C:
recoveryenabled         No
`
	if r, ok := parseText(t, off).Recovery(); !ok || r.Enabled || !r.Set || r.Sequence != "" {
		t.Errorf("%+v", r)
	}
}

// TestFailures finds each failure with what it means in its place.
func TestFailures(t *testing.T) {
	const winUpdate = "Installation Failure: Windows failed to install the following update with error "
	for name, c := range map[string]struct {
		file, text string
		kbs        []string
		want       string // code, lines, WinRE, KBs of each failure
		says       string
	}{
		"other failure":      {file: "cbs-single-phase.log", want: ""},
		"store corrupt":      {file: "cbs-store-corrupt.log", want: "0x80073712 2 false []", says: "damaged"},
		"source missing":     {file: "dism-source-missing.log", want: "0x800F081F 1 false []", says: "Give a source"},
		"full while serving": {file: "dism-winre-full.txt", want: "0x80070070 1 false []", says: "larger disk"},
		"reagentc":           {file: "reagentc-failed.txt", want: "0x80070070 1 true []", says: "KB5028997"},
		"download":           {file: "windowsupdate-download.txt", want: "0x80070070 1 true []", says: "Winre.wim"},
		"January, server":    {text: winUpdate + "0x80070643: 2024-01 Security Update (KB5034439).", want: "0x80070643 1 true [KB5034439]", says: "250 MB"},
		"no WinRE":           {text: winUpdate + "0x800F081F: 2024-01 Security Update (KB5034439).", want: "0x800F081F 1 true [KB5034439]", says: "hide this update"},
		"after restart":      {text: "KB5034441 failed\nerror 80242016", want: "0x80242016 1 true []", says: "found WinRE unchanged"},
		"successor":          {text: winUpdate + "0x80070643: (KB5042322)", kbs: []string{"KB5042322"}, want: "0x80070643 1 true [KB5042322]"},
		"not a successor":    {text: winUpdate + "0x80070643: (KB5042322)", want: "0x80070643 1 false [KB5042322]", says: "no more than that"},
		"Defender beside it": {
			text: winUpdate + "0x80070643: (KB5034439)\n" + winUpdate + "0x80070643: Defender Antivirus - KB2267602\n" + winUpdate + "0x80070643: (KB5034439)",
			want: "0x80070643 2 true [KB5034439]; 0x80070643 1 false [KB2267602]",
		},
		"German, by its code":  {text: "Fehler beim Installieren: Fehler 0X80070643: Sicherheitsupdate (KB5034441)", want: "0x80070643 1 true [KB5034441]"},
		"small partition":      {text: "Windows Recovery Environment servicing failed. (CBS_E_INSUFFICIENT_DISK_SPACE)", want: "0x800F0828 1 true []"},
		"old servicing stack":  {text: "Error: 0x800f0823  Package C:\\Windows\\Temp\\WinREFix.msu may have failed", want: "0x800F0823 1 true []", says: "servicing stack"},
		"dash after the code":  {text: "Setup Failed - 0x80070643-Fatal error during installation", want: "0x80070643 1 false []"},
		"part of a GUID":       {text: "{80070643-0000-0000-0000-000000000000} 180070643 80070643a x_80070643", want: ""},
		"too far from mention": {text: "WinRE\n" + strings.Repeat("line\n", 30) + "0x80070643", want: "0x80070643 1 false []"},
	} {
		l := &cbslog.Log{}
		if c.file != "" {
			l = parse(t, c.file, c.kbs...)
		} else {
			l = parseText(t, c.text, c.kbs...)
		}
		var got, says []string
		for _, f := range l.Failures {
			got = append(got, fmt.Sprint(f.Code, f.Count, f.WinRE, f.KBs))
			says = append(says, f.Meaning, f.Next)
			if f.First < 1 || f.Last < f.First || f.Text == "" || f.Name == "" || f.Meaning == "" || f.Next == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if joined := strings.Join(got, "; "); normal(joined) != normal(c.want) {
			t.Errorf("%s: %q, want %q", name, joined, c.want)
		}
		if all := strings.Join(says, " "); !strings.Contains(all, c.says) {
			t.Errorf("%s: %q does not say %q", name, all, c.says)
		}
	}
}

// normal leaves blanks out, which fmt.Sprint puts between some values only.
func normal(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestKinds(t *testing.T) {
	for name, want := range map[string]cbslog.Kind{
		"cbs-single-phase.log": cbslog.CBS, "dism-source-missing.log": cbslog.DISM, "dism-winre-full.txt": cbslog.Text,
	} {
		if l := parse(t, name); l.Kind != want || l.Lines == 0 {
			t.Errorf("%s: %s, %d lines", name, l.Kind, l.Lines)
		}
	}
	for text, want := range map[string]cbslog.Kind{
		"2024-01-10 11:43:42, Info                         [setup.exe] WinRE": cbslog.Setup,
		"2024/01/10 09:12:01.1234567 1234  5678  Agent           * START *":   cbslog.WindowsUpdate,
		"": cbslog.Text,
	} {
		if l := parseText(t, text); l.Kind != want {
			t.Errorf("%q: %s", text, l.Kind)
		}
	}
}

// TestSpace reads the sizes that Setup compares, Winre.wim's and 52 MiB against the partition's.
func TestSpace(t *testing.T) {
	const stamp = "2024-01-10 11:43:42, Info                         [setup.exe] "
	for text, want := range map[string][2]int64{
		"winre.wim size 695151930, required free 749677882, free 512000000": {749677882, 512000000},
		"WinRE: required free space: 749677882":                             {749677882, 0},
		"WinRE partition free space 1048576000, needed 749677882":           {749677882, 1048576000},
		"partition free space 1048576000, needed 749677882":                 {},
		"WinRE required 12":      {},
		"WinRE has no space":     {},
		"WinRE free 0x2cafebabe": {},
	} {
		l := parseText(t, stamp+text)
		var got [2]int64
		if len(l.Space) == 1 {
			got = [2]int64{l.Space[0].Needed, l.Space[0].Free}
		}
		if got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		if len(l.Space) == 1 && l.Space[0].Short() != (want[1] == 512000000) {
			t.Errorf("%q: short %v", text, l.Space[0].Short())
		}
	}
	if 695151930+cbslog.SetupReserve != 749677882 {
		t.Error("the reserve is not what a real log shows")
	}
}

// TestHostile keeps memory and the terminal safe.
func TestHostile(t *testing.T) {
	long := strings.Repeat("A", 1<<20) + " 0x80070643"
	if l := parseText(t, long+"\n0x800f081f \x1b[31mred\x00"); len(l.Failures) != 1 || strings.ContainsAny(l.Failures[0].Text, "\x1b\x00") {
		t.Errorf("%+v", l.Failures)
	}
	many := strings.Repeat("---------\nid {a}\nx y\n", 5000)
	if l := parseText(t, many); len(l.Entries) > 1000 {
		t.Errorf("%d entries", len(l.Entries))
	}
	if _, err := cbslog.Parse(io.MultiReader(strings.NewReader("x"), broken{})); err == nil {
		t.Error("a read error is lost")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, os.ErrPermission }

func FuzzLog(f *testing.F) {
	for name := range sources {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("2024-01-10 11:43:42, Info [x] winre.wim required free 749677882, free 1"))
	f.Add([]byte{0xFE, 0xFF, 0, 'k', 0, 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := cbslog.Parse(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		l.Recovery()
		for _, x := range l.Failures {
			if !utf8.ValidString(x.Text) || utf8.RuneCountInString(x.Text) > 300 || strings.ContainsAny(x.Text, "\x1b\r\n") || x.Last > l.Lines {
				t.Errorf("%+v", x)
			}
		}
	})
}
