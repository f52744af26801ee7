package ntfs_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/winbake/packer-plugin-winbake/internal/codec/filetime"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// compareTree fails the test unless the volume holds the tree: every name, and every thing that a
// node can have.
func compareTree(t *testing.T, v *checked, want *tree.Tree) {
	t.Helper()
	c := comparer{t: t, v: v, want: want, records: map[*tree.Node]*checkedFile{}}
	c.directory("", want.Root, v.files[5])
}

type comparer struct {
	t       *testing.T
	v       *checked
	want    *tree.Tree
	records map[*tree.Node]*checkedFile
}

func (c *comparer) directory(path string, dir *tree.Node, f *checkedFile) {
	c.node(path, dir, f)
	byName := map[string]checkedName{}
	for _, n := range c.v.children[f.record] {
		if n.space != 2 && (f.record != 5 || n.file.record >= 64) {
			byName[n.name] = n
		}
	}
	for _, e := range c.want.Entries(dir) {
		sub := path + "/" + e.Name
		n, ok := byName[e.Name]
		if !ok {
			c.t.Errorf("%s: is not on the volume", sub)
			continue
		}
		delete(byName, e.Name)
		if e.Short != "" && n.space == 1 && !c.hasShort(f, n.file, e.Short) {
			c.t.Errorf("%s: short name %q is not on the volume", sub, e.Short)
		}
		if first, ok := c.records[e.Node]; ok {
			if first != n.file {
				c.t.Errorf("%s: is another file than its other names", sub)
			}
			continue
		}
		c.records[e.Node] = n.file
		if e.Node.IsDir() {
			c.directory(sub, e.Node, n.file)
		} else {
			c.node(sub, e.Node, n.file)
		}
	}
	for name := range byName {
		c.t.Errorf("%s/%s: is not in the tree", path, name)
	}
}

func (c *comparer) hasShort(dir, f *checkedFile, short string) bool {
	return slices.ContainsFunc(c.v.children[dir.record], func(n checkedName) bool {
		return n.space == 2 && n.file == f && n.name == short
	})
}

func (c *comparer) node(path string, n *tree.Node, f *checkedFile) {
	si := f.find(0x10, "").value
	times := []filetime.Time{n.Created, n.Modified, n.Modified, n.Accessed}
	for i, want := range times {
		if got := filetime.Time(le.Uint64(si[8*i:])); got != want {
			c.t.Errorf("%s: time %d is %d, want %d", path, i, got, want)
		}
	}
	stored := uint32(0x3127 | 0xFF8000)
	if got, want := le.Uint32(si[32:])&stored, n.Attributes&stored; got != want {
		c.t.Errorf("%s: attributes %#x, want %#x", path, got, want)
	}
	if got, want := c.v.descriptors[le.Uint32(si[52:])], c.want.Descriptor(n); want != nil && !bytes.Equal(got, want) {
		c.t.Errorf("%s: security descriptor differs", path)
	}
	if (f.flags&2 != 0) != n.IsDir() {
		c.t.Errorf("%s: record flags are %#x", path, f.flags)
	}
	if !n.IsDir() {
		c.content(path, f.find(0x80, ""), n.Data)
	}
	c.streams(path, n, f)
	c.extra(path, n, f)
}

func (c *comparer) streams(path string, n *tree.Node, f *checkedFile) {
	left := 0
	for _, a := range f.all(0x80) {
		if a.name != "" {
			left++
		}
	}
	for _, s := range n.Streams {
		c.content(path+":"+s.Name, f.find(0x80, s.Name), s.Data)
		left--
	}
	if left != 0 {
		c.t.Errorf("%s: %d streams too many", path, left)
	}
}

func (c *comparer) content(path string, a *checkedAttr, want tree.Content) {
	if a == nil {
		c.t.Errorf("%s: has no data", path)
		return
	}
	b, err := io.ReadAll(tree.NewReader(want))
	if err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Equal(c.v.contents(a), b) {
		c.t.Errorf("%s: content differs", path)
	}
	if !a.resident && len(a.runs) != 1 && c.v.badClusters == 0 {
		c.t.Errorf("%s: runs %v", path, a.runs)
	}
}

func (c *comparer) extra(path string, n *tree.Node, f *checkedFile) {
	x := n.Extra
	if x == nil {
		x = &tree.Extra{}
	}
	value := func(typ uint32) []byte {
		if a := f.find(typ, ""); a != nil {
			return c.v.contents(a)
		}
		return nil
	}
	c.objectID(path, f, x.ObjectID)
	got := value(0xC0)
	switch {
	case (got != nil) != (x.Reparse != nil):
		c.t.Errorf("%s: reparse point is % x, want %v", path, got, x.Reparse)
	case got != nil && (le.Uint32(got) != x.Reparse.Tag || !bytes.Equal(got[8:], x.Reparse.Data)):
		c.t.Errorf("%s: reparse point is % x, want %v", path, got, x.Reparse)
	}
	if eas := decodeEAs(value(0xE0)); !slices.EqualFunc(eas, x.EA, equalEA) {
		c.t.Errorf("%s: extended attributes are %v, want %v", path, eas, x.EA)
	}
	if info := value(0xD0); info != nil {
		packed := 0
		for _, ea := range x.EA {
			packed += 5 + len(ea.Name) + len(ea.Value)
		}
		if int(le.Uint16(info)) != packed || int(le.Uint32(info[4:])) != len(value(0xE0)) {
			c.t.Errorf("%s: $EA_INFORMATION is % x", path, info)
		}
	}
}

// objectID compares the id, and the birth ids if the tree has some: the attribute has only the id.
func (c *comparer) objectID(path string, f *checkedFile, want []byte) {
	a := f.find(0x40, "")
	if a == nil || want == nil {
		if (a == nil) != (want == nil) {
			c.t.Errorf("%s: object id %v, want % x", path, a, want)
		}
		return
	}
	births := c.v.births[f.record]
	if len(want) == 16 {
		want = slices.Concat(want, make([]byte, 16), want, make([]byte, 16))
	}
	if got := slices.Concat(a.value, births); !bytes.Equal(got, want) {
		c.t.Errorf("%s: object id and birth ids are % x, want % x", path, got, want)
	}
}

func decodeEAs(b []byte) []tree.EA {
	var out []tree.EA
	for len(b) > 0 {
		name := b[8 : 8+int(b[5])]
		value := b[9+len(name) : 9+len(name)+int(le.Uint16(b[6:]))]
		out = append(out, tree.EA{Name: string(name), Value: value, NeedEA: b[4] == 0x80})
		b = b[le.Uint32(b):]
	}
	return out
}

func equalEA(a, b tree.EA) bool {
	return a.Name == b.Name && a.NeedEA == b.NeedEA && bytes.Equal(a.Value, b.Value)
}
