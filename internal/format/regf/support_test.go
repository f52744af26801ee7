package regf

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// testTime is 2024-01-02 03:04:05.6789 UTC.
const testTime filetime.Time = 133486526456789000

// minors are all versions that are read and written.
var minors = []uint32{2, 3, 4, 5, 6}

// create makes a key in a test.
func create(t testing.TB, k *Key, path string) *Key {
	t.Helper()
	c, err := k.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func marshal(t testing.TB, h *Hive) []byte {
	t.Helper()
	b, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 32<<20 {
		samePieces(t, h, b)
	}
	return b
}

// samePieces checks that Reader gives the bytes of Marshal, in many pieces if that does not take long.
func samePieces(t testing.TB, h *Hive, want []byte) {
	t.Helper()
	r, err := h.Reader()
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 128<<10 {
		r.(*pieces).room = make([]byte, 3*binAlign)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("in pieces: %d bytes of %d, or others: %v", len(got), len(want), err)
	}
}

func parse(t testing.TB, b []byte) *Hive {
	t.Helper()
	h, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// tempHive writes a hive for an outside program and returns its path.
func tempHive(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hive")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// richHive returns a hive with one of everything that outside programs can read too.
func richHive(t testing.TB, minor uint32) *Hive {
	h := New("CMI-CreateHive{winbake}")
	h.Minor, h.Now, h.LastWritten, h.FileName = minor, testTime, testTime, `\??\C:\config\RICH`
	h.Root.LastWritten = testTime
	addTypes(create(t, h.Root, "Types"))
	sizes := create(t, h.Root, "Sizes")
	for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 4000, 4060, 4064, 8192, 16343, 16344, 16345, 16348, 32688, 32689} {
		sizes.Set(Binary(fmt.Sprintf("%07d", n), pattern(n)))
	}
	for _, n := range []string{
		"plain", "Ünïcôdé", "ÿ", "Ж", "日本語", "emoji 😀", "mixed ÿ Ÿ", "space ",
		"{7619dcc9-fafe-11d9-b411-000476eba25f}", "lower", "MiXeD",
	} {
		k := create(t, h.Root, `Names\`+n)
		k.Set(String(n, n))
	}
	class := create(t, h.Root, `Class\Inner`)
	class.Class, class.Parent().Class = "Shell", "Ünï Ж"
	link := create(t, h.Root, "Link")
	link.Flags |= KeySymLink
	link.Set(LinkTarget(`\REGISTRY\MACHINE\RICH\Types`))
	other := create(t, h.Root, `Security\Other`)
	other.Security = append(bytes.Clone(other.Security), 0, 0, 0, 0)
	return h
}

func addTypes(k *Key) {
	k.Set(String("", "the default value"))
	k.Set(String("sz", `C:\Windows "quoted"`))
	k.Set(ExpandString("expand", `%SystemRoot%\x.exe`))
	k.Set(MultiString("multi", "one", "two", "three"))
	k.Set(MultiString("multi none"))
	k.Set(DWord("dword", 0xDEADBEEF))
	k.Set(QWord("qword", 0x0123456789ABCDEF))
	k.Set(Value{Name: "big endian", Type: REG_DWORD_BIG_ENDIAN, Data: []byte{1, 2, 3, 4}})
	k.Set(Binary("binary", []byte("\x00\x01\xFE\xFF")))
	k.Set(Value{Name: "none", Type: REG_NONE})
	k.Set(Value{Name: "property", Type: 0xFFFF0012, Data: []byte("x\x00y\x00")})
}

// pattern returns n bytes that differ along the way.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

// odd has hives made by hand, for what readers get wrong; see TestOddHives.
const odd = "msuhanov+yarp"

// samples calls test for each real hive, clean or not; none are there outside the project's lab.
func samples(t *testing.T, test func(t *testing.T, data []byte)) {
	eachSample(t, "registry", odd, test)
	eachSample(t, "bcd", "", test)
}

// eachSample calls test for each hive below a folder of the samples, except in one of that name.
func eachSample(t *testing.T, sub, except string, test func(t *testing.T, data []byte)) {
	dir := oracle.SamplesDir()
	if _, err := os.Stat(filepath.Join(dir, sub)); dir == "" || err != nil {
		t.Skipf("no sample hives here (%s in WINBAKE_SAMPLES)", sub)
	}
	err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && d.Name() == except:
			return fs.SkipDir
		case err != nil || d.IsDir() || strings.HasSuffix(path, ".py"):
			return err
		}
		name, _ := filepath.Rel(dir, path)
		t.Run(name, func(t *testing.T) {
			data := readSample(t, path)
			if len(data) < baseSize || string(data[:4]) != "regf" || le.Uint32(data[0x1C:]) != 0 {
				t.Skip("not a hive")
			}
			test(t, data)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readSample(t testing.TB, path string) []byte {
	if strings.HasSuffix(path, ".xz") {
		oracle.Need(t, "xz")
		return []byte(oracle.Run(t, "xz", "-dc", path))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// isDirty says that a sample's last write did not end.
func isDirty(data []byte) bool {
	return le.Uint32(data[4:]) != le.Uint32(data[8:]) || le.Uint32(data[checksumOffset:]) != checksum(data)
}

// forceClean makes a dirty hive look clean, so that its tree, however old, can be read.
func forceClean(data []byte) []byte {
	data = bytes.Clone(data)
	copy(data[8:12], data[4:8])
	le.PutUint32(data[checksumOffset:], checksum(data))
	return data
}
