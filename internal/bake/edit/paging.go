package edit

import "github.com/winbake/packer-plugin-winbake/internal/windows/paging"

// Paging sets the page file, and what goes with it.
type Paging struct {
	paging.Settings
}

// Apply makes the settings in every control set.
func (e *Paging) Apply(i *Image) error { return paging.Apply(i.Tree, i.Registry, e.Settings) }
