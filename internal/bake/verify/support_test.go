package verify_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/bake"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/bake/verify"
	"github.com/winbake/packer-plugin-winbake/internal/standin"
	"github.com/winbake/packer-plugin-winbake/internal/windows/winre"
)

const mib = 1 << 20

// work is where media and disks are that all tests share.
var work = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "winbake-verify") })

var media = sync.OnceValues(func() (string, error) {
	dir, err := work()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "media")
	return dir, standin.Media(context.Background(), dir, standin.Options{Files: 20})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := work(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

var (
	baked   = map[string]*bake.Result{}
	baking  sync.Mutex
	formats = []bake.Format{bake.Raw, bake.VHD, bake.VHDX, bake.QCOW2}
)

// bakeDisk returns a bake of the stand-in, with all its records, in every format that one bake can have; all
// tests share it.
func bakeDisk(t testing.TB, firmware layout.Firmware, recovery bool, formats ...bake.Format) *bake.Result {
	t.Helper()
	baking.Lock()
	defer baking.Unlock()
	key := string(firmware)
	for _, f := range formats {
		key += "-" + string(f)
	}
	if recovery {
		key += "-re"
	}
	if r := baked[key]; r != nil {
		return r
	}
	dir, err := media()
	if err != nil {
		t.Fatal(err)
	}
	c := bake.Config{
		Size: 640 * mib, Firmware: firmware, Formats: formats, Media: dir, Image: "ServerStandardCore", Name: "disk", Label: "Windows", Tool: "winbake test",
		OutputDir: filepath.Join(filepath.Dir(dir), key), Tags: map[string]string{"team": "verify"}, BlockMap: true,
	}
	if recovery {
		c.Size = 2 << 30
		c.Recovery = &bake.Recovery{Policy: winre.Include, State: bake.Enabled}
	}
	r, err := bake.Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	baked[key] = r
	return r
}

func run(t testing.TB, path string, o verify.Options) *verify.File {
	t.Helper()
	r, err := verify.Run(t.Context(), []string{path}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r.Files[0]
}

// clean fails where there is something to find, notes included.
func clean(t testing.TB, f *verify.File) {
	t.Helper()
	if f.Verdict != verify.OK {
		t.Errorf("%s: %s %s", f.Path, f.Verdict, f.Error)
	}
	for _, x := range f.Findings {
		t.Errorf("%s: %s [%s] %s: %s", f.Path, x.Severity, x.Check, x.Where, x.Text)
	}
	if t.Failed() {
		t.Logf("checked: %s", strings.Join(f.Checked, "; "))
	}
}

// checks are the checks that found something.
func checks(f *verify.File) (out []string) {
	for _, x := range f.Findings {
		out = append(out, x.Check)
	}
	return out
}

func log(t testing.TB, f *verify.File) {
	t.Helper()
	for _, x := range f.Findings {
		t.Logf("%s [%s] %s: %s", x.Severity, x.Check, x.Where, x.Text)
	}
}
