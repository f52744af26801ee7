package regfile

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// update makes what programs wrote to testdata anew: go test -run TestProducers -update
var update = flag.Bool("update", false, "write testdata")

// TestProducers reads files that programs made of one hive, with the commands behind their names.
// Ours must still be what we write.
func TestProducers(t *testing.T) {
	h := richHive(t, 5)
	pruneForReged(h.Root) // so that all of them say the same
	path := writeHive(t, h)
	for _, p := range []struct {
		name    string
		program string
		make    func() []byte
	}{
		{"winbake-utf16le", "", func() []byte { return marshal(t, opsOf(h, prefix)) }},
		// hivexregedit --export --prefix 'HKEY_LOCAL_MACHINE\SYSTEM' hive '\'
		{"hivexregedit-unfolded", "hivexregedit", func() []byte { return oracle.HivexReg(t, path, prefix) }},
		// reged -x hive 'HKEY_LOCAL_MACHINE\SYSTEM' '\' out.reg
		{"reged-crlf", "reged", func() []byte { return oracle.RegedReg(t, path, prefix) }},
	} {
		t.Run(p.name, func(t *testing.T) {
			file := filepath.Join("testdata", p.name+".reg")
			if *update {
				oracle.Need(t, p.program)
				if err := os.WriteFile(file, p.make(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden := read(t, file)
			oracle.CompareHives(t, contentOf(h), hiveOf(t, parse(t, golden), prefix))
			if p.program == "" && !bytes.Equal(p.make(), golden) {
				t.Error("winbake now writes something else")
			}
		})
	}
}

// TestWritten reads files that were written by hand and brought to their encoding by the commands behind their names.
func TestWritten(t *testing.T) {
	for name, want := range map[string]string{
		// iconv -f UTF-8 -t CP1252
		"hand-regedit4-windows1252": `key "HKEY_LOCAL_MACHINE\\SOFTWARE\\Größe"
"HKEY_LOCAL_MACHINE\\SOFTWARE\\Größe" "Preis" = 1:31003000ac200000
"HKEY_LOCAL_MACHINE\\SOFTWARE\\Größe" "Pfad" = 2:25005400450052004d0050002500dc000000
"HKEY_LOCAL_MACHINE\\SOFTWARE\\Größe" "Liste" = 7:e4000000620000000000
"HKEY_LOCAL_MACHINE\\SOFTWARE\\Größe" "raw" = 3:e4
`,
		// iconv -f UTF-8 -t UTF-16BE, a byte order mark before it
		"hand-utf16be": `key "HKEY_USERS\\.DEFAULT\\名"
"HKEY_USERS\\.DEFAULT\\名" "" = 1:3dd800de0000
`,
		// a byte order mark, then tr '\n' '\r'
		"hand-utf8bom-cr": `key "HKEY_LOCAL_MACHINE\\SYSTEM\\X"
"HKEY_LOCAL_MACHINE\\SYSTEM\\X" "é" = 4:07000000
`,
		"hand-comments-lf": `key "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management"
"HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management" "PagingFiles" = 7:0000
"HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management" "a;b" = 1:23003b000000
`,
		"hand-multiline-string": `key "HKEY_LOCAL_MACHINE\\SOFTWARE\\Notice"
"HKEY_LOCAL_MACHINE\\SOFTWARE\\Notice" "LegalNoticeText" = 1:4f006e0065000d000a005b00540077006f005d000d000a002200330022000000
`,
		"hand-delete": `delete key "HKEY_LOCAL_MACHINE\\SOFTWARE\\Gone"
key "HKEY_LOCAL_MACHINE\\SOFTWARE\\Kept"
delete "HKEY_LOCAL_MACHINE\\SOFTWARE\\Kept" ""
delete "HKEY_LOCAL_MACHINE\\SOFTWARE\\Kept" "old"
"HKEY_LOCAL_MACHINE\\SOFTWARE\\Kept" "new" = ffff0012:
`,
	} {
		if got := show(parse(t, read(t, filepath.Join("testdata", name+".reg")))); got != want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
