package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

// installation is a Packer with this plugin installed, and media to bake, shared by all tests.
type installation struct {
	packer, dir, media string
}

var install = sync.OnceValues(func() (*installation, error) {
	dir, err := os.MkdirTemp("", "winbake-packer")
	if err != nil {
		return nil, err
	}
	i := &installation{packer: packerPath(), dir: dir, media: filepath.Join(dir, "media")}
	plugin := filepath.Join(dir, "packer-plugin-winbake")
	if runtime.GOOS == "windows" {
		plugin += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", plugin, ".").CombinedOutput(); err != nil {
		return i, errors.New(string(out))
	}
	if out, err := i.command("plugins", "install", "--path", plugin, "github.com/winbake/winbake").CombinedOutput(); err != nil {
		return i, errors.New(string(out))
	}
	return i, standin.Media(context.Background(), i.media, standin.Options{Files: 50})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if packerPath() != "" {
		if i, _ := install(); i != nil {
			os.RemoveAll(i.dir)
		}
	}
	os.Exit(code)
}

// packerPath is $PACKER or the packer on PATH, or "".
func packerPath() string {
	if p := os.Getenv("PACKER"); p != "" {
		return p
	}
	p, _ := exec.LookPath("packer")
	return p
}

// needPacker returns the installation, or skips the test.
func needPacker(t *testing.T) *installation {
	t.Helper()
	if testing.Short() {
		t.Skip("runs Packer")
	}
	if packerPath() == "" {
		oracle.Missing(t, "no packer: set PACKER, or put packer >= 1.10 on PATH")
	}
	i, err := install()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// command is Packer, kept away from the user's own plugins and from the network.
func (i *installation) command(args ...string) *exec.Cmd {
	cmd := exec.Command(i.packer, args...)
	cmd.Env = append(os.Environ(), "PACKER_CONFIG_DIR="+i.dir, "PACKER_PLUGIN_PATH="+filepath.Join(i.dir, "plugins"),
		"CHECKPOINT_DISABLE=1", "PACKER_NO_COLOR=1", "TMPDIR="+i.dir)
	return cmd
}

// template writes a template into a directory of its own. MEDIA stands for the stand-in media.
func (i *installation) template(t *testing.T, hcl string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	hcl = strings.ReplaceAll(hcl, "MEDIA", filepath.ToSlash(i.media))
	if err := os.WriteFile(filepath.Join(dir, "test.pkr.hcl"), []byte(hcl), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs Packer on the template in dir and returns what it printed.
func (i *installation) run(dir, verb string, args ...string) (string, error) {
	cmd := i.command(append(append([]string{verb}, args...), "test.pkr.hcl")...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestDescribe(t *testing.T) {
	i := needPacker(t)
	out, err := exec.Command(filepath.Join(i.dir, "packer-plugin-winbake"), "describe").Output()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Builders     []string `json:"builders"`
		Provisioners []string `json:"provisioners"`
		Datasources  []string `json:"datasources"`
		Post         []string `json:"post_processors"`
		API          string   `json:"api_version"`
	}
	if err := json.Unmarshal(out, &d); err != nil || !slices.Equal(d.Builders, []string{"golden", "hypervusb"}) || !slices.Equal(d.Datasources, []string{"media"}) ||
		!slices.Equal(d.Post, []string{"usb"}) || !slices.Equal(d.Provisioners, []string{"driver", "registry", "unattend"}) || d.API != "x5.0" {
		t.Errorf("%s, %v", out, err)
	}
}

// packer validate shows every mistake of a source at once.
func TestValidate(t *testing.T) {
	i := needPacker(t)
	out, err := i.run(i.template(t, `
source "winbake-golden" "x" {
  media       = "https://example.com/x.iso"
  size        = "thirty"
  firmware    = "biso"
  formats     = ["vmdk"]
  output_name = "a/b"
  build_time  = "today"
  tags        = { WinRE = "x" }
}
build { sources = ["winbake-golden.x"] }
`), "validate")
	if err == nil {
		t.Fatalf("no error:\n%s", out)
	}
	for _, field := range []string{"media", "size", "firmware", "formats", "output_name", "build_time", "tags"} {
		if !strings.Contains(out, "* "+field+": ") {
			t.Errorf("%s is not among the mistakes:\n%s", field, out)
		}
	}
	out, err = i.run(i.template(t, `
source "winbake-golden" "x" { media = "nowhere.wim" }
build { sources = ["winbake-golden.x"] }
`), "validate")
	if err != nil {
		t.Errorf("validate looks at files: %v\n%s", err, out)
	}
}

const wholeBuild = `
source "winbake-golden" "x" {
  media    = "MEDIA"
  image    = "ServerStandardCore"
  size     = "640MiB"
  firmware = "uefi"
  formats  = ["raw", "vhd"]
  tags     = { service = "iis" }
}
build {
  sources = ["winbake-golden.x"]
  provisioner "file" {
    source      = "tools"
    destination = "C:/Program Files"
  }
  provisioner "file" {
    content     = "${build.Edition} ${build.Firmware}"
    destination = "C:\\edition.txt"
  }
  provisioner "file" {
    direction   = "download"
    sources     = ["C:/edition.txt", "C:/program files/tools/"]
    destination = "down/"
  }
  post-processor "manifest" {
    output      = "packer.json"
    custom_data = { edition = build.Edition }
  }
}
`

// The stock provisioners and post-processors work with the real Packer, and what they put into the
// image is there.
func TestBuild(t *testing.T) {
	i := needPacker(t)
	dir := i.template(t, wholeBuild)
	big := bytes.Repeat([]byte("winbake!"), 200_000)
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "tools", "sub"), 0o755), os.WriteFile(filepath.Join(dir, "tools", "sub", "big.bin"), big, 0o644)); err != nil {
		t.Fatal(err)
	}
	out, err := i.run(dir, "build")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "down", "sub", "big.bin")); err != nil || !bytes.Equal(got, big) {
		t.Errorf("downloaded %d bytes, %v", len(got), err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "down", "edition.txt")); err != nil || !strings.HasSuffix(string(got), " uefi") {
		t.Errorf("build.Edition and build.Firmware: %q, %v", got, err)
	}
	checkOutputs(t, dir, out)
	checkVolume(t, filepath.Join(dir, "output-x"), "Program Files/tools/sub/big.bin", big)

	// Once more: refused without -force, and the same bytes with it.
	before := readFile(t, filepath.Join(dir, "output-x", "checksums.sha256"))
	if out, err := i.run(dir, "build"); err == nil || !strings.Contains(out, "packer build -force") {
		t.Errorf("a second build: %v\n%s", err, out)
	}
	if out, err := i.run(dir, "build", "-force"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if after := readFile(t, filepath.Join(dir, "output-x", "checksums.sha256")); !bytes.Equal(before, after) {
		t.Errorf("the same inputs gave other bytes:\n%s%s", before, after)
	}
	checkClean(t, i)
}

// A disk that a build made is the media of another.
func TestBuildFromDisk(t *testing.T) {
	i := needPacker(t)
	dir := i.template(t, `
source "winbake-golden" "x" {
  media    = "MEDIA"
  image    = "ServerStandard"
  size     = "640MiB"
  formats  = ["vhd"]
  label    = "golden"
}
build { sources = ["winbake-golden.x"] }
`)
	if out, err := i.run(dir, "build"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	again := i.template(t, `
source "winbake-golden" "x" {
  media    = "`+filepath.ToSlash(filepath.Join(dir, "output-x", "x.vhd"))+`"
  image    = "golden"
  size     = "1GiB"
  firmware = "uefi"
  tags     = { service = "iis" }
}
build {
  sources = ["winbake-golden.x"]
  provisioner "file" {
    content     = "${build.Edition} ${build.WindowsVersion}"
    destination = "C:/edition.txt"
  }
}
`)
	out, err := i.run(again, "build")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	checkVolume(t, filepath.Join(again, "output-x"), "edition.txt", []byte("ServerStandard 10.0.20348.587"))
	checkClean(t, i)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkOutputs looks at the files of the artifact and at what Packer's own manifest says of it.
func checkOutputs(t *testing.T, dir, printed string) {
	t.Helper()
	want := []string{"checksums.sha256", "manifest.json", "x.cdx.json", "x.exceptions.yaml", "x.raw", "x.vex.json", "x.vhd"}
	var got []string
	entries, err := os.ReadDir(filepath.Join(dir, "output-x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
		if !strings.Contains(printed, e.Name()) {
			t.Errorf("%s is not mentioned:\n%s", e.Name(), printed)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("files %s, want %s", got, want)
	}
	var m struct {
		Builds []struct {
			Files      []struct{ Name string }  `json:"files"`
			ArtifactID string                   `json:"artifact_id"`
			Custom     struct{ Edition string } `json:"custom_data"`
		} `json:"builds"`
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "packer.json")), &m); err != nil {
		t.Fatal(err)
	}
	if b := m.Builds[0]; len(b.Files) != len(want) || len(b.ArtifactID) != 64 || b.Custom.Edition == "" || b.Custom.Edition == "<unknown>" {
		t.Errorf("Packer's manifest: %+v", b)
	}
}

// checkVolume asks ntfs-3g for a file of the Windows volume.
func checkVolume(t *testing.T, out, path string, want []byte) {
	t.Helper()
	oracle.Need(t, "ntfscat")
	var m bake.Manifest
	if err := json.Unmarshal(readFile(t, filepath.Join(out, "manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Tags["service"] != "iis" || m.Tags["WinRE"] == "" {
		t.Errorf("tags %v", m.Tags)
	}
	if got := oracle.Run(t, "ntfscat", windowsVolume(t, out), path); got != string(want) {
		t.Errorf("%s holds %d bytes, want %d", path, len(got), len(want))
	}
}

// windowsVolume returns the path of a copy of the Windows volume on the raw disk in out.
func windowsVolume(t *testing.T, out string) string {
	t.Helper()
	return copyVolume(t, filepath.Join(out, "manifest.json"), filepath.Join(out, "x.raw"))
}

// copyVolume copies the Windows volume off a raw disk.
func copyVolume(t *testing.T, manifest, raw string) string {
	t.Helper()
	var m bake.Manifest
	if err := json.Unmarshal(readFile(t, manifest), &m); err != nil {
		t.Fatal(err)
	}
	windows := m.Disk.Partitions[len(m.Disk.Partitions)-1]
	disk, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	volume := filepath.Join(t.TempDir(), "volume")
	f, err := os.Create(volume)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.ReadFrom(io.NewSectionReader(disk, windows.Offset, windows.Size))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return volume
}

// checkClean says that nothing is left in the temporary directory.
func checkClean(t *testing.T, i *installation) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(i.dir, "winbake*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %s, %v", left, err)
	}
}

// Provisioners that want to run something are told why they cannot, and at once.
func TestShellIsRefused(t *testing.T) {
	i := needPacker(t)
	for _, provisioner := range []string{"shell", "powershell", "windows-shell"} {
		dir := i.template(t, `
source "winbake-golden" "x" {
  media = "MEDIA"
  image = "ServerStandardCore"
}
build {
  sources = ["winbake-golden.x"]
  provisioner "`+provisioner+`" {
    environment_vars = ["PASSWORD=hunter2"]
    inline           = ["echo hi"]
  }
}
`)
		begun := time.Now()
		out, err := i.run(dir, "build")
		if err == nil || !strings.Contains(out, "This image is offline; nothing can run in it") || strings.Contains(out, "hunter2") {
			t.Errorf("%s: %v\n%s", provisioner, err, out)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%s took %s", provisioner, took)
		}
		if _, err := os.Stat(filepath.Join(dir, "output-x")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the output directory is still there", provisioner)
		}
	}
	checkClean(t, i)
}

// Mistakes that only the media can show name what there is.
func TestBadMedia(t *testing.T) {
	i := needPacker(t)
	for attributes, want := range map[string]string{
		`media = "nowhere.wim"`:                 "media: there is no nowhere.wim",
		`media = "test.pkr.hcl"`:                "test.pkr.hcl",
		"media = \"MEDIA\"\n  image = \"none\"": "ServerStandardCore",
		"media = \"MEDIA\"\n  image = \"ServerStandardCore\"\n  size = \"1GiB\"\n  media_checksum = \"" + strings.Repeat("0", 64) + `"`: "media_checksum: ",
	} {
		dir := i.template(t, "source \"winbake-golden\" \"x\" {\n  "+attributes+"\n}\nbuild { sources = [\"winbake-golden.x\"] }\n")
		if out, err := i.run(dir, "build"); err == nil || !strings.Contains(out, want) || strings.Contains(out, "panic") {
			t.Errorf("%s: %v, want %q\n%s", attributes, err, want, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "output-x")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the output directory is still there", attributes)
		}
	}
}

// A build that is told to end does so within 3 seconds, whatever it is at, and leaves nothing behind.
func TestCancel(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to other processes here")
	}
	i := needPacker(t)
	for name, test := range map[string]struct {
		upload int64  // how much goes into the image; a hole on this side
		sign   string // the file that shows how far the build is
	}{
		"upload": {4 << 30, filepath.Join(i.dir, "winbake-upload*", "*")},
		"write":  {512 << 20, "output-x/*.partial"},
	} {
		t.Run(name, func(t *testing.T) { cancel(t, i, test.upload, test.sign) })
	}
}

func cancel(t *testing.T, i *installation, upload int64, sign string) {
	dir := i.template(t, `
source "winbake-golden" "x" {
  media   = "MEDIA"
  image   = "ServerStandardCore"
  size    = "1TiB"
}
build {
  sources = ["winbake-golden.x"]
  provisioner "file" {
    source      = "big"
    destination = "C:/big"
  }
}
`)
	big := filepath.Join(dir, "big")
	if err := errors.Join(os.WriteFile(big, nil, 0o644), os.Truncate(big, upload)); err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(sign) {
		sign = filepath.Join(dir, sign)
	}
	cmd := i.command("build", "test.pkr.hcl")
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, cmd, sign)
	begun := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	took := time.Since(begun)
	if err == nil || took > 3*time.Second {
		t.Errorf("ended after %s, %v\n%s", took, err, &out)
	}
	if _, err := os.Stat(filepath.Join(dir, "output-x")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the output directory is still there")
	}
	checkClean(t, i)
	t.Logf("ended after %s", took)
}

// awaitFile waits until a file that fits the pattern is there.
func awaitFile(t *testing.T, cmd *exec.Cmd, pattern string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
	}
	cmd.Process.Kill()
	t.Fatalf("no %s after a minute", pattern)
}
