package oracle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// HiveValue is a registry value as a judge reads it.
type HiveValue struct {
	Type uint32 // REG_*
	Data []byte
}

// Hive is the content of a registry hive: values by name ("" is the default value), by key path. Paths
// are relative to the root, which is "", with '\' between names, in the case of the file.
type Hive map[string]map[string]HiveValue

// String lists the hive in a canonical form, one key or value per line.
func (h Hive) String() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "[%s]\n", key)
		for _, name := range slices.Sorted(maps.Keys(h[key])) {
			v := h[key][name]
			fmt.Fprintf(&b, "%q=%d:%s\n", name, v.Type, hex.EncodeToString(v.Data))
		}
	}
	return b.String()
}

// CompareHives fails the test, with the lines that differ, unless both hold the same.
func CompareHives(t testing.TB, want, got Hive) {
	t.Helper()
	if want.equal(got) { // the lists of a large hive take seconds
		return
	}
	if diff := diffLines(want.String(), got.String()); diff != "" {
		t.Errorf("hives differ (- wanted, + got):\n%s", diff)
	}
}

func (h Hive) equal(other Hive) bool {
	return maps.EqualFunc(h, other, func(a, b map[string]HiveValue) bool {
		return maps.EqualFunc(a, b, func(v, w HiveValue) bool { return v.Type == w.Type && bytes.Equal(v.Data, w.Data) })
	})
}

// Hivex reads a hive with hivexregedit. Every value is exact.
func Hivex(t testing.TB, path string) Hive {
	t.Helper()
	Need(t, "hivexregedit")
	h, err := hivex(path)
	return fatal(t, h, err)
}

func hivex(path string) (Hive, error) {
	out, err := hivexReg(path, "")
	if err != nil {
		return nil, err
	}
	return parseReg(string(out), "")
}

