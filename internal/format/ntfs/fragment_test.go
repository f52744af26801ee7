package ntfs_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
	"github.com/winbake/packer-plugin-winbake/internal/volume"
)

// chopped leaves free pieces of the given number of clusters, with one bad cluster between each two.
// The volume's start stays whole, as far as the boot record, the log of a volume of up to 400 MiB, and
// the MFT's start need.
func chopped(o ntfs.Options, piece int64) []volume.Run {
	cluster, sector := cmp.Or(o.ClusterSize, 4096), cmp.Or(o.SectorSize, 512)
	start := max(8192, cluster) + 2<<20 + 70*max(1024, sector) + 2*cluster
	var bad []volume.Run
	for c := start / cluster; (c+1)*cluster < o.Size-8192; c += piece + 1 {
		bad = append(bad, volume.Run{Offset: c * cluster, Length: cluster})
	}
	return bad
}

// scattered makes bad ranges anywhere but at the start.
func scattered(r *rand.Rand, size int64, count int) []volume.Run {
	var bad []volume.Run
	for range count {
		bad = append(bad, volume.Run{Offset: 400<<10 + r.Int64N(size-(512<<10)), Length: 1 + r.Int64N(50000)})
	}
	return bad
}

// piecesTree has something of everything that can be in pieces, more than a record lists.
func piecesTree(t *testing.T) *tree.Tree {
	r := rand.New(rand.NewPCG(31, 31))
	tr := randomTree(t, r, 150)
	large := tr.NewFile(newBlob(1, randomBytes(r, 6_000_000)))
	for i := range 5 {
		large.Streams = append(large.Streams, tree.Stream{Name: fmt.Sprintf("stream %d", i), Data: tree.Bytes(randomBytes(r, 100_000*(i+1)))})
	}
	link(t, tr, tr.Root, "a large file", "ALARGE~1", large)
	link(t, tr, tr.Root, "without streams", "", tr.NewFile(tree.Bytes(randomBytes(r, 3_000_000))))
	small := tr.NewFile(newBlob(2, randomBytes(r, 20_000)))
	small.Ensure().EA = []tree.EA{{Name: "LONG", Value: randomBytes(r, 50_000)}}
	link(t, tr, tr.Root, "several clusters", "", small)
	many := tr.NewFile(tree.Bytes(randomBytes(r, 50_000)))
	for i := range 300 {
		link(t, tr, tr.Root, fmt.Sprintf("one of many names of one file, this one %d", i), "", many)
	}
	dir := tr.NewDirectory()
	link(t, tr, tr.Root, "large directory", "", dir)
	for i := range 900 {
		link(t, tr, dir, fmt.Sprintf("%0100d", i), "", tr.NewFile(nil))
	}
	return tr
}

type badCase struct {
	name string
	o    ntfs.Options
	// resizable says that ntfsresize can judge: it reads the list of bad clusters in one record only.
	resizable bool
}

func badCases(size int64) []badCase {
	var out []badCase
	add := func(name string, sector, cluster int64, resizable bool, bad func(o ntfs.Options) []volume.Run) {
		o := options(size)
		o.SectorSize, o.ClusterSize = sector, cluster
		o.Bad = bad(o)
		out = append(out, badCase{name, o, resizable})
	}
	pieces := func(n int64) func(ntfs.Options) []volume.Run {
		return func(o ntfs.Options) []volume.Run { return chopped(o, n) }
	}
	add("one range", 512, 4096, true, func(ntfs.Options) []volume.Run { return []volume.Run{{Offset: 3 << 20, Length: 1}} })
	add("60 ranges", 512, 4096, true, func(o ntfs.Options) []volume.Run {
		return scattered(rand.New(rand.NewPCG(60, 60)), o.Size, 60)
	})
	add("60 ranges, sectors of 4096", 4096, 4096, true, func(o ntfs.Options) []volume.Run {
		return scattered(rand.New(rand.NewPCG(61, 61)), o.Size, 60)
	})
	add("pieces of 32 clusters", 512, 4096, false, pieces(32))
	add("pieces of 5 clusters", 512, 4096, false, pieces(5))
	add("single clusters", 512, 4096, false, pieces(1))
	add("pieces of 9 clusters of 512", 512, 512, false, pieces(9))
	add("pieces of 3 clusters of 2048", 512, 2048, false, pieces(3))
	add("single clusters of 65536", 512, 65536, false, pieces(1))
	add("single clusters, sectors of 4096", 4096, 4096, false, pieces(1))
	return out
}

// TestBad writes volumes around bad ranges, for all judges.
func TestBad(t *testing.T) {
	tr := piecesTree(t)
	for _, c := range badCases(96 << 20) {
		t.Run(c.name, func(t *testing.T) {
			m := build(t, tr, c.o)
			v := check(t, m, tr)
			if v.badClusters == 0 {
				t.Error("no cluster is bad")
			}
			checkUnused(t, m, c.o.Bad)
			read, got := read(t, m)
			sameTree(t, tr, got)
			for _, problem := range read.Check() {
				t.Error(problem)
			}
			judgeBad(t, saved(t, m), c, v.files[0].find(0x20, "") != nil)
		})
	}
}

