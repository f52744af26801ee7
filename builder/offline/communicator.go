// Package offline is Packer's communicator for an image that is not running: it copies files into
// and out of the tree of the bake, so that provisioners such as Packer's own "file" work as they do
// with a machine.
//
// Nothing can be run in such an image. A command is answered with an explanation and exit code
// 126, except for the requests by which winbake's own provisioners change the image (package edit).
package offline

import (
	"context"
	"io"
	"io/fs"
	"os"
	"sync"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Communicator implements packersdk.Communicator on a tree. Its methods may be called at any time
// and from any goroutine: Packer promises nothing else, and lets a provisioner run on for a while
// after the build was cancelled. After Close they all fail.
type Communicator struct {
	ctx    context.Context // of the bake: Packer's own does not cross process borders
	cancel context.CancelFunc
	spool  spool

	mu       sync.Mutex // guards all below
	tree     *tree.Tree // nil after Close
	handlers map[string]Handler
}

var _ packersdk.Communicator = (*Communicator)(nil)

// New returns a communicator for the tree, which it alone may change until Close. The context is
// that of the whole bake.
func New(ctx context.Context, t *tree.Tree) *Communicator {
	ctx, cancel := context.WithCancel(ctx)
	c := &Communicator{ctx: ctx, cancel: cancel, tree: t}
	c.handlers = map[string]Handler{edit.HelloCommand: hello, edit.Command: c.edit}
	return c
}

// Close ends everything under way and removes the uploaded files from the temporary directory, so
// it must come after the image is written. A second Close does nothing.
func (c *Communicator) Close() error {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tree = nil
	return c.spool.close()
}

// Store keeps what r holds until Close, for an edit that makes a content of its own.
func (c *Communicator) Store(r io.Reader) (tree.Content, error) {
	return c.spool.store(contextReader{c.ctx, r})
}

// with calls f with the tree, alone.
func (c *Communicator) with(f func(*tree.Tree) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tree == nil || c.ctx.Err() != nil {
		return errClosed
	}
	return f(c.tree)
}

// Upload puts a file into the image. Missing directories are made. A path that names a directory,
// or ends in a slash, means that directory, if info tells the file's name. The file's times are
// those of the bake, not of the host, so that the same inputs give the same image; a file that is
// not writable for its owner becomes read-only.
func (c *Communicator) Upload(path string, r io.Reader, info *os.FileInfo) error {
	p, err := parsePath(path)
	if err != nil {
		return err
	}
	content, err := c.Store(r)
	if err != nil {
		return fault.In(path, err)
	}
	return c.with(func(t *tree.Tree) error {
		p, err := fileDestination(t, p, info)
		if err != nil {
			return err
		}
		_, err = writeFile(t, p, content, readOnly(info))
		return err
	})
}

// fileDestination is where a single file goes: p itself, or a name inside the directory p.
func fileDestination(t *tree.Tree, p guestPath, info *os.FileInfo) (guestPath, error) {
	n, _ := t.Lookup(p.String())
	if !p.dir && (n == nil || !n.IsDir()) {
		return p, nil
	}
	if info == nil || *info == nil || (*info).Name() == "" {
		return p, fault.Invalidf("%s is a directory; add the name that the file shall have in it", p.windows())
	}
	return p.join((*info).Name()), nil
}

func readOnly(info *os.FileInfo) bool {
	return info != nil && *info != nil && (*info).Mode().IsRegular() && (*info).Mode().Perm()&0o200 == 0
}

func writeFile(t *tree.Tree, p guestPath, content tree.Content, readOnly bool) (*tree.Node, error) {
	if err := checkNoLinks(t, p); err != nil {
		return nil, err
	}
	n, err := t.WriteFile(p.String(), content)
	if err != nil {
		return nil, fault.In(p.windows(), err)
	}
	n.Attributes &^= tree.AttrReadOnly
	if readOnly {
		n.Attributes |= tree.AttrReadOnly
	}
	return n, nil
}

// checkNoLinks refuses a path whose directories include a junction or symbolic link: the tree does
// not follow them, and a link cannot hold files.
func checkNoLinks(t *tree.Tree, p guestPath) error {
	dir := t.Root
	for i, name := range p.names {
		e := t.Child(dir, name)
		if e == nil {
			return nil
		}
		if e.Node.IsDir() && e.Node.Reparse() != nil {
			at := guestPath{names: p.names[:i+1]}
			return fault.Invalidf("%s is a junction or symbolic link; name the directory that it leads to", at.windows())
		}
		dir = e.Node
	}
	return nil
}

// Download copies a file of the image to w.
func (c *Communicator) Download(path string, w io.Writer) error {
	p, err := parsePath(path)
	if err != nil {
		return err
	}
	var content tree.Content
	err = c.with(func(t *tree.Tree) error {
		n, err := find(t, p)
		if err != nil {
			return err
		}
		content, err = fileContent(n, p)
		return err
	})
	if err != nil {
		return err
	}
	return c.copyOut(p, w, content)
}

// copyOut writes a content to the host; contents may be read while the tree changes.
func (c *Communicator) copyOut(p guestPath, w io.Writer, content tree.Content) error {
	_, err := io.Copy(w, contextReader{c.ctx, tree.NewReader(content)})
	return fault.In(p.windows(), err)
}

func find(t *tree.Tree, p guestPath) (*tree.Node, error) {
	if err := checkNoLinks(t, p); err != nil {
		return nil, err
	}
	n, err := t.Lookup(p.String())
	if err != nil {
		return nil, &fs.PathError{Op: "download", Path: p.windows(), Err: fs.ErrNotExist}
	}
	return n, nil
}

func fileContent(n *tree.Node, p guestPath) (tree.Content, error) {
	switch {
	case n.IsDir():
		return nil, fault.Invalidf("%s is a directory; end the path in a slash to download what it holds", p.windows())
	case n.Reparse() != nil:
		return nil, fault.Invalidf("%s is a symbolic link or another reparse point, not a file with content of its own", p.windows())
	}
	return n.Data, nil
}

// contextReader fails when the bake has ended, so that no copy outlives it by more than a read.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, errClosed
	}
	return r.r.Read(p)
}
