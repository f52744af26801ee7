package medium

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/multistep"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/builder/redact"
	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// listener is a Ui that keeps what it is told.
type listener struct {
	packersdk.Ui
	lines []string
}

func (l *listener) Say(s string)   { l.lines = append(l.lines, s) }
func (l *listener) Error(s string) { l.lines = append(l.lines, "error: "+s) }
func (*listener) TrackProgress(_ string, _, _ int64, r io.ReadCloser) io.ReadCloser {
	return r
}

// serve offers a file, to who has the password and the signature, and counts how often it is got.
func serve(t *testing.T, content []byte) (url string, gets *atomic.Int32) {
	t.Helper()
	gets = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "hunter2" || r.URL.Query().Get("sig") != "s3cret/x" {
			http.Error(w, "who are you", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodGet {
			gets.Add(1)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http://", "http://me:hunter2@", 1), gets
}

// logged returns what is logged until the test ends, as main has it logged.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	log.SetOutput(redact.Writer(&b))
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return &b
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// cache gives the test a cache of its own.
func cache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PACKER_CACHE_DIR", dir)
	return dir
}

const query = "?sig=s3cret%2Fx"

func noSecret(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, secret := range []string{"hunter2", "s3cret", "me:"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is shown: %s", secret, text)
			}
		}
	}
}

