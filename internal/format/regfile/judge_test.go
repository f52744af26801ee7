package regfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// prefix is what the judges put before the paths, or cut off.
const prefix = `HKEY_LOCAL_MACHINE\SYSTEM`

// samples are real hives, with the logs that belong to them.
var samples = []struct {
	hive string
	logs []string
}{
	{"SYSTEM", nil},   // Windows 7
	{"SYSTEM_2", nil}, // Windows 8.1, dirty, its logs are lost
	{"SYSTEM_B", []string{"SYSTEM_B.LOG1", "SYSTEM_B.LOG2"}}, // Windows 10, dirty
	{"SYSTEM_WIN_10_1709", nil},                              // dirty too; device properties have types like ffff0012
	{"UsrClass.dat", []string{"UsrClass.dat.LOG1", "UsrClass.dat.LOG2"}},
}

// eachSample runs a test on every real hive.
func eachSample(t *testing.T, test func(t *testing.T, h *regf.Hive)) {
	for _, s := range samples {
		t.Run(s.hive, func(t *testing.T) { test(t, sample(t, s.hive, s.logs...)) })
	}
}

// sample reads a real hive: with its logs if they are there, else as it is.
func sample(t testing.TB, hive string, logs ...string) *regf.Hive {
	t.Helper()
	const dir = "registry/mkorman90+regipy/regipy_tests/data/"
	data := oracle.Sample(t, dir+hive+".xz")
	if len(logs) == 0 {
		h, _ := regf.Salvage(data)
		return h
	}
	var contents [][]byte
	for _, log := range logs {
		contents = append(contents, oracle.Sample(t, dir+log+".xz"))
	}
	h, _, err := regf.ParseWithLogs(data, contents...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// exports are the programs that write .reg files from hives. keep says what a program writes rightly; what is
// wrong in its text, and so not read, is known from docs/formats/regf.md.
var exports = []struct {
	name   string
	export func(t testing.TB, path, prefix string) []byte
	keep   func(h oracle.Hive) oracle.Hive
}{
	{"hivexregedit", oracle.HivexReg, func(h oracle.Hive) oracle.Hive { return h }},
	{"reged", oracle.RegedReg, oracle.Hive.NormalStrings},
}

// TestExportsOfSamples reads what other programs write of real hives: the values must be those of the hive.
func TestExportsOfSamples(t *testing.T) {
	eachSample(t, func(t *testing.T, h *regf.Hive) {
		for _, e := range exports {
			t.Run(e.name, func(t *testing.T) {
				h := h
				if e.name == "reged" {
					h = readHive(t, writeHive(t, h)) // a copy
					pruneForReged(h.Root)
				}
				text := e.export(t, writeHive(t, h), prefix)
				oracle.CompareHives(t, e.keep(contentOf(h)), hiveOf(t, parse(t, text), prefix))
			})
		}
	})
}

// TestRewriteOfSamples writes real hives as .reg files of our own, and reads them.
func TestRewriteOfSamples(t *testing.T) {
	eachSample(t, func(t *testing.T, h *regf.Hive) {
		ops := opsOf(h, prefix)
		if got := show(parse(t, marshal(t, ops))); got != show(ops) {
			t.Error("the text holds something else than the hive")
		}
	})
}

// merges are the programs that put a .reg file into a hive.
var merges = []struct {
	name  string
	merge func(t testing.TB, path, prefix string, reg []byte)
	prune func(k *regf.Key) // removes what the program cannot read
}{
	{"hivexregedit", oracle.HivexMerge, pruneForHivex},
	{"reged", oracle.RegedMerge, pruneForReged},
}

// TestMerge has other programs put our text into an empty hive. It must then hold what the same values make of
// an empty hive through regf.Set.
func TestMerge(t *testing.T) {
	for _, m := range merges {
		for _, minor := range []uint32{3, 5} {
			t.Run(fmt.Sprintf("%s minor %d", m.name, minor), func(t *testing.T) {
				want := richHive(t, minor)
				m.prune(want.Root)
				path := writeHive(t, emptyHive(minor))
				m.merge(t, path, prefix, utf8Text(marshal(t, opsOf(want, prefix))))
				oracle.CompareHives(t, contentOf(want), contentOf(readHive(t, path)))
			})
		}
	}
}

// TestMergeOfSample is TestMerge with the services of a real SYSTEM hive. (All of it takes hivexregedit half a
// minute.)
func TestMergeOfSample(t *testing.T) {
	const services = `ControlSet001\Services`
	h := sample(t, "SYSTEM_WIN_10_1709")
	pruneForHivex(h.Root)
	var ops []Op
	want := oracle.Hive{"": {}}
	walk(h.Root, func(k *regf.Key) {
		if path, ok := strings.CutPrefix(k.Path(), services); ok {
			ops = append(ops, keyOps(k, `HKEY_LOCAL_MACHINE\SYSTEM\Services`+path)...)
			want["Services"+path] = valuesOf(k)
		}
	})
	if len(ops) < 2000 {
		t.Fatalf("only %d keys and values", len(ops))
	}
	path := writeHive(t, emptyHive(5))
	oracle.HivexMerge(t, path, prefix, utf8Text(marshal(t, ops)))
	oracle.CompareHives(t, want, contentOf(readHive(t, path)))
}

// TestDeletions has a judge carry out the other three operations.
func TestDeletions(t *testing.T) {
	h := emptyHive(5)
	for _, key := range []string{`Kept`, `Gone\Below`} {
		k, err := h.Root.Create(key)
		if err != nil {
			t.Fatal(err)
		}
		k.Set(regf.String("", "default"))
		k.Set(regf.DWord("a", 1))
		k.Set(regf.DWord("b", 2))
	}
	path := writeHive(t, h)
	oracle.HivexMerge(t, path, prefix, utf8Text(marshal(t, []Op{
		{Kind: CreateKey, Key: prefix + `\New`},
		{Kind: DeleteKey, Key: prefix + `\Gone`},
		{Kind: DeleteKey, Key: prefix + `\Missing`},
		{Kind: DeleteValue, Key: prefix + `\Kept`},
		{Kind: DeleteValue, Key: prefix + `\Kept`, Name: "A"},
		{Kind: DeleteValue, Key: prefix + `\Kept`, Name: "missing"},
	})))
	want := oracle.Hive{"": {}, "New": {}, "Kept": {"b": {Type: 4, Data: []byte{2, 0, 0, 0}}}}
	oracle.CompareHives(t, want, contentOf(readHive(t, path)))
}

// TestJudgesSeeDamage flips a byte of data in the hive that is exported, and a digit in the text that is merged:
// each judge must give something else.
func TestJudgesSeeDamage(t *testing.T) {
	for _, e := range exports {
		t.Run(e.name+" exports", func(t *testing.T) {
			h := richHive(t, 5)
			pruneForReged(h.Root)
			want := e.keep(contentOf(h)).String()
			path := writeHive(t, h)
			if got := hiveOf(t, parse(t, e.export(t, path, prefix)), prefix).String(); got != want {
				t.Fatalf("undamaged: got %s", got)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[bytes.Index(b, pattern(200))+100] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if hiveOf(t, parse(t, e.export(t, path, prefix)), prefix).String() == want {
				t.Error("a flipped byte goes unseen")
			}
		})
	}
	for _, m := range merges {
		t.Run(m.name+" merges", func(t *testing.T) {
			h := richHive(t, 5)
			m.prune(h.Root)
			want := contentOf(h).String()
			text := string(utf8Text(marshal(t, opsOf(h, prefix))))
			for _, flip := range [][2]string{{"5b,5c,5d", "5b,5c,5c"}, {"dword:12345678", "dword:12345679"}, {`"plain"="text"`, `"plain"="texu"`}} {
				damaged := strings.Replace(text, flip[0], flip[1], 1)
				if damaged == text {
					t.Fatalf("%q is not in the text", flip[0])
				}
				path := writeHive(t, emptyHive(5))
				m.merge(t, path, prefix, []byte(damaged))
				if contentOf(readHive(t, path)).String() == want {
					t.Errorf("%q instead of %q goes unseen", flip[1], flip[0])
				}
			}
		})
	}
}

func emptyHive(minor uint32) *regf.Hive {
	h := regf.New("root")
	h.Minor = minor
	return h
}

func writeHive(t testing.TB, h *regf.Hive) string {
	t.Helper()
	b, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readHive(t testing.TB, path string) *regf.Hive {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := regf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// pattern is n bytes, none like the next.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * (1 + i/256))
	}
	return b
}

// richHive has values of every type, with data and names of every sort.
func richHive(t testing.TB, minor uint32) *regf.Hive {
	t.Helper()
	h := emptyHive(minor)
	key := func(path string, values ...regf.Value) {
		k, err := h.Root.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			k.Set(v)
		}
	}
	key("", regf.DWord("of the root", 1))
	key("Types", regf.String("", "default"), regf.String("plain", "text"), regf.String("empty", ""), regf.ExpandString("expand", `%SystemRoot%\System32`),
		regf.MultiString("multi", "a", "b c", `d\e`), regf.DWord("dword", 0x12345678), regf.QWord("qword", 1<<40+1),
		regf.Binary("long", pattern(200)), regf.Binary("one byte", []byte{7}), regf.LinkTarget(`\REGISTRY\MACHINE\X`))
	for typ := range regf.Type(12) {
		key(`Types\None`, regf.Value{Name: "no data of type " + typ.String(), Type: typ})
		key(`Types\Odd`, regf.Value{Name: "odd data of type " + typ.String(), Type: typ, Data: []byte("odd")})
	}
	key(`Types\Other`, regf.Value{Name: "property", Type: 0xFFFF0012, Data: []byte("a\x00\x00\x00")}, regf.Value{Name: "last", Type: 0x7FFFFFFF, Data: []byte{1}})
	key(`Strings`, regf.Value{Name: "open", Type: regf.REG_SZ, Data: []byte("a\x00b\x00")},
		regf.Value{Name: "two", Type: regf.REG_SZ, Data: sz("a\x00b")}, regf.String("lines", "a\r\nb\nc"), regf.String("tab", "a\tb"),
		regf.String("quotes", `C:\Program Files\"x"\`), regf.String("foreign", "Größe 名 😀"), regf.String("signs", `;#=[]@-%`), regf.String(" blanks ", "  a  "))
	key(`Names`, regf.DWord(`back\slash`, 1), regf.DWord(`"quoted"`, 2), regf.DWord(`@`, 3), regf.DWord(` `, 4), regf.DWord(`a"=dword:1`, 5),
		regf.DWord("Größe", 6), regf.DWord("名前😀", 7), regf.DWord("two\nlines", 8), regf.DWord(strings.Repeat("long ", 50), 9), regf.Binary(strings.Repeat("n", 78), pattern(60)))
	key(`Keys\[a]b]\-c\;d#\ e\f "g"\Größe\名😀`, regf.DWord("deep", 1))
	key(`Sizes`, regf.Binary("5000", pattern(5000)), regf.Binary("20000", pattern(20000)))
	return h
}

// pruneForHivex removes names that span lines.
func pruneForHivex(k *regf.Key) {
	walk(k, func(k *regf.Key) {
		for _, v := range k.Values() {
			if strings.ContainsAny(v.Name, "\r\n") {
				k.DeleteValue(v.Name)
			}
		}
	})
}

// pruneForReged removes what chntpw's reged does not write, or read, rightly: names and strings outside ASCII,
// names with quotes, backslashes and ']', the name "@" (which it takes for the default value's), empty data, a dword
// of another size than four, data in several cells, and values of the root.
func pruneForReged(k *regf.Key) {
	for _, v := range k.Values() {
		text, err := v.Text()
		broken := err == nil && v.Type == regf.REG_SZ && (!ascii(text) || !bytes.Equal(v.Data, sz(text)))
		broken = broken || len(v.Data) == 0 || v.Type == regf.REG_DWORD && len(v.Data) != 4 || len(v.Data) > 16344
		if broken || !ascii(v.Name) || v.Name == "@" || strings.ContainsAny(v.Name, `\"`) || k.Parent() == nil {
			k.DeleteValue(v.Name)
		}
	}
	for _, c := range k.Subkeys() {
		if !ascii(c.Name) || strings.Contains(c.Name, "]") {
			_ = k.Delete(c.Name)
			continue
		}
		pruneForReged(c)
	}
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