// TestBadContents has ntfscat and GRUB read files in thousands of pieces, and a stream. (GRUB takes
// the entries of named streams in an attribute list for pieces of the unnamed one.)
func TestBadContents(t *testing.T) {
	oracle.Need(t, "ntfscat", "grub-fstest")
	tr := piecesTree(t)
	n, err := tr.Lookup("a large file")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := tree.ReadAll(n.Data, 1<<30)
	stream, _ := tree.ReadAll(n.Streams[4].Data, 1<<30)
	n, err = tr.Lookup("without streams")
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := tree.ReadAll(n.Data, 1<<30)
	crc := crc32Of(string(plain))
	for _, c := range badCases(96 << 20) {
		image := saved(t, build(t, tr, c.o))
		if got := oracle.Run(t, "ntfscat", "-f", image, "a large file"); got != string(want) {
			t.Errorf("%s: ntfscat reads something else", c.name)
		}
		if got := oracle.Run(t, "ntfscat", "-f", "-n", "stream 4", image, "a large file"); got != string(stream) {
			t.Errorf("%s: ntfscat reads another stream", c.name)
		}
		if got := oracle.Run(t, "grub-fstest", image, "crc", "/without streams"); !strings.Contains(strings.ToLower(got), crc) {
			t.Errorf("%s: GRUB reads a file of CRC %s, want %s", c.name, got, crc)
		}
	}
}

func crc32Of(s string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(s))) }

// checkUnused looks for bytes in bad ranges.
func checkUnused(t *testing.T, m memory, bad []volume.Run) {
	t.Helper()
	for _, r := range bad {
		if b := m[r.Offset:r.End()]; len(bytes.Trim(b, "\x00")) > 0 {
			t.Fatalf("the bad range at %d is in use", r.Offset)
		}
	}
}

// judgeBad asks the judges that can know. 7-Zip reads no volume whose MFT has an attribute list.
func judgeBad(t *testing.T, image string, c badCase, split bool) {
	for _, j := range generalJudges {
		switch {
		case j.program == "7z" && (split || c.o.SectorSize == 4096): // see TestGeometry
			continue
		case j.program == "ntfsresize":
			j.judge = func(image string) error {
				return complains([]string{"inconsisten", "ERROR"}, "ntfsresize", "-i", "-f", "-b", image)
			}
			if !c.resizable {
				continue
			}
		}
		oracle.Need(t, j.program)
		if err := j.judge(image); err != nil {
			t.Error(err)
		}
	}
}

// TestBadLog has a log that must be cut, but not too often.
func TestBadLog(t *testing.T) {
	o := options(16 << 20)
	for piece, want := range map[int64]string{20: "", 2: "$LogFile: the log, 2097152 bytes, would be in more pieces"} {
		o.Bad = nil
		for at := int64(200 << 10); at < o.Size-8192; at += (piece + 1) * 4096 {
			o.Bad = append(o.Bad, volume.Run{Offset: at, Length: 4096})
		}
		_, err := ntfs.NewPlan(tree.New(anyTime), o)
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("pieces of %d: %v", piece, err)
		}
	}
	o.Bad = nil
	for at := int64(200 << 10); at < o.Size-8192; at += 21 * 4096 {
		o.Bad = append(o.Bad, volume.Run{Offset: at, Length: 4096})
	}
	tr := residentTree(t)
	m := build(t, tr, o)
	if v := check(t, m, tr); len(v.files[2].find(0x80, "").runs) < 20 {
		t.Error("the log is not in pieces")
	}
	judgeBad(t, saved(t, m), badCase{o: o}, false)
}

// TestBadRefused lists what cannot be bad, and volumes with too little left.
func TestBadRefused(t *testing.T) {
	for name, c := range map[string]struct {
		bad  []volume.Run
		want string
	}{
		"boot record": {[]volume.Run{{Offset: 8191, Length: 1}}, "boot record in bytes 0 to 8191"},
		"its copy":    {[]volume.Run{{Offset: 16<<20 - 1, Length: 1}}, "copy of the boot record"},
		"outside":     {[]volume.Run{{Offset: 16 << 20, Length: 1}}, "not inside a volume of 16777216 bytes"},
		"overflow":    {[]volume.Run{{Offset: 1, Length: 1<<63 - 1}}, "not inside"},
		"negative":    {[]volume.Run{{Offset: -4096, Length: 4096}}, "not inside"},
		"empty":       {[]volume.Run{{Offset: 1 << 20}}, "not inside"},
		"all":         {[]volume.Run{{Offset: 8192, Length: 15 << 20}}, "the files need a partition of"},
		"MFT's start": {func() []volume.Run {
			var bad []volume.Run
			for at := int64(8192); at < 16<<20-8192; at += 16 << 12 {
				bad = append(bad, volume.Run{Offset: at, Length: 4096})
			}
			return bad
		}(), "start of $MFT, 65536 bytes in one piece, between the bad ranges: the longest has 61440"},
	} {
		o := options(16 << 20)
		o.Bad = c.bad
		_, err := ntfs.NewPlan(tree.New(anyTime), o)
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
