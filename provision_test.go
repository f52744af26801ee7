package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

const provisioned = `
source "winbake-golden" "x" {
  media = "MEDIA"
  image = "ServerStandardCore"
  size  = "640MiB"
  PAGING
}
build {
  sources = ["winbake-golden.x"]
  provisioner "winbake-registry" {
    set {
      key   = "HKLM\\SOFTWARE\\Example"
      name  = "List"
      type  = "REG_MULTI_SZ"
      values = ["a", "b c"]
    }
    set {
      key   = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\TimeZoneInformation"
      name  = "RealTimeIsUniversal"
      type  = "REG_DWORD"
      value = "1"
    }
    delete { key = "HKLM\\SOFTWARE\\Policies" }
  }
}
`

// What the source and its provisioners ask for is on the finished disk.
func TestProvision(t *testing.T) {
	oracle.Need(t, "hivexget", "ntfscat")
	i := needPacker(t)
	for paging, want := range map[string]string{
		`paging = false`:              "",
		`paging { initial = "1GiB" }`: `C:\pagefile.sys 1024 1024`,
	} {
		dir := i.template(t, strings.ReplaceAll(provisioned, "PAGING", paging))
		if out, err := i.run(dir, "build"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		volume := windowsVolume(t, filepath.Join(dir, "output-x"))
		system, software := hive(t, volume, "SYSTEM"), hive(t, volume, "SOFTWARE")
		for _, v := range []struct{ hive, key, name, want string }{
			{system, `\ControlSet001\Control\Session Manager\Memory Management`, "PagingFiles", want},
			{system, `\ControlSet001\Control\TimeZoneInformation`, "RealTimeIsUniversal", "1"},
			{software, `\Example`, "List", "a\nb c"},
		} {
			if got := strings.TrimSpace(oracle.Run(t, "hivexget", v.hive, v.key, v.name)); got != v.want {
				t.Errorf("%s: %s %s is %q, want %q", paging, v.key, v.name, got, v.want)
			}
		}
		if _, _, err := oracle.Try("hivexget", software, `\Policies`); err == nil {
			t.Error("a deleted key is still there")
		}
	}
}

// hive takes a hive off a volume, as ntfs-3g reads it, and returns its path.
func hive(t *testing.T, volume, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	data := oracle.Run(t, "ntfscat", volume, "Windows/System32/config/"+name)
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// With another builder, a provisioner says so, before anything runs and, should Packer not tell it
// which builder it is, when it meets the other machine.
func TestProvisionElsewhere(t *testing.T) {
	i := needPacker(t)
	for _, kind := range []string{"registry"} {
		dir := i.template(t, `
source "null" "x" { communicator = "none" }
build {
  sources = ["null.x"]
  provisioner "winbake-`+kind+`" {}
}
`)
		for _, verb := range []string{"validate", "build"} {
			out, err := i.run(dir, verb)
			if text := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(text, "works only with winbake's builders (winbake-golden)") {
				t.Errorf("%s %s: %v\n%s", kind, verb, err, out)
			}
		}
	}
}
