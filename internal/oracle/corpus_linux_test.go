package oracle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestRealTreeWIM makes a small tree and has two readers agree on it: applied twice it gives equal
// volumes, which every judge accepts, and captured from there it lists as it did before.
func TestRealTreeWIM(t *testing.T) {
	t.Setenv("WINBAKE_TEST_CACHE", t.TempDir())
	wim := RealTreeWIM(t, TreeSpec{Files: 600, Bytes: 20_000_000, Compress: "XPRESS"})
	JudgeWIM(t, wim)
	dir := WIMDir(t, wim, 1)
	checkVariety(t, dir)

	a, b := WimlibNTFS(t, wim, 1, 256<<20), WimlibNTFS(t, wim, 1, 256<<20)
	CompareNTFS(t, a, b)
	JudgeNTFS(t, a)
	CompareWIMDirs(t, dir, WIMDir(t, WimlibCapture(t, a), 1), nil)
}

// checkVariety wants all kinds of metadata in a listing.
func checkVariety(t *testing.T, dir map[string]WIMEntry) {
	t.Helper()
	count := map[string]int{}
	see := func(what string, there bool) {
		if there {
			count[what]++
		}
	}
	security := map[string]bool{}
	for _, e := range dir {
		see("short name", e.ShortName != "")
		see("link", e.LinkGroup != "")
		see("object id", e.ObjectID != "")
		see("reparse point", e.ReparseTag != "")
		see("hidden", e.Attributes&2 != 0)
		see("named stream", len(e.Streams) > 1 && e.ReparseTag == "")
		see("stream on a directory", len(e.Streams) > 1 && e.Attributes&attrDirectory != 0)
		security[e.Security] = true
	}
	for what, least := range map[string]int{"short name": 5, "link": 300, "object id": 3, "reparse point": 6,
		"hidden": 400, "named stream": 9, "stream on a directory": 1} {
		if count[what] < least {
			t.Errorf("%d files with %s, want %d", count[what], what, least)
		}
	}
	if len(security) < 90 {
		t.Errorf("%d security descriptors", len(security))
	}
	for _, path := range []string{"/Specials/case", "/Specials/cASE", "/Specials/CASE/inner", "/Specials/Case/inner", "/Specials/" + strings.Repeat("漢", 255)} {
		if _, ok := dir[path]; !ok {
			t.Errorf("no %s", path)
		}
	}
}

func TestBenchWIM(t *testing.T) {
	if testing.Short() {
		t.Skip("compresses 20 MB")
	}
	t.Setenv("WINBAKE_TEST_CACHE", t.TempDir())
	wim := benchWIM(t, 0.005)
	dir := WIMDir(t, wim, 1)
	links := 0
	for _, e := range dir {
		if e.LinkGroup != "" {
			links++
		}
	}
	if len(dir) < 125 || links < 60 {
		t.Errorf("%d names, %d of them hard links", len(dir), links)
	}
	if again := benchWIM(t, 0.005); again != wim {
		t.Errorf("made %s, then %s", wim, again)
	}
}

func TestCachedMakesOnce(t *testing.T) {
	t.Setenv("WINBAKE_TEST_CACHE", t.TempDir())
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			path := cached(t, "thing", func(scratch, file string) error {
				made.Add(1)
				return os.WriteFile(file, []byte("content"), 0o600)
			})
			if content, err := os.ReadFile(path); err != nil || string(content) != "content" {
				t.Errorf("%q %v", content, err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestCachedLeavesNothingUnfinished(t *testing.T) {
	dir := t.TempDir()
	err := makeCached(dir, filepath.Join(dir, "thing"), func(scratch, file string) error {
		return errors.Join(os.WriteFile(file, []byte("half"), 0o600), errors.New("no room"))
	})
	if err == nil {
		t.Error("an error is lost")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestVolumeCopyKeepsHoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(path, []byte("start"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<30); err != nil {
		t.Fatal(err)
	}
	copy := copied(t, Volume{path, 2, 32 << 30})
	info, err := os.Stat(copy)
	if err != nil || info.Size() != 32<<30 {
		t.Fatalf("%v %v", info, err)
	}
	f, err := os.Open(copy)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 4)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "art\x00" {
		t.Errorf("%q %v", b, err)
	}
	if err := (Volume{path, 1, 64 << 30}).CopyTo(copy); err == nil {
		t.Error("a volume that ends behind its file is copied")
	}
}
