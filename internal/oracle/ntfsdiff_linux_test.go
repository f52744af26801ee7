package oracle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sampleTime is some FILETIME.
const sampleTime = 132_000_000_000_000_000

// sampleReparse is data under a tag that ntfs-3g has no view of.
var sampleReparse = []byte("some data of some filter driver")

const sampleTag = 0x8000_0F0F

// sampleVolume has one file for each thing that is compared.
func sampleVolume(t *testing.T) Volume {
	v := MakeNTFS(t, NTFSSpec{Size: 32 << 20, Label: "sample", Serial: 0x1122334455667788})
	EditNTFS(t, v, func(dir string) error {
		p := func(name string) string { return filepath.Join(dir, name) }
		return errors.Join(
			os.WriteFile(p("small.txt"), []byte("resident"), 0o600),
			os.WriteFile(p("large.bin"), bytes.Repeat([]byte("0123456789abcdef"), 40_000), 0o600),
			os.WriteFile(p("small.txt:stream"), []byte("named"), 0o600),
			os.WriteFile(p("empty.sys"), nil, 0o600),
			os.Mkdir(p("dir"), 0o700),
			os.WriteFile(p("dir:stream"), []byte("of a directory"), 0o600),
			os.WriteFile(p("dir/one"), []byte("linked"), 0o600),
			os.Link(p("dir/one"), p("dir/two")),
			os.WriteFile(p("dir/three"), []byte("linked"), 0o600),
			os.Link(p("dir/three"), p("dir/four")),
			os.WriteFile(p("Long name.text"), []byte("x"), 0o600),
			os.WriteFile(p("Linked with short name"), []byte("x"), 0o600),
			os.WriteFile(p("filter"), []byte("data below a reparse point"), 0o600),
			os.WriteFile(p("filter:stream"), []byte("stream below a reparse point"), 0o600),
			os.WriteFile(p("rich"), []byte("x"), 0o600),
			(&Stage{Path: p("empty.sys")}).Attributes(4).Err,
			(&Stage{Path: p("Long name.text")}).ShortName("LONGNA~1.TEX").Err,
			(&Stage{Path: p("Linked with short name")}).ShortName("LINKED~1").Err,
			os.Link(p("Linked with short name"), p("dir/link")),
			(&Stage{Path: p("filter")}).Reparse(sampleTag, sampleReparse).Err,
			(&Stage{Path: p("rich")}).Times(sampleTime, sampleTime+1, sampleTime+2).Attributes(0x22).
				Security(securityDescriptor(1)).ObjectID([16]byte{1, 2, 3}).EA(FullEA("NAME", []byte("value"))).Err,
		)
	})
	return v
}

// ntfsEdits are single changes to sampleVolume, each with the line it must cause.
var ntfsEdits = []struct {
	name string
	edit func(dir string) error
	want string // the start of the only difference
}{
	{"byte", overwrite("large.bin", 600_000), "/large.bin: content: differs at byte 600000"},
	{"resident byte", overwrite("small.txt", 3), "/small.txt: content: differs at byte 3"},
	{"byte under reparse point", rewriteFilter("filter", "data below a reparse pOint"), "/filter: content: differs at byte 22"},
	{"stream under reparse point", rewriteFilter("filter:stream", "stream below"), "/filter:stream: streams: size"},
	{"longer", appendTo("small.txt"), "/small.txt: content: size: a 8, b 9"},
	{"stream byte", overwrite("small.txt:stream", 0), "/small.txt:stream: streams: differs at byte 0"},
	{"stream missing", remove("small.txt:stream"), "/small.txt:stream: streams: only in a"},
	{"stream of a directory", overwrite("dir:stream", 2), "/dir:stream: streams: differs at byte 2"},
	{"file missing", remove("empty.sys"), "/empty.sys: name: only in a"},
	{"file too many", func(dir string) error { return os.Mkdir(dir+"/dir/new", 0o700) }, "/dir/new: name: only in b"},
	{"link instead of copy", relink("dir/three", "dir/two"), "/dir/two: links: the same file as /dir/one in a, another in b"},
	{"creation time", stage("rich", func(s *Stage) { s.Times(sampleTime+9, sampleTime+1, sampleTime+2) }), "/rich: creation time"},
	{"modification time", stage("rich", func(s *Stage) { s.Times(sampleTime, sampleTime+9, sampleTime+2) }), "/rich: modification time"},
	{"access time", stage("rich", func(s *Stage) { s.Times(sampleTime, sampleTime+1, sampleTime+9) }), "/rich: access time"},
	{"attribute", stage("rich", func(s *Stage) { s.Attributes(0x23) }), "/rich: attributes: a 0x22, b 0x23"},
	{"security", stage("rich", func(s *Stage) { s.Security(securityDescriptor(2)) }), "/rich: security descriptor: differs"},
	{"EA", stage("rich", func(s *Stage) { s.EA(FullEA("NAME", []byte("valuE"))) }), "/rich: extended attributes: differs"},
	{"object id", stage("rich", func(s *Stage) { s.ObjectID([16]byte{1, 2, 4}) }), "/rich: object id: differs"},
	{"short name", stage("Long name.text", func(s *Stage) { s.ShortName("LONGNA~2.TEX") }), "/Long name.text: short name: differs"},
	{"reparse data", stage("filter", func(s *Stage) { s.Reparse(sampleTag, []byte("other data of some filter drive")) }), "/filter: reparse data: differs"},
	{"reparse tag", stage("filter", func(s *Stage) { s.Reparse(sampleTag+1, sampleReparse) }), "/filter: reparse data: differs"},
	{"root", stage("", func(s *Stage) { s.Attributes(0x20) }), "/: attributes"},
}

