package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A Grub reads file systems with GRUB's drivers, from a whole disk image or a bare volume. Device is
// GRUB's name for the file system: "(loop0)" for a bare volume, "(loop0,gpt2)", "(loop0,msdos1)".
//
// Its NTFS driver walks the directory indexes entry by entry, as the Windows boot record does. It does
// not read a file whose resident data lies in an extension record.
type Grub struct {
	Image  string
	Device string
}

// List returns the names in a directory, which must have some; those of directories end in '/'.
func (g Grub) List(t testing.TB, dir string) []string {
	t.Helper()
	Need(t, "grub-fstest")
	names, err := g.list(dir)
	return fatal(t, names, err)
}

// grubLine is one line of ls -l: size or DIR, time, name.
var grubLine = regexp.MustCompile(`(?m)^(?:\d+|DIR)\s+\d{14}\s(.*)$`)

func (g Grub) list(dir string) ([]string, error) {
	out, err := g.run("ls", "--", "-l", g.Device+slash(dir))
	if err != nil {
		return nil, err
	}
	lines := grubLine.FindAllStringSubmatch(out, -1)
	if len(lines) == 0 { // of a directory that is not there it says nothing
		return nil, fmt.Errorf("grub-fstest lists nothing in %s%s", g.Device, slash(dir))
	}
	var names []string
	for _, m := range lines {
		if m[1] != "./" && m[1] != "../" {
			names = append(names, m[1])
		}
	}
	return names, nil
}

// Read returns a file's content.
func (g Grub) Read(t testing.TB, path string) []byte {
	t.Helper()
	Need(t, "grub-fstest")
	content, err := g.read(path)
	return fatal(t, content, err)
}

// read copies through a file: when it cats a file that it cannot read, grub-fstest succeeds.
func (g Grub) read(path string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "oracle-grub-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "file")
	if _, err := g.run("cp", g.Device+slash(path), copied); err != nil {
		return nil, err
	}
	return os.ReadFile(copied)
}

// Compare fails the test unless a file has the bytes of a host file, or a directory has all files of a
// host directory, at any depth, with their bytes. What only the image has is not noticed.
func (g Grub) Compare(t testing.TB, path, host string) {
	t.Helper()
	Need(t, "grub-fstest")
	verdict(t, g.compare(path, host))
}

func (g Grub) compare(path, host string) error {
	_, err := g.run("cmp", g.Device+slash(path), host)
	return err
}

// run runs grub-fstest, which may succeed although it complains.
func (g Grub) run(args ...string) (string, error) {
	out, stderr, err := Try("grub-fstest", append([]string{g.Image}, args...)...)
	if err != nil || strings.Contains(stderr, "error:") {
		return "", judged("grub-fstest", g.Image+" "+strings.Join(args, " "), err, tail(out, 5)+stderr)
	}
	return out, nil
}

func slash(path string) string { return "/" + strings.TrimPrefix(path, "/") }
