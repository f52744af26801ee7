package regf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// judge is an outside program that reads hives.
type judge struct {
	name    string
	program string
	prune   func(*Key)                                 // removes what the judge cannot read; may be nil
	read    func(h *Hive, path string) (string, error) // what it sees in the file, which should hold h
	expect  func(h *Hive) string                       // what it should see
}

var judges = []judge{
	{"hivexregedit", "hivexregedit", nil, readHivexregedit, exportText},
	{"python-hivex", "python3", nil, readPython, pythonText},
	{"regfexport", "regfexport", pruneForLibregf, readRegfexport, regfText},
	{"regfinfo", "regfinfo", pruneForLibregf, readRegfinfo, infoText},
	{"reged", "reged", pruneForReged, readReged, regedText},
	{"hivexsh", "hivexsh", pruneForShell, readShell, allShellText},
	{"hivexget", "hivexget", pruneForShell, readHivexget, typesText},
}

// write returns what of h the judge can read, and its bytes.
func (j *judge) write(t testing.TB, h *Hive) (*Hive, []byte) {
	t.Helper()
	b := marshal(t, h)
	if j.prune != nil {
		h = parse(t, b)
		j.prune(h.Root)
		b = marshal(t, h)
	}
	return h, b
}

// check fails unless the judge sees in our file what is in h.
func (j *judge) check(t *testing.T, h *Hive) {
	t.Helper()
	oracle.Need(t, j.program)
	h, b := j.write(t, h)
	got, err := j.read(h, tempHive(t, b))
	if err != nil {
		t.Fatalf("%s: %v", j.name, err)
	}
	same(t, j.name, got, j.expect(h))
}

// checkAll asks every judge about h.
func checkAll(t *testing.T, h *Hive) {
	t.Helper()
	audit(t, marshal(t, h))
	for i := range judges {
		t.Run(judges[i].name, func(t *testing.T) { judges[i].check(t, h) })
	}
}

func TestJudges(t *testing.T) {
	for _, minor := range minors {
		t.Run(fmt.Sprintf("minor %d", minor), func(t *testing.T) {
			t.Parallel()
			checkAll(t, richHive(t, minor))
		})
	}
	t.Run("empty", func(t *testing.T) { checkAll(t, New("empty")) })
}

// TestJudgesCanFail flips a letter in a name and in a string, and breaks a record's signature: each
// judge must see something else or refuse the hive. regfinfo does not look at data.
func TestJudgesCanFail(t *testing.T) {
	flips := []struct {
		name string
		at   func(b []byte) int
	}{
		{"value name", func(b []byte) int { return bytes.Index(b, []byte("qword")) }},
		{"value data", func(b []byte) int { return bytes.Index(b, []byte("t\x00h\x00e\x00 \x00d")) }},
		{"key signature", func(b []byte) int { return bytes.Index(b, []byte("Types")) - nodeSize }},
	}
	for i := range judges {
		j := &judges[i]
		for _, f := range flips {
			if j.name == "regfinfo" && f.name == "value data" {
				continue
			}
			t.Run(j.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				oracle.Need(t, j.program)
				h, b := j.write(t, richHive(t, 5))
				b[f.at(b)] ^= 2
				if got, err := j.read(h, tempHive(t, b)); err == nil && got == j.expect(h) {
					t.Error("did not see the damage")
				}
			})
		}
	}
}

// try runs a judge.
func try(program string, args ...string) (string, error) {
	out, stderr, err := oracle.Try(program, args...)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, stderr)
	}
	return out, nil
}

