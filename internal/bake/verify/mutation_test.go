package verify_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
)

// mutation is one byte of a sound disk that is changed, and the check that finds it.
type mutation struct {
	file  string // which disk: see mutated
	what  string // structure and field, as docs/verify.md has it
	xor   byte
	check string
	at    func(s *scene) int64
}

// mutated are the disks that are changed, by what the table calls them.
var mutated = map[string]struct {
	firmware layout.Firmware
	recovery bool
	format   bake.Format
}{
	"BIOS":        {layout.BIOS, false, bake.Raw},
	"UEFI":        {layout.UEFI, true, bake.Raw},
	"both":        {layout.Both, false, bake.Raw},
	"VHD":         {layout.Both, false, bake.VHD},
	"dynamic VHD": {layout.Both, false, bake.VHDDynamic},
	"VHDX":        {layout.Both, false, bake.VHDX},
	"qcow2":       {layout.Both, false, bake.QCOW2},
}

func (m *mutation) disk(t testing.TB) string {
	t.Helper()
	d := mutated[m.file]
	list := []bake.Format{d.format}
	if d.firmware == layout.Both && d.format != bake.VHDDynamic {
		list = formats
	}
	for _, path := range disks(bakeDisk(t, d.firmware, d.recovery, list...)) {
		if filepath.Ext(path) == "."+strings.TrimSuffix(string(d.format), "-dynamic") {
			return path
		}
	}
	t.Fatalf("no %s", m.file)
	return ""
}

// TestMutations changes one byte of a sound disk, and expects the check that is to find it.
func TestMutations(t *testing.T) {
	if n := len(mutations); n < 40 {
		t.Errorf("%d mutations", n)
	}
	scenes := map[string]*scene{}
	for _, m := range mutations {
		s := scenes[m.file]
		if s == nil {
			s = openScene(t, m.disk(t))
			scenes[m.file] = s
		}
		t.Run(m.file+" "+m.what, func(t *testing.T) {
			at := m.at(&scene{t, s.r, s.size})
			f := verify.Disk(flipped{s.r, at, m.xor}, s.size, "disk")
			expect(t, f, m.check)
		})
	}
}

// expect fails unless a check is among those that found something, and nothing is unreadable.
func expect(t *testing.T, f *verify.File, check string) {
	t.Helper()
	if f.Verdict != verify.Findings {
		t.Errorf("verdict %s %s", f.Verdict, f.Error)
	}
	if !slices.ContainsFunc(f.Findings, func(x verify.Finding) bool { return x.Check == check && x.Severity != verify.Note }) {
		t.Errorf("%s did not find it", check)
		log(t, f)
	}
}

// TestRecords changes one byte of what lies beside a disk, and of the disk where nothing but its SHA-256
// tells.
func TestRecords(t *testing.T) {
	r := bakeDisk(t, layout.BIOS, false, bake.Raw)
	for _, c := range []struct{ name, text, check string }{
		{"manifest.json", `"offset": `, "manifest"},
		{"manifest.json", `"type": "`, "manifest"},
		{"manifest.json", `"sha256": "`, "checksum"},
		{"manifest.json", `"team": "`, "manifest"},
		{"manifest.json", `"schema_version"`, "checksum"},
		{"checksums.sha256", "  disk.raw", "checksum"},
		{"disk.vex.json", "checksum=sha256:", "checksum"},
		{"disk.cdx.json", `"content": "`, "checksum"},
		{"disk.raw.bmap", "<ImageSize> ", "manifest"},
	} {
		t.Run(c.name+" "+c.text, func(t *testing.T) {
			copied := t.TempDir()
			for _, path := range r.Files {
				if filepath.Ext(path) == ".raw" {
					if err := os.Symlink(path, filepath.Join(copied, filepath.Base(path))); err != nil {
						t.Skip(err)
					}
					continue
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if filepath.Base(path) == c.name {
					i := strings.Index(string(b), c.text)
					if i < 0 {
						t.Fatalf("no %q in %s", c.text, b)
					}
					if i += len(c.text); c.name == "checksums.sha256" {
						i = 0
					}
					b[i] ^= 1
				}
				if err := os.WriteFile(filepath.Join(copied, filepath.Base(path)), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, run(t, filepath.Join(copied, "disk.raw"), verify.Options{}), c.check)
		})
	}
}

// TestTable compares docs/verify.md with the mutations.
func TestTable(t *testing.T) {
	f, err := os.Open("../../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "| ") && strings.Count(lines.Text(), "|") == 5 {
			rows = append(rows, lines.Text())
		}
	}
	for i, m := range mutations {
		row := fmt.Sprintf("| %d | %s | %s | `%s` |", i+1, m.file, m.what, m.check)
		if !slices.Contains(rows, row) {
			t.Errorf("docs/verify.md lacks: %s", row)
		}
	}
}
