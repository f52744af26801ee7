package wim

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/oracle"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

const wimlib = "wimlib-imagex"

// TestWimlibVerifies has wimlib check everything we write, and shows that it would notice.
func TestWimlibVerifies(t *testing.T) {
	oracle.Need(t, wimlib)
	path := writeTemp(t, WriteOptions{Integrity: true, BootIndex: 1}, ImageSource{sampleTree(t), sampleImage("one")}, ImageSource{richTree(t), Image{Name: "two"}})
	out := oracle.Run(t, wimlib, "verify", path)
	if !strings.Contains(out, "Verifying integrity") || !strings.Contains(out, "metadata for image 2 of 2") {
		t.Errorf("wimlib verified something else: %s", out)
	}
	plain := writeTemp(t, WriteOptions{}, ImageSource{sampleTree(t), sampleImage("one")})
	f := mustOpen(t, plain)
	for name, off := range map[string]int64{
		"content":  f.blobs[0].res.offset + 1000,
		"metadata": f.metadata[0].res.offset + 200,
	} {
		flipped := flip(t, plain, off)
		if _, _, err := oracle.Try(wimlib, "verify", flipped); err == nil {
			t.Errorf("wimlib did not notice a flipped byte of the %s", name)
		}
	}
	if _, _, err := oracle.Try(wimlib, "verify", flip(t, path, headerSize+50)); err == nil {
		t.Error("wimlib did not notice a flipped byte under the integrity table")
	}
}

// flip returns the path of a copy with one byte changed.
func flip(t testing.TB, path string, off int64) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 0x10
	out := filepath.Join(t.TempDir(), "flipped.wim")
	if err := os.WriteFile(out, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWimlibInfo has wimlib read our header and XML data.
func TestWimlibInfo(t *testing.T) {
	oracle.Need(t, wimlib)
	opts := WriteOptions{GUID: [16]byte{0xAB, 0xCD}, BootIndex: 1, RPFix: true, Integrity: true}
	path := writeTemp(t, opts, ImageSource{sampleTree(t), sampleImage("Name & <Name>")})
	out := oracle.Run(t, wimlib, "info", path)
	for _, want := range []string{
		"0xabcd00", "Boot Index:     1", "Integrity info", "Relative path junction", "Name & <Name>",
		"Architecture:           x86_64", "Edition ID:             ServerStandard", "Installation Type:      Server Core",
		"Languages:              en-US de-DE", "Build:                  20348", "Service Pack Build:     587",
		"System Root:            WINDOWS", "HAL:                    acpiapic", "WIMBoot compatible:     yes",
		"Creation Time:          Sat May 08 08:15:30 2021 UTC", "Hard Link Bytes:        600002", "Default Language:       en-US",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("wimlib's info lacks %q:\n%s", want, out)
		}
	}
}

// TestWimlibDir compares our tree with wimlib's listing of the same file.
func TestWimlibDir(t *testing.T) {
	oracle.Need(t, wimlib)
	path := writeTemp(t, WriteOptions{}, ImageSource{richTree(t), Image{Name: "x"}})
	compareListing(t, path, 1)
}

// listing is what wimlib-imagex dir --detailed prints of a name.
type listing struct {
	short, times, group, links, security string
	attributes, reparse                  uint64
	streams                              map[string]string // name (or a kind in brackets) to hash
}

var (
	hexField  = regexp.MustCompile(`0x([0-9a-f]+)`)
	separator = strings.Repeat("-", 76) + "\n"
)

// wimlibListing returns what wimlib says of each name of an image.
func wimlibListing(t *testing.T, path string, index int) map[string]listing {
	t.Helper()
	out := oracle.Run(t, wimlib, "dir", path, strconv.Itoa(index), "--detailed")
	all := map[string]listing{}
	for _, block := range strings.Split(out, separator)[1:] {
		name, l := parseListing(block)
		all[name] = l
	}
	return all
}

