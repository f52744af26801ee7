package main

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
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
		system, software := takeFile(t, volume, "Windows/System32/config/SYSTEM"), takeFile(t, volume, "Windows/System32/config/SOFTWARE")
		checkRegistry(t, system, []registryValue{
			{`ControlSet001\Control\Session Manager\Memory Management`, "PagingFiles", want},
			{`ControlSet001\Control\TimeZoneInformation`, "RealTimeIsUniversal", "1"},
		})
		checkRegistry(t, software, []registryValue{{`Example`, "List", "a\nb c"}})
		if _, _, err := oracle.Try("hivexget", software, `\Policies`); err == nil {
			t.Error("a deleted key is still there")
		}
	}
}

// With another builder, a provisioner says so, before anything runs and, should Packer not tell it
// which builder it is, when it meets the other machine.
func TestProvisionElsewhere(t *testing.T) {
	i := needPacker(t)
	for _, kind := range []string{"registry", "driver", "unattend"} {
		dir := i.template(t, `
source "null" "x" { communicator = "none" }
build {
  sources = ["null.x"]
  provisioner "winbake-`+kind+`" {
    `+map[string]string{"driver": `paths = ["x"]`}[kind]+`
  }
}
`)
		for _, verb := range []string{"validate", "build"} {
			out, err := i.run(dir, verb)
			if text := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(text, "works only with winbake's builders (winbake-golden, winbake-hypervusb)") {
				t.Errorf("%s %s: %v\n%s", kind, verb, err, out)
			}
		}
	}
}

const withSecret = `
variable "password" {
  type      = string
  sensitive = true
}
source "winbake-golden" "x" {
  media = "MEDIA"
  image = "ServerStandardCore"
  size  = "640MiB"
}
build {
  sources = ["winbake-golden.x"]
  provisioner "winbake-unattend" {
    computer_name          = "ws2022-01"
    time_zone              = "W. Europe Standard Time"
    administrator_password = PASSWORD
    skip_oobe              = true
    run_synchronous { command = "cmd.exe /c echo ready" }
    setup_complete_inline = ["@echo off", "sc config sshd start= auto"]
  }
  provisioner "shell-local" { inline = ["env > environment.txt"] }
}
`

// A password is in the answer file of the image, where only SYSTEM and Administrators can read it, and
// nowhere else: neither in what Packer prints and logs, nor in the records, nor in a file left behind.
func TestSecretsStaySecret(t *testing.T) {
	oracle.Need(t, "ntfscat", "ntfssecaudit")
	const password = "Sup3r-S3cret-Pa55word!"
	encoded := base64.StdEncoding.EncodeToString(utf16le.Encode(password + "AdministratorPassword"))
	i := needPacker(t)
	for name, test := range map[string]struct{ expression, variable string }{
		"sensitive variable": {"var.password", password},
		"literal":            {strconv.Quote(password), "none"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := i.template(t, strings.ReplaceAll(withSecret, "PASSWORD", test.expression))
			vars := filepath.Join(t.TempDir(), "secret.pkrvars.hcl")
			if err := os.WriteFile(vars, []byte(`password = "`+test.variable+`"`), 0o600); err != nil {
				t.Fatal(err)
			}
			log := filepath.Join(dir, "packer.log")
			cmd := i.command("build", "-var-file="+vars, "test.pkr.hcl")
			cmd.Dir = dir
			cmd.Env = append(cmd.Env, "PACKER_LOG=1", "PACKER_LOG_PATH="+log)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			volume := windowsVolume(t, filepath.Join(dir, "output-x"))
			if err := os.Remove(filepath.Join(dir, "test.pkr.hcl")); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, "output-x", "x.raw")); err != nil {
				t.Fatal(err)
			}
			needles := []string{password, encoded, string(utf16le.Encode(password))}
			if holds(out, needles) || len(readFile(t, log)) == 0 {
				t.Error("Packer prints the password")
			}
			for _, folder := range []string{dir, i.dir} {
				searchFiles(t, folder, needles)
			}
			answers := oracle.Run(t, "ntfscat", volume, "Windows/Panther/unattend.xml")
			for _, part := range []string{encoded, "<ComputerName>ws2022-01</ComputerName>", "<TimeZone>W. Europe Standard Time</TimeZone>"} {
				if !strings.Contains(answers, part) {
					t.Errorf("the answer file lacks %s", part)
				}
			}
			if script := oracle.Run(t, "ntfscat", volume, "Windows/Setup/Scripts/SetupComplete.cmd"); script != "@echo off\r\nsc config sshd start= auto\r\n" {
				t.Errorf("SetupComplete.cmd: %q", script)
			}
		})
	}
	checkClean(t, i)
}

func holds(data []byte, needles []string) bool {
	return slices.ContainsFunc(needles, func(s string) bool { return bytes.Contains(data, []byte(s)) })
}

// searchFiles fails the test for every file below folder that holds one of the needles.
func searchFiles(t *testing.T, folder string, needles []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if holds(data, needles) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
