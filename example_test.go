package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

// registryValue is a value as hivexget prints it.
type registryValue struct{ key, name, want string }

// What example/golden shows, by hive.
var exampleRegistry = map[string][]registryValue{
	"config/SYSTEM": {
		{`ControlSet001\Control\ComputerName\ComputerName`, "ComputerName", "EXAMPLE"},
		{`ControlSet001\Control\TimeZoneInformation`, "TimeZoneKeyName", "W. Europe Standard Time"},
		{`ControlSet001\Control\TimeZoneInformation`, "RealTimeIsUniversal", "1"},
		{`ControlSet001\Control\Session Manager\Memory Management`, "PagingFiles", ""},
		{`ControlSet001\Control\CrashControl`, "CrashDumpEnabled", "0"},
		{`ControlSet001\Control\Terminal Server`, "fDenyTSConnections", "0"},
		{`ControlSet001\Services\LanmanServer\Parameters`, "SMB1", "0"},
		{`ControlSet001\Services\wbdisk`, "Start", "0"},
		{`ControlSet001\Services\wbdisk`, "ImagePath", `System32\drivers\wbdisk.sys`},
		{`ControlSet001\Services\wbdisk`, "Group", "SCSI miniport"},
	},
	"config/SOFTWARE":                {{`Example`, "Servers", "a.example.com\nb.example.com"}},
	"../../Users/Default/NTUSER.DAT": {{`Software\Example`, "Path", "%TEMP%"}, {`Software\Example`, "@", "every new user"}},
}

// The example uses the builder's settings and the registry, driver, unattend and file provisioners
// together; all of it is on the finished disk, as ntfs-3g, hivex and wimlib read it, and the
// Administrator's password is in the answer file only.
func TestExample(t *testing.T) {
	oracle.Need(t, "ntfscat", "hivexget", "wimlib-imagex")
	i := needPacker(t)
	const password = "Ex4mple-S3cret!"
	drivers, out, vars := filepath.Join(t.TempDir(), "drivers"), t.TempDir(), filepath.Join(t.TempDir(), "secret.pkrvars.hcl")
	if err := standin.Driver(drivers); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vars, []byte(`password = "`+password+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "packer.log")
	cmd := i.command("build", "-only=winbake-golden.uefi", "-var-file="+vars, "-var=media="+i.media, "-var=drivers="+drivers, "-var=output="+out, ".")
	cmd.Dir = filepath.Join("example", "golden")
	cmd.Env = append(cmd.Env, "PACKER_LOG=1", "PACKER_LOG_PATH="+log)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	volume := copyVolume(t, filepath.Join(out, "uefi", "manifest.json"), filepath.Join(out, "uefi", "standin-uefi.raw"))
	if err := os.Remove(filepath.Join(out, "uefi", "standin-uefi.raw")); err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(utf16le.Encode(password + "AdministratorPassword"))
	needles := []string{password, encoded}
	if holds(append(printed, readFile(t, log)...), needles) {
		t.Error("Packer prints the password")
	}
	searchFiles(t, out, needles)
	searchFiles(t, i.dir, needles)

	for hive, values := range exampleRegistry {
		checkRegistry(t, takeFile(t, volume, "Windows/System32/"+hive), values)
	}
	checkFiles(t, volume, drivers, encoded)
	checkRecovery(t, volume)
	checkClean(t, i)
}

func checkRegistry(t *testing.T, hive string, values []registryValue) {
	t.Helper()
	for _, v := range values {
		if got := strings.TrimSpace(oracle.Run(t, "hivexget", hive, `\`+v.key, v.name)); got != v.want {
			t.Errorf("%s %s is %q, want %q", v.key, v.name, got, v.want)
		}
	}
}

// takeFile takes a file off a volume, as ntfs-3g reads it, and returns its path.
func takeFile(t *testing.T, volume, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	data := oracle.Run(t, "ntfscat", volume, filepath.ToSlash(filepath.Clean(name)))
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkFiles looks for the files that the example puts into the image.
func checkFiles(t *testing.T, volume, drivers, encoded string) {
	t.Helper()
	sys := string(readFile(t, filepath.Join(drivers, "wbdisk.sys")))
	for name, want := range map[string]string{
		"Windows/System32/drivers/wbdisk.sys":     sys,
		"Windows/INF/oem0.inf":                    string(readFile(t, filepath.Join(drivers, "wbdisk.inf"))),
		"Tools/agent.cmd":                         string(readFile(t, "example/golden/files/agent.cmd")),
		"inetpub/web/index.html":                  string(readFile(t, "example/golden/files/web/index.html")),
		"Windows/Setup/Scripts/SetupComplete.cmd": string(readFile(t, "example/golden/files/setup.cmd")),
	} {
		if got := oracle.Run(t, "ntfscat", volume, name); got != want {
			t.Errorf("%s holds %d bytes, want %d", name, len(got), len(want))
		}
	}
	answers := oracle.Run(t, "ntfscat", volume, "Windows/Panther/unattend.xml")
	for _, part := range []string{
		"<Value>" + encoded + "</Value>", "<ComputerName>example</ComputerName>", "<TimeZone>W. Europe Standard Time</TimeZone>",
		"<InputLocale>de-DE</InputLocale>", "<HideEULAPage>true</HideEULAPage>", "echo specialize",
	} {
		if !strings.Contains(answers, part) {
			t.Errorf("the answer file lacks %s", part)
		}
	}
	for _, name := range []string{"/Windows/Panther/unattend.xml", "/Windows/Setup/Scripts/SetupComplete.cmd"} {
		if said := oracle.NTFSSecurity(t, volume, name); strings.Contains(said, "S-1-1-0") || strings.Contains(said, "S-1-5-32-545") ||
			!strings.Contains(said, "S-1-5-18") || !strings.Contains(said, "S-1-5-32-544") {
			t.Errorf("who can read %s: %s", name, said)
		}
	}
}

// checkRecovery looks into the recovery environment, as wimlib reads it.
func checkRecovery(t *testing.T, volume string) {
	t.Helper()
	path := takeFile(t, volume, "Windows/System32/Recovery/Winre.wim")
	oracle.JudgeWIM(t, path)
	dir := t.TempDir()
	oracle.Run(t, "wimlib-imagex", "extract", path, "1", "/Windows/System32/config/SYSTEM", "/Windows/System32/drivers/wbdisk.sys", "--dest-dir="+dir)
	checkRegistry(t, filepath.Join(dir, "SYSTEM"), []registryValue{{`ControlSet001\Services\wbdisk`, "Start", "0"}})
	if info, err := os.Stat(filepath.Join(dir, "wbdisk.sys")); err != nil || info.Size() == 0 {
		t.Error("the driver's file is not in the recovery environment")
	}
}
