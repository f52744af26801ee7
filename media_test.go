package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// website offers an ISO of the stand-in media, and its checksums, to who knows the password.
type website struct {
	url, host, sum string
	gets           atomic.Int32
}

func openWebsite(t *testing.T, i *installation) *website {
	t.Helper()
	iso := oracle.Genisoimage(t, i.media, "-udf", "-hide", "*")
	sum := sha256.Sum256(readFile(t, iso))
	w := &website{sum: hex.EncodeToString(sum[:])}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		switch {
		case password != "hunter2":
			http.Error(out, "who are you", http.StatusUnauthorized)
		case r.URL.Path == "/SHA256SUMS":
			fmt.Fprintf(out, "%s  ws2022.iso\n", w.sum)
		case r.URL.Path == "/slow.iso":
			fmt.Fprint(out, "the first bytes")
			out.(http.Flusher).Flush()
			if r.Method == http.MethodGet {
				<-r.Context().Done()
			}
		default:
			if r.Method == http.MethodGet {
				w.gets.Add(1)
			}
			http.ServeFile(out, r, iso)
		}
	}))
	t.Cleanup(server.Close)
	w.host = server.URL
	w.url = strings.Replace(server.URL, "http://", "http://me:hunter2@", 1)
	return w
}

// noCredentials says that no text has the website's password, nor the signature that tests add to URLs.
func noCredentials(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{"hunter2", "s3cret"} {
		if n := strings.Index(text, secret); n >= 0 {
			t.Errorf("%s shows %s: ...%s...", what, secret, text[max(0, n-200):min(len(text), n+100)])
		}
	}
}

// A source downloads its media as the sources of other plugins do, once, and nobody sees the credentials.
func TestDownload(t *testing.T) {
	i := needPacker(t)
	w := openWebsite(t, i)
	t.Setenv("PACKER_CACHE_DIR", t.TempDir())
	t.Setenv("PACKER_LOG", "1")
	dir := i.template(t, `
source "winbake-golden" "x" {
  iso_url       = "`+w.url+`/ws2022.iso?X-Amz-Signature=s3cret"
  iso_checksum  = "file:`+w.url+`/SHA256SUMS?sig=s3cret"
  image         = "ServerStandardCore"
  size          = "640MiB"
}
build { sources = ["winbake-golden.x"] }
`)
	out, err := i.run(dir, "validate")
	if err != nil || w.gets.Load() != 0 {
		t.Errorf("%v, %d downloads\n%s", err, w.gets.Load(), out)
	}
	noCredentials(t, "validate", out)
	for _, args := range [][]string{nil, {"-force"}} {
		if out, err = i.run(dir, "build", args...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		noCredentials(t, "build", out)
		if !strings.Contains(out, "Trying "+w.host+"/ws2022.iso") || w.gets.Load() != 1 {
			t.Errorf("%d downloads\n%s", w.gets.Load(), out)
		}
	}
	manifest := readFile(t, filepath.Join(dir, "output-x", "manifest.json"))
	noCredentials(t, "the manifest", string(manifest))
	var m bake.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	if in := m.Inputs[0]; in.Name != "ws2022.iso" || in.URL != w.host+"/ws2022.iso" || in.SHA256 != w.sum {
		t.Errorf("%+v", in)
	}
	checkClean(t, i)
}

// What cannot be downloaded, or is another file than is expected, leaves no image.
func TestDownloadFails(t *testing.T) {
	i := needPacker(t)
	w := openWebsite(t, i)
	t.Setenv("PACKER_CACHE_DIR", t.TempDir())
	t.Setenv("PACKER_LOG", "1")
	for attributes, want := range map[string]string{
		`iso_url = "` + w.url + "/ws2022.iso\"\n  iso_checksum = \"" + strings.Repeat("0", 64) + `"`:                       "iso_checksum: what was downloaded is not what is expected",
		`iso_url = "` + strings.Replace(w.url, "me:", "me:s3cret", 1) + "/ws2022.iso\"\n  iso_checksum = \"" + w.sum + `"`: "iso_url: ",
	} {
		dir := i.template(t, "source \"winbake-golden\" \"x\" {\n  "+attributes+"\n}\nbuild { sources = [\"winbake-golden.x\"] }\n")
		out, err := i.run(dir, "build")
		if err == nil || !strings.Contains(out, want) || strings.Contains(out, "panic") {
			t.Errorf("%v, want %q\n%s", err, want, out)
		}
		noCredentials(t, "the failure", out)
		if _, err := os.Stat(filepath.Join(dir, "output-x")); !errors.Is(err, os.ErrNotExist) {
			t.Error("the output directory is still there")
		}
	}
	checkClean(t, i)
}

// A download ends with the build.
func TestCancelDownload(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to other processes here")
	}
	i := needPacker(t)
	w := openWebsite(t, i)
	cache := t.TempDir()
	t.Setenv("PACKER_CACHE_DIR", cache)
	dir := i.template(t, `
source "winbake-golden" "x" {
  iso_url      = "`+w.url+`/slow.iso"
  iso_checksum = "`+w.sum+`"
}
build { sources = ["winbake-golden.x"] }
`)
	cmd := i.command("build", "test.pkr.hcl")
	cmd.Dir = dir
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, cmd, filepath.Join(cache, "*.iso"))
	begun := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if took := time.Since(begun); err == nil || took > 3*time.Second {
		t.Errorf("ended after %s, %v\n%s", took, err, out.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "output-x")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the output directory is still there")
	}
	checkClean(t, i)
}