// Reged reads a hive with reged, of chntpw. It writes strings (REG_SZ) as text: what follows their
// first NUL, and whether one follows, is lost, so here each ends in exactly one.
func Reged(t testing.TB, path string) Hive {
	t.Helper()
	return RegedKey(t, path, `\`)
}

// RegedKey is Reged for a key and what is below it. Some hives of real machines have names that reged
// cannot print.
func RegedKey(t testing.TB, path, key string) Hive {
	t.Helper()
	Need(t, "reged")
	h, err := reged(path, key)
	return fatal(t, h, err)
}

func reged(path, key string) (Hive, error) {
	text, err := regedReg(path, "HIVE", key)
	if err != nil {
		return nil, err
	}
	return parseReg(string(text), "HIVE")
}

// NormalStrings returns the hive with each REG_SZ cut at its first NUL and ended by one, which is all
// that Reged can know of them.
func (h Hive) NormalStrings() Hive {
	out := Hive{}
	for key, values := range h {
		out[key] = map[string]HiveValue{}
		for name, v := range values {
			if v.Type == regSZ {
				v.Data = normalString(v.Data)
			}
			out[key][name] = v
		}
	}
	return out
}

func normalString(b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return b[:i+2]
		}
	}
	return append(slices.Clone(b), 0, 0)
}

// Registry value types ([MS-RRP] 3.1.1.5).
const (
	regSZ     = 1
	regBinary = 3
	regDWORD  = 4
)

// parseReg reads the .reg text of version 5, as Windows, hivexregedit and reged write it. The root
// key's name is cut off.
func parseReg(text, root string) (Hive, error) {
	h := Hive{}
	var values map[string]HiveValue
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n  ", "")
	for i, line := range strings.Split(text, "\n") {
		switch {
		case line == "" || i == 0 && strings.HasPrefix(line, "Windows Registry Editor"):
		case strings.HasPrefix(line, "["):
			path := strings.TrimPrefix(strings.TrimSuffix(line[1:], "]"), root)
			path = strings.Trim(path, `\`)
			if h[path] != nil {
				return nil, fmt.Errorf("key %q is exported twice", path)
			}
			values = map[string]HiveValue{}
			h[path] = values
		default:
			name, v, err := parseRegValue(line)
			if err != nil {
				return nil, fmt.Errorf("line %d, %.80q: %w", i+1, line, err)
			}
			if _, twice := values[name]; twice || values == nil {
				return nil, fmt.Errorf("line %d: value %q stands twice, or in no key", i+1, name)
			}
			values[name] = v
		}
	}
	return h, nil
}

// parseRegValue reads `"name"=value` or `@=value`.
func parseRegValue(line string) (name string, v HiveValue, err error) {
	var rest string
	if strings.HasPrefix(line, "@") {
		rest = line[1:]
	} else if name, rest, err = unquoteReg(line); err != nil {
		return "", v, err
	}
	rest, ok := strings.CutPrefix(rest, "=")
	if !ok {
		return "", v, fmt.Errorf("no '='")
	}
	v, err = parseRegData(rest)
	return name, v, err
}

// unquoteReg takes a quoted string off the start of s; '\' escapes itself and the quote.
func unquoteReg(s string) (text, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", fmt.Errorf("no quote")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", fmt.Errorf("no closing quote")
}

// parseRegData reads "text", dword:n, hex:.. and hex(type):...
func parseRegData(s string) (HiveValue, error) {
	if strings.HasPrefix(s, `"`) {
		text, _, err := unquoteReg(s)
		return HiveValue{regSZ, encode16(text + "\x00")}, err
	}
	kind, data, ok := strings.Cut(s, ":")
	if !ok {
		return HiveValue{}, fmt.Errorf("unknown value")
	}
	if kind == "dword" {
		n, err := strconv.ParseUint(data, 16, 32)
		return HiveValue{regDWORD, binary.LittleEndian.AppendUint32(nil, uint32(n))}, err
	}
	v := HiveValue{Type: regBinary}
	if number, ok := strings.CutPrefix(kind, "hex("); ok {
		n, err := strconv.ParseUint(strings.TrimSuffix(number, ")"), 16, 32)
		if err != nil {
			return v, err
		}
		v.Type = uint32(n)
	} else if kind != "hex" {
		return v, fmt.Errorf("unknown kind of value")
	}
	var err error
	v.Data, err = hex.DecodeString(strings.NewReplacer(",", "", " ", "").Replace(data))
	return v, err
}

// HiveShape is what RegfExport tells of a value.
type HiveShape struct {
	Type string // REG_*, with libregf's spelling
	Size int
}

// RegfExport reads a hive with libregf's regfexport and returns the type and size of each value, by
// name, by key path as in Hive.
func RegfExport(t testing.TB, path string) map[string]map[string]HiveShape {
	t.Helper()
	Need(t, "regfexport")
	shapes, err := regfExport(path)
	return fatal(t, shapes, err)
}

func regfExport(path string) (map[string]map[string]HiveShape, error) {
	out, stderr, err := Try("regfexport", path)
	if err != nil || stderr != "" {
		return nil, judged("regfexport", path, err, out+stderr)
	}
	return parseRegfExport(out)
}

