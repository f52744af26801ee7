package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
)

func TestInspectExitCodes(t *testing.T) {
	image := disk(t, false)
	text := filepath.Join(t.TempDir(), "a,b.txt")
	if err := os.WriteFile(text, []byte("nothing that is known"), 0o600); err != nil {
		t.Fatal(err)
	}
	const key = `HKLM\SYSTEM\CurrentControlSet\Control`
	for name, c := range map[string]struct {
		args []string
		code int
		out  string // in standard output
		err  string // in standard error
	}{
		"disk":                {[]string{image}, 0, "partition 1: NTFS or exFAT, active", ""},
		"flag last":           {[]string{image, "--json"}, 0, `"schema_version": 1`, ""},
		"several":             {[]string{image, text}, 3, "could not be read", ""},
		"missing":             {[]string{image + "x"}, 3, "there is no", ""},
		"folder":              {[]string{image, "--ls", "/"}, 0, "<DIR>  Windows\n", ""},
		"folder by backslash": {[]string{image, `--ls=\windows\system32`}, 0, "ntoskrnl.exe", ""},
		"no such folder":      {[]string{image, "--ls", "nothing"}, 3, "there is no nothing", ""},
		"file":                {[]string{image, "--cat", "Program Files/Common Files/system/readme.txt"}, 0, "winbake stand-in\r\n", ""},
		"no such file":        {[]string{image, "--cat", "nothing"}, 3, "", "there is no nothing"},
		"key":                 {[]string{image, "--key", key, "--partition", "1"}, 0, key, ""},
		"key as JSON":         {[]string{image, "--key", key, "--json"}, 0, `"subkeys"`, ""},
		"no such key":         {[]string{image, "--key", `HKLM\SYSTEM\Nothing`}, 3, "there is no key", ""},
		"no such partition":   {[]string{image, "--ls", "/", "--partition", "4"}, 3, "there is no partition 4", ""},
		"inside":              {[]string{image, "--in", "Windows/System32/Recovery/ReAgent.xml"}, 3, "no WIM", ""},
		"help":                {[]string{"--help"}, 0, "--partition", ""},
		"no path":             {nil, 2, "", "name the files"},
		"two views":           {[]string{image, "--ls", "/", "--cat", "x"}, 2, "", "exclude"},
		"two files":           {[]string{image, image, "--cat", "x"}, 2, "", "one path"},
		"cat as JSON":         {[]string{image, "--cat", "x", "--json"}, 2, "", "--json"},
		"place for nothing":   {[]string{image, "--partition", "1"}, 2, "", "--partition"},
		"negative":            {[]string{image, "--ls", "/", "--partition", "-1"}, 2, "", "count from 1"},
		"zero":                {[]string{image, "--ls", "/", "--image", "0"}, 2, "", "count from 1"},
	} {
		code, out, errs := winbake(t, append([]string{"inspect"}, c.args...)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.err) || (c.err == "") != (errs == "") {
			t.Errorf("%s: exit code %d, want %d\n%.2000s\n%s", name, code, c.code, out, errs)
		}
		if c.code == exitUsage && out != "" {
			t.Errorf("%s: prints %q", name, out)
		}
	}
}

// TestInspectJSON reads what the program prints, in which no field may be unknown.
func TestInspectJSON(t *testing.T) {
	_, out, _ := winbake(t, "inspect", "--json", disk(t, true))
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	var r inspect.Report
	if err := d.Decode(&r); err != nil || len(r.Files) != 1 || r.Files[0].Disk.Partitions[0].Volume.Windows == nil {
		t.Errorf("%v: %+v", err, r)
	}
}

// TestInspectText shows a report with everything in it for people, and that a name in an image cannot move
// the terminal's cursor.
func TestInspectText(t *testing.T) {
	data, err := os.ReadFile("testdata/inspect.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var r inspect.Report
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	long := make([]string, 300)
	for i := range long {
		long[i] = "k"
	}
	r.Files[3].Hive.Subkeys = long
	var b bytes.Buffer
	if err := writeInspection(&b, &r); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.String() {
		if c < ' ' && c != '\n' || c == 0x7F || c == '\u202E' {
			t.Errorf("%q is in the text", c)
		}
	}
	want, err := os.ReadFile("testdata/inspect.txt")
	if err != nil || b.String() != string(want) {
		t.Errorf("%v, got:\n%s", err, b.String())
	}
}
