package verify_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
)

// besides is a small disk with records beside it, and what is found in these.
func besides(t *testing.T, records map[string]string) (found []string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("disk.raw", smallDisk)
	for name, content := range records {
		if content == "folder" {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(name, content)
	}
	f := run(t, filepath.Join(dir, "disk.raw"), verify.Options{})
	if f.Verdict == verify.Unreadable {
		t.Errorf("unreadable: %s", f.Error)
	}
	for _, x := range f.Findings {
		if x.Check == "checksum" || x.Check == "manifest" {
			found = append(found, x.Text)
		}
	}
	return found
}

// smallDisk has no partitions.
var smallDisk = strings.Repeat("\x00", 510) + "\x55\xAA" + strings.Repeat("\x00", 1<<20)

func smallSum() string {
	s := sha256.Sum256([]byte(smallDisk))
	return hex.EncodeToString(s[:])
}

// TestChecksumLists has lists that sha256sum -c would not take for a sound disk, and some that it would.
func TestChecksumLists(t *testing.T) {
	wrong := strings.Repeat("0", 64)
	long := strings.Repeat("1", 64) + "  " + strings.Repeat("x", 100_000) + "\n"
	for _, c := range []struct{ name, list, want string }{
		{"sound", smallSum() + "  disk.raw\n", ""},
		{"without an end of line", strings.ToUpper(smallSum()) + " *disk.raw", ""},
		{"of Windows", smallSum() + " *disk.raw\r\n", ""},
		{"in this folder", wrong + "  ./disk.raw\n", "says " + wrong},
		{"wrong", wrong + "  disk.raw\n", "says " + wrong},
		{"after a long line", long + wrong + "  disk.raw\n", "says " + wrong},
		{"twice, wrong first", wrong + "  disk.raw\n" + smallSum() + "  disk.raw\n", "than a line before"},
		{"twice, wrong last", smallSum() + "  disk.raw\n" + wrong + "  disk.raw\n", "than a line before"},
		{"no list", "nonsense\n", "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := strings.Join(besides(t, map[string]string{"checksums.sha256": c.list}), "\n")
			if (found == "") != (c.want == "") || !strings.Contains(found, c.want) {
				t.Errorf("%q, want %q", found, c.want)
			}
		})
	}
}

// TestRecordPaths has records that name what is not beside the disk, or is no file.
func TestRecordPaths(t *testing.T) {
	manifest := func(record string) string {
		return `{"schema_version": 1, "files": [{"name": "disk.raw", "size": ` + strconv.Itoa(len(smallDisk)) + `}], "records": ["` + record + `"]}`
	}
	for record, want := range map[string]string{
		"..": "no name of a file", "../disk.vex.json": "no name of a file", "/etc/passwd": "no name of a file", `a\\b`: "no name of a file", "folder": "is no file",
		"": "no name of a file", ".": "no name of a file",
	} {
		found := besides(t, map[string]string{"manifest.json": manifest(record), "folder": "folder"})
		if !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("%q: %q, want %q", record, found, want)
		}
	}
	for _, name := range []string{"manifest.json", "checksums.sha256"} {
		if found := besides(t, map[string]string{name: "folder"}); !strings.Contains(strings.Join(found, "\n"), "is no file") {
			t.Errorf("%s: %q", name, found)
		}
	}
}
