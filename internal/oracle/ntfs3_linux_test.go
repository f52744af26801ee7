package oracle

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// TestNtfs3SeesDamage shows the driver a good volume and, on other disks of the same machine, copies
// in which one byte was flipped.
func TestNtfs3SeesDamage(t *testing.T) {
	needKernel(t)
	good := sampleVolume(t)
	image, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	record := bytes.Index(image, encode16("rich")) &^ 1023
	block := indexBlock(t, image, "rich")
	name := block + bytes.Index(image[block:], encode16("small.txt"))
	damages := []struct {
		what string
		at   int
		path string // what must be seen there, or anywhere
	}{
		{"content", bytes.Index(image, []byte("0123456789abcdef")) + 10, "large.bin"},
		{"resident content", bytes.Index(image, []byte("resident")), "small.txt"},
		// The driver repairs update sequences of records in passing, and does not mind their signatures.
		{"length of an attribute", record + int(binary.LittleEndian.Uint16(image[record+20:])) + 4, "rich"},
		{"time in a record", record + int(binary.LittleEndian.Uint16(image[record+20:])) + 24, "rich"},
		{"update sequence of an index block", block + 510, ""},
		{"signature of an index block", block, ""},
		{"name in an index block", name, "small.txt"},
	}
	jobs := []Ntfs3Job{{Volume: good}}
	for _, d := range damages {
		jobs = append(jobs, Ntfs3Job{Volume: WholeFile(damaged(t, image, d.at))})
	}
	jobs = append(jobs, Ntfs3Job{Volume: Volume{Path: good.Path, Offset: 1 << 20, Size: 1 << 20}})
	got, err := ntfs3(t, jobs)
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].Problems) > 0 || len(got[0].Entries) != 14 {
		t.Fatalf("of the good volume it sees %d names, problems %q", len(got[0].Entries), got[0].Problems)
	}
	checkSample(t, got[0])
	for i, d := range damages {
		bad := got[1+i]
		same := reflect.DeepEqual(bad.Entries[d.path], got[0].Entries[d.path])
		if d.path == "" {
			same = reflect.DeepEqual(bad.Entries, got[0].Entries)
		}
		if same && len(bad.Problems) == 0 {
			t.Errorf("%s: a flipped byte at %#x is not seen", d.what, d.at)
		}
	}
	if none := got[len(got)-1]; !strings.Contains(strings.Join(none.Problems, "\n"), "no partition") {
		t.Errorf("a partition that is not there: %q", none.Problems)
	}
}

// indexBlock finds an index block that holds a name.
func indexBlock(t *testing.T, image []byte, name string) int {
	t.Helper()
	for at := 0; at < len(image); at += 4096 {
		if bytes.HasPrefix(image[at:], []byte("INDX")) && bytes.Contains(image[at:at+4096], encode16(name)) {
			return at
		}
	}
	t.Fatalf("no index block with %q", name)
	return 0
}

// checkSample looks for everything that is reported of the sample volume.
func checkSample(t *testing.T, v Ntfs3Volume) {
	t.Helper()
	e := v.Entries["rich"]
	if e.Created != sampleTime || e.Modified != sampleTime+1 || e.Accessed != sampleTime+2 || e.Attributes != 0x22 ||
		!bytes.Equal(e.Security, guest.Sum(securityDescriptor(1))) || string(e.EA["NAME"]) != "value" || !bytes.Equal(e.Sum, guest.Sum([]byte("x"))) {
		t.Errorf("%+v", e)
	}
	if a, b := v.Entries["dir/one"], v.Entries["dir/two"]; a.Inode != b.Inode || a.Links != 2 {
		t.Errorf("linked files: %+v, %+v", a, b)
	}
}

