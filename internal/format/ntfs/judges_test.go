package ntfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// A judge looks at a volume in an image file. It returns an error for a volume it refuses.
type judge struct {
	program string
	judge   func(image string) error
}

// complains is run for programs that fail without saying so in their status.
func complains(words []string, program string, args ...string) error {
	out, stderr, err := oracle.Try(program, args...)
	for _, w := range words {
		if err == nil && strings.Contains(out+stderr, w) {
			err = errors.New(w)
		}
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w\n%s%s", program, args, err, out, stderr)
	}
	return nil
}

// generalJudges need nothing but the volume.
var generalJudges = []judge{
	{"ntfsfix", func(image string) error {
		return complains([]string{"FAILED", "differ", "dirty"}, "ntfsfix", "-n", image)
	}},
	{"ntfsresize", func(image string) error {
		return complains([]string{"inconsisten", "ERROR"}, "ntfsresize", "-i", "-f", image)
	}},
	{"ntfsinfo", func(image string) error { return complains([]string{"ERROR", "Failed"}, "ntfsinfo", "-m", image) }},
	{"ntfscluster", func(image string) error { return complains([]string{"ERROR"}, "ntfscluster", "-i", image) }},
	{"7z", func(image string) error { return complains([]string{"ERROR", "Errors", "Warnings"}, "7z", "t", image) }},
	{"grub-fstest", func(image string) error {
		// It says nothing of a root directory that it cannot read.
		out, _, err := oracle.Try("grub-fstest", image, "ls", "/")
		if !strings.Contains(out, "$UpCase") {
			return fmt.Errorf("grub-fstest lists %q, %v", out, err)
		}
		return err
	}},
}

// TestJudges shows volumes of every shape to other people's programs.
func TestJudges(t *testing.T) {
	volumes := map[string]memory{}
	add := func(name string, size int64, tr *tree.Tree) { volumes[name] = build(t, tr, options(size)) }
	add("empty", 3<<20, tree.New(anyTime))
	add("resident", 16<<20, residentTree(t))
	add("links", 16<<20, linksTree(t, 1024))
	add("streams", 32<<20, streamsTree(t, 300, 200))
	add("directories", 16<<20, directoryTree(t, 0, 1, 5, 6, 7, 38, 39, 40, 1500))
	add("random", 64<<20, randomTree(t, rand.New(rand.NewPCG(11, 12)), 2000))
	for name, m := range volumes {
		image := saved(t, m)
		for _, j := range generalJudges {
			t.Run(name+"/"+j.program, func(t *testing.T) {
				oracle.Need(t, j.program)
				if err := j.judge(image); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestJudgesCanFail spoils a volume in a way that each judge must see.
func TestJudgesCanFail(t *testing.T) {
	good := build(t, directoryTree(t, 3, 1500), options(16<<20))
	mft := int(le.Uint64(good[0x30:])) * 4096
	for program, spoil := range map[string]func(m memory){
		"ntfsfix":     func(m memory) { m[mft+1024+0x40]++ }, // $MFTMirr's record no longer equals its copy
		"ntfsresize":  func(m memory) { m[bitmapAt(t, m)+100] ^= 1 },
		"ntfsinfo":    func(m memory) { m[mft+3*1024] = 'X' },       // $Volume
		"ntfscluster": func(m memory) { m[mft+6*1024] = 'X' },       // $Bitmap
		"7z":          func(m memory) { m[mft+1024*70] = 'X' },      // a file
		"grub-fstest": func(m memory) { m[mft+1024*5+510] ^= 0xFF }, // the root's update sequence
	} {
		oracle.Need(t, program)
		m := slices.Clone(good)
		spoil(m)
		image := saved(t, m)
		for _, j := range generalJudges {
			if j.program == program && j.judge(image) == nil {
				t.Errorf("%s accepts a spoilt volume", program)
			}
		}
	}
}

func bitmapAt(t *testing.T, m memory) int64 {
	v := checkVolume(bytes.NewReader(m), int64(len(m)))
	if v.problems != nil {
		t.Fatal(v.problems)
	}
	return v.files[6].find(0x80, "").runs[0][0] * v.cluster
}

// TestContents reads files through ntfscat, 7z and GRUB.
func TestContents(t *testing.T) {
	oracle.Need(t, "ntfscat", "ntfsls", "ntfsinfo", "7z", "grub-fstest")
	r := rand.New(rand.NewPCG(8, 8))
	tr := tree.New(anyTime)
	contents := map[string][]byte{}
	for _, size := range []int{0, 1, 500, 700, 720, 4095, 4096, 4097, 100000} {
		name := fmt.Sprintf("dir/file of %d", size)
		contents[name] = randomBytes(r, size)
		n, err := tr.WriteFile(name, tree.Bytes(contents[name]))
		if err != nil {
			t.Fatal(err)
		}
		n.Streams = []tree.Stream{{Name: "s", Data: tree.Bytes(contents[name])}}
	}
	image := saved(t, build(t, tr, options(16<<20)))
	out := t.TempDir()
	oracle.Run(t, "7z", "x", "-o"+out, image)
	for name, want := range contents {
		if got := oracle.Run(t, "ntfscat", "-f", image, name); got != string(want) {
			t.Errorf("ntfscat: %s differs", name)
		}
		if got := oracle.Run(t, "ntfscat", "-f", "-n", "s", image, name); got != string(want) {
			t.Errorf("ntfscat: %s:s differs", name)
		}
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("7z: %s differs (%v)", name, err)
		}
		crc := fmt.Sprintf("%08x", crc32.ChecksumIEEE(want))
		if got := oracle.Run(t, "grub-fstest", image, "crc", "/"+name); !strings.Contains(strings.ToLower(got), crc) {
			t.Errorf("GRUB: %s has CRC %s, want %s", name, got, crc)
		}
		if info := oracle.Run(t, "ntfsinfo", "-F", name, image); !strings.Contains(info, "$DATA (0x80)") || strings.Contains(info, "ERROR") {
			t.Errorf("ntfsinfo: %s", info)
		}
	}
	if list := oracle.Run(t, "ntfsls", "-p", "dir", image); strings.Count(list, "file of") != len(contents) {
		t.Errorf("ntfsls: %s", list)
	}
}
