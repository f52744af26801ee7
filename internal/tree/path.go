package tree

import (
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// CheckName says whether a name from a medium can stand in a directory: no empty name, no "." or
// "..", no separator, no NUL, not longer than MaxName. Characters that only Win32 forbids are
// allowed here, since NTFS and WIM hold them.
func CheckName(name string) error {
	switch {
	case name == "":
		return fault.Corruptf(fault.NoOffset, "empty file name")
	case name == "." || name == "..":
		return fault.Corruptf(fault.NoOffset, "file name %q would leave its directory", name)
	case strings.ContainsAny(name, "/\\\x00"):
		return fault.Corruptf(fault.NoOffset, "file name %q holds a separator or NUL", name)
	case len(name) > MaxName && utf16le.Len(name) > MaxName:
		return fault.Corruptf(fault.NoOffset, "file name %.40q... is longer than %d units", name, MaxName)
	}
	return nil
}

// checkNewName is CheckName for names that a user asks for: they must also be legal for Win32,
// else no Windows program could open the file ([MS-FSCC] 2.1.5).
func checkNewName(name string) error {
	if err := CheckName(name); err != nil {
		return fault.Invalidf("%q is not a usable file name", name)
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || strings.IndexByte(`<>:"|?*`, c) >= 0 {
			return fault.Invalidf("file name %q holds %q, which Windows does not allow", name, c)
		}
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fault.Invalidf("file name %q ends in a dot or space, which Windows does not allow", name)
	}
	if isDevice(name) {
		return fault.Invalidf("file name %q is that of a device, which Windows does not allow", name)
	}
	return nil
}

// isDevice says whether Win32 takes a name for a device, whatever its extension (Microsoft Learn,
// "Naming Files, Paths, and Namespaces").
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	digit, isPort := strings.CutPrefix(stem, "COM")
	if !isPort {
		digit, isPort = strings.CutPrefix(stem, "LPT")
	}
	return isPort && utf8.RuneCountInString(digit) == 1 && strings.Contains("0123456789¹²³", digit)
}

// Split cuts a '/' path into names. Like the shell, it ignores empty ones.
func Split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// Find returns the entry at path, or nil. The root has no entry; use Lookup for nodes.
func (t *Tree) Find(path string) *Entry {
	dir := t.Root
	var e *Entry
	for _, name := range Split(path) {
		if e = t.Child(dir, name); e == nil {
			return nil
		}
		dir = e.Node
	}
	return e
}

// Lookup returns the node at path. The error wraps fs.ErrNotExist and says how far the path went.
func (t *Tree) Lookup(path string) (*Node, error) {
	dir := t.Root
	names := Split(path)
	for i, name := range names {
		e := t.Child(dir, name)
		if e == nil {
			return nil, &fs.PathError{Op: "find", Path: path, Err: missing(names[:i], name)}
		}
		dir = e.Node
	}
	return dir, nil
}

func missing(done []string, name string) error {
	return errors.Join(fs.ErrNotExist, fault.Invalidf("no %q in /%s", name, strings.Join(done, "/")))
}

// MkdirAll returns the directory at path, making what is missing. New directories inherit their
// parent's security.
func (t *Tree) MkdirAll(path string) (*Node, error) {
	dir := t.Root
	for _, name := range Split(path) {
		if e := t.Child(dir, name); e != nil {
			if !e.Node.IsDir() {
				return nil, fault.Invalidf("%s: %q is a file, not a directory", path, name)
			}
			dir = e.Node
			continue
		}
		if err := checkNewName(name); err != nil {
			return nil, fault.In(path, err)
		}
		n := t.NewDirectory()
		n.Security = t.inherit(dir, true)
		if _, err := t.Link(dir, name, "", n); err != nil {
			return nil, fault.In(path, err)
		}
		dir = n
	}
	return dir, nil
}

// WriteFile puts data at path: a new file, with the directories it needs, or the new content of
// the file that is there, whose metadata and names stay. A replaced file that was a reparse point
// or had been compressed becomes a plain file.
func (t *Tree) WriteFile(path string, data Content) (*Node, error) {
	names := Split(path)
	if len(names) == 0 {
		return nil, fault.Invalidf("cannot write a file at %q: that is the root directory", path)
	}
	dir, err := t.MkdirAll(strings.Join(names[:len(names)-1], "/"))
	if err != nil {
		return nil, err
	}
	name := names[len(names)-1]
	if e := t.Child(dir, name); e != nil {
		if e.Node.IsDir() {
			return nil, fault.Invalidf("cannot write a file at %q: it is a directory", path)
		}
		t.replace(e.Node, data)
		return e.Node, nil
	}
	if err := checkNewName(name); err != nil {
		return nil, fault.In(path, err)
	}
	n := t.NewFile(data)
	n.Security = t.inherit(dir, false)
	_, err = t.Link(dir, name, "", n)
	return n, err
}