func readHivexregedit(_ *Hive, path string) (string, error) {
	cmd := oracle.Command("hivexregedit", "--export", path, `\`)
	cmd.Env = append(cmd.Env, "PERL_UNICODE=O") // else names below U+0100 come out as Latin-1
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	return string(out), nil
}

// script prints a hive in its own order, with times.
const script = `
import hivex, sys
def walk(h, n, path, out):
    out.append("K %s %d" % (path, h.node_timestamp(n)))
    for v in h.node_values(n):
        t, d = h.value_value(v)
        out.append("V %s %d %s" % (h.value_key(v), t & 0xFFFFFFFF, d.hex()))
    for c in h.node_children(n):
        walk(h, c, path + "\\" + h.node_name(c), out)
sys.setrecursionlimit(5000)
h = hivex.Hivex(sys.argv[1])
out = []
walk(h, h.root(), "", out)
print("\n".join(out))
`

func readPython(_ *Hive, path string) (string, error) { return try(python(), "-c", script, path) }

// python prefers the system's interpreter, for which the hivex module is packaged.
func python() string {
	const system = "/usr/bin/python3"
	if _, err := os.Stat(system); err == nil {
		return system
	}
	return "python3"
}

// pruneForLibregf removes large values from hives of minor version 4: libregf expects db records
// from 5 on only.
func pruneForLibregf(k *Key) {
	for _, v := range k.Values() {
		if k.hive.Minor == 4 && len(v.Data) > maxSegment {
			k.DeleteValue(v.Name)
		}
	}
	for _, c := range k.Subkeys() {
		pruneForLibregf(c)
	}
}

func readRegfinfo(_ *Hive, path string) (string, error) {
	out, err := try("regfinfo", path)
	_, keys, ok := strings.Cut(out, "Key hierarchy\n")
	if err == nil && !ok {
		err = fmt.Errorf("no key hierarchy in %q", out)
	}
	return strings.TrimSuffix(keys, "\n"), err
}

func readRegfexport(_ *Hive, path string) (string, error) {
	out, err := try("regfexport", path)
	return regfText2(out), err
}

// hexLine is a line of a hex dump: offset, sixteen bytes, text.
var hexLine = regexp.MustCompile(`^[0-9a-f]{8}: ((?:[0-9a-f]{2} {1,2}){1,16})`)

// regfText2 keeps the lines of regfexport's output that regfText knows.
func regfText2(out string) string {
	var b, data strings.Builder
	binary, text := false, false
	flush := func() {
		if binary && data.Len() >= 2*4 {
			fmt.Fprintln(&b, data.String())
		}
		data.Reset()
		binary = false
	}
	for line := range strings.Lines(out) {
		word, rest, _ := strings.Cut(line, ": ")
		switch word {
		case "Key path", "Key", "Value":
			flush()
			b.WriteString(line)
		case "Class name", "Data size":
			b.WriteString(line)
		case "Type":
			binary, text = strings.Contains(rest, "(REG_BINARY)"), strings.Contains(rest, "(REG_SZ)")
		case "Data":
			if text {
				b.WriteString(line)
			}
		default:
			if m := hexLine.FindStringSubmatch(line); m != nil {
				data.WriteString(strings.ReplaceAll(m[1], " ", ""))
			}
		}
	}
	flush()
	return b.String()
}

// pruneForShell removes what hivexsh's command line cannot name.
func pruneForShell(k *Key) {
	for _, c := range k.Subkeys() {
		if strings.TrimSpace(c.Name) != c.Name {
			_ = k.Delete(c.Name)
			continue
		}
		pruneForShell(c)
	}
}

// readShell visits every key with hivexsh: where it is, its subkeys, its values.
func readShell(h *Hive, path string) (string, error) {
	var in strings.Builder
	walk(h.Root, func(k *Key) { fmt.Fprintf(&in, "cd \\%s \ncd\nls\nlsval\n", k.Path()) })
	cmd := oracle.Command("hivexsh", path)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	return string(out), err
}

func allShellText(h *Hive) string {
	var b strings.Builder
	walk(h.Root, func(k *Key) {
		fmt.Fprintf(&b, "\\%s\n", k.Path())
		for _, c := range k.Subkeys() {
			fmt.Fprintln(&b, c.Name)
		}
		shellText(&b, k)
	})
	return b.String()
}

func walk(k *Key, visit func(*Key)) {
	visit(k)
	for _, c := range k.Subkeys() {
		walk(c, visit)
	}
}

// readHivexget lists the values of \Types, or of the root where there is none.
func readHivexget(h *Hive, path string) (string, error) {
	return try("hivexget", path, `\`+typesKey(h).Path())
}

func typesText(h *Hive) string {
	var b strings.Builder
	shellText(&b, typesKey(h))
	return b.String()
}

func typesKey(h *Hive) *Key {
	if k := h.Root.Subkey("Types"); k != nil {
		return k
	}
	return h.Root
}

// pruneForReged removes what chntpw's reged cannot print: names outside ASCII (it aborts), values
// in several cells (it has no idea of db records), empty values (it forgets the end of the line),
// and strings that it would not print as they are.
func pruneForReged(k *Key) {
	for _, v := range k.Values() {
		text, err := v.Text()
		broken := err == nil && v.Type == REG_SZ && (!printable(text) || !bytes.Equal(v.Data, terminated(text)))
		if !printable(v.Name) || len(v.Data) == 0 || k.hive.Minor >= bigMinor && len(v.Data) > maxSegment || broken {
			k.DeleteValue(v.Name)
		}
	}
	for _, c := range k.Subkeys() {
		if !printable(c.Name) {
			_ = k.Delete(c.Name)
			continue
		}
		pruneForReged(c)
	}
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// readReged exports with chntpw's reged and brings its .reg file to the form of regedText.
func readReged(h *Hive, path string) (string, error) {
	out := filepath.Join(filepath.Dir(path), "out.reg")
	if _, err := try("reged", "-x", path, "R", `\`, out); err != nil {
		return "", err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return "", err
	}
	return regFile(string(text))
}

// regFile reads the text of a .reg file.
func regFile(text string) (string, error) {
	var b strings.Builder
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n  ", "")
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "["):
			fmt.Fprintln(&b, line)
		case strings.HasPrefix(line, "@=") || strings.HasPrefix(line, `"`):
			s, err := regLine(line)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		}
	}
	return b.String(), nil
}

// regName is the name at the start of a line, with escapes.
var regName = regexp.MustCompile(`^(?:@|"((?:[^"\\]|\\.)*)")=(.*)$`)

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// regLine turns one line of a .reg file into one of regedText.
func regLine(line string) (string, error) {
	m := regName.FindStringSubmatch(line)
	if m == nil {
		return "", fmt.Errorf("not a value: %q", line)
	}
	kind, data, _ := strings.Cut(m[2], ":")
	var typ, dword uint32
	switch {
	case len(m[2]) >= 2 && m[2][0] == '"':
		text := unescape.Replace(m[2][1 : len(m[2])-1])
		return fmt.Sprintf("%q 1 %x0000\n", unescape.Replace(m[1]), utf16le.Encode(text)), nil
	case kind == "dword":
		if _, err := fmt.Sscanf(data, "%x", &dword); err != nil {
			return "", err
		}
		return fmt.Sprintf("%q 4 %x\n", unescape.Replace(m[1]), le.AppendUint32(nil, dword)), nil
	case kind == "hex":
		typ = 3
	default:
		if _, err := fmt.Sscanf(kind, "hex(%x)", &typ); err != nil {
			return "", fmt.Errorf("%q: %w", line, err)
		}
	}
	return fmt.Sprintf("%q %d %s\n", unescape.Replace(m[1]), typ, strings.ReplaceAll(data, ",", "")), nil
}
