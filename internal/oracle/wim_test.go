package oracle

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sampleWIM captures a few files with wimlib.
func sampleWIM(t *testing.T) string {
	t.Helper()
	Need(t, "wimlib-imagex")
	dir := t.TempDir()
	for name, content := range map[string]string{"a.txt": "content of a", "b.txt": strings.Repeat("content of b\n", 9000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "a.txt"), filepath.Join(dir, "linked.txt")); err != nil {
		t.Fatal(err)
	}
	wim := filepath.Join(t.TempDir(), "sample.wim")
	Run(t, "wimlib-imagex", "capture", dir, wim, "sample", "a description", "--compress=XPRESS")
	return wim
}

func TestWIMJudge(t *testing.T) {
	wim := sampleWIM(t)
	info := JudgeWIM(t, wim)
	if info.File["Image Count"] != "1" || len(info.Images) != 1 || info.Images[0]["Name"] != "sample" {
		t.Errorf("%+v", info)
	}
	if !strings.Contains(info.XML, "<DESCRIPTION>a description</DESCRIPTION>") {
		t.Errorf("XML %q", info.XML)
	}
	dir := WIMDir(t, wim, 1)
	if len(dir) != 4 || dir["/b.txt"].Streams[""].Size != 117_000 || dir["/linked.txt"].LinkGroup != "/a.txt" {
		t.Errorf("%+v", dir)
	}

	good, err := os.ReadFile(wim)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(good, []byte("content of a")) // too small to be compressed
	if wimVerify(damaged(t, good, at)) == nil {
		t.Error("wimlib verifies a blob with a flipped byte")
	}
	if second(wimInfo(damaged(t, good, 0))) == nil {
		t.Error("wimlib opens a WIM with a broken signature")
	}
}

func TestCompareWIMDirsSeesEachProperty(t *testing.T) {
	good := map[string]WIMEntry{"/f": {ShortName: "F", Attributes: 0x20, Security: "00", Streams: map[string]WIMStream{"": {"aa", 1}}}}
	for what, edit := range map[string]func(*WIMEntry){
		"short name":  func(e *WIMEntry) { e.ShortName = "G" },
		"attributes":  func(e *WIMEntry) { e.Attributes = 0x21 },
		"security":    func(e *WIMEntry) { e.Security = "01" },
		"creation":    func(e *WIMEntry) { e.Times[0] = "x" },
		"last write":  func(e *WIMEntry) { e.Times[1] = "x" },
		"last access": func(e *WIMEntry) { e.Times[2] = "x" },
		"reparse tag": func(e *WIMEntry) { e.ReparseTag = "x" },
		"object id":   func(e *WIMEntry) { e.ObjectID = "x" },
		"linked to":   func(e *WIMEntry) { e.LinkGroup = "/g" },
		"stream":      func(e *WIMEntry) { e.Streams = map[string]WIMStream{"": {"ab", 1}} },
	} {
		bad := maps.Clone(good)
		e := bad["/f"]
		edit(&e)
		bad["/f"] = e
		if diff := diffLines(listWIM(good, nil), listWIM(bad, nil)); strings.Count(diff, "\n") != 2 || !strings.Contains(diff, "/f: "+what) {
			t.Errorf("%s: %q", what, diff)
		}
	}
}
