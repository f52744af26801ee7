package tree

import "github.com/winbake/packer-plugin-winbake/internal/codec/secdesc"

// inherit returns the descriptor that Windows would give to something new in dir. NoSecurity when
// dir has none or nothing passes on; the volume's default then applies.
func (t *Tree) inherit(dir *Node, container bool) SecurityID {
	child, ok := secdesc.Inherit(t.Descriptor(dir), container)
	if !ok {
		return NoSecurity
	}
	return t.AddSecurity(child)
}