func (t *Tree) replace(n *Node, data Content) {
	n.Data = data
	n.Modified = t.Now
	n.Attributes &^= AttrReparsePoint | AttrCompressed | AttrSparse | AttrEncrypted
	if n.Extra != nil {
		n.Extra.Reparse = nil
	}
}

// Remove takes the file or directory at path away, with everything under it. A path that is not
// there is an error that wraps fs.ErrNotExist.
func (t *Tree) Remove(path string) error {
	e := t.Find(path)
	if e == nil {
		_, err := t.Lookup(path)
		if err == nil {
			return fault.Invalidf("the root directory cannot be removed")
		}
		return err
	}
	t.removeAll(e)
	return nil
}

func (t *Tree) removeAll(e *Entry) {
	// Only nodes with other names elsewhere care that their entries vanish.
	for _, child := range append([]*Entry(nil), t.Entries(e.Node)...) {
		t.removeAll(child)
	}
	t.Unlink(e)
}

// Walk yields every entry below the root with its path, depth first in collation order; a
// directory comes before what is in it.
func (t *Tree) Walk() iter.Seq2[string, *Entry] {
	return func(yield func(string, *Entry) bool) {
		t.walk(t.Root, "", yield)
	}
}

func (t *Tree) walk(dir *Node, prefix string, yield func(string, *Entry) bool) bool {
	for _, e := range t.Entries(dir) {
		path := prefix + e.Name
		if !yield(path, e) {
			return false
		}
		if e.Node.IsDir() && !t.walk(e.Node, path+"/", yield) {
			return false
		}
	}
	return true
}

// Path returns one path of the node: that of its first name. The root is "".
func (n *Node) Path() string {
	if len(n.Names) == 0 {
		return ""
	}
	e := n.Names[0]
	if parent := e.Parent.Path(); parent != "" {
		return parent + "/" + e.Name
	}
	return e.Name
}

// CopyInto copies the directory src of the tree from (its files, not their other names) to path
// in t. Contents are shared, not read. Security descriptors come along.
func (t *Tree) CopyInto(path string, from *Tree, src *Node) error {
	dst, err := t.MkdirAll(path)
	if err != nil {
		return err
	}
	for _, e := range from.Entries(src) {
		sub := strings.TrimPrefix(path+"/"+e.Name, "/")
		if e.Node.IsDir() {
			if err := t.CopyInto(sub, from, e.Node); err != nil {
				return err
			}
			continue
		}
		if err := t.copyFile(dst, e.Name, e.Short, from, e.Node); err != nil {
			return fault.In(sub, err)
		}
	}
	return nil
}

// CopyFile copies the file src of the tree from (which may be t) to path in t, in place of what is
// there, and returns the copy. Its content is shared, not read; its security descriptor and its
// attributes come along, its names do not.
func (t *Tree) CopyFile(path string, from *Tree, src *Node) (*Node, error) {
	names := Split(path)
	if len(names) == 0 || src.IsDir() {
		return nil, fault.Invalidf("cannot copy a file to %q: both must be files", path)
	}
	name := names[len(names)-1]
	dir, err := t.MkdirAll(strings.Join(names[:len(names)-1], "/"))
	if err != nil {
		return nil, err
	}
	if err := t.copyFile(dir, name, "", from, src); err != nil {
		return nil, fault.In(path, err)
	}
	return t.Child(dir, name).Node, nil
}

// copyFile puts a copy of src into dir, in place of what has that name. Only the content is shared:
// an edit of one of the two must not change the other.
func (t *Tree) copyFile(dir *Node, name, short string, from *Tree, src *Node) error {
	if old := t.Child(dir, name); old != nil {
		if old.Node == src {
			return nil
		}
		t.removeAll(old)
	}
	n := *src
	n.Names = nil
	n.Streams = slices.Clone(src.Streams)
	if src.Extra != nil {
		extra := *src.Extra
		extra.ObjectID = nil // it names one file of a volume; Windows gives a copy none either
		n.Extra = &extra
	}
	n.Security = NoSecurity
	if sd := from.Descriptor(src); sd != nil {
		n.Security = t.AddSecurity(sd)
	}
	if short != "" && dir.hasName(short) {
		short = ""
	}
	_, err := t.Link(dir, name, short, &n)
	return err
}

// hasName says whether name is a long or short name in the directory. A second file with the same
// short name would break the directory's index.
func (n *Node) hasName(name string) bool {
	for _, first := range n.dir.byName {
		for e := first; e != nil; e = e.twin {
			if strings.EqualFold(e.Name, name) || strings.EqualFold(e.Short, name) {
				return true
			}
		}
	}
	return false
}
