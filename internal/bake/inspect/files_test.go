package inspect_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winbake/packer-plugin-winbake/internal/bake/inspect"
	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
)

// TestFolders lists folders of NTFS and FAT32 volumes, and compares with what ntfsls and mdir list.
func TestFolders(t *testing.T) {
	oracle.Need(t, "ntfsls", "sfdisk", "mdir", "ntfscat")
	r := bakeDisk(t, layout.Both, nil)
	path := r.Files[0]
	table := oracle.Sfdisk(t, path)
	windows := table.Volume(path, 2).File(t)
	for _, dir := range []string{"Windows/System32", `\Windows\System32\config\`, "Users"} {
		f := list(t, path, inspect.Place{}, dir)
		want := map[string]bool{}
		for line := range strings.Lines(oracle.Run(t, "ntfsls", "-a", "-p", "/"+strings.Trim(strings.ReplaceAll(dir, `\`, "/"), "/"), windows)) {
			if name := strings.TrimSpace(line); name != "." && name != ".." && name != "" {
				want[name] = true
			}
		}
		if len(f.Entries) != len(want) {
			t.Errorf("%s: %d entries, ntfsls lists %v", dir, len(f.Entries), want)
		}
		for _, e := range f.Entries {
			if !want[e.Name] {
				t.Errorf("%s: ntfsls does not list %+v", dir, e)
			}
		}
	}
	system := list(t, path, inspect.Place{Partition: 1}, "/")
	said := strings.ToUpper(oracle.Run(t, "mdir", "-b", "-i", fmt.Sprintf("%s@@%d", path, table.Partitions[0].Start*512), "-a", "::/"))
	for _, e := range system.Entries {
		if !strings.Contains(said, "::/"+strings.ToUpper(e.Name)) {
			t.Errorf("%+v; mdir lists %s", e, said)
		}
	}
	if got := strings.Count(said, "::/"); got != len(system.Entries) {
		t.Errorf("%d entries, mdir lists %s", len(system.Entries), said)
	}
	var got bytes.Buffer
	if err := inspect.Cat(&got, path, inspect.Place{Partition: 1}, "bootmgr"); err != nil || got.String() != string(oracle.MtoolsRead(t, table.Volume(path, 1), "bootmgr")) {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

func list(t testing.TB, path string, place inspect.Place, dir string) *inspect.Folder {
	t.Helper()
	f := inspect.Run([]string{path}, inspect.Options{Place: place, Folder: &dir}).Files[0]
	if f.Error != "" || f.Folder == nil {
		t.Fatalf("%s: %s", dir, f.Error)
	}
	return f.Folder
}

// TestOddities shows links, streams and attributes of the stand-in, whose streams ntfscat reads, too.
func TestOddities(t *testing.T) {
	oracle.Need(t, "ntfscat", "sfdisk")
	path := bakeDisk(t, layout.BIOS, nil).Files[0]
	windows := oracle.Sfdisk(t, path).Volume(path, 1).File(t)
	streams, reparse, links, attributes := 0, 0, 0, 0
	var visit func(dir string)
	visit = func(dir string) {
		for _, e := range list(t, path, inspect.Place{}, dir).Entries {
			name := strings.TrimPrefix(dir+"/"+e.Name, "/")
			for _, s := range e.Streams {
				streams++
				var got bytes.Buffer
				want := oracle.Run(t, "ntfscat", "-n", s.Name, windows, name)
				if err := inspect.Cat(&got, path, inspect.Place{}, name+":"+s.Name); err != nil || got.String() != want || int64(got.Len()) != s.Size {
					t.Errorf("%s:%s: %q, %v; ntfscat reads %q", name, s.Name, got.String(), err, want)
				}
			}
			if e.Reparse != "" {
				reparse++
				if e.Reparse != "compressed (WOF)" && e.Target == "" && !strings.HasPrefix(e.Reparse, "tag") {
					t.Errorf("%s: %+v", name, e)
				}
			}
			if e.Links > 1 {
				links++
			}
			if strings.Contains(e.Attributes, "HS") {
				attributes++
			}
			if e.Directory && e.Reparse == "" {
				visit(name)
			}
		}
	}
	visit("")
	if streams == 0 || reparse == 0 || links == 0 || attributes == 0 {
		t.Errorf("%d streams, %d reparse points, %d links, %d hidden", streams, reparse, links, attributes)
	}
}

// TestPlaces is what can be wrong with a place.
func TestPlaces(t *testing.T) {
	path := bakeDisk(t, layout.UEFI, nil).Files[0]
	for _, c := range []struct {
		place      inspect.Place
		name, want string
	}{
		{inspect.Place{}, "nothing", "there is no nothing"}, {inspect.Place{Partition: 7}, "x", "there is no partition 7; there are 1, 2, 3"},
		{inspect.Place{Partition: 2}, "x", "not read"}, {inspect.Place{Image: 1}, "x", "no images"}, {inspect.Place{}, "Windows", "is a folder"},
		{inspect.Place{}, "Windows/explorer.exe:nothing", "there is no"}, {inspect.Place{}, "Windows/System32/ntoskrnl.exe:x", "no stream"},
		{inspect.Place{In: []string{"Windows/System32/ntoskrnl.exe"}}, "x", "no WIM"},
	} {
		var b bytes.Buffer
		if err := inspect.Cat(&b, path, c.place, c.name); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("%+v %s: %v", c.place, c.name, err)
		}
	}
}

// TestHostile damages files in many ways. Each gives a report, soon.
func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var files []string
	for _, folder := range []string{"bcd", "vhd", "wim"} {
		files = append(files, oracle.Samples(t, folder)...)
	}
	const rounds = 6
	for _, name := range files {
		data := oracle.Sample(t, name)
		if len(data) == 0 || len(data) > 4<<20 {
			continue
		}
		for i := range rounds {
			b := bytes.Clone(data)
			for range 1 + i*4 {
				b[r.IntN(min(len(b), 8192))] ^= byte(1 + r.IntN(255))
			}
			quick(t, name, b[:len(b)-r.IntN(1+len(b)/8*(i%2))])
		}
	}
	damagedDisks(t, r)
}

// damagedDisks damages a disk's tables, its FAT32 volume and the start of its NTFS volume.
func damagedDisks(t *testing.T, r *rand.Rand) {
	t.Helper()
	path := bakeDisk(t, layout.UEFI, nil).Files[0]
	parts := one(t, path, inspect.Place{}).Disk.Partitions
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	places := []int64{0, parts[0].Offset, parts[len(parts)-1].Offset, parts[len(parts)-1].Offset + 4<<20}
	for i := range 40 {
		at := places[i%len(places)]
		old := make([]byte, 64<<10)
		if _, err := f.ReadAt(old, at); err != nil {
			t.Fatal(err)
		}
		b := bytes.Clone(old)
		for range 1 + i {
			b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
			b[r.IntN(1024)] ^= byte(r.IntN(2))
		}
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		soon(t, "disk", path)
		if _, err := f.WriteAt(old, at); err != nil {
			t.Fatal(err)
		}
	}
}

func quick(t testing.TB, name string, b []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	save(t, path, string(b))
	soon(t, name, path)
}

func soon(t testing.TB, name, path string) {
	t.Helper()
	start := time.Now()
	r := inspect.Run([]string{path}, inspect.Options{})
	if len(r.Files) != 1 || r.Files[0].Path != path {
		t.Errorf("%+v", r)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("%s: %v", name, d)
	}
}