func TestFetch(t *testing.T) {
	dir := cache(t)
	log := logged(t)
	content := bytes.Repeat([]byte("medium"), 100_000)
	url, gets := serve(t, content)
	host := strings.Replace(url, "me:hunter2@", "", 1)
	for range 2 { // the second time from the cache
		c := urls(url+"/a/ws.esd"+query, hexSum(content))
		if _, mistakes := prepare(&c); len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		ui := &listener{}
		local, err := c.Fetch(t.Context(), ui)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(local.Path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if filepath.Dir(local.Path) != dir || filepath.Ext(local.Path) != ".esd" || local.URL != host+"/a/ws.esd" || local.SHA256 != hexSum(content) {
			t.Errorf("%+v", local)
		}
		if n := gets.Load(); n != 1 {
			t.Errorf("the file was got %d times", n)
		}
		noSecret(t, append(ui.lines, log.String())...)
		if len(ui.lines) != 3 || ui.lines[1] != "Trying "+host+"/a/ws.esd" {
			t.Errorf("%q", ui.lines)
		}
	}
	if !strings.Contains(log.String(), "Acquiring lock for: "+host) {
		t.Errorf("the log is not seen: %s", log)
	}
}

// A second URL is tried when the first one fails.
func TestSecondURL(t *testing.T) {
	cache(t)
	url, _ := serve(t, []byte("medium"))
	c := urls("", "none")
	c.ISOUrls = []string{url + "/first.iso", url + "/second.iso" + query}
	if _, mistakes := prepare(&c); len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	local, err := c.Fetch(t.Context(), &listener{})
	if err != nil || !strings.HasSuffix(local.URL, "/second.iso") || local.SHA256 != "" {
		t.Errorf("%+v, %v", local, err)
	}
}

func TestWrongChecksum(t *testing.T) {
	dir := cache(t)
	log := logged(t)
	url, _ := serve(t, []byte("medium"))
	c := urls(url+"/ws.iso"+query, emptySum)
	prepare(&c)
	ui := &listener{}
	_, err := c.Fetch(t.Context(), ui)
	if !errors.Is(err, fault.ErrCorrupt) || !strings.HasPrefix(err.Error(), "iso_checksum: ") || !strings.Contains(err.Error(), hexSum([]byte("medium"))) {
		t.Errorf("%v", err)
	}
	noSecret(t, append(ui.lines, err.Error(), log.String())...)
	if left, _ := filepath.Glob(filepath.Join(dir, "*.iso")); len(left) > 0 {
		t.Errorf("%s is left in the cache", left)
	}
}

func TestDownloadFails(t *testing.T) {
	log := logged(t)
	url, _ := serve(t, []byte("medium"))
	for _, test := range []struct{ url, want string }{
		{url + "/ws.iso?sig=s3cret", "bad response code: 403"},
		{"http://me:hunter2@127.0.0.1:1/ws.iso" + query, "refused"},
		{"/nowhere/ws.iso", "/nowhere/ws.iso"},
		{"gopher://me:hunter2@h/ws.iso" + query, "gopher://h/ws.iso"},
		// Addresses without a scheme: the SDK sorts and rewrites the query.
		{"bucket.s3.invalid/ws.iso?region=x&aws_access_key_secret=s3cret/x", "bucket.s3.invalid/ws.iso"},
		{"me:hunter2@h.invalid/ws.iso", "h.invalid/ws.iso"},
		{"http:/me:hunter2@h.invalid/ws.iso", "no Host in request URL"},
	} {
		cache(t)
		c := urls(test.url, hexSum([]byte("medium")))
		if _, mistakes := prepare(&c); len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		ui := &listener{}
		_, err := c.Fetch(t.Context(), ui)
		if err == nil || !strings.HasPrefix(err.Error(), "iso_url: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		noSecret(t, append(ui.lines, err.Error(), log.String())...)
	}
}

// A file of this machine is used where it is; it may have a checksum of any kind.
func TestLocalPath(t *testing.T) {
	cache(t)
	path := filepath.Join(t.TempDir(), "ws.iso")
	if err := os.WriteFile(path, []byte("medium"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{path, "file://" + filepath.ToSlash(path)} {
		c := urls(url, "sha256:"+hexSum([]byte("medium")))
		if _, mistakes := prepare(&c); len(mistakes) > 0 {
			t.Fatal(mistakes)
		}
		local, err := c.Fetch(t.Context(), &listener{})
		if err != nil || local.URL != "" || local.SHA256 != hexSum([]byte("medium")) || filepath.Clean(local.Path) != path {
			t.Errorf("%s: %+v, %v", url, local, err)
		}
		wrong := urls(url, emptySum)
		prepare(&wrong)
		if _, err := wrong.Fetch(t.Context(), &listener{}); err == nil || !strings.HasPrefix(err.Error(), "iso_checksum: ") {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error("the user's own file is gone")
		}
	}
}

// The step tells the engine what it needs to know, and ends with the build.
func TestStep(t *testing.T) {
	cache(t)
	url, _ := serve(t, []byte("medium"))
	c := urls(url+"/ws.iso"+query, hexSum([]byte("medium")))
	engine, _ := prepare(&c)
	state := new(multistep.BasicStateBag)
	state.Put("ui", &listener{})
	if action := c.Steps(&engine)[0].Run(t.Context(), state); action != multistep.ActionContinue {
		t.Fatal(state.Get("error"))
	}
	if engine.Media == "" || engine.MediaURL == "" || engine.MediaSHA256 != hexSum([]byte("medium")) || !engine.MediaChecked {
		t.Errorf("%+v", engine)
	}
	c = urls(url+"/ws.iso", emptySum)
	prepare(&c)
	if action := c.Steps(&bake.Config{})[0].Run(t.Context(), state); action != multistep.ActionHalt || state.Get("error") == nil {
		t.Error(action)
	}
}

func TestCancel(t *testing.T) {
	cache(t)
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the first bytes")
		w.(http.Flusher).Flush()
		if r.Method == http.MethodGet {
			cancel()
			<-r.Context().Done() // the others never come
		}
	}))
	defer server.Close()
	c := urls(server.URL+"/ws.iso", emptySum)
	prepare(&c)
	state := new(multistep.BasicStateBag)
	state.Put("ui", &listener{})
	begun := time.Now()
	action := c.Steps(&bake.Config{})[0].Run(ctx, state)
	if took := time.Since(begun); action != multistep.ActionHalt || state.Get("error") != nil || took > 3*time.Second {
		t.Errorf("%v, %v after %s", action, state.Get("error"), took)
	}
}
