package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestJudgeNTFSAcceptsGoodVolume(t *testing.T) {
	JudgeNTFS(t, sampleVolume(t))
}

// TestNTFSJudgesSeeDamage flips one byte in each structure of a good volume and expects the judge whose
// business it is to object.
func TestNTFSJudgesSeeDamage(t *testing.T) {
	Need(t, "ntfscat", "ntfsfix", "ntfsinfo", "ntfsresize", "ntfssecaudit", "7z")
	good := sampleVolume(t)
	image, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	info := func(p string) error { return second(ntfsInfo(p)) }
	seven := func(p string) error { return sevenZip(p, "NTFS") }
	mft := bytes.Index(image, []byte("FILE0"))
	bitmap := findStream(t, good, image, "6", "")
	sds := findStream(t, good, image, "9", "$SDS")
	mirror := bytes.Index(image[mft+1024:], image[mft:mft+1024]) + mft + 1024
	record := bytes.Index(image, encode16("rich")) &^ 1023
	for _, test := range []struct {
		what string
		at   int
		by   func(string) error
	}{
		{"signature of the boot sector, ntfsfix", 3, ntfsFix},
		{"place of $MFT, ntfsinfo", 0x30, info},
		{"place of $MFT, 7z", 0x30, seven},
		{"backup boot sector, ntfsfix", len(image) - 512 + 0x30, ntfsFix},
		{"$MFTMirr, ntfsfix", mirror + 0x100, ntfsFix},
		{"$MFTMirr, ntfsinfo", mirror + 0x100, info},
		{"$Bitmap, ntfsresize", bitmap + 200, ntfsResize},
		{"$SDS header, ntfssecaudit", sds, ntfsSecAudit},
		{"$SDS descriptor, ntfssecaudit", sds + 60, ntfsSecAudit},
		{"$SDS mirror, ntfssecaudit", sds + 0x40000 + 60, ntfsSecAudit},
		{"update sequence of a record, 7z", record + 510, seven},
	} {
		if err := test.by(good.Path); err != nil {
			t.Fatalf("%s: objects to the good volume: %v", test.what, err)
		}
		if test.by(damaged(t, image, test.at)) == nil {
			t.Errorf("%s: accepts a flipped byte at %#x", test.what, test.at)
		}
	}
}

// findStream finds the first cluster of a stream in the image.
func findStream(t *testing.T, v Volume, image []byte, record, stream string) int {
	t.Helper()
	args := []string{"-f", "-i", record}
	if stream != "" {
		args = append(args, "-n", stream)
	}
	content := []byte(Run(t, "ntfscat", append(args, v.Path)...))
	at := bytes.Index(image, content[:min(len(content), 1024)])
	if at < 0 {
		t.Fatalf("stream %q of record %s not found", stream, record)
	}
	return at
}

// sampleSums are the files of sampleVolume, as CompareSevenZip wants them.
func sampleSums() map[string]string {
	sums := map[string]string{}
	for path, content := range map[string]string{
		"small.txt": "resident", "large.bin": strings.Repeat("0123456789abcdef", 40_000), "empty.sys": "",
		"dir/one": "linked", "dir/two": "linked", "dir/three": "linked", "dir/four": "linked", "dir/link": "x",
		"Long name.text": "x", "Linked with short name": "x", "rich": "x", "filter": "data below a reparse point",
	} {
		sum := sha256.Sum256([]byte(content))
		sums[path] = hex.EncodeToString(sum[:])
	}
	return sums
}

func TestSevenZipTree(t *testing.T) {
	v := sampleVolume(t)
	want := sampleSums()
	CompareSevenZip(t, v, "NTFS", want)

	tree := SevenZipTree(t, v, "NTFS")
	if e := tree["small.txt:stream"]; !e.Stream || e.Size != 5 {
		t.Errorf("stream: %+v", e)
	}
	if e := tree["Long name.text"]; e.ShortName != "LONGNA~1.TEX" {
		t.Errorf("short name: %+v", e)
	}

	image, err := os.ReadFile(v.Path)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := sevenZipTree(damaged(t, image, bytes.Index(image, []byte("resident"))), "NTFS")
	if err != nil {
		t.Fatal(err)
	}
	got := maps.Clone(want)
	for path := range got {
		got[path] = bad[path].SHA256
	}
	if diff := diffLines(listSums(want), listSums(got)); strings.Count(diff, "small.txt") != 2 || strings.Count(diff, "\n") != 2 {
		t.Errorf("a flipped byte of small.txt shows as %q", diff)
	}
}

func TestGrub(t *testing.T) {
	Need(t, "grub-fstest")
	v := sampleVolume(t)
	g := Grub{v.Path, "(loop0)"}
	names := g.List(t, "/dir")
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "four link one three two" {
		t.Errorf("names %q", got)
	}
	if got := g.Read(t, "small.txt"); string(got) != "resident" {
		t.Errorf("small.txt reads %q", got)
	}
	host := t.TempDir()
	for name, content := range map[string]string{"one": "linked", "two": "linked"} {
		if err := os.WriteFile(filepath.Join(host, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.Compare(t, "/dir", host)
	if err := os.WriteFile(filepath.Join(host, "two"), []byte("linkeD"), 0o600); err != nil {
		t.Fatal(err)
	}
	if g.compare("/dir", host) == nil || g.compare("/dir/two", filepath.Join(host, "two")) == nil {
		t.Error("grub-fstest does not see a byte that differs")
	}
	if second(g.list("/missing")) == nil || second(g.read("missing")) == nil {
		t.Error("grub-fstest finds what is not there")
	}
}
