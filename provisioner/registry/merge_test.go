package registry

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/format/regfile"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/registry"
)

const prefix = `HKEY_LOCAL_MACHINE\SOFTWARE`

// theirs is a hive that hivexsh has filled.
func theirs(t *testing.T) string {
	t.Helper()
	oracle.Need(t, "hivexsh")
	path := oracle.NewHive(t, "")
	cmd := oracle.Command("hivexsh", "-w", path)
	cmd.Stdin = strings.NewReader("add Shared\ncd Shared\nsetval 4\n@\nstring:theirs\nboth\ndword:1\nexpand\nexpandstring:%SystemRoot%\n" +
		"raw\nhex:3:00,01,02,ff\nadd Below\ncd Below\nsetval 1\nqword\nhex:11:ef,cd,ab,89,67,45,23,01\ncd \\\nadd Theirs\ncommit\nexit\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// ours is a hive of our own, as a file.
func ours(t *testing.T) string {
	t.Helper()
	h := regf.New("SOFTWARE")
	h.Minor = 5
	for key, values := range map[string][]regf.Value{
		`Ours\Ünïcode`: {regf.String("", "default"), regf.MultiString("list", "a", "b c"), regf.String(`quo"te\`, `"x"\`)},
		`Shared`:       {regf.QWord("both", 2), regf.Binary("empty", nil), regf.Value{Name: "none", Type: regf.REG_NONE, Data: []byte{1}}},
	} {
		k, err := h.Root.Create(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			k.Set(v)
		}
	}
	return store(t, h)
}

func store(t *testing.T, h *regf.Hive) string {
	t.Helper()
	data, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "hive", data)
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// mergeByUs merges a .reg file into a hive as the provisioner does it, and returns the hive's new file.
func mergeByUs(t *testing.T, hive string, reg []byte) string {
	t.Helper()
	tr := tree.New(1)
	if _, err := tr.WriteFile(registry.SoftwareHive, tree.Bytes(read(t, hive))); err != nil {
		t.Fatal(err)
	}
	c := Config{RegFiles: []string{write(t, "in.reg", reg)}}
	items, err := c.items()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := edit.Apply(context.Background(), tr, nil, items); err != nil {
		t.Fatal(err)
	}
	data, err := tree.ReadAll(tr.Find(registry.SoftwareHive).Node.Data, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "merged", data)
}

// export writes a hive with our own writer, in UTF-8, which is what hivexregedit reads.
func export(t *testing.T, hive string) []byte {
	t.Helper()
	h, err := regf.Parse(read(t, hive))
	if err != nil {
		t.Fatal(err)
	}
	var ops []regfile.Op
	var walk func(k *regf.Key, path string)
	walk = func(k *regf.Key, path string) {
		ops = append(ops, regfile.Op{Kind: regfile.CreateKey, Key: path})
		for _, v := range k.Values() {
			ops = append(ops, regfile.Op{Kind: regfile.SetValue, Key: path, Name: v.Name, Type: uint32(v.Type), Data: v.Data})
		}
		for _, sub := range k.Subkeys() {
			walk(sub, path+`\`+sub.Name)
		}
	}
	for _, k := range h.Root.Subkeys() {
		walk(k, prefix+`\`+k.Name)
	}
	text, err := regfile.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.TrimPrefix(utf16le.Decode(text), "\uFEFF"))
}

// union is what a hive holds after another was merged into it: values of the other win.
func union(into, from oracle.Hive) oracle.Hive {
	out := oracle.Hive{}
	for _, h := range []oracle.Hive{into, from} {
		for key, values := range h {
			if out[key] == nil {
				out[key] = map[string]oracle.HiveValue{}
			}
			maps.Copy(out[key], values)
		}
	}
	return out
}

// A hive that hivexsh made and one of ours take each other's export, whoever writes it and whoever
// merges it.
func TestMergeEachOther(t *testing.T) {
	a, b := theirs(t), ours(t)
	want := map[string]oracle.Hive{"theirs": oracle.Hivex(t, a), "ours": oracle.Hivex(t, b)}
	for _, test := range []struct {
		name, into, from string
		reg              []byte
	}{
		{"ours into theirs", "theirs", "ours", export(t, b)},
		{"ours by hivexregedit into theirs", "theirs", "ours", oracle.HivexReg(t, b, prefix)},
		{"theirs into ours", "ours", "theirs", export(t, a)},
		{"theirs by hivexregedit into ours", "ours", "theirs", oracle.HivexReg(t, a, prefix)},
	} {
		t.Run(test.name, func(t *testing.T) {
			hive := map[string]string{"theirs": a, "ours": b}[test.into]
			expected := union(want[test.into], want[test.from])
			oracle.CompareHives(t, expected, oracle.Hivex(t, mergeByUs(t, hive, test.reg)))

			copied := write(t, "hive", read(t, hive))
			oracle.HivexMerge(t, copied, prefix, test.reg)
			oracle.CompareHives(t, expected, oracle.Hivex(t, copied))

			changed := []byte(strings.Replace(string(test.reg), "dword:00000001", "dword:00000003", 1))
			if test.from == "theirs" && oracle.Hivex(t, mergeByUs(t, hive, changed)).String() == expected.String() {
				t.Error("a changed digit is not seen")
			}
		})
	}
}