const catalogTemplate = `
data "winbake-media" "ws" {
  media = "MEDIA"
}

locals {
  media = data.winbake-media.ws
  core  = [for i in local.media.images : i if i.installation_type == "Server Core" && i.build >= 20348][0]
}

source "winbake-golden" "x" {
  media = local.media.path
  image = local.core.index
  size  = "640MiB"
  label = local.core.has_winre ? "with" : "without"
  tags  = { service = "iis", source_winre = local.core.winre_version }
}

build {
  sources = ["winbake-golden.x"]
}
`

// The data source feeds locals and sources; a template may refuse media that lack what it needs.
func TestDatasource(t *testing.T) {
	i := needPacker(t)
	dir := i.template(t, catalogTemplate)
	for _, args := range [][]string{nil, {"-evaluate-datasources"}} {
		if out, err := i.run(dir, "validate", args...); err != nil {
			t.Errorf("validate %s: %v\n%s", args, err, out)
		}
	}
	fmtCommand := i.command("fmt", "-check", "-diff", "test.pkr.hcl")
	fmtCommand.Dir = dir
	if out, err := fmtCommand.CombinedOutput(); err != nil {
		t.Errorf("the template is not as packer fmt has it: %v\n%s", err, out)
	}
	if out, err := i.run(dir, "build"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var m bake.Manifest
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "output-x", "manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.Windows.Index != 1 || m.Tags["source_winre"] != "10.0.20348.587" || m.Inputs[0].URL != "" {
		t.Errorf("%+v, %v", m.Windows, m.Tags)
	}
	for attributes, want := range map[string]string{
		"media = \"MEDIA\"\n  image = \"Home\"": `it holds: 1 `,
		`media = "nowhere.iso"`:                 "media: there is no nowhere.iso",
		`media = "https://example.com/x.iso"`:   "a URL is given as iso_url",
	} {
		dir := i.template(t, "data \"winbake-media\" \"ws\" {\n  "+attributes+"\n}\n"+strings.SplitAfterN(catalogTemplate, "}\n", 2)[1])
		out, err := i.run(dir, "validate", "-evaluate-datasources")
		if err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: %v, want %q\n%s", attributes, err, want, out)
		}
	}
	checkClean(t, i)
}

const unknownValues = `
data "winbake-media" "m" { media = "MEDIA" }
locals { i = data.winbake-media.m.images[0] }
source "winbake-golden" "x" {
  media          = data.winbake-media.m.path
  media_checksum = data.winbake-media.m.sha256
  image          = local.i.index
  size           = "${local.i.build}MiB"
  firmware       = local.i.uefi ? "uefi" : "bios"
  output_name    = "ws-${local.i.build}"
  hostname       = local.i.edition_id
  label          = "LABEL"
  winre {
    policy = local.i.has_winre ? "include" : "exclude"
  }
}
source "winbake-hypervusb" "x" {
  media    = data.winbake-media.m.path
  usb_size = local.i.uefi ? "64GB" : "16GB"
  vhd_size = "40GiB"
}
build {
  sources = ["winbake-golden.x", "winbake-hypervusb.x"]
  provisioner "winbake-registry" {
    set {
      key   = "HKLM\\SOFTWARE\\Example"
      type  = "REG_DWORD"
      value = build.WindowsVersion
    }
  }
  provisioner "winbake-driver" {
    paths   = ["drivers"]
    targets = [build.Firmware]
  }
  provisioner "winbake-unattend" {
    computer_name = build.Edition
  }
  post-processor "winbake-usb" {
    device = build.OutputDirectory
  }
}
`

// packer validate says nothing of values that it does not know yet, and all that it knows of others.
func TestUnknownValues(t *testing.T) {
	i := needPacker(t)
	if out, err := i.run(i.template(t, unknownValues), "validate"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	mistaken := strings.ReplaceAll(unknownValues, "LABEL", strings.Repeat("x", 33))
	if out, err := i.run(i.template(t, mistaken), "validate"); err == nil || !strings.Contains(out, "* label: ") || strings.Contains(out, "unknown") {
		t.Errorf("a mistake in a value that is known: %v\n%s", err, out)
	}
	if out, err := i.run(i.template(t, unknownValues), "validate", "-evaluate-datasources"); err != nil {
		t.Errorf("all values are known, and good: %v\n%s", err, out)
	}
}