func parseListing(block string) (string, listing) {
	l := listing{streams: map[string]string{}}
	name, kind := "", ""
	for _, line := range strings.Split(block, "\n") {
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"`)
		switch key {
		case "Full Path":
			name = strings.Trim(value, "/")
		case "Short Name":
			l.short = value
		case "Attributes":
			l.attributes = hexValue(value)
		case "Creation Time", "Last Write Time", "Last Access Time":
			l.times += value + "\n"
		case "Link Group ID":
			l.group = value
		case "Link Count":
			l.links = value
		case "Reparse Tag":
			l.reparse = hexValue(value)
		case "Security Descriptor":
			l.security = value
		case "Unnamed data stream:", "Reparse point stream:":
			kind = "(" + key + ")"
		case "Hash":
			l.streams[kind] = strings.TrimPrefix(value, "0x")
		}
		if after, ok := strings.CutPrefix(key, `Named data stream "`); ok {
			kind = strings.TrimSuffix(after, `":`)
		}
	}
	return name, l
}

func hexValue(s string) uint64 {
	m := hexField.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseUint(m[1], 16, 64)
	return v
}

// ourListing says the same of our tree of the image.
func ourListing(t *testing.T, path string, index int) map[string]listing {
	t.Helper()
	tr := mustTree(t, mustOpen(t, path), index)
	all := map[string]listing{"": nodeListing(tr, &tree.Entry{Node: tr.Root})}
	for p, e := range tr.Walk() {
		all[p] = nodeListing(tr, e)
	}
	return all
}

func nodeListing(tr *tree.Tree, e *tree.Entry) listing {
	n := e.Node
	l := listing{
		short: e.Short, attributes: uint64(n.Attributes), streams: map[string]string{},
		links: strconv.Itoa(max(len(n.Names), 1)), security: fmt.Sprintf("%x", tr.Descriptor(n)),
		times: printTime(n.Created) + printTime(n.Modified) + printTime(n.Accessed),
	}
	for _, s := range n.Streams {
		l.streams[s.Name] = blobSum(s.Data)
	}
	if r := n.Reparse(); r != nil {
		l.reparse = uint64(r.Tag)
		l.streams["(Reparse point stream:)"] = blobSum(nil)
		if len(r.Data) > 0 {
			l.streams["(Reparse point stream:)"] = fmt.Sprintf("%x", sha1.Sum(r.Data))
		}
	} else {
		l.streams["(Unnamed data stream:)"] = blobSum(n.Data) // wimlib does not list that of a reparse point
	}
	return l
}

func blobSum(c tree.Content) string {
	if b, ok := c.(*Blob); ok {
		return fmt.Sprintf("%x", b.SHA1())
	}
	return strings.Repeat("0", 40)
}

// printTime prints a time as wimlib does.
func printTime(ft filetime.Time) string {
	return ft.Time().Format("Mon Jan 02 15:04:05 2006") + " UTC\n"
}

// compareListing compares image index of the WIM at path as we read it with what wimlib lists.
func compareListing(t *testing.T, path string, index int) {
	t.Helper()
	theirs, ours := wimlibListing(t, path, index), ourListing(t, path, index)
	groups := map[string]int{}
	for _, l := range theirs {
		groups[l.group]++
	}
	for name, l := range theirs {
		if n := groups[l.group]; l.group != "0x0000000000000000" && strconv.Itoa(n) != l.links {
			t.Errorf("%q: %s links in a group of %d", name, l.links, n)
		}
		l.group = ""
		theirs[name] = l
	}
	for name, l := range ours {
		if !reflect.DeepEqual(l, theirs[name]) {
			t.Errorf("%q:\nwimlib %+v\nours   %+v", name, theirs[name], l)
		}
	}
	if len(theirs) != len(ours) {
		t.Errorf("wimlib lists %d names, we %d", len(theirs), len(ours))
	}
}
