package oracle

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/oracle/guest"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// CompareNtfs3 fails the test unless the driver showed exactly the tree: names, links, contents,
// attributes, times, security descriptors, extended attributes, and where links lead.
func CompareNtfs3(t testing.TB, got Ntfs3Volume, want *tree.Tree) {
	t.Helper()
	if diffs := diffNtfs3(got, want); len(diffs) > 0 {
		t.Errorf("ntfs3 shows something else:\n  %s", strings.Join(diffs, "\n  "))
	}
}

// diffNtfs3 returns how a volume differs from a tree, by path.
func diffNtfs3(got Ntfs3Volume, want *tree.Tree) []string {
	d := ntfs3Differ{want: want, inodes: map[*tree.Node]uint64{}, nodes: map[uint64]*tree.Node{}}
	d.list.limit = 40
	left := maps.Clone(got.Entries)
	compare := func(path string, n *tree.Node) {
		e, ok := left[path]
		if !ok {
			d.list.addf(path, "name", "is not shown")
			return
		}
		delete(left, path)
		d.entry(e, n)
	}
	compare(".", want.Root)
	below := "" // a junction: the driver makes a link of it, whatever the directory holds
	for path, e := range want.Walk() {
		if below != "" && strings.HasPrefix(path, below) {
			continue
		}
		compare(path, e.Node)
		below = ""
		if e.Node.IsDir() && isLink(e.Node) {
			below = path + "/"
		}
	}
	for path := range left {
		d.list.addf(path, "name", "is not in the tree")
	}
	return d.list.sorted()
}

type ntfs3Differ struct {
	want   *tree.Tree
	list   diffList
	inodes map[*tree.Node]uint64
	nodes  map[uint64]*tree.Node
}

func (d *ntfs3Differ) entry(e guest.Entry, n *tree.Node) {
	d.links(e, n)
	// The attributes that a program may set; see ntfs.go about those that have no meaning there.
	const settable = 0x3127
	if e.Attributes&settable != n.Attributes&settable || (e.Attributes&attrReparse != 0) != (n.Reparse() != nil) {
		d.list.addf(e.Path, Attributes, "%#x, want %#x", e.Attributes, n.Attributes)
	}
	for _, x := range []struct {
		Aspect
		got  uint64
		want filetime.Time
	}{{Creation, e.Created, n.Created}, {Modified, e.Modified, n.Modified}, {Access, e.Accessed, n.Accessed}} {
		if x.got != uint64(x.want) && (x.Aspect != Creation || e.Created != 0 || !isLink(n)) {
			d.list.addf(e.Path, x.Aspect, "%s, want %s", showTime(x.got), showTime(uint64(x.want)))
		}
	}
	if sd := d.want.Descriptor(n); sd != nil && !bytes.Equal(e.Security, guest.Sum(sd)) {
		d.list.addf(e.Path, Security, "has another hash")
	}
	var eas []tree.EA
	if n.Extra != nil {
		eas = n.Extra.EA
	}
	wantEA := map[string][]byte{}
	for _, ea := range eas {
		wantEA[ea.Name] = ea.Value
	}
	if !maps.EqualFunc(e.EA, wantEA, bytes.Equal) {
		d.list.addf(e.Path, EA, "%q, want %q", slices.Sorted(maps.Keys(e.EA)), slices.Sorted(maps.Keys(wantEA)))
	}
	d.kind(e, n)
}

// links compares which names lead to one file, and how many the file record says there are. Neither
// the tree nor the driver counts short names.
func (d *ntfs3Differ) links(e guest.Entry, n *tree.Node) {
	if first, ok := d.inodes[n]; ok && first != e.Inode {
		d.list.addf(e.Path, Links, "file %d, its other names lead to %d", e.Inode, first)
	}
	if other, ok := d.nodes[e.Inode]; ok && other != n {
		d.list.addf(e.Path, Links, "is the same file as %s", other.Path())
	}
	d.inodes[n], d.nodes[e.Inode] = e.Inode, n
	if !n.IsDir() && int(e.Links) != len(n.Names) {
		d.list.addf(e.Path, Links, "%d, want %d", e.Links, len(n.Names))
	}
}

// isLink says that the driver makes a symbolic link of a file.
func isLink(n *tree.Node) bool {
	r := n.Reparse()
	return r != nil && (r.Tag == tagMountPoint || r.Tag == tagSymlink)
}

// kind compares what is there: a directory, a link or a file with content.
func (d *ntfs3Differ) kind(e guest.Entry, n *tree.Node) {
	kind := uint32(unix.S_IFREG)
	switch {
	case isLink(n):
		kind = unix.S_IFLNK
	case n.IsDir():
		kind = unix.S_IFDIR
	}
	if got := e.Mode & unix.S_IFMT; got != kind {
		d.list.addf(e.Path, "kind", "mode %#o, want %#o", got, kind)
		return
	}
	switch kind {
	case unix.S_IFLNK:
		// The driver makes a path below the mount point of an absolute one.
		if want := linkTarget(n.Reparse()); !strings.HasSuffix(e.Target, want) {
			d.list.addf(e.Path, Reparse, "leads to %q, want %q", e.Target, want)
		}
	case unix.S_IFREG:
		want, err := hashContent(n.Data)
		if err != nil || e.Size != tree.SizeOf(n.Data) || !bytes.Equal(e.Sum, want) {
			d.list.addf(e.Path, Content, "%d bytes, SHA-1 %x, want %d, %x (%v)", e.Size, e.Sum, tree.SizeOf(n.Data), want, err)
		}
	}
}

// hashContent is the SHA-1 of all of a content. A medium says it of what it holds, and may be closed by
// now.
func hashContent(c tree.Content) ([]byte, error) {
	if blob, ok := c.(tree.Blob); ok {
		sum := blob.SHA1()
		return sum[:], nil
	}
	h := sha1.New()
	if _, err := io.Copy(h, tree.NewReader(c)); err != nil {
		return nil, fmt.Errorf("the tree's content: %w", err)
	}
	return h.Sum(nil), nil
}

// linkTarget is the printed name of a link or junction ([MS-FSCC] 2.1.2.4, 2.1.2.5), as Linux writes
// paths, and without drive and root.
func linkTarget(r *tree.Reparse) string {
	names := 8 // where they start
	if r.Tag == tagSymlink {
		names = 12
	}
	if len(r.Data) < names {
		return ""
	}
	off, size := int(binary.LittleEndian.Uint16(r.Data[4:])), int(binary.LittleEndian.Uint16(r.Data[6:]))
	if names+off+size > len(r.Data) {
		return ""
	}
	path := strings.ReplaceAll(utf16le.Decode(r.Data[names+off:names+off+size]), `\`, "/")
	if drive := strings.Index(path, ":/"); drive == 1 {
		path = path[3:]
	}
	return path
}
