package regf

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// update makes the hives in testdata anew: go test -run TestOutsideWriters -update
var update = flag.Bool("update", false, "write testdata")

// outsideWriters edit a hive of ours. What they leave is in testdata/<name>.hive.
var outsideWriters = []struct {
	name    string
	program string
	minor   uint32
	edit    func(path string) error
}{
	{"hivexsh-minor3", "hivexsh", 3, editWithHivexsh},
	{"hivexsh-minor5", "hivexsh", 5, editWithHivexsh},
	{"hivexregedit-minor3", "hivexregedit", 3, editWithHivexregedit},
	{"hivexregedit-minor5", "hivexregedit", 5, editWithHivexregedit},
}

// editWithHivexsh runs: hivexsh -w hive < commands
func editWithHivexsh(path string) error {
	var in strings.Builder
	in.WriteString("add Edited\ncd Edited\nsetval 5\n@\nstring:default\nsz\nstring:text\n")
	in.WriteString("expand\nexpandstring:%SystemRoot%\ndword\ndword:0x12345678\nraw\nhex:3:00,01,02,03,04\n")
	in.WriteString("add sub\ncd sub\nsetval 1\nqword\nhex:11:ef,cd,ab,89,67,45,23,01\ncd \\Victim\ndel\n")
	in.WriteString("cd \\Edited\nadd zeta\nadd Alpha\nadd beta\ncommit\nexit\n")
	cmd := oracle.Command("hivexsh", "-w", path)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// editWithHivexregedit runs: hivexregedit --merge hive file.reg
func editWithHivexregedit(path string) error {
	file := filepath.Join(filepath.Dir(path), "edit.reg")
	text := "Windows Registry Editor Version 5.00\n\n[-\\Victim]\n\n[\\Edited]\n@=\"default\"\n\"sz\"=\"text\"\n" +
		"\"expand\"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,00,74,00,25,00,00,00\n" +
		"\"dword\"=dword:12345678\n\"raw\"=hex(3):00,01,02,03,04\n\n[\\Edited\\sub]\n" +
		"\"qword\"=hex(b):ef,cd,ab,89,67,45,23,01\n\n[\\Edited\\zeta]\n\n[\\Edited\\Alpha]\n\n[\\Edited\\beta]\n\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	_, err := try("hivexregedit", "--merge", path, file)
	return err
}

// beforeEdit is the hive that the outside writers get.
func beforeEdit(t testing.TB, minor uint32) []byte {
	h := New("root")
	h.Minor, h.Now = minor, testTime
	create(t, h.Root, `Kept\Below`).Set(MultiString("multi", "a", "b"))
	create(t, h.Root, `Victim\Below`).Set(Binary("large", pattern(5000)))
	return marshal(t, h)
}

// TestOutsideWriters has them edit a hive and reads the result; testdata must hold the like.
func TestOutsideWriters(t *testing.T) {
	for _, w := range outsideWriters {
		t.Run(w.name, func(t *testing.T) {
			committed := filepath.Join("testdata", w.name+".hive")
			if !*update {
				checkEdited(t, committed)
			}
			oracle.Need(t, w.program)
			path := tempHive(t, beforeEdit(t, w.minor))
			if err := w.edit(path); err != nil {
				t.Fatal(err)
			}
			checkEdited(t, path)
			if *update {
				b, err := os.ReadFile(path)
				if err == nil {
					err = os.WriteFile(committed, b, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkEdited fails unless a hive has what the outside writers make.
func checkEdited(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := parse(t, b)
	edited := h.Root.Subkey("Edited")
	if edited == nil || h.Root.Subkey("Victim") != nil || names(edited.Subkeys()) != "Alpha beta sub zeta" {
		t.Fatalf("%s has %q", path, names(h.Root.Subkeys()))
	}
	want := map[string]Value{
		"": String("", "default"), "sz": String("sz", "text"), "expand": ExpandString("expand", "%SystemRoot%"),
		"dword": DWord("dword", 0x12345678), "raw": Binary("raw", []byte{0, 1, 2, 3, 4}),
	}
	for name, w := range want {
		if v, ok := edited.Value(name); !ok || !sameValue(v, w) {
			t.Errorf("%q: %v, want %v", name, v, w)
		}
	}
	if v, _ := edited.Subkey("sub").Value("qword"); !sameValue(v, QWord("qword", 0x0123456789ABCDEF)) {
		t.Errorf("qword: %v", v)
	}
	if !bytes.Equal(edited.Security, h.Root.Security) || h.Root.Subkey(`Kept\Below`).LastWritten != testTime {
		t.Error("security or time")
	}
	out := marshal(t, h)
	audit(t, out)
	sameHive(t, parse(t, out), h)
}

// TestHivexAddsToOurs lets hivex insert into lists that we wrote, of every kind, where it needs
// their order and hashes to be right. It cannot delete from an li, which minor versions 3 and 4 have
// here above 507 keys, and 2 always.
func TestHivexAddsToOurs(t *testing.T) {
	oracle.Need(t, "hivexsh")
	for _, minor := range minors {
		for _, n := range []int{3, maxFast, maxIndex + 1} {
			t.Run(fmt.Sprintf("%d keys in minor %d", n, minor), func(t *testing.T) {
				t.Parallel()
				hivexAdds(t, n, minor, minor >= hashMinor || minor > minMinor && n <= maxFast)
			})
		}
	}
}

func hivexAdds(t *testing.T, n int, minor uint32, andDeletes bool) {
	h := New("root")
	h.Minor = minor
	for i := range n {
		create(t, h.Root, fmt.Sprintf("key %d", i))
	}
	path := tempHive(t, marshal(t, h))
	commands := "add key 1x\nadd zz\nadd AA\n"
	for _, name := range []string{"key 1x", "zz", "AA"} {
		create(t, h.Root, name)
	}
	if andDeletes {
		commands += "cd \\key 2 \ndel\n"
		if err := h.Root.Delete("key 2"); err != nil {
			t.Fatal(err)
		}
	}
	cmd := oracle.Command("hivexsh", "-w", path)
	cmd.Stdin = strings.NewReader(commands + "commit\nexit\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, b); names(got.Root.Subkeys()) != names(h.Root.Subkeys()) {
		t.Errorf("%.200s", names(got.Root.Subkeys()))
	}
}

// FuzzParse reads anything; what is a hive must come through a rewrite unchanged.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.hive")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	big := New("db")
	big.Minor = 5
	big.Root.Set(Binary("large", pattern(2*maxSegment)))
	f.Add(marshal(f, big))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data) // which is the fuzzer's
		if len(data) >= baseSize {
			le.PutUint32(data[checksumOffset:], checksum(data)) // else nothing behind it is ever reached
		}
		h, err := Parse(data)
		if err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrUnsupported) {
				t.Fatalf("class of %v", err)
			}
			return
		}
		out := marshal(t, h)
		again := parse(t, out)
		sameHive(t, again, h)
		if !bytes.Equal(marshal(t, again), out) {
			t.Error("another rewrite gives other bytes")
		}
	})
}
