package regfile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/textfile"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/format/regf"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// The key that the tests of values use.
const testKey = `HKEY_LOCAL_MACHINE\SOFTWARE\Test`

// show lists operations, one a line, without line numbers.
func show(ops []Op) string {
	var b strings.Builder
	for _, op := range ops {
		switch op.Kind {
		case CreateKey:
			fmt.Fprintf(&b, "key %q\n", op.Key)
		case DeleteKey:
			fmt.Fprintf(&b, "delete key %q\n", op.Key)
		case SetValue:
			fmt.Fprintf(&b, "%q %q = %x:%x\n", op.Key, op.Name, op.Type, op.Data)
		case DeleteValue:
			fmt.Fprintf(&b, "delete %q %q\n", op.Key, op.Name)
		}
	}
	return b.String()
}

func parse(t testing.TB, data []byte) []Op {
	t.Helper()
	ops, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

func marshal(t testing.TB, ops []Op) []byte {
	t.Helper()
	b, err := Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sz is the data of a REG_SZ.
func sz(s string) []byte { return utf16le.Encode(s + "\x00") }

// utf8Text is a file that we wrote, in UTF-8 without a byte order mark, for judges that read no other.
func utf8Text(b []byte) []byte {
	text, _ := textfile.Unmark(b)
	return []byte(utf16le.Decode(text))
}

// hiveOf applies operations, none of which may delete or come twice, to nothing. It cuts prefix off the paths.
func hiveOf(t testing.TB, ops []Op, prefix string) oracle.Hive {
	t.Helper()
	h := oracle.Hive{}
	for _, op := range ops {
		path, ok := strings.CutPrefix(op.Key, prefix)
		if !ok {
			t.Fatalf("line %d: key %q", op.Line, op.Key)
		}
		path = strings.Trim(path, `\`)
		switch values := h[path]; {
		case op.Kind == CreateKey && values == nil:
			h[path] = map[string]oracle.HiveValue{}
		case op.Kind == SetValue && values != nil:
			if _, twice := values[op.Name]; twice {
				t.Fatalf("line %d: value %q twice", op.Line, op.Name)
			}
			values[op.Name] = oracle.HiveValue{Type: op.Type, Data: op.Data}
		default:
			t.Fatalf("line %d: unexpected %s", op.Line, show([]Op{op}))
		}
	}
	return h
}

// contentOf lists what a hive holds.
func contentOf(h *regf.Hive) oracle.Hive {
	out := oracle.Hive{}
	walk(h.Root, func(k *regf.Key) { out[k.Path()] = valuesOf(k) })
	return out
}

func valuesOf(k *regf.Key) map[string]oracle.HiveValue {
	values := map[string]oracle.HiveValue{}
	for _, v := range k.Values() {
		values[v.Name] = oracle.HiveValue{Type: uint32(v.Type), Data: v.Data}
	}
	return values
}

// opsOf are the operations that make what a hive holds, with prefix before the paths.
func opsOf(h *regf.Hive, prefix string) []Op {
	var ops []Op
	walk(h.Root, func(k *regf.Key) {
		ops = append(ops, keyOps(k, strings.TrimSuffix(prefix+`\`+k.Path(), `\`))...)
	})
	return ops
}

// keyOps are the operations that make a key and its values at a path.
func keyOps(k *regf.Key, path string) []Op {
	ops := []Op{{Kind: CreateKey, Key: path}}
	for _, v := range k.Values() {
		ops = append(ops, Op{Kind: SetValue, Key: path, Name: v.Name, Type: uint32(v.Type), Data: v.Data})
	}
	return ops
}

func walk(k *regf.Key, visit func(*regf.Key)) {
	visit(k)
	for _, c := range k.Subkeys() {
		walk(c, visit)
	}
}

// manyValues is a file of n values of all sorts, in keys of 50.
func manyValues(n int) []Op {
	var ops []Op
	for i := range n {
		key := fmt.Sprintf(`HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services\Service %d\Parameters`, i/50)
		if i%50 == 0 {
			ops = append(ops, Op{Kind: CreateKey, Key: key})
		}
		op := Op{Kind: SetValue, Key: key, Name: fmt.Sprintf("Value %d", i)}
		switch i % 4 {
		case 0:
			op.Type, op.Data = typeDWORD, []byte{byte(i), 1, 2, 3}
		case 1:
			op.Type, op.Data = typeSZ, sz(`C:\Program Files\Common Files\a "quoted" name`)
		case 2:
			op.Type, op.Data = typeExpandSZ, sz(`%SystemRoot%\System32\drivers\driver.sys`)
		case 3:
			op.Type, op.Data = typeBinary, bytes.Repeat([]byte{byte(i)}, 100)
		}
		ops = append(ops, op)
	}
	return ops
}
