package unattend

import (
	"bytes"
	"fmt"

	"github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Path is where the first boot finds its answer file in the tree of a Windows volume.
const Path = "Windows/Panther/unattend.xml"

// preferred are the files that Windows prefers to Path. At the beginning of each pass it would take one
// of them again, passwords and all.
var preferred = []string{"Windows/Panther/Unattend/Unattend.xml", "Windows/Panther/Unattend/Autounattend.xml"}

// private is the security of files that may hold a secret: SYSTEM and Administrators have full access,
// nobody else has any, and none is inherited.
var private = secdesc.BuildProtected(secdesc.Administrators, secdesc.LocalSystem,
	secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.LocalSystem},
	secdesc.ACE{Mask: secdesc.FullControl, SID: secdesc.Administrators},
)

// Install puts an answer file, which Check should have seen, into the image at Path, readable for SYSTEM
// and Administrators only. It replaces the one that is there, and removes those that Windows would prefer;
// the notes tell of what went.
func Install(t *tree.Tree, data []byte) (notes []string, err error) {
	if len(data) > maxSize {
		return nil, fault.Invalidf("the answer file is %d bytes long; it may have %d", len(data), maxSize)
	}
	for _, path := range preferred {
		e := t.Find(path)
		if e == nil {
			continue
		}
		notes = append(notes, fmt.Sprintf("removed %s, which Windows would have used instead of the new answer file", e.Node.Path()))
		if err := t.Remove(path); err != nil {
			return nil, err
		}
	}
	if err := writePrivate(t, Path, data); err != nil {
		return nil, err
	}
	return notes, nil
}

// Read returns the answer file at Path, to Merge something into it. It is nil where there is none, and
// where there is only the copy that Windows has worked off: of that, nothing would be done again, and its
// passwords are gone. A file that cannot be read as an answer file is an error.
func Read(t *tree.Tree) ([]byte, error) {
	e := t.Find(Path)
	if e == nil || e.Node.IsDir() {
		return nil, nil
	}
	data, err := tree.ReadAll(e.Node.Data, maxSize)
	if err != nil {
		return nil, fault.In(Path, err)
	}
	d, err := parse(data)
	if err != nil {
		return nil, fault.In(Path, err)
	}
	if d.processed() != "" {
		return nil, nil
	}
	return data, nil
}

// writePrivate makes a new file at path, in place of one that may be there: other names of that keep its
// content.
func writePrivate(t *tree.Tree, path string, data []byte) error {
	if e := t.Find(path); e != nil && !e.Node.IsDir() {
		if err := t.Remove(path); err != nil {
			return err
		}
	}
	n, err := t.WriteFile(path, tree.Bytes(bytes.Clone(data)))
	if err != nil {
		return err
	}
	n.Security = t.AddSecurity(private)
	return nil
}