// parseRegfExport reads "Key path: ROOT\a\b", then per value "Value: n name", "Type: ... (REG_X)",
// "Data size: n" and the data, which is not looked at.
func parseRegfExport(out string) (map[string]map[string]HiveShape, error) {
	shapes := map[string]map[string]HiveShape{}
	var key map[string]HiveShape
	var name, kind string
	for line := range strings.Lines(out) {
		label, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch label {
		case "Key path":
			_, path, _ := strings.Cut(strings.TrimPrefix(value, `\`), `\`)
			key = map[string]HiveShape{}
			shapes[path] = key
		case "Value":
			_, name, _ = strings.Cut(value, " ")
			if name == "(default)" {
				name = ""
			}
		case "Type":
			_, kind, _ = strings.Cut(strings.TrimSuffix(value, ")"), "(")
		case "Data size":
			n, err := strconv.Atoi(value)
			if err != nil || key == nil {
				return nil, fmt.Errorf("regfexport: %q", line)
			}
			key[name] = HiveShape{kind, n}
		}
	}
	return shapes, nil
}

// NewHive makes a hive with hivexregedit from .reg text whose key paths start with '\', and returns
// its path. The file lives as long as the test.
func NewHive(t testing.TB, reg string) string {
	t.Helper()
	Need(t, "hivexregedit")
	path := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(path, emptyHive(), 0o600); err != nil {
		t.Fatal(err)
	}
	HivexMerge(t, path, "", []byte("Windows Registry Editor Version 5.00\n\n"+reg))
	return path
}

// emptyHive returns the smallest hive that hivex takes to fill: a base block and one bin with the root
// key, its security descriptor and free room. Offsets are those of the regf format 1.3, as libhivex
// and libregf document it.
func emptyHive() []byte {
	const (
		bin     = 4096 // both the base block and the bin
		rootAt  = 0x20 // offsets of cells are counted from the first bin
		rootLen = 0x58
		skAt    = rootAt + rootLen
	)
	le := binary.LittleEndian
	b := make([]byte, 2*bin)
	copy(b, "regf")
	for at, v := range map[int]uint32{0x04: 1, 0x08: 1, 0x14: 1, 0x18: 3, 0x20: 1, 0x24: rootAt, 0x28: bin, 0x2C: 1} {
		le.PutUint32(b[at:], v)
	}
	cells := b[bin:]
	copy(cells, "hbin")
	le.PutUint32(cells[8:], bin)

	root := cells[rootAt:]
	putCellSize(root, rootLen)
	copy(root[4:], "nk\x2c\x00") // root, not to be deleted, name in ASCII
	for _, at := range []int{0x10, 0x1C, 0x20, 0x28, 0x30} {
		le.PutUint32(root[4+at:], 0xFFFFFFFF) // parent, subkeys, volatile subkeys, values, class
	}
	le.PutUint32(root[4+0x2C:], skAt)
	le.PutUint16(root[4+0x48:], 4)
	copy(root[4+0x4C:], "ROOT")

	sd := securityDescriptor(1)
	skLen := (4 + 0x14 + len(sd) + 7) &^ 7
	sk := cells[skAt:]
	putCellSize(sk, skLen)
	copy(sk[4:], "sk")
	for at, v := range map[int]uint32{0x04: skAt, 0x08: skAt, 0x0C: 1, 0x10: uint32(len(sd))} {
		le.PutUint32(sk[4+at:], v)
	}
	copy(sk[4+0x14:], sd)
	le.PutUint32(cells[skAt+skLen:], uint32(bin-skAt-skLen)) // a free cell's size is positive

	var sum uint32
	for at := 0; at < 0x1FC; at += 4 {
		sum ^= le.Uint32(b[at:])
	}
	le.PutUint32(b[0x1FC:], sum)
	return b
}

// putCellSize marks a cell as used, by a negative size.
func putCellSize(cell []byte, size int) { binary.LittleEndian.PutUint32(cell, uint32(-size)) }

// diffLines lists the lines that only one of two sorted texts has, a bounded number of them.
func diffLines(a, b string) string {
	const most = 40
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]++
	}
	for line := range strings.Lines(b) {
		count[line]--
	}
	var out bytes.Buffer
	n := 0
	for _, line := range slices.Sorted(maps.Keys(count)) {
		if count[line] == 0 {
			continue
		}
		if n++; n <= most {
			fmt.Fprintf(&out, "%c %.300s\n", "+-"[min(1, max(0, count[line]))], strings.TrimRight(line, "\n"))
		}
	}
	if n > most {
		fmt.Fprintf(&out, "... and %d more\n", n-most)
	}
	return out.String()
}
