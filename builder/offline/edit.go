package offline

import (
	"context"

	"github.com/winbake/packer-plugin-winbake/internal/bake/edit"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// hello tells winbake's provisioners that they talk to an image.
func hello(context.Context, *tree.Tree, []byte) ([]byte, error) { return []byte(edit.Hello), nil }

// edit answers the provisioners' requests to change the image.
func (c *Communicator) edit(ctx context.Context, t *tree.Tree, request []byte) ([]byte, error) {
	return edit.Serve(ctx, t, c.Store, request)
}
