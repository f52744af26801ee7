package media

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/zclconf/go-cty/cty"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
)

// execute runs the data source.
func execute(t *testing.T, attributes map[string]any) (cty.Value, error) {
	t.Helper()
	var d Datasource
	if err := d.Configure(attributes); err != nil {
		t.Fatal(err)
	}
	return d.Execute()
}

func standIn(t *testing.T, o standin.Options) string {
	t.Helper()
	dir := t.TempDir()
	o.Files = 30
	if err := standin.Media(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func text(v cty.Value, name string) string { return v.GetAttr(name).AsString() }

func number(v cty.Value, name string) int64 {
	n, _ := v.GetAttr(name).AsBigFloat().Int64()
	return n
}

func TestImages(t *testing.T) {
	dir := standIn(t, standin.Options{})
	v, err := execute(t, map[string]any{"media": dir})
	if err != nil {
		t.Fatal(err)
	}
	images := v.GetAttr("images").AsValueSlice()
	if text(v, "path") != dir || text(v, "kind") != "folder" || number(v, "size") == 0 || text(v, "sha256") != "" || len(images) != 2 {
		t.Fatalf("%#v", v)
	}
	core := images[0]
	for name, want := range map[string]string{
		"edition": "ServerStandardCore", "edition_id": "ServerStandard", "installation_type": "Server Core", "version": "10.0.20348.587",
		"architecture": "amd64", "default_language": "en-US", "winre_version": "10.0.20348.587",
	} {
		if got := text(core, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if number(core, "index") != 1 || number(core, "build") != 20348 || number(core, "total_size") == 0 || number(core, "file_count") == 0 || number(core, "directory_count") == 0 {
		t.Errorf("%#v", core)
	}
	if languages := core.GetAttr("languages").AsValueSlice(); len(languages) != 1 || languages[0].AsString() != "en-US" {
		t.Errorf("languages %#v", languages)
	}
	for name, want := range map[string]bool{"bios": true, "uefi": true, "has_winre": true} {
		if got := core.GetAttr(name); got.IsNull() || got.True() != want {
			t.Errorf("%s is %#v", name, got)
		}
	}
}

func TestWithoutRecovery(t *testing.T) {
	v, err := execute(t, map[string]any{"media": standIn(t, standin.Options{WithoutRecovery: true}), "image": "2"})
	if err != nil {
		t.Fatal(err)
	}
	images := v.GetAttr("images").AsValueSlice()
	if len(images) != 1 || number(images[0], "index") != 2 || images[0].GetAttr("has_winre").True() || text(images[0], "winre_version") != "" {
		t.Errorf("%#v", images)
	}
}

// Without details nothing is said, rather than "no".
func TestWithoutDetails(t *testing.T) {
	v, err := execute(t, map[string]any{"media": standIn(t, standin.Options{}), "details": false})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bios", "uefi", "uefi_ca_2023", "has_winre", "winre_version"} {
		if got := v.GetAttr("images").AsValueSlice()[0].GetAttr(name); !got.IsNull() {
			t.Errorf("%s is %#v", name, got)
		}
	}
}

// What Packer is told of the output is what it gets.
func TestOutputSpec(t *testing.T) {
	v, err := execute(t, map[string]any{"media": standIn(t, standin.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	for name := range (&Datasource{}).OutputSpec() {
		if !v.Type().HasAttribute(name) {
			t.Errorf("%s is missing", name)
		}
	}
}

// A WIM without images has an empty list of them, which a for expression takes, and not null.
func TestNoImages(t *testing.T) {
	const wimlib = "wimlib-imagex"
	oracle.Need(t, wimlib)
	path := filepath.Join(t.TempDir(), "x.wim")
	oracle.Run(t, wimlib, "capture", t.TempDir(), path, "x")
	oracle.Run(t, wimlib, "delete", path, "1")
	v, err := execute(t, map[string]any{"media": path})
	if err != nil {
		t.Fatal(err)
	}
	if images := v.GetAttr("images"); images.IsNull() || images.LengthInt() != 0 {
		t.Errorf("%#v", images)
	}
}

func TestUnknownImage(t *testing.T) {
	_, err := execute(t, map[string]any{"media": standIn(t, standin.Options{}), "image": "Home"})
	if err == nil || !strings.Contains(err.Error(), `"Home"; it holds: 1 `) {
		t.Error(err)
	}
}

func TestMistakesAtOnce(t *testing.T) {
	var d Datasource
	err := d.Configure(map[string]any{"media": "x", "iso_url": "https://example.com/x.iso", "media_checksum": "x"})
	all, ok := err.(*packersdk.MultiError)
	if !ok || len(all.Errors) != 3 {
		t.Error(err)
	}
}

// An ISO is downloaded as for a source, and found in the cache by the next.
func TestDownload(t *testing.T) {
	iso := oracle.Genisoimage(t, standIn(t, standin.Options{}), "-udf", "-hide", "*")
	content, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	want := hex.EncodeToString(sum[:])
	gets := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			gets++
		}
		http.ServeFile(w, r, iso)
	}))
	defer server.Close()
	t.Setenv("PACKER_CACHE_DIR", t.TempDir())
	for range 2 {
		v, err := execute(t, map[string]any{"iso_url": server.URL + "/ws.iso?sig=secret", "iso_checksum": want, "image": "1"})
		if err != nil {
			t.Fatal(err)
		}
		if text(v, "kind") != "iso" || text(v, "url") != server.URL+"/ws.iso" || text(v, "sha256") != want || gets != 1 || filepath.Ext(text(v, "path")) != ".iso" {
			t.Errorf("%d downloads, %#v", gets, v)
		}
	}
	for _, attributes := range []map[string]any{{"sha256": true}, {"media_checksum": want}} {
		attributes["media"], attributes["details"] = iso, false
		v, err := execute(t, attributes)
		if err != nil || text(v, "sha256") != want || text(v, "url") != "" {
			t.Errorf("%#v, %v", v, err)
		}
	}
	var d Datasource
	if err := d.Configure(map[string]any{"media": iso, "media_checksum": strings.Repeat("0", 64)}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Execute(); err == nil || !strings.HasPrefix(err.Error(), "media_checksum: ") {
		t.Error(err)
	}
}