// TestDiffNtfs3 changes each thing in a listing that is compared.
func TestDiffNtfs3(t *testing.T) {
	tr := tree.New(sampleTime)
	if _, err := tr.WriteFile("dir/file", tree.Bytes("content")); err != nil {
		t.Fatal(err)
	}
	n := tr.Find("dir/file").Node
	n.Attributes, n.Security = 0x21, tr.AddSecurity(securityDescriptor(1))
	n.Ensure().EA = []tree.EA{{Name: "NAME", Value: []byte("value")}}
	if _, err := tr.Link(tr.Root, "link", "", n); err != nil {
		t.Fatal(err)
	}
	junction, err := tr.MkdirAll("junction")
	if err != nil {
		t.Fatal(err)
	}
	junction.Ensure().Reparse = &tree.Reparse{Tag: tagMountPoint, Data: linkData(tagMountPoint, `C:\Users`)}
	listing := func() Ntfs3Volume {
		file := guest.Entry{Path: "dir/file", Inode: 65, Mode: 0o100644, Links: 2, Size: 7, Sum: guest.Sum([]byte("content")), Attributes: 0x21,
			Created: sampleTime, Modified: sampleTime, Accessed: sampleTime, Security: guest.Sum(securityDescriptor(1)), EA: map[string][]byte{"NAME": []byte("value")}}
		link := file
		link.Path = "link"
		dir := guest.Entry{Path: "dir", Inode: 64, Mode: 0o40755, Attributes: 0x10, Created: sampleTime, Modified: sampleTime, Accessed: sampleTime}
		root, away := dir, dir
		root.Path, root.Inode, root.Attributes = ".", 5, 6
		away.Path, away.Inode, away.Mode, away.Attributes, away.Target, away.Created = "junction", 66, 0o120777, 0x410, "./Users", 0
		v := Ntfs3Volume{}
		for _, e := range []guest.Entry{root, dir, file, link, away} {
			v.take(guest.Message{Entry: &e})
		}
		return v
	}
	tr.Root.Attributes = 6
	if diffs := diffNtfs3(listing(), tr); len(diffs) > 0 {
		t.Fatalf("the same, but %q", diffs)
	}
	for want, change := range map[string]func(e *guest.Entry){
		"link: links: file 70":         func(e *guest.Entry) { e.Inode = 70 },
		"link: links: is the same":     func(e *guest.Entry) { e.Inode = 64 },
		"link: links: 3":               func(e *guest.Entry) { e.Links = 3 },
		"link: kind":                   func(e *guest.Entry) { e.Mode = 0o120777 },
		"link: content: 8":             func(e *guest.Entry) { e.Size = 8 },
		"link: content: 7":             func(e *guest.Entry) { e.Sum = guest.Sum(nil) },
		"link: attributes":             func(e *guest.Entry) { e.Attributes = 0x20 },
		"link: creation time":          func(e *guest.Entry) { e.Created++ },
		"link: modification time":      func(e *guest.Entry) { e.Modified++ },
		"link: access time":            func(e *guest.Entry) { e.Accessed++ },
		"link: security descriptor":    func(e *guest.Entry) { e.Security = nil },
		"link: extended attributes":    func(e *guest.Entry) { e.EA = map[string][]byte{"NAME": nil} },
		"junction: reparse data":       func(e *guest.Entry) { e.Target = "./User" },
		"junction: modification time:": func(e *guest.Entry) { e.Modified = 0 },
	} {
		v := listing()
		path, _, _ := strings.Cut(want, ":")
		e := v.Entries[path]
		change(&e)
		v.Entries[path] = e
		found := false
		for _, d := range diffNtfs3(v, tr) {
			if found = found || strings.HasPrefix(d, want); !strings.HasPrefix(d, path+": ") {
				t.Errorf("%s: also says %q", want, d)
			}
		}
		if !found {
			t.Errorf("%s is not seen", want)
		}
	}
	v := listing()
	v.Entries["new"] = v.Entries["link"]
	delete(v.Entries, "link")
	if diffs := diffNtfs3(v, tr); len(diffs) != 2 {
		t.Errorf("another name: got %q", diffs)
	}
}

// TestReadReport reads what a guest leaves that stops before its end.
func TestReadReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readReport(path, 1); err == nil || !strings.Contains(err.Error(), "stopped after 0 of 1") {
		t.Errorf("an empty report: %v", err)
	}
}
