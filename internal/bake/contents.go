package bake

import (
	"context"
	"crypto/sha1"
	"io"
	"runtime"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/bake/layout"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/format/ntfs"
	"github.com/winbake/packer-plugin-winbake/internal/ordered"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// verifyContents reads the files of the Windows volume back through the NTFS reader, which decodes
// what is compressed, and compares their SHA-1 with the medium's.
func (b *Bake) verifyContents(ctx context.Context, disk io.ReaderAt) error {
	part := b.disk.Find(layout.Windows)
	v, err := ntfs.Open(io.NewSectionReader(disk, part.Offset, part.Size), part.Size)
	if err != nil {
		return err
	}
	written, err := v.Tree()
	if err != nil {
		return err
	}
	streams := allStreams(b.tree)
	var total, done int64
	for _, s := range streams {
		total += s.content.Size()
	}
	const depth = 64
	return ordered.Run(ctx, runtime.GOMAXPROCS(0), depth, slices.Values(streams),
		func(s *writtenStream) error {
			return fault.In(s.path, s.compare(written))
		},
		func(s *writtenStream) error {
			done += s.content.Size()
			b.c.Progress.Advance(done, total)
			return nil
		})
}

// writtenStream is a stream that must be on the volume.
type writtenStream struct {
	path, name string
	content    tree.Content
}

// allStreams lists the streams of a tree that are not empty.
func allStreams(t *tree.Tree) (all []*writtenStream) {
	for _, n := range t.Nodes() {
		if tree.SizeOf(n.Data) > 0 {
			all = append(all, &writtenStream{n.Path(), "", n.Data})
		}
		for _, s := range n.Streams {
			if tree.SizeOf(s.Data) > 0 {
				all = append(all, &writtenStream{n.Path(), s.Name, s.Data})
			}
		}
	}
	return all
}

// compare finds the stream in what was written.
func (s *writtenStream) compare(written *tree.Tree) error {
	n, err := written.Lookup(s.path)
	if err != nil {
		return err
	}
	content := n.Data
	if s.name != "" {
		content = nil
		for _, other := range n.Streams {
			if other.Name == s.name {
				content = other.Data
			}
		}
	}
	got, err := sum(content)
	if err != nil {
		return err
	}
	if blob, ok := s.content.(tree.Blob); ok {
		return tree.CheckSum(got, blob.SHA1())
	}
	want, err := sum(s.content)
	if err != nil {
		return err
	}
	return tree.CheckSum(got, [sha1.Size]byte(want))
}

// sum is the SHA-1 of a content.
func sum(c tree.Content) ([]byte, error) {
	h := sha1.New()
	_, err := io.Copy(h, tree.NewReader(c))
	return h.Sum(nil), err
}
