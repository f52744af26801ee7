package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/audit"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

// binary is the program as users get it.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "winbake-command")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "winbake.exe")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Stderr = os.Stderr
	code := 1
	if cmd.Run() == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// winbake runs the program.
func winbake(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	return code, out.String(), errs.String()
}

// disk is the stand-in's disk, with the recovery environment that waits to be set up or without.
func disk(t testing.TB, with bool) string {
	t.Helper()
	dir := t.TempDir()
	if err := standin.Media(t.Context(), dir, standin.Options{Files: 10}); err != nil {
		t.Fatal(err)
	}
	r, err := bake.Run(t.Context(), bake.Config{
		Media: dir, Image: "ServerStandardCore", Size: 600 << 20, Firmware: layout.BIOS, Formats: []bake.Format{bake.VHD},
		OutputDir: filepath.Join(dir, "out"), Name: "disk, with a comma", NoChecksums: true,
	}, func(tr *tree.Tree) error {
		if with {
			return nil
		}
		_, err := winre.Remove(tr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Files[0]
}

func TestExitCodes(t *testing.T) {
	without, with := disk(t, false), disk(t, true)
	log := filepath.Join(t.TempDir(), "a,b.log")
	if err := os.WriteFile(log, []byte("KB5034439 failed with 0x80070643"), 0o600); err != nil {
		t.Fatal(err)
	}
	fine := filepath.Join(t.TempDir(), "fine.log")
	if err := os.WriteFile(fine, []byte("nothing happened"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		out  string // in standard output
		err  string // in standard error
	}{
		"fine":                   {[]string{"audit", without}, 0, "The image carries no WinRE.", ""},
		"flag last":              {[]string{"audit", without, "--json"}, 0, `"verdict": "ok"`, ""},
		"findings":               {[]string{"audit", with}, 1, "CVE-2024-20666", ""},
		"several":                {[]string{"audit", without, with}, 1, "waits in System32", ""},
		"JSON":                   {[]string{"audit", "--json", with}, 1, `"schema_version": 1`, ""},
		"log":                    {[]string{"audit", "--log", log}, 1, "ERROR_INSTALL_FAILURE", ""},
		"logs and image":         {[]string{"audit", "--log", fine, "--log=" + log, without}, 1, "250 MB", ""},
		"a log without failures": {[]string{"audit", "--log", fine}, 0, "fine.log", ""},
		"parity":                 {[]string{"audit", "--parity", without, without}, 0, "the same recovery environment", ""},
		"no parity":              {[]string{"audit", "--parity", without, with}, 1, "present", ""},
		"missing":                {[]string{"audit", without + "x", without}, 3, "could not be read", ""},
		"missing log":            {[]string{"audit", "--log", log + "x"}, 3, "could not be read", ""},
		"no image":               {[]string{"audit", log}, 3, "could not be read", ""},
		"help":                   {[]string{"audit", "--help"}, 0, "--parity", ""},
		"version":                {[]string{"--version"}, 0, "winbake version", ""},
		"nothing at all":         {nil, 0, "audit", ""},
		"no path":                {[]string{"audit"}, 2, "", "name the disks"},
		"no such flag":           {[]string{"audit", "--jsno", without}, 2, "", "jsno"},
		"no such command":        {[]string{"adit"}, 2, "", `no command "adit"`},
		"log without a file":     {[]string{"audit", without, "--log"}, 2, "", "log"},
		"parity of one":          {[]string{"audit", "--parity", without}, 2, "", "two paths"},
		"parity with log":        {[]string{"audit", "--parity", "--log", log, without, with}, 2, "", "--log"},
	} {
		code, out, errs := winbake(t, c.args...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.err) || (c.err == "") != (errs == "") {
			t.Errorf("%s: exit code %d, want %d\n%s\n%s", name, code, c.code, out, errs)
		}
		if c.code == exitUsage && out != "" {
			t.Errorf("%s: prints %q", name, out)
		}
	}
}

// TestSilentOnTheImage makes sure that an audit writes nothing to what it reads.
func TestSilentOnTheImage(t *testing.T) {
	path := disk(t, true)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, _ := winbake(t, "audit", path); code != exitFindings {
		t.Errorf("exit code %d", code)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the image has changed (%v)", err)
	}
}

// TestText shows the report for people, and that a name in an image cannot move the terminal's cursor.
func TestText(t *testing.T) {
	free := int64(83 << 20)
	yes := true
	r := &audit.Report{
		Images: []*audit.Image{{
			Path: "x\x1b[2J.raw", Kind: audit.KindDisk, Format: "raw", Summary: "So it is.",
			Windows:  &audit.Windows{Product: "Windows Server\t2022", Version: "10.0.20348.2227", Architecture: "amd64", Installation: "Server", Partition: 3},
			Disk:     &audit.Disk{Size: 60 << 30, Table: "gpt", ID: "id"},
			Recovery: &audit.Recovery{Partition: 4, Size: 524 << 20, Free: &free},
			Partitions: []audit.Partition{
				{Number: 4, Role: "recovery", Type: "type", Size: 524 << 20, Free: &free, FileSystem: "NTFS", Label: "Re\x1bcovery"},
			},
			WinRE:      audit.WinRE{Present: true, State: audit.Enabled, Version: "10.0.20348.1", Registry: "10.0.20348.1", Locations: []audit.Place{{Path: `\Recovery\WindowsRE\Winre.wim`, Partition: 4, Size: 400 << 20}}},
			ReAgent:    &audit.ReAgent{Enabled: true, Target: audit.TargetOK, Partition: 4},
			Boot:       []audit.Boot{{Store: `\EFI\Microsoft\Boot\BCD`, Partition: 1, Enabled: &yes, Target: audit.TargetImage, TargetPart: 2}},
			Room:       &audit.Room{Partition: 4, Needed: 250 << 20, Free: free},
			Advisories: []audit.Advisory{{ID: "CVE-1", Status: winre.Affected, Fixed: "10.0.20348.2201", KBs: []string{"KB1"}}, {ID: "CVE-2", Status: winre.NotApplicable}},
			Findings:   []audit.Finding{{ID: "x", Severity: audit.Warning, Text: "It is so.", Next: "Do it."}},
		}},
		Parity: &audit.Parity{A: "a", B: "b", Differences: []audit.Difference{{Field: "present", A: "yes", B: "no"}}},
	}
	var b bytes.Buffer
	if err := writeText(&b, r); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/report.txt")
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got:\n%s", b.String())
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// TestVerify runs verify as a gate: its text, its JSON and its exit codes.
func TestVerify(t *testing.T) {
	path := disk(t, true)
	if code, out, errs := winbake(t, "verify", path); code != 0 || !strings.Contains(out, "Nothing was found.") || errs != "" {
		t.Errorf("%d %s %s", code, out, errs)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xFF}, 510); err != nil {
		t.Fatal(err)
	}
	f.Close()
	code, out, _ := winbake(t, "verify", path)
	if code != 1 || !strings.Contains(out, "error [mbr] byte 0x1fe") || !strings.Contains(out, "->") {
		t.Errorf("%d %s", code, out)
	}
	code, out, _ = winbake(t, "verify", "--json", path)
	var report verify.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 1 || report.SchemaVersion != verify.SchemaVersion || report.Files[0].Findings[0].Check != "mbr" {
		t.Errorf("%d %v %s", code, err, out)
	}
	if code, out, _ := winbake(t, "verify", path+".none"); code != 3 || !strings.Contains(out, "there is no") {
		t.Errorf("%d %s", code, out)
	}
}

// TestHints names the command that was used wrongly.
func TestHints(t *testing.T) {
	for want, args := range map[string][]string{
		"Try: winbake verify --help": {"verify"}, "Try: winbake audit --help": {"audit"}, "Try: winbake --help": {"bogus"}, "Try: winbake verify --help\n": {"verify", "--bogus"},
	} {
		if code, _, errs := winbake(t, args...); code != 2 || !strings.Contains(errs, strings.TrimSpace(want)) {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
}
