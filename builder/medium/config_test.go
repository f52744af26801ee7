package medium

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
)

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// prepare returns what the engine is told, and the mistakes.
func prepare(c *Config) (bake.Config, []string) {
	c.Prepare(nil)
	var b bake.Config
	var texts []string
	for _, err := range c.Engine(&b) {
		texts = append(texts, err.Error())
	}
	return b, texts
}

func urls(url, checksum string) Config {
	return Config{ISOConfig: commonsteps.ISOConfig{RawSingleISOUrl: url, ISOChecksum: checksum}}
}

func TestMistakes(t *testing.T) {
	const url = "https://user:secret@example.com/x.iso?sig=secret"
	media := func(c Config) Config { c.Media = "x.iso"; return c }
	both := urls(url, emptySum)
	both.ISOUrls = []string{url}
	checked := urls(url, emptySum)
	checked.MediaChecksum = emptySum
	for name, test := range map[string]struct {
		config Config
		want   []string
	}{
		"nothing":                {Config{}, []string{"media: give a WIM file"}},
		"a URL as media":         {Config{Media: url}, []string{`media: "https://example.com/x.iso" is not a local path; a URL is given as iso_url`}},
		"a file URL as media":    {Config{Media: "file:///x.iso"}, []string{"media: "}},
		"media and iso_url":      {media(urls(url, emptySum)), []string{"media: is given together with iso_url"}},
		"media and iso_checksum": {media(urls("", emptySum)), []string{"iso_checksum: goes with iso_url"}},
		"wrong kind of checksum": {Config{Media: "x", MediaChecksum: "md5:00"}, []string{"media_checksum: \"md5:00\" is not a kind"}},
		"no checksum":            {urls(url, ""), []string{"iso_checksum: must be given with iso_url"}},
		"no good checksum":       {urls(url, "xyz"), []string{"iso_checksum: "}},
		"short checksum":         {urls(url, "sha256:0g"), []string{"iso_checksum: "}},
		"unreadable URL":         {urls("https://user:se/cret@example.com/x.iso", emptySum), []string{`iso_url: "https://..." is not a URL`}},
		"a folder of an archive": {urls("https://user:secret@example.com/iso//x.iso?a=//b", emptySum), []string{`iso_url: "https://example.com/iso//x.iso" has // in its path`}},
		"both URLs":              {both, []string{"iso_urls: is given together with iso_url"}},
		"the other checksum":     {checked, []string{"media_checksum: goes with media"}},
		"all at once": {Config{Media: "x", MediaChecksum: "y", ISOConfig: commonsteps.ISOConfig{ISOUrls: []string{url, "https://a:b:c/"}}},
			[]string{"media: is given together with iso_urls", "media_checksum: goes", "iso_urls: ", "iso_checksum: must be given with iso_urls"}},
		"no file of checksums": {urls(url, "file:./nowhere?a=secret"), []string{"iso_checksum: "}},
	} {
		_, got := prepare(&test.config)
		if len(got) != len(test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
			continue
		}
		for i, want := range test.want {
			if !strings.HasPrefix(got[i], want) || strings.Contains(got[i], "secret") {
				t.Errorf("%s: %q, want %q", name, got[i], want)
			}
		}
	}
}

// Preparing a configuration does not change it, so that it may be done twice.
func TestPrepareTwice(t *testing.T) {
	c := urls("https://user:secret@example.com/a/ws.WIM?sig=secret", strings.ToUpper(emptySum))
	for range 2 {
		b, mistakes := prepare(&c)
		if len(mistakes) > 0 || b.Media != "" || b.MediaURL != "https://example.com/a/ws.WIM" {
			t.Errorf("%q, %+v", mistakes, b)
		}
		if d := c.prepared.download; d.TargetExtension != "wim" || d.ISOChecksum != "sha256:"+emptySum {
			t.Errorf("%+v", d)
		}
	}
	if len(c.Steps(nil)) != 1 {
		t.Error("no step to download")
	}
	for _, u := range []string{"file:///srv//x.iso", "/srv//x.iso", "s3::https://h/x.iso", "https://h/x.iso?next=https://h//y"} {
		other := urls(u, emptySum)
		if _, mistakes := prepare(&other); len(mistakes) > 0 {
			t.Errorf("%s: %q", u, mistakes)
		}
	}
	local := Config{Media: "x.iso", Image: "2", MediaChecksum: "SHA256:" + strings.ToUpper(emptySum)}
	b, mistakes := prepare(&local)
	if len(mistakes) > 0 || b.Media != "x.iso" || b.Image != "2" || b.MediaSHA256 != emptySum || b.MediaURL != "" || b.MediaChecked {
		t.Errorf("%q, %+v", mistakes, b)
	}
	if len(local.Steps(nil)) != 0 {
		t.Error("a step to download what is here")
	}
}

func TestNoChecksumWarns(t *testing.T) {
	c := urls("https://example.com/x.iso", "none")
	if w := c.Prepare(nil); len(w) != 1 {
		t.Errorf("warnings %q", w)
	}
}

// A file of checksums is read when the configuration is prepared, as other builders do it.
func TestChecksumFile(t *testing.T) {
	content := []byte("a medium")
	sum := sha256.Sum256(content)
	text := strings.Repeat("0", 64) + "  other.iso\n" + hex.EncodeToString(sum[:]) + "  ws.iso\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "SHA256SUMS")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"file:" + filepath.ToSlash(file), "file:" + server.URL + "/SHA256SUMS"} {
		c := urls("https://example.com/ws.iso", where)
		if _, mistakes := prepare(&c); len(mistakes) > 0 || c.prepared.download.ISOChecksum != "sha256:"+hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %q, %+v", where, mistakes, c.prepared.download)
		}
		c = urls("https://example.com/unknown.iso", where)
		if _, mistakes := prepare(&c); len(mistakes) != 1 || !strings.HasPrefix(mistakes[0], "iso_checksum: ") {
			t.Errorf("%s: %q", where, mistakes)
		}
	}
}

func TestChecksumOfFile(t *testing.T) {
	for source, want := range map[string]bool{
		"https://h/ws.iso": true, "https://h/ws.ESD?sig=x": true, "/media/ws.vhdx": true,
		"https://h/ws.iso.xz": false, "https://h/ws.zip": false, "https://h/ws.iso?archive=zip": false, "https://h/ws": false,
		"https://h/ws.iso?checksum=md5:00": false, "https://h/install.swm": false, "s3::https://h/ws.iso": false,
	} {
		if got := checksumOfFile(source); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
	if slices.Contains(extensions, "swm") {
		t.Error("a part of a split WIM is no medium by itself")
	}
}
