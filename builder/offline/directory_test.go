package offline

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// hostDir makes a directory "src" on the host with the files given; a path that ends in a slash is
// an empty directory, "a -> b" a symbolic link.
func hostDir(t *testing.T, paths ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	for _, p := range append([]string{"./"}, paths...) {
		name, target, isLink := strings.Cut(p, " -> ")
		full := filepath.Join(dir, filepath.FromSlash(name))
		var err error
		switch {
		case isLink:
			err = os.Symlink(target, full)
		case strings.HasSuffix(p, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
				err = os.WriteFile(full, []byte(p), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUploadDir(t *testing.T) {
	src := hostDir(t, "a.txt", "sub/b.txt", "sub/.git/config", "empty/")
	t.Chdir(src)
	for _, test := range []struct {
		dst, src string
		exclude  []string
		want     string
	}{
		{"C:/dst", src, nil, "dst/ dst/src/ dst/src/a.txt dst/src/empty/ dst/src/sub/ dst/src/sub/.git/ dst/src/sub/.git/config dst/src/sub/b.txt"},
		{"C:/dst", src + "/", nil, "dst/ dst/a.txt dst/empty/ dst/sub/ dst/sub/.git/ dst/sub/.git/config dst/sub/b.txt"},
		{`c:\dst\`, src + "/", []string{".git", "empty"}, "dst/ dst/a.txt dst/sub/ dst/sub/b.txt"},
		{"C:/", "sub", []string{"*.txt"}, "sub/ sub/.git/ sub/.git/config"},
		{"/", ".", []string{"sub/.git", "/a.*"}, "empty/ sub/ sub/b.txt"},
	} {
		c, tr := start(t, nil)
		if err := c.UploadDir(test.dst, test.src, test.exclude); err != nil {
			t.Errorf("%s to %s: %v", test.src, test.dst, err)
		}
		if got := listing(tr); got != test.want {
			t.Errorf("%s to %s without %s:\n got %s\nwant %s", test.src, test.dst, test.exclude, got, test.want)
		}
	}
}

func TestUploadDirFollowsLinks(t *testing.T) {
	src := hostDir(t, "real/a.txt", "link -> real", "file -> real/a.txt")
	c, tr := start(t, nil)
	if err := c.UploadDir("C:/", src+"/", nil); err != nil {
		t.Fatal(err)
	}
	if got := listing(tr); got != "file link/ link/a.txt real/ real/a.txt" {
		t.Error(got)
	}
	if got := content(t, tr, "link/a.txt"); got != "real/a.txt" {
		t.Error(got)
	}
}

func TestUploadDirMistakes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the names cannot be made here")
	}
	for name, test := range map[string]struct {
		paths []string
		want  string
	}{
		"case":     {[]string{"Readme", "README"}, "would be the same file in Windows"},
		"colon":    {[]string{"a:b"}, "which Windows does not allow"},
		"dot":      {[]string{"sub./x"}, "ends in a dot"},
		"encoding": {[]string{"\xff"}, "is not UTF-8"},
		"circle":   {[]string{"a/b/", "a/b/up -> .."}, "a directory that it lies in"},
		"dangling": {[]string{"gone -> nowhere"}, "no such file"},
		"over":     {[]string{"Taken/x"}, "is a file, not a directory"},
	} {
		c, _ := start(t, map[string]string{"taken": ""})
		err := c.UploadDir("C:/", hostDir(t, test.paths...)+"/", nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	c, _ := start(t, nil)
	if err := c.UploadDir("C:/", filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := c.UploadDir("C:/", os.DevNull, nil); err == nil || !strings.Contains(err.Error(), "is not a directory") {
		t.Error(err)
	}
}

// hostListing is every path below dir, with '/' and directories with a trailing slash.
func hostListing(t *testing.T, dir string) string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if rel = filepath.ToSlash(rel); rel != "." {
			if d.IsDir() {
				rel += "/"
			}
			paths = append(paths, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(paths, " ")
}

func TestDownloadDir(t *testing.T) {
	files := map[string]string{"Logs/a.log": "A", "Logs/Sub/b.log": "B", "Logs/Sub/c.txt": "C", "other": "O"}
	for _, test := range []struct {
		src     string
		exclude []string
		want    string
	}{
		{"C:/Logs", nil, "Logs/ Logs/Sub/ Logs/Sub/b.log Logs/Sub/c.txt Logs/a.log"},
		{"C:/LOGS/", nil, "Sub/ Sub/b.log Sub/c.txt a.log"},
		{"C:/Logs/", []string{"*.txt", "a.log"}, "Sub/ Sub/b.log"},
		{`C:\Logs\*.LOG`, nil, "a.log"},
		{"/Logs/*", []string{"Sub/c.txt"}, "Sub/ Sub/b.log a.log"},
		{"C:/", []string{"Logs", "Link"}, "other"},
	} {
		c, tr := start(t, files)
		link(t, tr)
		dst := filepath.Join(t.TempDir(), "new", "dir")
		if err := c.DownloadDir(test.src, dst, test.exclude); err != nil {
			t.Errorf("%s: %v", test.src, err)
		}
		if got := hostListing(t, dst); got != test.want {
			t.Errorf("%s without %s:\n got %s\nwant %s", test.src, test.exclude, got, test.want)
		}
	}
}

func TestDownloadDirMistakes(t *testing.T) {
	c, _ := start(t, map[string]string{"a/b": ""})
	for src, want := range map[string]string{
		"C:/none/":   "file does not exist",
		"C:/a/*.x":   "file does not exist",
		"C:/a/[":     "syntax error in pattern",
		"C:/none/*":  "file does not exist",
		"C:/a/b":     "is a file, not a directory",
		"relative/*": "is relative",
	} {
		if err := c.DownloadDir(src, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}

// A destination that holds a link does not lead the copy elsewhere.
func TestDownloadDirStaysInside(t *testing.T) {
	c, _ := start(t, map[string]string{"a/b": "x"})
	outside, dst := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dst, "a")); err != nil {
		t.Skip(err)
	}
	if err := c.DownloadDir("C:/a", dst, nil); err == nil {
		t.Error("followed a link out of the destination")
	}
	if got := hostListing(t, outside); got != "" {
		t.Error(got)
	}
}

func TestRoundTrip(t *testing.T) {
	src := hostDir(t, "a.txt", "sub/b.txt", "sub/deep/c.bin", "empty/")
	c, _ := start(t, nil)
	if err := c.UploadDir("C:/x", src+"/", nil); err != nil {
		t.Fatal(err)
	}
	dst := t.TempDir()
	if err := c.DownloadDir("C:/x/", dst, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := hostListing(t, dst), hostListing(t, src); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	b, err := os.ReadFile(filepath.Join(dst, "sub", "deep", "c.bin"))
	if err != nil || string(b) != "sub/deep/c.bin" {
		t.Errorf("%q, %v", b, err)
	}
}
