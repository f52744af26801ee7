package oracle

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const sampleReg = `[\Key]
"text"="a \"quoted\" \\ text"
"number"=dword:00000011
@="default"
"expand"=hex(2):41,00,00,00
"multi"=hex(7):41,00,00,00,42,00,00,00,00,00
"binary"=hex(3):00,01,02
"qword"=hex(b):01,02,03,04,05,06,07,08
"none"=hex(0):

[\Key\Sub key]
"long"=hex(3):01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,16,17,18,19,1a,1b,1c,1d,1e,1f
`

// sampleHive is what sampleReg says.
var sampleHive = Hive{
	"": {},
	"Key": {
		"text":   {regSZ, encode16("a \"quoted\" \\ text\x00")},
		"number": {regDWORD, []byte{0x11, 0, 0, 0}},
		"":       {regSZ, encode16("default\x00")},
		"expand": {2, encode16("A\x00")},
		"multi":  {7, encode16("A\x00B\x00\x00")},
		"binary": {regBinary, []byte{0, 1, 2}},
		"qword":  {11, []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		"none":   {0, nil},
	},
	`Key\Sub key`: {"long": {regBinary, []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f")}},
}

func TestHiveJudgesAgree(t *testing.T) {
	path := NewHive(t, sampleReg)
	CompareHives(t, sampleHive, Hivex(t, path))
	CompareHives(t, sampleHive, Reged(t, path))
	shapes := RegfExport(t, path)
	for key, values := range sampleHive {
		for name, v := range values {
			if got, ok := shapes[key][name]; !ok || got.Size != len(v.Data) {
				t.Errorf("regfexport: %s: %q: %+v, want %d bytes", key, name, got, len(v.Data))
			}
		}
	}
	if got := shapes["Key"]["multi"].Type; got != "REG_MULTI_SZ" {
		t.Errorf("regfexport: type %q", got)
	}
}

// TestHiveJudgesSeeDamage flips a byte of the long value, which each judge shows, and one in the
// signature of the root key, which none survives.
func TestHiveJudgesSeeDamage(t *testing.T) {
	Need(t, "hivexregedit", "reged", "regfexport")
	good, err := os.ReadFile(NewHive(t, sampleReg))
	if err != nil {
		t.Fatal(err)
	}
	long := sampleHive[`Key\Sub key`]["long"].Data
	flipped := damaged(t, good, bytes.Index(good, long)+30)
	all := func(path string) (Hive, error) { return reged(path, `\`) }
	for _, read := range []func(string) (Hive, error){hivex, all} {
		h, err := read(flipped)
		if err != nil || diffLines(sampleHive.String(), h.String()) == "" {
			t.Errorf("a flipped byte of a value goes unseen: %v", err)
		}
	}
	broken := damaged(t, good, bytes.Index(good, []byte("nk\x2c\x00")))
	for name, err := range map[string]error{
		"hivexregedit": second(hivex(broken)),
		"reged":        second(all(broken)),
		"regfexport":   second(regfExport(broken)),
	} {
		if err == nil {
			t.Errorf("%s accepts a root key with a broken signature", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// damaged writes a copy with the byte at a place changed, and returns its path.
func damaged(t *testing.T, good []byte, at int) string {
	t.Helper()
	if at < 0 || at >= len(good) {
		t.Fatalf("no byte %d to damage", at)
	}
	bad := bytes.Clone(good)
	bad[at] ^= 0x01
	path := filepath.Join(t.TempDir(), "damaged")
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