func TestNTFSDiffSeesEachChange(t *testing.T) {
	Need(t, "mkntfs", "ntfscat", "ntfsinfo")
	needMount(t)
	a := sampleVolume(t)
	if diffs, err := NTFSDiff(a, a); err != nil || len(diffs) > 0 {
		t.Fatalf("a volume differs from itself: %v %q", err, diffs)
	}
	for _, test := range ntfsEdits {
		t.Run(test.name, func(t *testing.T) {
			b := WholeFile(filepath.Join(t.TempDir(), "b.img"))
			if err := a.CopyTo(b.Path); err != nil {
				t.Fatal(err)
			}
			EditNTFS(t, b, test.edit)
			checkDiffs(t, a, b, test.want)
		})
	}
}

// checkDiffs expects the wanted difference and no other, but for times that Linux moved with it.
func checkDiffs(t *testing.T, a, b Volume, want string) {
	t.Helper()
	opts := []NTFSOption{Limit(0)}
	if !strings.Contains(want, " time") {
		opts = append(opts, Ignore(Creation, Modified, Access))
	}
	diffs, err := NTFSDiff(a, b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, d := range diffs {
		found = found || strings.HasPrefix(d, want)
	}
	if !found {
		t.Fatalf("want %q, got %q", want, diffs)
	}
	p, _, _ := strings.Cut(want, ": ")
	for _, d := range diffs {
		// A link that moved is missing and surplus elsewhere too: all that is said is about links.
		if !strings.HasPrefix(d, p+":") && !strings.Contains(d, ": links: ") {
			t.Errorf("also reports %q", d)
		}
	}
}

func TestNTFSDiffSharedShortName(t *testing.T) {
	Need(t, "mkntfs", "ntfscat", "ntfsinfo")
	needMount(t)
	make := func(short string) Volume {
		v := MakeNTFS(t, NTFSSpec{Size: 16 << 20})
		EditNTFS(t, v, func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/A long name", nil, 0o600),
				(&Stage{Path: dir + "/A long name"}).ShortName(short).Err,
				os.Link(dir+"/A long name", dir+"/B long name"))
		})
		return v
	}
	checkDiffs(t, make("ALONGN~1"), make("ALONGN~2"), `/A long name: short name: a ["ALONGN~1"], b ["ALONGN~2"]`)
}

func TestNTFSDiffOptions(t *testing.T) {
	Need(t, "mkntfs")
	needMount(t)
	a, b := sampleVolume(t), sampleVolume(t)
	// The two were made one after the other: their times differ, and only those.
	CompareNTFS(t, a, b, Ignore(Creation, Modified, Access))
	diffs, err := NTFSDiff(a, b, Limit(3))
	if err != nil || len(diffs) != 4 || !strings.HasPrefix(diffs[3], "... and ") {
		t.Errorf("limited differences: %v %q", err, diffs)
	}
	EditNTFS(t, b, func(dir string) error {
		return errors.Join(overwrite("dir/one", 0)(dir), stage("rich", func(s *Stage) { s.Attributes(0x23) })(dir))
	})
	CompareNTFS(t, a, b, Ignore(Creation, Modified, Access), Except("/dir"), IgnoreAttributes(1))
}

func TestVolumeInsideDisk(t *testing.T) {
	Need(t, "mkntfs")
	needMount(t)
	a := sampleVolume(t)
	disk := filepath.Join(t.TempDir(), "disk.img")
	content, err := os.ReadFile(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	padded := append(append(bytes.Repeat([]byte{0xAA}, 1<<20), content...), 0xBB)
	if err := os.WriteFile(disk, padded, 0o600); err != nil {
		t.Fatal(err)
	}
	b := Volume{Path: disk, Offset: 1 << 20, Size: int64(len(content))}
	CompareNTFS(t, a, b)
	if got, err := os.ReadFile(b.File(t)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the copied volume differs: %v", err)
	}
}

func overwrite(name string, off int64) func(string) error {
	return func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{'!'}, off)
		return errors.Join(err, f.Close())
	}
}

func appendTo(name string) func(string) error {
	return func(dir string) error {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.Write([]byte{'!'})
		return errors.Join(err, f.Close())
	}
}

func remove(name string) func(string) error {
	return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
}

func relink(from, to string) func(string) error {
	return func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, to)), os.Link(filepath.Join(dir, from), filepath.Join(dir, to)))
	}
}

func stage(name string, set func(*Stage)) func(string) error {
	return func(dir string) error {
		s := &Stage{Path: filepath.Join(dir, name)}
		set(s)
		return s.Err
	}
}

// rewriteFilter makes the file "filter" anew with another content of one of its streams: ntfs-3g does
// not write to a reparse point.
func rewriteFilter(name, content string) func(string) error {
	return func(dir string) error {
		streams := map[string]string{"filter": "data below a reparse point", "filter:stream": "stream below a reparse point"}
		streams[name] = content
		p := filepath.Join(dir, "filter")
		return errors.Join(os.Remove(p),
			os.WriteFile(p, []byte(streams["filter"]), 0o600),
			os.WriteFile(p+":stream", []byte(streams["filter:stream"]), 0o600),
			(&Stage{Path: p}).Reparse(sampleTag, sampleReparse).Err)
	}
}
