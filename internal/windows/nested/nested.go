// Package nested changes the images of a WIM that is itself a file of an image: the recovery
// environment, which Windows keeps as Winre.wim and starts from memory.
package nested

import (
	"context"
	"errors"
	"io"
	"os"
	"path"

	"github.com/winbake/packer-plugin-winbake/internal/codec/guid"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/wim"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// winRE are the places of the recovery environment: the one it has until Windows sets it up, and, on a
// disk that Windows was installed on, the one it gets then.
var winRE = []string{"Windows/System32/Recovery/Winre.wim", "Recovery/WindowsRE/Winre.wim"}

// WinRE returns the path of the recovery environment in a tree, "" if there is none.
func WinRE(t *tree.Tree) string {
	for _, p := range winRE {
		if e := t.Find(p); e != nil && !e.Node.IsDir() && tree.SizeOf(e.Node.Data) > 0 {
			return p
		}
	}
	return ""
}

// Store reads a content to its end and keeps it until the disk is written.
type Store func(io.Reader) (tree.Content, error)

// Edit opens the WIM at file and hands each of its images to edit, which says whether it has changed the
// image's tree. If it has changed any, the WIM is written anew, uncompressed, with all images, and takes
// the place of the old one in t; else t stays as it is.
//
// What the WIM says of its images is kept, and so are the image that boot loaders start and the metadata
// of the file. Its identifier is another one, which depends on the old one alone. The new WIM is in a
// temporary file for as long as store reads it; it has the size of all that the old one holds unpacked.
func Edit(ctx context.Context, t *tree.Tree, file string, store Store, edit func(image wim.Image, t *tree.Tree) (changed bool, err error)) error {
	return fault.In(file, editFile(ctx, t, file, store, edit))
}

func editFile(ctx context.Context, t *tree.Tree, file string, store Store, edit func(wim.Image, *tree.Tree) (bool, error)) error {
	n, err := t.Lookup(file)
	if err != nil {
		return err
	}
	if n.IsDir() || n.Data == nil {
		return fault.Invalidf("not a WIM: it is a folder, or an empty file")
	}
	f, err := wim.NewFile(n.Data, n.Data.Size(), path.Base(file))
	if err != nil {
		return err
	}
	var sources []wim.ImageSource
	dirty := false
	for _, image := range f.Images() {
		inside, err := f.Tree(image.Index)
		if err != nil {
			return err
		}
		inside.Now = t.Now
		changed, err := edit(image, inside)
		if err != nil {
			return err
		}
		dirty = dirty || changed
		sources = append(sources, wim.ImageSource{Tree: inside, Info: image})
	}
	if !dirty {
		return nil
	}
	id := f.GUID()
	content, err := write(ctx, store, sources, wim.WriteOptions{
		GUID: guid.Derive(id[:], "nested"), BootIndex: f.BootIndex(), RPFix: f.RPFix(), Integrity: f.Integrity(),
	})
	if err != nil {
		return err
	}
	_, err = t.WriteFile(file, content)
	return err
}

// write writes a WIM by way of a temporary file: a WIM is not written from its start to its end.
func write(ctx context.Context, store Store, sources []wim.ImageSource, opts wim.WriteOptions) (content tree.Content, err error) {
	f, err := os.CreateTemp("", "winbake-*.wim")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	size, err := wim.Write(ctx, f, sources, opts)
	if err != nil {
		return nil, err
	}
	return store(io.NewSectionReader(f, 0, size))
}
