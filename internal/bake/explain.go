package bake

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"syscall"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// explainWrite adds to a full disk what to do about it.
func explainWrite(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: the file system below output_directory is full; free some room or choose another output_directory", err)
	}
	return err
}

// isFull says whether there was no room, or no more for this user. Windows has error codes of its own:
// ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL.
func isFull(err error) bool {
	codes := []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}
	if runtime.GOOS == "windows" {
		codes = append(codes, 39, 112)
	}
	return slices.ContainsFunc(codes, func(c syscall.Errno) bool { return errors.Is(err, c) })
}

// nameContent adds to an error about a content which file of the image it belongs to, and where in
// the medium it is.
func (b *Bake) nameContent(err error) error {
	var c *tree.ContentError
	if !errors.As(err, &c) {
		return err
	}
	name := b.fileOf(c.Content)
	if blob, ok := c.Content.(tree.Blob); ok {
		name = fmt.Sprintf("%s (at offset %#x of %s)", name, blob.Position(), b.medium.Path)
	}
	return fault.In(name, c.Err)
}

// fileOf is a path that has the content.
func (b *Bake) fileOf(c tree.Content) string {
	if !reflect.TypeOf(c).Comparable() {
		return "a file" // such as bytes in memory, whose reading does not fail
	}
	for _, t := range []*tree.Tree{b.tree, b.boot.system} {
		if t == nil {
			continue
		}
		for path, e := range t.Walk() {
			if e.Node.Data == c || packedAs(e.Node.Data, c) {
				return path
			}
			for _, s := range e.Node.Streams {
				if s.Data == c {
					return path + ":" + s.Name
				}
			}
		}
	}
	return "a file"
}

// packedAs says whether c is the compressed form of data, or what that was made from.
func packedAs(data, c tree.Content) bool {
	p, ok := data.(tree.Packed)
	if !ok {
		return false
	}
	_, stored := p.Packed()
	return stored == c || p.Unpacked() == c
}
