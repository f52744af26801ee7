package offline

import (
	"context"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// hello tells winbake's provisioners that they talk to an image.
func hello(context.Context, *tree.Tree, []byte) ([]byte, error) { return []byte(edit.Hello), nil }

// Edit makes the edits that the builder's own configuration asks for, and returns what the person at
// the terminal should know.
func (c *Communicator) Edit(ctx context.Context, items []edit.Item) (notes []string, err error) {
	err = c.with(func(t *tree.Tree) error {
		notes, err = edit.Apply(ctx, t, c.Store, items)
		return err
	})
	return notes, err
}

// edit answers the provisioners' requests to change the image.
func (c *Communicator) edit(ctx context.Context, t *tree.Tree, request []byte) ([]byte, error) {
	return edit.Serve(ctx, t, c.Store, request)
}
